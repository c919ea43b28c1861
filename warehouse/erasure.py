"""Erases a patient's rows, and keeps the record of erasures, which names nobody.

An erasure goes through three states: begun (what is going to be removed is written down), rows deleted, finished (the
storage was written anew and nothing was found any more). One that was interrupted is taken up where it was left.
"""

import json
import secrets
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import duckdb

from warehouse import audit
from warehouse.consent import bury, read_register
from warehouse.personal import Keys, Traces, count_rows, delete_rows, keys_of_patient, personal_tables
from warehouse.runs import forget_pages
from warehouse.transaction import database_path, one_line_errors, transaction

# By which other rows of the same table are known; they may contain the identifier of the patient who is erased.
_NAMES = ("patient_id", "session_id", "source_uri", "report_id", "path", "event_id")
_WRITTEN_BY_US = ("message", "warning")  # go as a whole where they mention the patient
_WRITTEN_BY_PEOPLE = ("source", "note", "notes", "comment", "item")  # lose the mention, and stay
_ERASED = "erased"
_RECORDS = ("audit_log", "audit_head", "erasures", "tombstones")  # hold no patient_id by construction


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


# The videos of a patient, stored or set aside: the hash of each, NULL if it was not read, and where it was.
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
        WarehouseError: the database refused.
    """
    with one_line_errors(database_path(connection)):
        keys, traces = keys_of_patient(connection, patient_id), traces_of(connection, patient_id)
        rows = count_rows(connection, personal_tables(connection), keys)
        mentions = _mentions(connection, traces, keys)
        files = connection.execute(_FILES_OF_PATIENT, {"patient_id": patient_id}).fetchall()
        words = [] if traces.is_distinct else _texts(connection, traces.identifier, patient_id, _WRITTEN_BY_PEOPLE)
    return Holdings(
        rows=dict(sorted(rows.items())),
        mentions=dict(sorted(Counter(mention.table for mention in mentions).items())),
        words=dict(sorted(Counter(table for table, _, value in words if traces.holds_word(value)).items())),
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
        WarehouseError: the database refused.
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
        WarehouseError: the database refused.
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
        WarehouseError: the database refused.
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
        WarehouseError: the database refused; nothing was deleted.
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
        for mention in _mentions(connection, traces, keys):
            counts[mention.table] = counts.get(mention.table, 0) + _strike(connection, mention)
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
        WarehouseError: the database refused.
    """
    with one_line_errors(database_path(connection)):
        rows = connection.execute(_ERASURES_FINISHED).fetchall()
    return {
        f"ERASURE-{day}-{erasure_id}": {"erasure_id": erasure_id, **json.loads(receipt)}
        for erasure_id, day, receipt in rows
    }


# The columns of all tables that hold text.
_TEXT_COLUMNS = """
    SELECT table_name, column_name
    FROM duckdb_columns()
    WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
        AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database())
        AND data_type IN ('VARCHAR', 'JSON')
    ORDER BY table_name, column_name
"""


def traces_of(connection: duckdb.DuckDBPyConnection, patient_id: str) -> Traces:
    """What to look for; identifiers of other patients that contain this one's are to be kept.

    Raises:
        WarehouseError: the database refused.
    """
    keep: set[str] = set()
    values = {"patient_id": patient_id}
    with one_line_errors(database_path(connection)):
        columns = connection.execute(_TEXT_COLUMNS).fetchall()
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


def remaining(connection: duckdb.DuckDBPyConnection, traces: Traces) -> list[str]:
    """Tables in which a query still finds rows of the patient, or texts that speak of the patient.

    Raises:
        WarehouseError: the database refused.
    """
    with one_line_errors(database_path(connection)):
        keys = keys_of_patient(connection, traces.identifier)
        rows = count_rows(connection, personal_tables(connection), keys)
        return sorted({*rows, *(mention.table for mention in _mentions(connection, traces, keys))})


def _erasure(row: tuple[str, str, bool, str]) -> Erasure:
    erasure_id, subject, rows_deleted, receipt = row
    return Erasure(erasure_id, subject, rows_deleted, json.loads(receipt))


