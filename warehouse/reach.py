"""What a typed query may access: tables, views and macros of the warehouse, and functions that only compute.

The syntax tree that DuckDB's own parser makes of the query is checked against lists of what is allowed: in a text,
names can be hidden by comments and quotes, in a tree they cannot. Functions of extensions, which can reach servers and
files, are on no list, whatever they are called. Neither are functions that run or plan a query given as text, which
could hide other names.
"""

import json
import re
from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any

import duckdb

from warehouse.connection import OFFLINE

# Functions in FROM that make rows out of their arguments, or describe the database.
_TABLE_FUNCTIONS = frozenset(
    {
        *("duckdb_columns", "duckdb_constraints", "duckdb_functions", "duckdb_keywords", "duckdb_schemas"),
        *("duckdb_tables", "duckdb_types", "duckdb_views", "icu_calendar_names", "pg_timezone_names"),
        *("generate_series", "json_each", "json_tree", "range", "unnest"),
    }
)
# Scalar functions that do more than compute: the first plans a query given as text, the second writes.
_NOT_COMPUTING = frozenset({"json_serialize_plan", "write_log"})
_CATALOGUES = frozenset({"", "warehouse", "system"})
_SCHEMAS = frozenset({"", "main", "plain", "information_schema", "pg_catalog"})
# If a name with a dot, slash or colon is not a table, DuckDB takes it for a file or URL.
_NO_FILE = re.compile(r"[\w $-]+")
_TABLE_EXPRESSIONS = frozenset(
    {"BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SHOW_REF", "SUBQUERY", "TABLE_FUNCTION"}
)


class OutOfReachError(Exception):
    """A query contains something that is not allowed."""

    def __init__(self, what: str, position: int | None = None) -> None:
        super().__init__(what)
        self.position = position  # byte of the query


