"""Helpers for running SQL: the .sql files of this room, quoting, batches, extensions, the database and its tables.

The files are migrations, contracts, and the few queries that are too long to be in Python modules.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

ROOM = Path(__file__).parent


def query(name: str) -> str:
    """Text of `queries/NAME.sql`."""
    return (ROOM / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def bookkeeping() -> str:
    """SQL of the tables in which migrations are recorded."""
    return (ROOM / "migrations" / "bookkeeping.sql").read_text(encoding="utf-8")


def contracts() -> dict[str, str]:
    """Text of every `contracts/NAME.sql` by NAME, ordered by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOM / "contracts").glob("*.sql"))}


def quoted(value: object) -> str:
    """A value as an SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, batch: pl.DataFrame) -> Iterator[None]:
    """Let statements in the block read a data frame as the relation `name`, without copying it."""
    connection.register(name, batch)
    try:
        yield
    finally:
        # This fails in a failed transaction, where the rollback does it.
        with suppress(duckdb.Error):
            connection.unregister(name)


# Settings for a connection that loads our own extensions without checking their signatures. Each check takes DuckDB
# 0.15 s of CPU time, and opening a lake loads three; pip has already compared their packages with the hashes of
# requirements.lock.
TRUSTING: dict[str, str | bool | int | float | list[str]] = {"allow_unsigned_extensions": True}


def trust_no_more_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """Undo TRUSTING, for good: from now on DuckDB refuses extensions that its developers have not signed."""
    connection.execute("SET GLOBAL allow_unsigned_extensions = false")


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension of the same version as DuckDB itself. Does nothing if it is already loaded.

    Raises:
        ModuleNotFoundError: its package is not installed.
        duckdb.Error: it is not compatible with this DuckDB.
    """
    wheel = files(f"duckdb_extension_{name}") / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    with as_file(wheel) as path:
        connection.execute(f"LOAD {quoted(path)}")


@dataclass(frozen=True)
class Database:
    """The database that a connection uses."""

    name: str  # in this connection
    is_lake: bool
    path: str | None  # of a file; sqlite:PATH or postgres:SETTINGS of a lake's catalogue; None: in memory only

    def __str__(self) -> str:
        return f"ducklake:{self.path}" if self.is_lake else self.path or ":memory:"

    @property
    def sqlite_catalogue(self) -> Path | None:
        """Path of a lake's catalogue, if it is an SQLite file."""
        if not self.is_lake or not self.path or not self.path.startswith("sqlite:"):
            return None
        return Path(self.path.removeprefix("sqlite:"))


# The database that unqualified names refer to. With full names, because DuckDB would look for others in the catalogue
# of a lake, which may be what has failed.
_CURRENT_DATABASE = """
    SELECT database_name, type, path
    FROM system.main.duckdb_databases()
    WHERE database_name = system.main.current_database()
"""


def current_database(connection: duckdb.DuckDBPyConnection) -> Database:
    """The database that unqualified names refer to.

    Raises:
        duckdb.Error: the database was invalidated by an earlier error and must be reopened.
    """
    ((name, kind, path),) = connection.execute(_CURRENT_DATABASE).fetchall()
    return Database(name, kind == "ducklake", path)


_TABLE_COLUMNS = """
    SELECT table_name, column_name, data_type
    FROM duckdb_columns()
    WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
        AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database())
    ORDER BY table_name, column_index
"""


def table_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The columns of every table with their types, by table; views are left out."""
    columns: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for table, column, kind in connection.execute(_TABLE_COLUMNS).fetchall():
        columns[table][column] = kind
    return columns


def changed(connection: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, Any]) -> int:
    """Run a statement that writes; returns the number of rows inserted, updated or deleted."""
    ((count,),) = connection.execute(statement, values).fetchall()
    return int(count)


def json_text(document: Mapping[str, Any]) -> str:
    """A document as JSON text, as stored: the same content always gives the same text."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False)
