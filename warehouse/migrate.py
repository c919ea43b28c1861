"""Numbered SQL migrations. Each runs once, in one transaction with its record, and is never edited after a release.

A new warehouse is created in one transaction, so that it exists completely or not at all.

A lake runs the same files, translated statement by statement as DuckDB's parser splits them. Tables are created without
PRIMARY KEY, UNIQUE, CHECK and FOREIGN KEY. Indexes are left out, as are comments on macros and on columns of views,
which a lake cannot store; the table schema_comments has these. Everything else runs unchanged. The definition of a
table without its constraints is not derived from the text: every statement first runs in an empty in-memory database,
the model, and the definition is read from there.
"""

import hashlib
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import duckdb

from pmfer.errors import WarehouseError
from warehouse import sql
from warehouse.sql import current_database, identifier
from warehouse.transaction import database_path, exclusive_in_file, exclusive_in_postgres, transaction


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
    for path in sorted((sql.ROOM / "migrations").glob("[0-9]*.sql")):
        number, _, name = path.stem.partition("_")
        migrations.append(Migration(int(number), name, path.read_text(encoding="utf-8")))
    return tuple(migrations)


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring a new or older warehouse to this release's schema.

    An older lake is not migrated while a night or shard is running: it may be one of the older release, and would go on
    to store what that release computes.

    Raises:
        WarehouseError: the database contains something else, is newer than this release, was migrated with other files,
            a lake is in use, or a migration failed; in an older warehouse, those before the one that failed are kept.
    """
    pending = _pending(connection)
    if not pending:
        return
    is_old = pending != list(shipped_migrations())
    with _alone(connection) if is_old else nullcontext(), duckdb.connect() as model:
        translator = LakeTranslator(model)
        while pending:
            with transaction(connection):
                # Check again: another process may have migrated the same lake while this one waited for the lock.
                pending = _pending(connection)
                is_new = pending == list(shipped_migrations())
                running, pending = (pending, []) if is_new else (pending[:1], pending[1:])
                for migration in running:
                    _apply(connection, migration, translator)
                if running and not pending:
                    _store_comments(connection, translator)


def _alone(connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
    """Exclusive use of a lake within the block. Does nothing for a file, which has one writer."""
    database = current_database(connection)
    if not database.is_lake:
        return nullcontext()
    if path := database.sqlite_catalogue:
        return exclusive_in_file(path)
    return exclusive_in_postgres(connection, f"__ducklake_metadata_{database.name}", str(database))


def require_current_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Check that a database opened for reading has exactly this release's schema.

    Raises:
        WarehouseError: it is older, newer, or not a warehouse.
    """
    if _pending(connection):
        raise _refusal(connection, "its schema is older than this release; run a night, which upgrades it")


