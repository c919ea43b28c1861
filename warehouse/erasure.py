"""Erases a patient's rows, and keeps a record of erasures, which names nobody.

An erasure has three states: begun (what will be removed is recorded), rows deleted, and finished (the storage was
rewritten and a search found nothing). An interrupted erasure continues where it stopped.
"""

import json
import secrets
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from warehouse import audit
from warehouse.consent import add_tombstones, read_register
from warehouse.mentions import ambiguous_mentions, mentions_of, remove_mention, traces_of
from warehouse.personal import Traces, count_rows, delete_rows, keys_of_patient, personal_tables
from warehouse.runs import forget_pages
from warehouse.transaction import database_path, one_line_errors, transaction


@dataclass(frozen=True)
class Holdings:
    """What the warehouse holds about a patient."""

    rows: Mapping[str, int]  # number of rows by table, without tables that have none
    mentions: Mapping[str, int]  # number of texts in other patients' rows that mention the patient, by table
    words: Mapping[str, int]  # the same for texts in which the pseudonym may be an ordinary word
    sources: tuple[str, ...]  # paths of the patient's videos, relative to the source


@dataclass(frozen=True)
class Erasure:
    """An erasure, as recorded."""

    erasure_id: str
    subject: str  # stands for the patient in the audit log
    rows_deleted: bool
    receipt: Mapping[str, Any]  # for JSON; names nobody


# The videos of a patient, scored or in quarantine: the hash of each (NULL if it was not read) and its path.
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
    """What is stored about a patient; changes nothing.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        keys, traces = keys_of_patient(connection, patient_id), traces_of(connection, patient_id)
        rows = count_rows(connection, personal_tables(connection), keys)
        mentions = mentions_of(connection, traces, keys)
        files = connection.execute(_FILES_OF_PATIENT, {"patient_id": patient_id}).fetchall()
        words = ambiguous_mentions(connection, traces)
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
    """The interrupted erasure to continue: this patient's, or one whose rows are deleted and whose patient is unknown.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        subject = audit.known_subjects(connection, {patient_id}).get(patient_id)
        rows = connection.execute(_ERASURES_UNFINISHED).fetchall()
    matches = (erasure for erasure in map(_erasure, rows) if erasure.rows_deleted or erasure.subject == subject)
    return next(matches, None)


# Record an erasure that begins.
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
    """Replace the receipt of an erasure in progress.

    Raises:
        WarehouseError: the database failed.
    """
    with transaction(connection):
        _update(connection, erasure, receipt, rows_deleted=False, finished=False)


# Forget which patients an overview shows and what it was made from, if it shows the erased patient. It is then rendered
# again.
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
    """Delete a patient's rows from every table and the pseudonym from texts in other rows, in one transaction.

    The bytes are still in the database's storage afterwards; see warehouse.publish.

    Args:
        connection: the warehouse, open for writing.
        patient_id: the pseudonym.
        erasure: as recorded.
        receipt: its receipt so far.
        pages: files of other reports that mention the patient, relative to the data folder; these reports are marked
            to be rendered again.

    Returns:
        Number of rows deleted or changed, by table.

    Raises:
        WarehouseError: the database failed; nothing was deleted.
    """
    with transaction(connection):
        # Look up all three before deleting the rows that they are found by.
        keys, traces = keys_of_patient(connection, patient_id), traces_of(connection, patient_id)
        consents = read_register(connection).periods.get(patient_id, ())
        add_tombstones(connection, "patient", [patient_id])
        add_tombstones(connection, "consent", [consent.identity for consent in consents])
        counts = delete_rows(connection, personal_tables(connection), keys)
        # If a page is not rendered again in this run, the mark stays, so that a later run renders it.
        connection.execute(_FORGET_PAGES_OF_PATIENT, {"patient_id": patient_id})
        forget_pages(connection, pages)
        for mention in mentions_of(connection, traces, keys):
            counts[mention.table] = counts.get(mention.table, 0) + remove_mention(connection, mention)
        earlier = receipt.get("rows", {})  # from before the erasure was interrupted
        total = {table: counts.get(table, 0) + earlier.get(table, 0) for table in sorted({*counts, *earlier})}
        _update(connection, erasure, {**receipt, "rows": total}, rows_deleted=True, finished=False)
        audit.record(connection, "rows_erased", object_id=erasure.erasure_id, rows=total)
    return total


def finish_erasures(connection: duckdb.DuckDBPyConnection, receipt: Mapping[str, Any]) -> None:
    """Mark every erasure whose rows are deleted as finished: rewriting the storage removed the bytes of all of them.

    Args:
        connection: the warehouse, after its storage was rewritten.
        receipt: what the last step adds to the receipts.

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
    """The receipts of all finished erasures, by name.

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
    """Tables in which a query still finds rows of the patient, or texts that mention the patient.

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


# Record the progress of an erasure; a time that is already set stays.
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
