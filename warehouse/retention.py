"""Deletes rows past their retention period, from every table that has such rows.

The bytes of deleted rows stay in free blocks of a DuckDB file until they are overwritten; see docs/privacy.md.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import polars as pl

from warehouse import audit
from warehouse.personal import Keys, delete_rows, personal_tables, scorings_of
from warehouse.sql import changed, registered, table_columns
from warehouse.transaction import read, transaction

# Tables with a retention period of their own, although their rows refer to sessions or patients.
_OWN_AGE = ("quarantine", "reports")


@dataclass(frozen=True)
class Retention:
    """Retention periods in days, counted from the local calendar day that the data belongs to. None: kept for good."""

    frames: int | None = None  # rows of single frames
    sessions: int | None = None  # everything about a session except its daily values, see keep_days; care events
    reports: int | None = None  # files of reports, their rows, and their findings
    staged: int | None = None  # files that killed runs left in the staging folder
    quarantine: int | None = None  # rows of quarantine

    @property
    def is_set(self) -> bool:
        """Whether there is any retention period."""
        return any(days is not None for days in vars(self).values())


class _CountedError(Exception):
    """Rolls back a transaction that only counts what it would delete."""


def first_day_kept(today: date, days: int) -> date:
    """The first day whose data is still kept: yesterday if `days` is 1."""
    return today - timedelta(days=days)


def expired_rows(connection: duckdb.DuckDBPyConnection, retention: Retention, today: date) -> dict[str, int]:
    """How many rows are due to be deleted, by table; tables without any are left out. Changes nothing.

    Raises:
        WarehouseError: the database failed.
    """
    counts: dict[str, int] = {}
    with suppress(_CountedError), transaction(connection):
        counts = _delete_expired(connection, retention, today)
        raise _CountedError
    return counts


def expire_rows(connection: duckdb.DuckDBPyConnection, retention: Retention, today: date) -> dict[str, int]:
    """Delete the rows that are due, in one transaction; returns how many, by table.

    Raises:
        WarehouseError: the database failed; nothing was deleted.
    """
    with transaction(connection):
        counts = _delete_expired(connection, retention, today)
        if counts:
            days = {name: days for name, days in vars(retention).items() if days is not None}
            audit.record(connection, "retention_applied", today=today, days=days, rows=counts)
    return counts


# The first day whose frames were kept, from the deletions in the audit log; NULL if there was none.
_FRAMES_KEPT_SINCE = """
    SELECT max(CAST(details ->> '$.today' AS DATE) - CAST(details ->> '$.days.frames' AS INTEGER)) AS first_day
    FROM audit_log
    WHERE action = 'retention_applied'
"""


def frames_kept_since(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The first day whose frames were not past their retention period; None if none were ever deleted for their age.

    Raises:
        WarehouseError: the database failed.
    """
    first_day: date | None = read(connection, _FRAMES_KEPT_SINCE)["first_day"].item()
    return first_day


# Store the values in day_batch of days that have none yet.
_INSERT_DAILY_VALUES = """
    INSERT INTO daily_values BY NAME
    SELECT patient_id, session_date, bundle_id, options_sha256, sessions, measure, situation, value, frames
    FROM day_batch
    ANTI JOIN daily_values USING (patient_id, session_date, bundle_id, options_sha256)
"""


def keep_days(connection: duckdb.DuckDBPyConnection, days: pl.DataFrame) -> None:
    """Keep the daily values of sessions that are about to be deleted; a day that already has some stays as it is.

    They are deleted with the last session of the patient that was scored with the same bundle and options.

    Args:
        connection: from open_writer.
        days: columns of the table daily_values.

    Raises:
        WarehouseError: the database failed.
    """
    with transaction(connection), registered(connection, "day_batch", days):
        ((count,),) = connection.execute(_INSERT_DAILY_VALUES).fetchall()
        if count:
            audit.record(connection, "days_kept", rows=count)


