"""Writes and reads the quarantine: sessions that could not be scored, and why, until they are tried again.

Every function that writes is one transaction, and does nothing if what it would write is already stored. A source file
has at most one row.
"""

from collections.abc import Sequence
from datetime import date

import duckdb
import polars as pl

from pmfer.errors import QuarantineReason
from warehouse import audit
from warehouse.consent import with_tombstone
from warehouse.corrections import withdraw_stored_from
from warehouse.records import QuarantineRecord
from warehouse.sql import changed
from warehouse.transaction import read, transaction

# Delete the earlier row of a source that has a new one.
_DELETE_QUARANTINE_BEFORE = """
    DELETE FROM quarantine
    WHERE source_uri = $source_uri AND quarantine_id <> $quarantine_id
"""
# Quarantine a session, unless the same file is already quarantined for the same reason.
_INSERT_QUARANTINE = """
    INSERT INTO quarantine (
        quarantine_id, night, source_uri, content_sha256, session_id, patient_id, reason, message, first_seen_at, run_id
    )
    SELECT
        $quarantine_id, $night, $source_uri, $content_sha256, $session_id, $patient_id, $reason, $message, now(),
        $run_id
    WHERE NOT EXISTS (FROM quarantine WHERE quarantine_id = $quarantine_id)
"""
# The same file may have another fault of the same kind after a correction, or another patient.
_RESTATE_QUARANTINE = """
    UPDATE quarantine SET session_id = $session_id, patient_id = $patient_id, message = $message
    WHERE quarantine_id = $quarantine_id
        AND (session_id, patient_id, message) IS DISTINCT FROM ($session_id, $patient_id, $message)
"""


def add_quarantine(connection: duckdb.DuckDBPyConnection, record: QuarantineRecord) -> bool:
    """Quarantine a session. It replaces an earlier row of the same source.

    If it has no consent and its file was stored as a session of another patient, that session is withdrawn.

    Returns:
        False, with nothing written, if the same file is already quarantined for the same reason with the same message,
        or if the patient was erased.

    Raises:
        WarehouseError: the database failed.
    """
    values = {**vars(record), "quarantine_id": record.quarantine_id, "reason": str(record.reason)}
    with transaction(connection):
        if record.patient_id and with_tombstone(connection, "patient", [record.patient_id]):
            return False
        restated = {name: values[name] for name in ("quarantine_id", "session_id", "patient_id", "message")}
        added = changed(connection, _INSERT_QUARANTINE, values) or changed(connection, _RESTATE_QUARANTINE, restated)
        if added:
            keys = {"source_uri": record.source_uri, "quarantine_id": record.quarantine_id}
            connection.execute(_DELETE_QUARANTINE_BEFORE, keys)
            if record.patient_id and record.reason is QuarantineReason.NO_CONSENT:
                withdraw_stored_from(connection, [record.source_uri], record.night, record.patient_id)
            audit.record(
                connection, "session_set_aside", patient_id=record.patient_id, night=record.night, reason=record.reason
            )
    return added > 0


# Take sources out of quarantine.
DELETE_QUARANTINE = "DELETE FROM quarantine WHERE source_uri IN (SELECT unnest(CAST($source_uris AS VARCHAR[])))"


def lift_quarantine(connection: duckdb.DuckDBPyConnection, source_uri: str) -> bool:
    """Take a source out of quarantine; true if it was in it.

    store_sessions does this itself. This function is for a source whose session turns out to be stored already.

    Raises:
        WarehouseError: the database failed.
    """
    with transaction(connection):
        lifted = changed(connection, DELETE_QUARANTINE, {"source_uris": [source_uri]})
        if lifted:
            audit.record(connection, "quarantine_lifted", rows=lifted)
    return lifted > 0


# Mark sources to be tried again.
_ASK_REPLAY = """
    UPDATE quarantine SET replay_asked_at = now()
    WHERE list_contains(CAST($quarantine_ids AS VARCHAR[]), quarantine_id) AND replay_asked_at IS NULL
"""


def ask_replay(connection: duckdb.DuckDBPyConnection, rows: Sequence[QuarantineRecord]) -> int:
    """Mark sources to be tried again by the next run of their nights; returns how many were not marked before.

    Raises:
        WarehouseError: the database failed.
    """
    return _change_quarantine(connection, _ASK_REPLAY, "replay_asked", rows)


# Delete rows of quarantine.
_DELETE_QUARANTINE_BY_ID = """
    DELETE FROM quarantine
    WHERE list_contains(CAST($quarantine_ids AS VARCHAR[]), quarantine_id)
"""


def drop_quarantine(connection: duckdb.DuckDBPyConnection, rows: Sequence[QuarantineRecord]) -> int:
    """Delete rows from quarantine; returns how many.

    Raises:
        WarehouseError: the database failed.
    """
    return _change_quarantine(connection, _DELETE_QUARANTINE_BY_ID, "quarantine_dropped", rows)


# Clear the marks of a night whose sources have been tried again.
_SETTLE_REPLAYS = "UPDATE quarantine SET replay_asked_at = NULL WHERE night = $night AND replay_asked_at IS NOT NULL"


def settle_replays(connection: duckdb.DuckDBPyConnection, night: date) -> int:
    """Clear the marks of a night whose sources have been tried again; returns how many there were.

    Raises:
        WarehouseError: the database failed.
    """
    with transaction(connection):
        settled = changed(connection, _SETTLE_REPLAYS, {"night": night})
        if settled:
            audit.record(connection, "replays_settled", night=night, rows=settled)
    return settled


def _change_quarantine(
    connection: duckdb.DuckDBPyConnection, statement: str, action: str, rows: Sequence[QuarantineRecord]
) -> int:
    """Run a statement on rows of quarantine and add an entry to the audit log for each row."""
    with transaction(connection):
        count = changed(connection, statement, {"quarantine_ids": [row.quarantine_id for row in rows]}) if rows else 0
        if count:
            audit.record_all(
                connection,
                [
                    audit.Event(action, patient_id=row.patient_id, details={"night": row.night, "reason": row.reason})
                    for row in rows
                ],
            )
    return count


_QUARANTINE = """
    SELECT *
    FROM quarantine
    WHERE night = $night
    ORDER BY source_uri
"""


def of_night(connection: duckdb.DuckDBPyConnection, night: date) -> pl.DataFrame:
    """Rows of quarantine of one night by source, including those whose patient is unknown."""
    return read(connection, _QUARANTINE, night=night)


_QUARANTINE_ALL = """
    SELECT *
    FROM quarantine
    WHERE (CAST($since AS DATE) IS NULL OR night >= $since)
        AND (CAST($until AS DATE) IS NULL OR night <= $until)
        AND (CAST($reason AS VARCHAR) IS NULL OR reason = $reason)
    ORDER BY night, source_uri
"""


def between(
    connection: duckdb.DuckDBPyConnection,
    *,
    since: date | None = None,
    until: date | None = None,
    reason: str | None = None,
) -> pl.DataFrame:
    """Rows of quarantine from `since` to `until`, both included, for one reason or (None) all; by night and source."""
    return read(connection, _QUARANTINE_ALL, since=since, until=until, reason=reason)


_NIGHTS_TO_REPLAY = "SELECT DISTINCT night FROM quarantine WHERE replay_asked_at IS NOT NULL ORDER BY night"


def nights_to_replay(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Nights with something in quarantine that is marked to be tried again, in order."""
    return read(connection, _NIGHTS_TO_REPLAY)["night"].to_list()
