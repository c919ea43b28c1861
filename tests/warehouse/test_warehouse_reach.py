"""A typed query reaches the warehouse and nothing else, however it is written."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from postgres_server import PASSWORD, PostgresServer
from warehouse_places import lake_in

from pmfer.errors import WarehouseError
from warehouse.address import Address, LakeAddress
from warehouse.ask import ask, check, confine
from warehouse.connection import is_made, open_reader

# What an attacker would want to run; PLACES are the positions in a query where it could be.
REACHING = (
    "sqlite_query('__ducklake_metadata_warehouse', 'DELETE FROM ducklake_snapshot RETURNING 1')",
    "postgres_scan('host=127.0.0.1', 'public', 'secrets')",
    "postgres_execute/* a comment */('x', 'y')",
    "\"ducklake_cleanup_old_files\"('warehouse', cleanup_all => true)",
    "system.main.ducklake_expire_snapshots('warehouse', older_than => now())",
    "warehouse.set_option('expire_older_than', '1 day')",
    "query-- a comment\n('FROM postgres_' || 'scan()')",
    "Query_Table('patients')",
    "json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "histogram_values('patients', patient_id)",
    "session_rollups_of('__ducklake_metadata_warehouse.ducklake_snapshot')",
    "session_rollups_of(frame_rows := 'frame_' || 'scores')",
    "read_parquet('{lake}/**/*.parquet')",
    "parquet_metadata('{lake}/x.parquet')",
    "glob('{lake}/**')",
    "arrow_scan(1, 2, 3)",
    "enable_logging()",
    "duckdb_secrets()",
    "'{lake}/x.parquet'",
    "'x.csv.gz'",
    '"https://127.0.0.1/x.csv"',
    "__ducklake_metadata_warehouse.ducklake_data_file",
    '"__ducklake_metadata_warehouse".main."ducklake_data_file"',
)
PLACES = (
    "FROM {0}",
    "EXPLAIN ANALYZE FROM {0}",
    "DESCRIBE FROM {0}",
    "SUMMARIZE (FROM {0})",
    "PIVOT (FROM {0}) ON a IN (1) USING count(*)",
    "UNPIVOT (FROM {0}) ON a",
    "FROM patients, LATERAL (FROM {0})",
    "FROM patients AS a JOIN patients AS b ON EXISTS (FROM {0})",
    "FROM patients AT (VERSION => (FROM {0}))",
    "WITH RECURSIVE a AS (SELECT 1 UNION ALL FROM {0}) FROM a",
    "SELECT 1 UNION BY NAME FROM {0}",
    "VALUES ((FROM {0}))",
    "SELECT * REPLACE ((FROM {0}) AS patient_id) FROM patients",
    "SELECT list_transform([1], lambda x: (FROM {0}))",
    "SELECT count(*) FILTER (EXISTS (FROM {0})) OVER (ORDER BY (FROM {0})) FROM patients",
    "SELECT 1 GROUP BY ROLLUP ((FROM {0})) HAVING (FROM {0}) QUALIFY (FROM {0}) ORDER BY (FROM {0}) LIMIT (FROM {0})",
)
NO_READING = (
    "EXPLAIN /* a comment */ ANALYZE FROM sqlite_query('a', 'b')",
    "/* é */ EXPLAIN ANALYZE FROM sqlite_query('a', 'b')",
    "PRAGMA json_execute_serialized_sql('{}')",
    "PRAGMA import_database('x')",
    "SELECT json_serialize_plan('FROM postgres_scan(''host=127.0.0.1'', ''a'', ''b'')')",
    "SELECT write_log('x')",
    'FROM (WITH "x.parquet" AS (SELECT 1) SELECT 1), "x.parquet"',
    "SHOW TABLES FROM __ducklake_metadata_warehouse",
    "PIVOT patients ON patient_id USING count(*)",
    "CALL query('SELECT 1')",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "WITH x AS (SELECT 1) INSERT INTO patients FROM x",
    "SELECT 1\0; DROP TABLE patients",
    "SELECT 1; DROP TABLE patients",
    "EXPLAIN SELECT 1; DROP TABLE patients",
    "COPY (SELECT 1) TO '{lake}/x'",
    "SET threads = 1",
)
READING = {
    "FROM patients": ["patients"],
    'SELECT count(*), Max(PATIENT_ID) FROM "warehouse".main.Patients': ["patients"],
    'WITH "a week" AS (FROM warehouse.patients) SELECT patient_id.upper() FROM "a week"': ["patients"],
    "EXPLAIN ANALYZE FROM patients": ["patients"],
    "SUMMARIZE patients": ["patients"],
    "SHOW TABLES": [],
    "PIVOT patients ON patient_id IN ('p1') USING count(*)": ["patients"],
    "FROM phrase_quantiles_of('frame_extra_scores')": ["frame_extra_scores", "phrase_quantiles_of"],
    "SELECT column_name FROM duckdb_columns(), information_schema.schemata": [],
    """SELECT [x + 1 FOR x IN [1]], 'a' SIMILAR TO 'b', '{}'::JSON ->> 'x', extract(year FROM now()), 2 ** 3,
    now() AT TIME ZONE 'UTC', percentile_cont(0.5) WITHIN GROUP (ORDER BY 1), map {'a': 1}, ifnull(NULL, 2),
    trim(BOTH 'x' FROM 'y'), sum(DISTINCT 1) OVER (), unnest([1])""": [],
}


@pytest.fixture(scope="module")
def lake(empty_lake: LakeAddress) -> LakeAddress:
    """An empty lake. No test changes it."""
    return empty_lake


@pytest.fixture(scope="module")
def reader(lake: LakeAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_reader(lake) as connection:
        confine(connection, lake, tmp_path_factory.mktemp("spill"))
        yield connection


def test_what_reaches_elsewhere_is_refused(reader: duckdb.DuckDBPyConnection, lake: LakeAddress) -> None:
    for reaching in REACHING:
        with pytest.raises(WarehouseError, match=r"outside the warehouse|not a table or view|name of a table"):
            check(reader, f"FROM {reaching}".replace("{lake}", lake.data))


def test_it_is_refused_wherever_it_stands(reader: duckdb.DuckDBPyConnection) -> None:
    for place in PLACES:
        check(reader, place.replace("{0}", "range(1)"))
        with pytest.raises(WarehouseError, match=r"outside the warehouse"):
            check(reader, place.replace("{0}", "sqlite_scan('a', 'b')"))


def test_what_does_not_read_is_refused(reader: duckdb.DuckDBPyConnection, lake: LakeAddress) -> None:
    for query in NO_READING:
        with pytest.raises(WarehouseError, match=r"^query.*: "):
            check(reader, query.replace("{lake}", lake.data))


def test_what_reads_is_let_through_and_its_tables_are_named(reader: duckdb.DuckDBPyConnection) -> None:
    for text, reads in READING.items():
        query = check(reader, text)
        assert query.reads == reads, text
        for _ in ask(reader, query).batches():
            pass


def test_an_empty_database_of_postgres_is_no_lake_yet(
    postgres: PostgresServer, new_warehouse: Callable[[str, Path], Address], tmp_path: Path
) -> None:
    assert not is_made(lake_in(tmp_path, f"ducklake:postgres:{postgres.create_database('nothing_yet')}"))
    assert is_made(new_warehouse("postgres", tmp_path / "data"))


def test_a_role_of_postgres_that_may_only_read_is_enough_for_a_reader(
    postgres: PostgresServer, new_warehouse: Callable[[str, Path], Address], tmp_path: Path
) -> None:
    address = new_warehouse("postgres", tmp_path / "data")
    assert isinstance(address, LakeAddress)
    name = address.connection.rpartition("dbname=")[2]
    password = PASSWORD.replace("'", "''")
    for statement in (
        f"CREATE ROLE analyst LOGIN PASSWORD '{password}'",
        "ALTER ROLE analyst SET default_transaction_read_only = on",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO analyst",
    ):
        postgres.execute(name, statement)
    analyst = replace(address, connection=address.connection.replace("user=pmfer", "user=analyst"))
    with open_reader(analyst) as connection:
        assert connection.execute("SELECT count(*) FROM patients").fetchall() == [(0,)]
        with pytest.raises(duckdb.Error, match=r"permission denied|read-only"):  # past the wall, as check is not asked
            connection.execute(
                "CALL postgres_execute('__ducklake_metadata_warehouse', "
                "'SET default_transaction_read_only = off; DELETE FROM ducklake_snapshot')"
            )