_COMMENT = re.compile(
    r"COMMENT\s+ON\s+(?:MACRO\b|COLUMN\s+(?:main\.)?(?P<relation>(?:plain\.)?\"?\w+\"?)\.)", re.IGNORECASE
)
_LEADING_COMMENTS = re.compile(r"(?:\s+|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
_CHANGES_CATALOGUE = {duckdb.StatementType.CREATE, duckdb.StatementType.DROP}


# What the translation treats specially: views, indexes, and tables with constraints other than NOT NULL.
_MODEL_CATALOGUE = """
    SELECT 'view' AS kind, if(schema_name = 'main', '', schema_name || '.') || view_name AS name
    FROM duckdb_views()
    WHERE NOT internal
    UNION ALL
    SELECT 'index', index_name
    FROM duckdb_indexes()
    UNION ALL
    SELECT 'constrained', table_name
    FROM duckdb_constraints()
    WHERE constraint_type <> 'NOT NULL'
"""
# The columns of a table in their order, for CREATE TABLE. Not duckdb_columns(), which would analyse every view.
_MODEL_COLUMNS = """
    SELECT name, type, "notnull", dflt_value
    FROM pragma_table_info($name)
    ORDER BY cid
"""


class LakeTranslator:
    """Translates migrations for a lake, in their order. Its model also has the comments that a lake cannot store."""

    def __init__(self, model: duckdb.DuckDBPyConnection) -> None:
        self.model = model  # empty at first; every migration runs in it
        model.execute(sql.bookkeeping())  # migrations may query when an earlier one ran
        self._known: set[str] = set()

    def learn(self, text: str) -> None:
        """Run a migration in the model that has already run on the lake. Does nothing if it did so before."""
        if text not in self._known:
            self.model.execute(text)
            self._known.add(text)

    def translate(self, text: str) -> list[str]:
        """The statements that do on a lake what `text` does in a file."""
        statements = []
        self._known.add(text)
        known = self._catalogue()
        for statement in self.model.extract_statements(text):
            self.model.execute(statement)
            if statement.type in _CHANGES_CATALOGUE:
                before, known = known, self._catalogue()
                statements += self._created(statement.query, known - before)
            elif not _is_lost_comment(statement.query, known):
                statements.append(statement.query)
        return statements

    def _created(self, text: str, new: set[tuple[str, str]]) -> list[str]:
        if any(kind == "index" for kind, _ in new):
            return []
        return [self._bare_table(name) for kind, name in new if kind == "constrained"] or [text]

    def _catalogue(self) -> set[tuple[str, str]]:
        """Kind and name of the model's views, indexes, and tables with constraints."""
        return set(self.model.execute(_MODEL_CATALOGUE).fetchall())

    def _bare_table(self, name: str) -> str:
        """CREATE TABLE for a table of the model, with the names, types, defaults and NOT NULL of its columns only."""
        columns = self.model.execute(_MODEL_COLUMNS, {"name": name}).fetchall()
        lines = [
            f"{identifier(column)} {kind}{' NOT NULL' if required else ''}{f' DEFAULT {default}' if default else ''}"
            for column, kind, required, default in columns
        ]
        return f"CREATE TABLE IF NOT EXISTS {identifier(name)} ({', '.join(lines)})"


def _is_lost_comment(text: str, catalogue: set[tuple[str, str]]) -> bool:
    """Whether a statement comments on a macro or on a column of a view."""
    start = _LEADING_COMMENTS.match(text)
    match = _COMMENT.match(text, start.end() if start else 0)
    return match is not None and (
        match["relation"] is None or ("view", match["relation"].replace('"', "")) in catalogue
    )


# Record that a migration has run.
_INSERT_SCHEMA_MIGRATION = """
    INSERT INTO schema_migrations (number, name, sha256, applied_at)
    VALUES ($number, $name, $sha256, now())
"""


def _apply(connection: duckdb.DuckDBPyConnection, migration: Migration, translator: LakeTranslator) -> None:
    """Run a migration and record it, in the caller's transaction."""
    bookkeeping = sql.bookkeeping()
    if current_database(connection).is_lake:
        for earlier in shipped_migrations():
            if earlier.number < migration.number:
                translator.learn(earlier.text)
        for statement in (*translator.translate(bookkeeping), *translator.translate(migration.text)):
            connection.execute(statement)
    else:
        connection.execute(bookkeeping)
        connection.execute(migration.text)
    record = {"number": migration.number, "name": migration.name, "sha256": migration.sha256}
    connection.execute(_INSERT_SCHEMA_MIGRATION, record)


# Comments that a lake cannot store, from a database that can: on macros (column_name is NULL) and on columns of views.
_SCHEMA_COMMENTS_NATIVE = """
    SELECT DISTINCT function_name AS entry, NULL AS column_name, comment
    FROM duckdb_functions()
    WHERE database_name = current_database() AND function_type IN ('macro', 'table_macro') AND NOT internal
        AND comment IS NOT NULL
    UNION ALL
    SELECT
        if(duckdb_views.schema_name = 'main', '', duckdb_views.schema_name || '.') || view_name,
        column_name, duckdb_columns.comment
    FROM duckdb_columns()
    JOIN duckdb_views()
        ON view_name = table_name AND duckdb_views.schema_name = duckdb_columns.schema_name
        AND duckdb_views.database_name = duckdb_columns.database_name
    WHERE duckdb_columns.database_name = current_database() AND NOT duckdb_columns.internal
        AND duckdb_columns.comment IS NOT NULL
    ORDER BY entry, column_name
"""
# Delete the stored comments, before those of the new schema are inserted.
_DELETE_SCHEMA_COMMENTS = "DELETE FROM schema_comments"
# Store the comments that a lake cannot store natively.
_INSERT_SCHEMA_COMMENTS = """
    INSERT INTO schema_comments (entry, column_name, comment)
    SELECT unnest($entries), unnest($column_names), unnest($comments)
"""


def _store_comments(connection: duckdb.DuckDBPyConnection, translator: LakeTranslator) -> None:
    """Write the comments on macros and on columns of views to schema_comments, after the last migration."""
    source = translator.model if current_database(connection).is_lake else connection
    rows = source.execute(_SCHEMA_COMMENTS_NATIVE).fetchall()
    connection.execute(_DELETE_SCHEMA_COMMENTS)
    if rows:
        entries, column_names, comments = (list(values) for values in zip(*rows, strict=True))
        values = {"entries": entries, "column_names": column_names, "comments": comments}
        connection.execute(_INSERT_SCHEMA_COMMENTS, values)


def _pending(connection: duckdb.DuckDBPyConnection) -> list[Migration]:
    """The shipped migrations that have not run yet, after checking those that have."""
    shipped = {migration.number: migration for migration in shipped_migrations()}
    applied = _applied(connection)
    for number, sha256 in applied.items():
        if number not in shipped or shipped[number].sha256 != sha256:
            raise _refusal(connection, f"migration {number} is not from this release; use the release that ran it")
    return [migration for number, migration in shipped.items() if number not in applied]


# The tables of the current database.
TABLE_NAMES = """
    SELECT table_name
    FROM duckdb_tables()
    WHERE database_name = current_database() AND NOT internal
    ORDER BY table_name
"""
# The migrations that have run, with the hashes of their files.
_SCHEMA_MIGRATIONS = "SELECT number, sha256 FROM schema_migrations ORDER BY number"


def _applied(connection: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """SHA-256 of the migrations that have run, by number."""
    try:
        return dict(connection.execute(_SCHEMA_MIGRATIONS).fetchall())
    except duckdb.CatalogException:
        # Not earlier, because listing the tables of a lake is slow.
        if connection.execute(TABLE_NAMES).fetchall():
            raise _refusal(connection, "a DuckDB database, but not a warehouse; give another path") from None
        return {}


def _refusal(connection: duckdb.DuckDBPyConnection, what: str) -> WarehouseError:
    return WarehouseError(f"warehouse {database_path(connection)}: {what}")
