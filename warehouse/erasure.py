"""Erases a patient's rows, and keeps the record of erasures, which names nobody.

An erasure goes through three states: begun (what is going to be removed is written down), rows deleted, finished (the
storage was written anew and nothing was found any more). One that was interrupted is taken up where it was left.
"""

import json
import secrets
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from warehouse import audit
from warehouse.consent import bury, read_register
from warehouse.mentions import mentions_of, strike, traces_of, words_like
from warehouse.personal import Traces, count_rows, delete_rows, keys_of_patient, personal_tables
from warehouse.runs import forget_pages
from warehouse.transaction import database_path, one_line_errors, transaction


@dataclass(frozen=True)
class Holdings:
    """What the warehouse holds of a patient."""

    rows: Mapping[str, int]  # by table, tables without rows left out
    mentions: Mapping[str, int]  # texts of others that speak of the patient, by table
    words: Mapping[str, int]  # texts of others in which the pseudonym is a word that may mean anything else, by table
    sources: tuple[str, ...]  # where the patient's videos were, relative to the source


@dataclass(frozen=True)
class Erasure:
    """An erasure as it is recorded."""

    erasure_id: str
    subject: str  # what the audit log calls the patient
    rows_deleted: bool
    receipt: Mapping[str, Any]  # JSON-able, names nobody


# The videos of a patient, stored or in quarantine: the hash of each, NULL if it was not read, and where it was.
_FILES_OF_PATIENT = """
    SELECT content_sha256, source_uri
    FROM sessions
    WHERE patient_id = $patient_id
    UNION
    SELECT content_sha256, source_uri
    FROM quarantine
    WHERE patient_id = $patient_id
    ORDER BY source_uri
"""


def holdings(connection: duckdb.DuckDBPyConnection, patient_id: str) -> Holdings:
    """What is stored of a patient, without changing it.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        keys, traces = keys_of_patient(connection, patient_id), traces_of(connection, patient_id)
        rows = count_rows(connection, personal_tables(connection), keys)
        mentions = mentions_of(connection, traces, keys)
        files = connection.execute(_FILES_OF_PATIENT, {"patient_id": patient_id}).fetchall()
        words = words_like(connection, traces)
    return Holdings(
        rows=dict(sorted(rows.items())),
        mentions=dict(sorted(Counter(mention.table for mention in mentions).items())),
        words=dict(sorted(Counter(words).items())),
        sources=tuple(source for _, source in files),
    )


# Erasures that were interrupted.
_ERASURES_UNFINISHED = """
    SELECT erasure_id, subject, rows_deleted_at IS NOT NULL AS rows_deleted, CAST(receipt AS VARCHAR) AS receipt
    FROM erasures
    WHERE finished_at IS NULL
    ORDER BY begun_at, erasure_id
"""


def unfinished_erasure(connection: duckdb.DuckDBPyConnection, patient_id: str) -> Erasure | None:
    """The interrupted erasure to go on with: this patient's, or one whose rows are gone, so that nobody knows whose.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        subject = audit.known_subjects(connection, {patient_id}).get(patient_id)
        rows = connection.execute(_ERASURES_UNFINISHED).fetchall()
    mine = (erasure for erasure in map(_erasure, rows) if erasure.rows_deleted or erasure.subject == subject)
    return next(mine, None)


# Begin an erasure.
_INSERT_ERASURE = """
    INSERT INTO erasures (erasure_id, subject, begun_at, receipt)
    VALUES ($erasure_id, $subject, now(), $receipt)
"""


def begin_erasure(connection: duckdb.DuckDBPyConnection, patient_id: str, receipt: Mapping[str, Any]) -> Erasure:
    """Record that an erasure begins, before anything is removed.

    Raises:
        WarehouseError: the database failed.
    """
    with transaction(connection):
        subject = audit.subject_of(connection, patient_id)
        erasure = Erasure(secrets.token_hex(16), subject, False, receipt)
        values = {"erasure_id": erasure.erasure_id, "subject": subject, "receipt": _json(receipt)}
        connection.execute(_INSERT_ERASURE, values)
        audit.record(connection, "erasure_begun", object_id=erasure.erasure_id, patient_id=patient_id)
    return erasure


def note_receipt(connection: duckdb.DuckDBPyConnection, erasure: Erasure, receipt: Mapping[str, Any]) -> None:
    """Replace the receipt of an erasure that goes on.

    Raises:
        WarehouseError: the database failed.
    """
    with transaction(connection):
        _update(connection, erasure, receipt, rows_deleted=False, finished=False)


