"""Erases a patient's rows, and keeps the record of erasures, which names nobody.

An erasure goes through three states: begun (what is going to be removed is written down), rows deleted, finished (the
storage was written anew and nothing was found any more). One that was interrupted is taken up where it was left.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from warehouse import audit, sql
from warehouse.personal import Keys, count_rows, delete_rows, keys_of_patient, personal_tables
from warehouse.traces import Traces
from warehouse.transaction import database_path, one_line_errors, transaction

# By which other rows of the same table are known; they may contain the identifier of the patient who is erased.
_NAMES = ("patient_id", "session_id", "source_uri", "report_id", "path", "event_id")
# Written anew where they mention the patient.
_FREE_TEXT = ("message", "warning", "source", "note", "notes", "comment", "item")
_ERASED = "erased"
_RECORDS = ("audit_log", "audit_head", "erasures")  # hold no patient_id by construction


@dataclass(frozen=True)
class Holdings:
    """What the warehouse holds of a patient."""

    rows: Mapping[str, int]  # by table, tables without rows left out
    content_sha256: tuple[str, ...]  # of the patient's videos
    sources: tuple[str, ...]  # where the videos were, relative to the source


@dataclass(frozen=True)
class Erasure:
    """An erasure as it is recorded."""

    erasure_id: str
    subject: str  # what the audit log calls the patient
    rows_deleted: bool
    receipt: Mapping[str, Any]  # JSON-able, names nobody


def holdings(connection: duckdb.DuckDBPyConnection, patient_id: str) -> Holdings:
    """What is stored of a patient, without changing it.

    Raises:
        WarehouseError: the database refused.
    """
    with one_line_errors(database_path(connection)):
        keys = keys_of_patient(connection, patient_id)
        rows = count_rows(connection, personal_tables(connection), keys)
        mentions = _mentions(connection, traces_of(connection, patient_id), keys)
        files = connection.execute(sql.query("files_of_patient"), {"patient_id": patient_id}).fetchall()
    for table, _, values in mentions:
        rows.setdefault(table, len(values))
    return Holdings(
        rows=dict(sorted(rows.items())),
        content_sha256=tuple(content for content, _ in files if content),
        sources=tuple(source for _, source in files),
    )


def unfinished_erasure(connection: duckdb.DuckDBPyConnection, patient_id: str) -> Erasure | None:
    """The interrupted erasure to go on with: this patient's, or one whose rows are gone, so that nobody knows whose.

    Raises:
        WarehouseError: the database refused.
    """
    with one_line_errors(database_path(connection)):
        known = connection.execute(sql.query("audit_subjects"), {"patient_ids": [patient_id]}).fetchall()
        rows = connection.execute(sql.query("erasures_unfinished")).fetchall()
    mine = (
        erasure for erasure in map(_erasure, rows) if erasure.rows_deleted or (patient_id, erasure.subject) in known
    )
    return next(mine, None)


def begin_erasure(connection: duckdb.DuckDBPyConnection, patient_id: str, receipt: Mapping[str, Any]) -> Erasure:
    """Record that an erasure begins, before anything is removed.

    Raises:
        WarehouseError: the database refused.
    """
    with transaction(connection):
        subject = audit.subject_of(connection, patient_id)
        erasure = Erasure(secrets.token_hex(16), subject, False, receipt)
        values = {"erasure_id": erasure.erasure_id, "subject": subject, "receipt": _json(receipt)}
        connection.execute(sql.statement("insert_erasure"), values)
        audit.record(connection, "erasure_begun", object_id=erasure.erasure_id, patient_id=patient_id)
    return erasure


def note_receipt(connection: duckdb.DuckDBPyConnection, erasure: Erasure, receipt: Mapping[str, Any]) -> None:
    """Replace the receipt of an erasure that goes on.

    Raises:
        WarehouseError: the database refused.
    """
    with transaction(connection):
        _update(connection, erasure, receipt, rows_deleted=False, finished=False)


def erase_rows(
    connection: duckdb.DuckDBPyConnection, patient_id: str, erasure: Erasure, receipt: Mapping[str, Any]
) -> dict[str, int]:
    """Delete a patient's rows from every table and the name from other rows' messages, in one transaction.

    The bytes are still in the database's storage afterwards, see warehouse.rewrite.

    Returns:
        Rows by table that went or were changed.

    Raises:
        WarehouseError: the database refused; nothing was deleted.
    """
    with transaction(connection):
        # Both are looked up before the rows go by which they are found.
        keys, traces = keys_of_patient(connection, patient_id), traces_of(connection, patient_id)
        counts = delete_rows(connection, personal_tables(connection), keys)
        # An overview that is not rendered again in this run is known as one that has to be, whoever is erased next.
        connection.execute(sql.statement("forget_pages_of_patient"), {"patient_id": patient_id})
        for table, column, values in _mentions(connection, traces, keys):
            counts[table] = counts.get(table, 0) + _remove_mentions(connection, table, column, values)
        before = receipt.get("rows", {})  # of an erasure that was interrupted
        total = {table: counts.get(table, 0) + before.get(table, 0) for table in sorted({*counts, *before})}
        _update(connection, erasure, {**receipt, "rows": total}, rows_deleted=True, finished=False)
        audit.record(connection, "rows_erased", object_id=erasure.erasure_id, rows=total)
    return total


def finish_erasures(connection: duckdb.DuckDBPyConnection, receipt: Mapping[str, Any]) -> None:
    """Mark every erasure whose rows are gone as finished: the storage that was written anew was theirs as well.

    Args:
        connection: the warehouse, after it was written anew.
        receipt: what the last part of the work adds to the receipts.

    Raises:
        WarehouseError: the database refused.
    """
    with transaction(connection):
        rows = connection.execute(sql.query("erasures_unfinished")).fetchall()
        for erasure in map(_erasure, rows):
            if not erasure.rows_deleted:
                continue
            audit.record(connection, "erasure_finished", object_id=erasure.erasure_id)
            full = {**erasure.receipt, **receipt, "audit_head": vars(audit.current_head(connection))}
            _update(connection, erasure, full, rows_deleted=True, finished=True)


def receipts(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """The receipts of all finished erasures, by a name for each.

    Raises:
        WarehouseError: the database refused.
    """
    with one_line_errors(database_path(connection)):
        rows = connection.execute(sql.query("erasures_finished")).fetchall()
    return {
        f"ERASURE-{day}-{erasure_id}": {"erasure_id": erasure_id, **json.loads(receipt)}
        for erasure_id, day, receipt in rows
    }


def traces_of(connection: duckdb.DuckDBPyConnection, patient_id: str) -> Traces:
    """What to look for; identifiers of other patients that contain this one's are to be kept.

    Raises:
        WarehouseError: the database refused.
    """
    keep: set[str] = set()
    values = {"patient_id": patient_id}
    with one_line_errors(database_path(connection)):
        columns = connection.execute(sql.query("text_columns")).fetchall()
        whose = {table for table, column in columns if column == "patient_id"}
        for table, column in columns:
            if table in whose and column in _NAMES:
                rows = connection.execute(
                    f"SELECT DISTINCT {column} FROM {table} "
                    f"WHERE patient_id <> $patient_id AND contains({column}, $patient_id)",
                    values,
                ).fetchall()
                keep.update(value for (value,) in rows)
    return Traces(patient_id, keep)


def remaining_mentions(connection: duckdb.DuckDBPyConnection, traces: Traces) -> list[str]:
    """Columns, as TABLE.COLUMN, in which a query still finds the identifier.

    Raises:
        WarehouseError: the database refused.
    """
    found = []
    with one_line_errors(database_path(connection)):
        for table, column in connection.execute(sql.query("text_columns")).fetchall():
            if any(traces.in_text(value) for value in _values_with(connection, table, column, traces.identifier)):
                found.append(f"{table}.{column}")
    return found


def _erasure(row: tuple[str, str, bool, str]) -> Erasure:
    erasure_id, subject, rows_deleted, receipt = row
    return Erasure(erasure_id, subject, rows_deleted, json.loads(receipt))


def _mentions(connection: duckdb.DuckDBPyConnection, traces: Traces, keys: Keys) -> list[tuple[str, str, list[str]]]:
    """Table, column and values of free text that speaks of a patient or of the patient's sessions."""
    wanted = [traces, *(Traces(name) for name in keys.session_id)]
    found = []
    for table, column in connection.execute(sql.query("text_columns")).fetchall():
        if table in _RECORDS or not (column in _FREE_TEXT or (table, column) == ("quarantine", "source_uri")):
            continue
        values = {
            value
            for trace in wanted
            for value in _values_with(connection, table, column, trace.identifier)
            if trace.in_text(value)
        }
        if values:
            found.append((table, column, sorted(values)))
    return found


