"""What a connection is connected to, as DuckDB itself tells."""

from dataclasses import dataclass
from pathlib import Path

import duckdb


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


# The database that unqualified names refer to.
_CURRENT_DATABASE = """
    SELECT database_name, type, path
    FROM duckdb_databases()
    WHERE database_name = current_database()
"""


def current_database(connection: duckdb.DuckDBPyConnection) -> Database:
    """The database that unqualified names refer to.

    Raises:
        duckdb.Error: the database broke down earlier and must be opened anew.
    """
    ((name, kind, path),) = connection.execute(_CURRENT_DATABASE).fetchall()
    return Database(name, kind == "ducklake", path)
