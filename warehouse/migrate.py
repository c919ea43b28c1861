"""Numbered SQL migrations: each runs once, in one transaction with its record, and is never edited again."""

import hashlib
from dataclasses import dataclass

import duckdb

from pmfer.errors import WarehouseError
from warehouse import sql
from warehouse.transaction import database_path, transaction


@dataclass(frozen=True)
class Migration:
    """One file `migrations/NNNN_name.sql`."""

    number: int  # from 1, without gaps
    name: str
    text: str  # SQL

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's text, 64 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def shipped_migrations() -> tuple[Migration, ...]:
    """The migrations of this release, in order."""
    migrations = []
    for path in sorted((sql.ROOM / "migrations").glob("*.sql")):
        number, _, name = path.stem.partition("_")
        migrations.append(Migration(int(number), name, path.read_text(encoding="utf-8")))
    return tuple(migrations)


def migrate(connection: duckdb.DuckDBPyConnection) -> int:
    """Bring a new or older warehouse to this release's schema; returns how many migrations ran.

    Raises:
        WarehouseError: the database holds something else, is newer than this release, was migrated by other files, or
            refused; the migrations before the one that failed are kept.
    """
    pending = _pending(connection)
    for migration in pending:
        record = {"number": migration.number, "name": migration.name, "sha256": migration.sha256}
        with transaction(connection):
            connection.execute(sql.statement("create_schema_migrations"))
            connection.execute(migration.text)
            connection.execute(sql.statement("insert_schema_migration"), record)
    return len(pending)


def require_current_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Check that a database that is only read has exactly this release's schema.

    Raises:
        WarehouseError: it is older, newer, or no warehouse.
    """
    if _pending(connection):
        raise _refusal(connection, "its schema is older than this release; run a night to publish it anew")


def _pending(connection: duckdb.DuckDBPyConnection) -> list[Migration]:
    """The shipped migrations that did not run yet, after checking those that did."""
    shipped = {migration.number: migration for migration in shipped_migrations()}
    applied = _applied(connection)
    for number, sha256 in applied.items():
        if number not in shipped or shipped[number].sha256 != sha256:
            raise _refusal(connection, f"migration {number} is not this release's; use the release that ran it")
    return [migration for number, migration in shipped.items() if number not in applied]


def _applied(connection: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """SHA-256 by number of the migrations that ran."""
    tables = {name for (name,) in connection.execute(sql.query("table_names")).fetchall()}
    if tables and "schema_migrations" not in tables:
        raise _refusal(connection, "a DuckDB database, but no warehouse; give another path")
    return dict(connection.execute(sql.query("schema_migrations")).fetchall()) if tables else {}


def _refusal(connection: duckdb.DuckDBPyConnection, what: str) -> WarehouseError:
    return WarehouseError(f"warehouse {database_path(connection)}: {what}")
