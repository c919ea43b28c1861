from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from warehouse_copies import copy_warehouse

from cli.demo import QUERIES
from warehouse.address import FileAddress
from warehouse.connection import open_writer


@pytest.fixture(scope="module")
def connection(
    empty_file: FileAddress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty warehouse."""
    folder: Path = tmp_path_factory.mktemp("demo")
    address = FileAddress(folder / "warehouse.duckdb", folder / "published.duckdb")
    copy_warehouse(empty_file, address)
    with open_writer(address) as opened:
        yield opened


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_that_the_demo_prints_runs(title: str, query: str, connection: duckdb.DuckDBPyConnection) -> None:
    assert title
    assert connection.sql(query).fetchall() == []
