import pytest

from cli.demo import QUERIES
from warehouse.connection import open_writer


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_that_the_demo_prints_runs(title: str, query: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert title
    with open_writer(tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb") as connection:
        assert connection.sql(query).fetchall() == []
