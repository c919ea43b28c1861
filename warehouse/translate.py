"""The same migrations for a lake, which lacks some of what a DuckDB file has.

Statement by statement, as DuckDB's own parser splits them: a table comes without PRIMARY KEY, UNIQUE, CHECK and FOREIGN
KEY; an index is left out; a comment on a macro or on a view's column, which a lake cannot hold, is left out here and
found in schema_comments. All else is taken word by word. What a table is without its constraints is not guessed from
the text: every statement first runs in an empty database in memory, the model, and the table is read from there.
"""

import re

import duckdb

from warehouse import sql
from warehouse.literals import identifier

_COMMENT = re.compile(r"COMMENT\s+ON\s+(?:MACRO\b|COLUMN\s+(?:main\.)?\"?(?P<relation>\w+)\"?\.)", re.IGNORECASE)
_LEADING_COMMENTS = re.compile(r"(?:\s+|--[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
_CHANGES_CATALOGUE = {duckdb.StatementType.CREATE, duckdb.StatementType.DROP}


# What a lake has in another form than a file: views, indexes, and tables with constraints other than NOT NULL.
_MODEL_CATALOGUE = """
    SELECT 'view' AS kind, view_name AS name
    FROM duckdb_views()
    WHERE NOT internal
    UNION
    SELECT 'index', index_name
    FROM duckdb_indexes()
    UNION
    SELECT 'constrained', table_name
    FROM duckdb_constraints()
    WHERE constraint_type <> 'NOT NULL'
"""
# The columns of a table as CREATE TABLE states them, in their order.
_MODEL_COLUMNS = """
    SELECT column_name, data_type, is_nullable, column_default
    FROM duckdb_columns()
    WHERE table_name = $name AND NOT internal
    ORDER BY column_index
"""


class LakeTranslator:
    """Translates migrations in their order; also knows what they comment on."""

    def __init__(self, model: duckdb.DuckDBPyConnection) -> None:
        self.model = model  # empty at first; every text given here runs in it
        model.execute(sql.bookkeeping())  # migrations may ask when an earlier one ran
        self._known: set[str] = set()

    def learn(self, text: str) -> None:
        """Take note of a migration that ran on the lake before; one that is known costs nothing."""
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
        """Kind and name of what the model holds and a lake may not: views, indexes, tables with constraints."""
        return set(self.model.execute(_MODEL_CATALOGUE).fetchall())

    def _bare_table(self, name: str) -> str:
        """CREATE TABLE of a table of the model, with names, types, defaults and NOT NULL of its columns."""
        columns = self.model.execute(_MODEL_COLUMNS, {"name": name}).fetchall()
        lines = [
            f"{identifier(column)} {kind}{'' if nullable else ' NOT NULL'}{f' DEFAULT {default}' if default else ''}"
            for column, kind, nullable, default in columns
        ]
        return f"CREATE TABLE IF NOT EXISTS {identifier(name)} ({', '.join(lines)})"


def _is_lost_comment(text: str, catalogue: set[tuple[str, str]]) -> bool:
    """Whether a statement comments on a macro or on the column of a view."""
    start = _LEADING_COMMENTS.match(text)
    match = _COMMENT.match(text, start.end() if start else 0)
    return match is not None and (match["relation"] is None or ("view", match["relation"]) in catalogue)
