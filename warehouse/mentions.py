"""Mentions of a patient in other rows: messages, notes and file names that contain the pseudonym."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import duckdb

from warehouse.personal import Keys, Traces
from warehouse.sql import table_columns
from warehouse.transaction import database_path, one_line_errors

# Columns that identify rows. Identifiers of other patients' rows may contain the identifier of the erased patient.
_NAMES = ("patient_id", "session_id", "source_uri", "report_id", "path", "event_id")
_WRITTEN_BY_US = ("message", "warning")  # if such a text mentions the patient, all of it is replaced
_WRITTEN_BY_PEOPLE = ("source", "note", "notes", "comment", "item")  # only the mention is replaced
_ERASED = "erased"
_RECORDS = ("audit_log", "audit_head", "erasures", "tombstones")  # never contain a patient_id


def traces_of(connection: duckdb.DuckDBPyConnection, patient_id: str) -> Traces:
    """What to look for. Identifiers of other patients' rows that contain this one are marked to be kept.

    Raises:
        WarehouseError: the database failed.
    """
    keep: set[str] = set()
    values = {"patient_id": patient_id}
    with one_line_errors(database_path(connection)):
        for table, column, is_owned in _text_columns(connection, _NAMES):
            if is_owned:
                rows = connection.execute(
                    f"SELECT DISTINCT {column} FROM {table} "
                    f"WHERE patient_id <> $patient_id AND contains({column}, $patient_id)",
                    values,
                ).fetchall()
                keep.update(value for (value,) in rows)
    return Traces(patient_id, keep)


@dataclass(frozen=True)
class Mention:
    """A text in somebody else's row that mentions the patient."""

    table: str
    column: str
    text: str
    replacement: str | None  # None: delete the row


# Paths of quarantined sessions whose patient is unknown.
_QUARANTINE_OF_NOBODY = "SELECT DISTINCT source_uri FROM quarantine WHERE patient_id IS NULL ORDER BY source_uri"


def mentions_of(connection: duckdb.DuckDBPyConnection, traces: Traces, keys: Keys) -> list[Mention]:
    """Texts that mention a patient or the patient's sessions."""
    wanted = [traces, *(Traces(name) for name in keys.session_id)]
    columns = _text_columns(connection, (*_WRITTEN_BY_US, *_WRITTEN_BY_PEOPLE))
    found: dict[tuple[str, str, str], Mention] = {}
    for trace in wanted:
        for table, column, text in _texts(connection, trace.identifier, traces.identifier, columns):
            before = found[table, column, text].replacement if (table, column, text) in found else text
            if trace.in_text(text) and before is not None:
                # A row of quarantine is deleted: the next run of its night then checks the session again.
                ours = None if table == "quarantine" else _ERASED
                replacement = trace.redact(before) if column in _WRITTEN_BY_PEOPLE else ours
                found[table, column, text] = Mention(table, column, text, replacement)
    # If the patient of a quarantined session is unknown, the name of the file may tell.
    for (uri,) in connection.execute(_QUARANTINE_OF_NOBODY).fetchall():
        if traces.in_text(uri) or PurePosixPath(uri).stem == traces.identifier:
            found["quarantine", "source_uri", uri] = Mention("quarantine", "source_uri", uri, None)
    return [found[key] for key in sorted(found)]


# Mark reports to be rendered again that may quote a changed text: those of the day of the care event or accepted level,
# and later ones.
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


def remove_mention(connection: duckdb.DuckDBPyConnection, mention: Mention) -> int:
    """Remove a mention from every row that has it; returns the number of rows deleted or changed."""
    values = {"text": mention.text}
    if mention.replacement is None:
        action = f"DELETE FROM {mention.table} WHERE {mention.column} = $text"
    else:
        if mention.table in _FORGET_PAGES_THAT_QUOTE:
            connection.execute(_FORGET_PAGES_THAT_QUOTE[mention.table], values)
        action = f"UPDATE {mention.table} SET {mention.column} = $replacement WHERE {mention.column} = $text"
        values["replacement"] = mention.replacement
    ((count,),) = connection.execute(action, values).fetchall()
    return int(count)


def ambiguous_mentions(connection: duckdb.DuckDBPyConnection, traces: Traces) -> list[str]:
    """For each text in which the pseudonym may be an ordinary word, its table. Empty if the pseudonym is distinct."""
    if traces.is_distinct:
        return []
    columns = _text_columns(connection, _WRITTEN_BY_PEOPLE)
    texts = _texts(connection, traces.identifier, traces.identifier, columns)
    return [table for table, _, value in texts if traces.holds_word(value)]


def _text_columns(connection: duckdb.DuckDBPyConnection, names: Collection[str]) -> list[tuple[str, str, bool]]:
    """Table and name of every text column with one of these names, and whether the table says whose each row is."""
    return [
        (table, column, "patient_id" in columns)
        for table, columns in table_columns(connection).items()
        for column, kind in columns.items()
        if table not in _RECORDS and column in names and kind in ("VARCHAR", "JSON")
    ]


def _texts(
    connection: duckdb.DuckDBPyConnection, part: str, patient_id: str, columns: Iterable[tuple[str, str, bool]]
) -> Iterator[tuple[str, str, str]]:
    """Table, column and value of every text in these columns that contains `part`, without the patient's own rows."""
    for table, column, is_owned in columns:
        not_own = "patient_id IS DISTINCT FROM $patient_id" if is_owned else "$patient_id IS NOT NULL"
        rows = connection.execute(
            f"SELECT DISTINCT {column} FROM {table} WHERE contains({column}, $part) AND {not_own}",
            {"part": part, "patient_id": patient_id},
        )
        yield from ((table, column, value) for (value,) in rows.fetchall())