@dataclass(frozen=True)
class _Mention:
    """A text of somebody else's row that speaks of the patient."""

    table: str
    column: str
    text: str
    without: str | None  # what takes its place; None: the row goes


# What is set aside without a patient, by its path in the source.
_QUARANTINE_OF_NOBODY = "SELECT DISTINCT source_uri FROM quarantine WHERE patient_id IS NULL ORDER BY source_uri"


def _mentions(connection: duckdb.DuckDBPyConnection, traces: Traces, keys: Keys) -> list[_Mention]:
    """Texts that speak of a patient or of the patient's sessions."""
    wanted = [traces, *(Traces(name) for name in keys.session_id)]
    found: dict[tuple[str, str, str], _Mention] = {}
    for trace in wanted:
        columns = (*_WRITTEN_BY_US, *_WRITTEN_BY_PEOPLE)
        for table, column, text in _texts(connection, trace.identifier, traces.identifier, columns):
            before = found[table, column, text].without if (table, column, text) in found else text
            if trace.in_text(text) and before is not None:
                # What is set aside for a reason that names the patient is looked at anew by the next run of its night.
                aside = None if table == "quarantine" else _ERASED
                without = trace.strike(before) if column in _WRITTEN_BY_PEOPLE else aside
                found[table, column, text] = _Mention(table, column, text, without)
    # Of what is set aside without anybody knowing whose it is, the file's name may tell.
    for (uri,) in connection.execute(_QUARANTINE_OF_NOBODY).fetchall():
        if traces.in_text(uri) or PurePosixPath(uri).stem == traces.identifier:
            found["quarantine", "source_uri", uri] = _Mention("quarantine", "source_uri", uri, None)
    return [found[key] for key in sorted(found)]


# Reports that may print a text that changes, of an event or an accepted level, on its day or later: they have to be
# rendered again.
_FORGET_PAGES_THAT_QUOTE = {
    "care_events": """
        UPDATE reports SET input_key = ''
        WHERE kind = 'patient' AND EXISTS (
            FROM care_events
            WHERE care_events.patient_id = reports.patient_id
                AND care_events.event_date <= reports.report_date
                AND $text IN (care_events.note, care_events.item)
        )
    """,
    "accepted_levels": """
        UPDATE reports SET input_key = ''
        WHERE kind = 'patient' AND EXISTS (
            FROM accepted_levels
            WHERE accepted_levels.patient_id = reports.patient_id
                AND accepted_levels.from_date <= reports.report_date
                AND accepted_levels.note = $text
        )
    """,
}


def _strike(connection: duckdb.DuckDBPyConnection, mention: _Mention) -> int:
    values = {"text": mention.text}
    if mention.without is None:
        action = f"DELETE FROM {mention.table} WHERE {mention.column} = $text"
    else:
        if mention.table in _FORGET_PAGES_THAT_QUOTE:
            connection.execute(_FORGET_PAGES_THAT_QUOTE[mention.table], values)
        action = f"UPDATE {mention.table} SET {mention.column} = $without WHERE {mention.column} = $text"
        values["without"] = mention.without
    ((count,),) = connection.execute(action, values).fetchall()
    return int(count)


def _texts(
    connection: duckdb.DuckDBPyConnection, part: str, patient_id: str, columns: Collection[str]
) -> Iterator[tuple[str, str, str]]:
    """Table, column and value of every text in these columns that has a part somewhere and is not the patient's own."""
    known = connection.execute(_TEXT_COLUMNS).fetchall()
    owned = {table for table, column in known if column == "patient_id"}
    for table, column in known:
        if table not in _RECORDS and column in columns:
            others = "patient_id IS DISTINCT FROM $patient_id" if table in owned else "$patient_id IS NOT NULL"
            rows = connection.execute(
                f"SELECT DISTINCT {column} FROM {table} WHERE contains({column}, $part) AND {others}",
                {"part": part, "patient_id": patient_id},
            )
            yield from ((table, column, value) for (value,) in rows.fetchall())


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