def relations_read(connection: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """Tables, views and table macros of the warehouse that a query names, sorted.

    Args:
        connection: a reader.
        text: one statement.

    Raises:
        OutOfReachError: it is not a single SELECT, or it names something else.
        duckdb.Error: it is not valid SQL.
    """
    tree = _parsed(connection, text)
    warehouse = _Warehouse(connection)
    read: set[str] = set()
    for node in _nodes(tree):
        if "function_name" in node:
            read |= _read_by_function(node, warehouse)
        elif node.get("type") == "BASE_TABLE":
            _require_place(node, node["schema_name"], node["catalog_name"], node["table_name"])
            read |= warehouse.named(node["schema_name"].lower(), node["table_name"].lower())
        elif node.get("type") == "SHOW_REF":
            _require_place(node, node["schema_name"], node["catalog_name"], node["table_name"].strip('"'))
        elif "sample" in node and "alias" in node and node["type"] not in _TABLE_EXPRESSIONS:
            raise OutOfReachError(f"{node['type']} cannot be checked for what it reads; remove it", _position(node))
    return sorted(read)


# The tables and views of the current database, in lower case.
RELATION_NAMES = """
    SELECT lower(table_name) AS name
    FROM duckdb_tables()
    WHERE database_name = current_database() AND NOT internal
    UNION ALL
    SELECT lower(if(schema_name = 'main', '', schema_name || '.') || view_name)
    FROM duckdb_views()
    WHERE database_name = current_database() AND NOT internal
    ORDER BY name
"""


def relation_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables and views of the warehouse, in lower case and in order."""
    return [name for (name,) in connection.execute(RELATION_NAMES).fetchall()]


# The macros of the current database, in lower case, and whether they take the name of a relation and read it.
_MACRO_NAMES = """
    SELECT lower(function_name) AS name, bool_or(contains(lower(macro_definition), 'query_table')) AS takes_a_relation
    FROM duckdb_functions()
    WHERE database_name = current_database() AND NOT internal
    GROUP BY ALL
"""


class _Warehouse:
    """Relations and macros of the warehouse, looked up when they are needed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @cached_property
    def relations(self) -> frozenset[str]:
        return frozenset(relation_names(self._connection))

    def named(self, schema: str, name: str) -> frozenset[str]:
        """The relation with this name (in lower case), if there is one; without a schema, `main` is searched first."""
        if schema == "plain" or (not schema and name not in self.relations):
            name = f"plain.{name}"
        return frozenset({name}) & self.relations

    @cached_property
    def macros(self) -> dict[str, bool]:
        """By name, whether the macro takes the name of a relation and reads it."""
        return dict(self._connection.execute(_MACRO_NAMES).fetchall())


def _parsed(connection: duckdb.DuckDBPyConnection, text: str) -> Any:
    """The syntax tree of one query. The text goes only to DuckDB's parser: anything else would run a PRAGMA at once."""
    if "\0" in text:
        raise OutOfReachError("contains a NUL character; remove it")
    ((document,),) = connection.execute("SELECT json_serialize_sql(CAST(? AS VARCHAR))", [text]).fetchall()
    tree = json.loads(document)
    if tree["error"] and tree["error_type"] == "parser":
        connection.extract_statements(text)  # raises an error that says what is wrong, and where
    if tree["error"]:
        raise OutOfReachError(
            "only read-only queries (SELECT, FROM, WITH, DESCRIBE, SUMMARIZE, EXPLAIN, ...) are allowed, "
            "one at a time; a PIVOT needs its values, as in ON kind IN ('a', 'b')"
        )
    if not tree["statements"]:
        raise OutOfReachError("empty; give an SQL statement such as 'FROM session_summary'")
    if len(tree["statements"]) > 1:
        raise OutOfReachError(f"{len(tree['statements'])} statements; give one at a time")
    return tree


def _read_by_function(node: dict[str, Any], warehouse: _Warehouse) -> set[str]:
    name = node["function_name"].lower()
    if name in _computing() | _TABLE_FUNCTIONS:
        return set()
    if name not in warehouse.macros:
        what = f"the function {name} is unknown, or not allowed because it may reach outside the warehouse; remove it"
        raise OutOfReachError(what, _position(node))
    given = []
    if warehouse.macros[name]:
        given = [child.get("value", {}).get("value") for child in node["children"]]
        if not all(isinstance(value, str) and value.lower() in warehouse.relations for value in given):
            raise OutOfReachError(f"{name} takes the name of a table or view, in quotes", _position(node))
    return {name, *(value.lower() for value in given)}


def _require_place(node: dict[str, Any], schema: str, catalogue: str, name: str) -> None:
    # The first part of a two-part name may be a catalogue instead of a schema.
    known = schema.lower() in _SCHEMAS or (not catalogue and schema.lower() in _CATALOGUES)
    if not known or catalogue.lower() not in _CATALOGUES or (name and not _NO_FILE.fullmatch(name)):
        whole = ".".join(part for part in (catalogue, schema, name) if part)
        raise OutOfReachError(f"'{whole}' is not a table or view of the warehouse", _position(node))


# Functions that give a value, not rows.
_COMPUTING_FUNCTIONS = """
    SELECT DISTINCT lower(function_name)
    FROM duckdb_functions()
    WHERE function_type IN ('scalar', 'aggregate', 'macro')
"""


@cache
def _computing() -> frozenset[str]:
    """Scalar functions, aggregates and macros of DuckDB itself, without extensions that could reach something."""
    with duckdb.connect(config=OFFLINE) as bare:
        return frozenset(name for (name,) in bare.execute(_COMPUTING_FUNCTIONS).fetchall()) - _NOT_COMPUTING


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in the tree."""
    remaining = [tree]
    while remaining:
        part = remaining.pop()
        if isinstance(part, dict):
            yield part
            remaining.extend(part.values())
        elif isinstance(part, list):
            remaining.extend(part)


def _position(node: dict[str, Any]) -> int | None:
    position = node.get("query_location")
    return position if isinstance(position, int) and position < 1 << 63 else None