# Delete patients without sessions.
_DELETE_PATIENTS_WITHOUT_SESSIONS = "DELETE FROM patients WHERE patient_id NOT IN (SELECT patient_id FROM sessions)"
# Delete daily values of patients without sessions that were scored with the same bundle and options.
_DELETE_DAILY_VALUES_WITHOUT_SESSIONS = """
    DELETE FROM daily_values
    WHERE NOT EXISTS (
        FROM sessions
        JOIN scorings USING (session_id)
        WHERE sessions.patient_id = daily_values.patient_id
            AND scorings.bundle_id = daily_values.bundle_id
            AND scorings.options_sha256 = daily_values.options_sha256
    )
"""
# Delete accepted levels of patients without sessions. Until then they determine the usual range.
_DELETE_LEVELS_WITHOUT_SESSIONS = (
    "DELETE FROM accepted_levels WHERE patient_id NOT IN (SELECT patient_id FROM sessions)"
)
# Delete what ended before a day, by table.
_DELETE_BEFORE = {
    "care_events": "DELETE FROM care_events WHERE event_date < $day AND (ended_at IS NULL OR ended_at < $day)",
    "findings": "DELETE FROM findings WHERE session_date < $day",
    "quarantine": "DELETE FROM quarantine WHERE night < $day",
    "reports": "DELETE FROM reports WHERE report_date < $day",
}


def _delete_expired(connection: duckdb.DuckDBPyConnection, retention: Retention, today: date) -> dict[str, int]:
    counts: dict[str, int] = {}
    tables = {name: links for name, links in personal_tables(connection).items() if name not in _OWN_AGE}
    if retention.sessions is not None:
        keys = _keys_before(connection, first_day_kept(today, retention.sessions))
        counts |= delete_rows(connection, tables, keys)
        counts["patients"] = changed(connection, _DELETE_PATIENTS_WITHOUT_SESSIONS, {})
        counts["daily_values"] = changed(connection, _DELETE_DAILY_VALUES_WITHOUT_SESSIONS, {})
        counts["accepted_levels"] = changed(connection, _DELETE_LEVELS_WITHOUT_SESSIONS, {})
    if retention.frames is not None:
        keys = _keys_before(connection, first_day_kept(today, retention.frames))
        columns = table_columns(connection)
        of_frames = {name: links for name, links in tables.items() if "frame_index" in columns[name]}
        for name, count in delete_rows(connection, of_frames, keys).items():
            counts[name] = counts.get(name, 0) + count
    for name, days in (
        ("care_events", retention.sessions),
        ("quarantine", retention.quarantine),
        ("reports", retention.reports),
        ("findings", retention.reports),
    ):
        if days is not None:
            counts[name] = changed(connection, _DELETE_BEFORE[name], {"day": first_day_kept(today, days)})
    counts["audit_subjects"] = _forget_subjects(connection)
    return {name: counts[name] for name in sorted(counts) if counts[name]}


def _forget_subjects(connection: duckdb.DuckDBPyConnection) -> int:
    """Delete audit subjects of patients who have no other rows, except subjects that an unfinished erasure needs."""
    owned = [name for name, columns in personal_tables(connection).items() if "patient_id" in columns]
    remaining = " UNION ".join(f"SELECT patient_id FROM {name}" for name in owned if name != "audit_subjects")
    ((count,),) = connection.execute(
        f"DELETE FROM audit_subjects WHERE patient_id NOT IN (FROM ({remaining}) WHERE patient_id IS NOT NULL) "
        "AND subject NOT IN (SELECT subject FROM erasures WHERE rows_deleted_at IS NULL)"
    ).fetchall()
    return int(count)


# Sessions of days before a day.
_SESSIONS_BEFORE = "SELECT session_id FROM sessions WHERE session_date < $day ORDER BY session_id"


def _keys_before(connection: duckdb.DuckDBPyConnection, day: date) -> Keys:
    rows = connection.execute(_SESSIONS_BEFORE, {"day": day}).fetchall()
    sessions = tuple(session_id for (session_id,) in rows)
    return Keys(session_id=sessions, scoring_id=scorings_of(connection, sessions))
