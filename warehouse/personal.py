"""Which rows belong to a patient or a session, found by the columns of the database, so that no table can be forgotten.

A table that has a column patient_id, session_id or scoring_id holds rows of patients, whatever it is for.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import duckdb


@dataclass(frozen=True)
class Keys:
    """By what rows are found: a row belongs when one of its columns of these names holds one of these values."""

    patient_id: tuple[str, ...] = ()
    session_id: tuple[str, ...] = ()
    scoring_id: tuple[str, ...] = ()


# The stored sessions of a patient.
_SESSIONS_OF_PATIENT = "SELECT session_id FROM sessions WHERE patient_id = $patient_id ORDER BY session_id"


def keys_of_patient(connection: duckdb.DuckDBPyConnection, patient_id: str) -> Keys:
    """The keys of a patient's rows.

    Only stored sessions count: a session that was set aside may bear, by mistake, the session_id of somebody else.
    """
    rows = connection.execute(_SESSIONS_OF_PATIENT, {"patient_id": patient_id}).fetchall()
    sessions = tuple(session_id for (session_id,) in rows)
    return Keys((patient_id,), sessions, scorings_of(connection, sessions))


# The scorings of some sessions.
_SCORINGS_OF_SESSIONS = """
    SELECT scoring_id
    FROM scorings
    WHERE session_id IN (SELECT unnest(CAST($session_ids AS VARCHAR[])))
    ORDER BY scoring_id
"""


def scorings_of(connection: duckdb.DuckDBPyConnection, session_ids: Collection[str]) -> tuple[str, ...]:
    """The scorings of some sessions."""
    rows = connection.execute(_SCORINGS_OF_SESSIONS, {"session_ids": list(session_ids)}).fetchall()
    return tuple(scoring_id for (scoring_id,) in rows)


# The columns of all tables by which a row belongs to a patient, a session or a scoring.
_PERSONAL_COLUMNS = """
    SELECT table_name, column_name
    FROM duckdb_columns()
    WHERE database_name = current_database() AND NOT internal
        AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database())
        AND column_name IN ('patient_id', 'session_id', 'scoring_id')
    ORDER BY table_name, column_name
"""


def personal_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, frozenset[str]]:
    """Every table with such a column, and which of them it has."""
    tables: dict[str, set[str]] = defaultdict(set)
    for table, column in connection.execute(_PERSONAL_COLUMNS).fetchall():
        tables[table].add(column)
    return {table: frozenset(columns) for table, columns in tables.items()}


def count_rows(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, frozenset[str]], keys: Keys
) -> dict[str, int]:
    """How many rows of each table belong to the keys; tables without one are left out."""
    counts = {}
    for table, columns in tables.items():
        condition, values = _condition(columns, keys)
        if condition:
            ((count,),) = connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}", values).fetchall()
            counts[table] = int(count)
    return {table: count for table, count in counts.items() if count}


def delete_rows(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, frozenset[str]], keys: Keys
) -> dict[str, int]:
    """Delete the rows that belong to the keys, in the caller's transaction; how many went, as count_rows tells."""
    counts = count_rows(connection, tables, keys)
    for table in counts:
        condition, values = _condition(tables[table], keys)
        connection.execute(f"DELETE FROM {table} WHERE {condition}", values)
    return counts


def _condition(columns: frozenset[str], keys: Keys) -> tuple[str, dict[str, list[str]]]:
    values = {column: list(getattr(keys, column)) for column in sorted(columns) if getattr(keys, column)}
    terms = (f"{column} IN (SELECT unnest(CAST(${column} AS VARCHAR[])))" for column in values)
    return " OR ".join(terms), values