# Ward overviews that show a patient who is erased: whom they show, and what they were made from, is not known any more.
_FORGET_PAGES_OF_PATIENT = """
    UPDATE reports SET shown = NULL, input_key = ''
    WHERE kind = 'ward' AND list_contains(string_split(shown, ','), $patient_id)
"""


def erase_rows(
    connection: duckdb.DuckDBPyConnection,
    patient_id: str,
    erasure: Erasure,
    receipt: Mapping[str, Any],
    pages: Collection[str] = (),
) -> dict[str, int]:
    """Delete a patient's rows from every table and the name from other rows' messages, in one transaction.

    The bytes are still in the database's storage afterwards, see warehouse.publish.

    Args:
        connection: the warehouse, open for writing.
        patient_id: the pseudonym.
        erasure: as it is recorded.
        receipt: of it, so far.
        pages: files of others' reports that speak of the patient, relative to the data folder; those reports are
            marked to be rendered again.

    Returns:
        Rows by table that went or were changed.

    Raises:
        WarehouseError: the database failed; nothing was deleted.
    """
    with transaction(connection):
        # All three are looked up before the rows go by which they are found.
        keys, traces = keys_of_patient(connection, patient_id), traces_of(connection, patient_id)
        consents = read_register(connection).periods.get(patient_id, ())
        bury(connection, "patient", [patient_id])
        bury(connection, "consent", [consent.identity for consent in consents])
        counts = delete_rows(connection, personal_tables(connection), keys)
        # A page that is not rendered again in this run is known as one that has to be, whoever is erased next.
        connection.execute(_FORGET_PAGES_OF_PATIENT, {"patient_id": patient_id})
        forget_pages(connection, pages)
        for mention in mentions_of(connection, traces, keys):
            counts[mention.table] = counts.get(mention.table, 0) + strike(connection, mention)
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
        WarehouseError: the database failed.
    """
    with transaction(connection):
        rows = connection.execute(_ERASURES_UNFINISHED).fetchall()
        for erasure in map(_erasure, rows):
            if not erasure.rows_deleted:
                continue
            audit.record(connection, "erasure_finished", object_id=erasure.erasure_id)
            full = {**erasure.receipt, **receipt, "audit_head": vars(audit.current_head(connection))}
            _update(connection, erasure, full, rows_deleted=True, finished=True)


# The receipts of all finished erasures, with the UTC day on which each was finished.
_ERASURES_FINISHED = """
    SELECT erasure_id, strftime(finished_at, '%Y-%m-%d') AS finished_on, CAST(receipt AS VARCHAR) AS receipt
    FROM erasures
    WHERE finished_at IS NOT NULL
    ORDER BY finished_at, erasure_id
"""


def receipts(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """The receipts of all finished erasures, by a name for each.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        rows = connection.execute(_ERASURES_FINISHED).fetchall()
    return {
        f"ERASURE-{day}-{erasure_id}": {"erasure_id": erasure_id, **json.loads(receipt)}
        for erasure_id, day, receipt in rows
    }


def remaining(connection: duckdb.DuckDBPyConnection, traces: Traces) -> list[str]:
    """Tables in which a query still finds rows of the patient, or texts that speak of the patient.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        keys = keys_of_patient(connection, traces.identifier)
        rows = count_rows(connection, personal_tables(connection), keys)
        return sorted({*rows, *(mention.table for mention in mentions_of(connection, traces, keys))})


def _erasure(row: tuple[str, str, bool, str]) -> Erasure:
    erasure_id, subject, rows_deleted, receipt = row
    return Erasure(erasure_id, subject, rows_deleted, json.loads(receipt))


# Write down how far an erasure has come; a time that is set already stays.
_UPDATE_ERASURE = """
    UPDATE erasures
    SET receipt = $receipt,
        rows_deleted_at = coalesce(rows_deleted_at, CASE WHEN $rows_deleted THEN now() END),
        finished_at = coalesce(finished_at, CASE WHEN $finished THEN now() END)
    WHERE erasure_id = $erasure_id
"""


def _update(
    connection: duckdb.DuckDBPyConnection,
    erasure: Erasure,
    receipt: Mapping[str, Any],
    *,
    rows_deleted: bool,
    finished: bool,
) -> None:
    values = {"erasure_id": erasure.erasure_id, "rows_deleted": rows_deleted, "finished": finished}
    connection.execute(_UPDATE_ERASURE, {**values, "receipt": _json(receipt)})


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, default=str)
