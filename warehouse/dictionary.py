"""Renders the data dictionary from the comments in the database, so that the two always agree."""

import duckdb

from warehouse.migrate import migrate

_HEAD = """\
# Data dictionary

Look up here what every column means, with its unit and range. Begin with the three views of the schema `plain`; the
other views, tables and macros hold everything else. This file is made from the comments in the database, which any
DuckDB client shows as well: change them in a migration, then write the file again with `pmfer warehouse dictionary`.

Times are `TIMESTAMP WITH TIME ZONE`, except `local_time`, which is the time that the clock on the wall showed. Missing
is `NULL`, with a reason beside it, and never 0. Names give the unit: `_s` seconds, `_px` pixels, `_deg` degrees, `_at`
a point in time.
"""


def render_dictionary() -> str:
    """The dictionary of this release's schema as Markdown."""
    with duckdb.connect() as connection:
        migrate(connection)
        return render_dictionary_of(connection)


# Views (those of the schema `plain` first), then tables, then macros, with their comments.
ENTRIES = """
    SELECT kind, name, title, coalesce(entries.comment, schema_comments.comment) AS comment
    FROM (
        SELECT 'Table' AS kind, table_name AS name, table_name AS title, comment
        FROM duckdb_tables()
        WHERE database_name = current_database() AND NOT internal
        UNION ALL
        SELECT 'View', named, named, comment
        FROM (FROM duckdb_views() SELECT *, if(schema_name = 'main', '', schema_name || '.') || view_name AS named)
        WHERE database_name = current_database() AND NOT internal
        UNION ALL
        SELECT 'Macro', function_name, function_name || '(' || array_to_string(parameters, ', ') || ')', comment
        FROM duckdb_functions()
        WHERE database_name = current_database() AND function_type IN ('macro', 'table_macro') AND NOT internal
    ) AS entries
    LEFT JOIN schema_comments ON kind = 'Macro' AND entry = name AND column_name IS NULL
    ORDER BY list_position(['View', 'Table', 'Macro'], kind), NOT starts_with(name, 'plain.'), name
"""
# The columns of all tables and views with type and comment, in their order.
COLUMNS = """
    SELECT
        if(schema_name = 'main', '', schema_name || '.') || table_name AS entry,
        columns.column_name AS name,
        data_type AS type,
        is_nullable AS nullable,
        coalesce(columns.comment, schema_comments.comment) AS comment
    FROM duckdb_columns() AS columns
    LEFT JOIN schema_comments
        ON schema_comments.entry = if(schema_name = 'main', '', schema_name || '.') || table_name
        AND schema_comments.column_name = columns.column_name
    WHERE database_name = current_database() AND NOT internal
    ORDER BY columns.schema_name, table_name, column_index
"""


def render_dictionary_of(connection: duckdb.DuckDBPyConnection) -> str:
    """The dictionary of an open warehouse as Markdown; the same for a file and a lake."""
    entries = connection.execute(ENTRIES).fetchall()
    columns = connection.execute(COLUMNS).fetchall()
    sections = [_HEAD]
    for kind, name, title, comment in entries:
        table = _table(kind, [row[1:] for row in columns if row[0] == name])
        sections.append(f"## {kind} `{title}`\n\n{comment}\n{table}")
    return "\n".join(sections)


def _table(kind: str, columns: list[tuple[str, str, bool, str]]) -> str:
    if kind == "Table":
        lines = ["| column | type | may be NULL | meaning |", "| --- | --- | --- | --- |"]
        lines += [f"| `{name}` | {type_} | {'yes' if null else 'no'} | {text} |" for name, type_, null, text in columns]
    elif kind == "View":
        # DuckDB marks every column of a view as nullable, so the comments say which can be NULL.
        lines = ["| column | type | meaning |", "| --- | --- | --- |"]
        lines += [f"| `{name}` | {type_} | {text} |" for name, type_, _, text in columns]
    else:
        return ""
    return "\n" + "\n".join(lines) + "\n"
