"""What a connection is connected to, as DuckDB itself tells."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse import sql


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


def current_database(connection: duckdb.DuckDBPyConnection) -> Database:
    """The database that unqualified names refer to.

    Raises:
        duckdb.Error: the database broke down earlier and must be opened anew.
    """
    ((name, kind, path),) = connection.execute(sql.query("current_database")).fetchall()
    return Database(name, kind == "ducklake", path)