def _remove_mentions(connection: duckdb.DuckDBPyConnection, table: str, column: str, values: list[str]) -> int:
    condition = f"{column} IN (SELECT unnest(CAST($mentions AS VARCHAR[])))"
    # What is set aside for a reason that names the patient is looked at anew by the next run of its night.
    action = f"DELETE FROM {table}" if table == "quarantine" else f"UPDATE {table} SET {column} = '{_ERASED}'"
    ((count,),) = connection.execute(f"{action} WHERE {condition}", {"mentions": values}).fetchall()
    return int(count)


def _values_with(connection: duckdb.DuckDBPyConnection, table: str, column: str, part: str) -> list[str]:
    text = f"CAST({column} AS VARCHAR)"
    rows = connection.execute(f"SELECT DISTINCT {text} FROM {table} WHERE contains({text}, $part)", {"part": part})
    return [value for (value,) in rows.fetchall()]


def _update(
    connection: duckdb.DuckDBPyConnection,
    erasure: Erasure,
    receipt: Mapping[str, Any],
    *,
    rows_deleted: bool,
    finished: bool,
) -> None:
    values = {"erasure_id": erasure.erasure_id, "rows_deleted": rows_deleted, "finished": finished}
    connection.execute(sql.statement("update_erasure"), {**values, "receipt": _json(receipt)})


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, default=str)
