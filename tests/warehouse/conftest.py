from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from warehouse.connection import open_writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's warehouse is."""
    return tmp_path / "data" / "warehouse.duckdb"


@pytest.fixture
def writer(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A fresh warehouse, open for writing."""
    with open_writer(path) as connection:
        yield connection
