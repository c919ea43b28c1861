"""Findings, which are what reports said about a patient, measure and day; and new usual levels that people accepted.

The findings of a patient, day, bundle and options are written together and replace those of an earlier rendering.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import duckdb
import polars as pl

from pmfer.errors import WarehouseError
from warehouse import audit
from warehouse.consent import with_tombstone
from warehouse.queries import Provenance
from warehouse.records import AcceptedLevel, FindingRecord
from warehouse.sql import changed, registered
from warehouse.transaction import read, transaction

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "patient_id": pl.String,
    "session_date": pl.Date,
    "measure": pl.String,
    "bundle_id": pl.String,
    "options_sha256": pl.String,
    "kind": pl.String,
    "state": pl.String,
    "stage": pl.String,
    "rules": pl.List(pl.String),
    "value": pl.Float64,
    "recent": pl.Float64,
    "mean_since": pl.Float64,
    "usual_low": pl.Float64,
    "usual_high": pl.Float64,
    "centre": pl.Float64,
    "limit_low": pl.Float64,
    "limit_high": pl.Float64,
    "baseline_days": pl.Int32,
    "tentative": pl.Boolean,
    "direction": pl.String,
    "opened_on": pl.Date,
    "onset_on": pl.Date,
    "onset_from": pl.Date,
    "onset_to": pl.Date,
    "closed_on": pl.Date,
    "days_open": pl.Int32,
    "lack": pl.String,
    "accepted_on": pl.Date,
    "code_version": pl.String,
}
_COLUMNS = ", ".join(_SCHEMA)
_DAY = "patient_id, session_date, bundle_id, options_sha256"  # key of the findings that are written together
# The days of finding_batch whose stored findings are missing or differ.
_DAYS_TO_WRITE = f"""
    WITH stored AS (
        SELECT {_COLUMNS}
        FROM findings
        SEMI JOIN finding_batch USING ({_DAY})
    )
    SELECT DISTINCT {_DAY}
    FROM (
        (SELECT {_COLUMNS} FROM finding_batch EXCEPT FROM stored)
        UNION ALL
        (FROM stored EXCEPT SELECT {_COLUMNS} FROM finding_batch)
    )
    ORDER BY ALL
"""
# Delete the stored findings of finding_days.
_DELETE_FINDINGS = f"""
    DELETE FROM findings
    WHERE ({_DAY}) IN (SELECT ({_DAY}) FROM finding_days)
"""
# Store the findings of finding_days.
_INSERT_FINDINGS = f"""
    INSERT INTO findings BY NAME
    SELECT *, now() AS found_at
    FROM finding_batch
    SEMI JOIN finding_days USING ({_DAY})
"""


def store_findings(connection: duckdb.DuckDBPyConnection, findings: Sequence[FindingRecord]) -> int:
    """Store the findings of reports, all or none, with an entry in the audit log for each patient and day.

    They replace the findings of an earlier rendering for the same patient, day, bundle and options. A day whose
    findings are unchanged is left alone. Findings of patients who were erased are skipped.

    Args:
        connection: a writer.
        findings: all measures of each patient and day.

    Returns:
        For how many patients and days findings were written.

    Raises:
        WarehouseError: the database failed; nothing was stored.
    """
    with transaction(connection):
        erased = with_tombstone(connection, "patient", {finding.patient_id for finding in findings})
        rows = [{**vars(finding), "rules": list(finding.rules)} for finding in findings]
        batch = pl.DataFrame(rows, schema=_SCHEMA).filter(~pl.col("patient_id").is_in(list(erased)))
        with registered(connection, "finding_batch", batch):
            days = connection.execute(_DAYS_TO_WRITE).pl()
            if days.is_empty():
                return 0
            with registered(connection, "finding_days", days):
                connection.execute(_DELETE_FINDINGS)
                connection.execute(_INSERT_FINDINGS)
        audit.record_all(connection, [_stored(row) for row in days.iter_rows(named=True)])
    return days.height


def _stored(day: dict[str, Any]) -> audit.Event:
    details = {"session_date": day["session_date"], "bundle_id": day["bundle_id"]}
    return audit.Event("findings_stored", patient_id=day["patient_id"], details=details)


# The flags that were open when the present bundle or options took over, as last reported before a day. Left out are
# flags that a person has accepted since, and measures that the present bundle and options have compared themselves.
_CARRIED = """
    SELECT patient_id, measure, direction, opened_on, onset_on, session_date AS last_told_on
    FROM findings AS reported
    WHERE kind = 'headline'
        AND patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[])))
        AND session_date BETWEEN $since AND $day - 1
        AND (bundle_id <> $bundle_id OR options_sha256 <> $options_sha256)
        AND NOT EXISTS (
            FROM findings AS own
            WHERE own.patient_id = reported.patient_id AND own.measure = reported.measure AND own.session_date < $day
                AND own.bundle_id = $bundle_id AND own.options_sha256 = $options_sha256
                AND own.state <> 'insufficient'
        )
        AND NOT EXISTS (
            FROM accepted_levels AS level
            WHERE level.patient_id = reported.patient_id AND level.measure = reported.measure
                AND level.undone_at IS NULL
                AND level.from_date BETWEEN coalesce(reported.onset_from, reported.opened_on) AND $day
        )
    QUALIFY row_number() OVER (PARTITION BY patient_id, measure ORDER BY session_date DESC, found_at DESC) = 1
        AND stage IN ('new', 'open')
    ORDER BY patient_id, measure
"""


def carried_over(
    connection: duckdb.DuckDBPyConnection,
    patient_ids: Collection[str],
    provenance: Provenance,
    *,
    since: date,
    day: date,
) -> pl.DataFrame:
    """Flags that were open under another bundle or other options, and that `provenance` cannot assess yet.

    Args:
        connection: an open warehouse.
        patient_ids: the patients.
        provenance: the present bundle and options.
        since: first day whose findings count.
        day: the day of the report; only findings of earlier days count.

    Returns:
        patient_id, measure, direction (higher or lower), opened_on, onset_on, last_told_on; by patient and measure.
    """
    values = {"patient_ids": list(patient_ids), "since": since, "day": day, **vars(provenance)}
    return read(connection, _CARRIED, **values)


_FLAGS = """
    SELECT *
    FROM flags
    WHERE ($patient_id IS NULL OR patient_id = $patient_id)
        AND ($over OR (outcome IN ('open', 'carried_over') AND closed_on IS NULL))
    ORDER BY opened_on DESC, patient_id, measure, bundle_id, options_sha256
"""


def flags(connection: duckdb.DuckDBPyConnection, patient_id: str | None = None, *, over: bool = True) -> pl.DataFrame:
    """Rows of the view flags for one patient or (None) all, newest first; with `over` also flags that have ended."""
    return read(connection, _FLAGS, patient_id=patient_id, over=over)


# The first day with data about a patient; NULL for an unknown patient.
_FIRST_DAY = """
    SELECT min(session_date) AS first_day
    FROM (
        SELECT session_date FROM sessions WHERE patient_id = $patient_id
        UNION ALL
        SELECT session_date FROM daily_values WHERE patient_id = $patient_id
    )
"""
# Accept a level, unless the same one is in force already.
_INSERT_LEVEL = """
    INSERT INTO accepted_levels (patient_id, measure, from_date, note, actor, accepted_at, undone_at)
    SELECT $patient_id, $measure, $from_date, $note, $actor, now(), NULL
    WHERE NOT EXISTS (
        FROM accepted_levels
        WHERE patient_id = $patient_id AND measure = $measure AND from_date = $from_date AND undone_at IS NULL
    )
"""


def accept_level(connection: duckdb.DuckDBPyConnection, level: AcceptedLevel) -> None:
    """Accept a new usual level: on its first day, the baseline of that measure starts again.

    Raises:
        WarehouseError: nothing is stored of the patient, or only from a later day on; the level is already accepted;
            or the database failed.
    """
    with transaction(connection):
        ((first_day,),) = connection.execute(_FIRST_DAY, {"patient_id": level.patient_id}).fetchall()
        if first_day is None:
            raise WarehouseError(f"patient {level.patient_id}: nothing is stored; check the pseudonym")
        if level.from_date < first_day:
            raise WarehouseError(
                f"{level.from_date}: is before the patient's first day, {first_day}; choose that day or a later one"
            )
        values = {**vars(level), "actor": audit.actor_of(connection)}
        if not changed(connection, _INSERT_LEVEL, values):
            raise WarehouseError(
                f"{level.measure}: the level from {level.from_date} is already accepted; undo it first to change it"
            )
        audit.record(
            connection,
            "level_accepted",
            patient_id=level.patient_id,
            measure=level.measure,
            from_date=level.from_date,
        )


# The latest level in force of a measure, or the one that begins on $from_date.
_LEVELS_OF_MEASURE = """
    SELECT from_date
    FROM accepted_levels
    WHERE patient_id = $patient_id AND measure = $measure AND undone_at IS NULL
        AND ($from_date IS NULL OR from_date = $from_date)
    ORDER BY from_date DESC
    LIMIT 1
"""
# Mark a level as undone.
_UNDO_LEVEL = """
    UPDATE accepted_levels SET undone_at = now()
    WHERE patient_id = $patient_id AND measure = $measure AND from_date = $from_date AND undone_at IS NULL
"""


def undo_level(
    connection: duckdb.DuckDBPyConnection, patient_id: str, measure: str, from_date: date | None = None
) -> date:
    """Undo an accepted level: the one that begins on a day, or (None) the latest one of the measure.

    Returns:
        Its first day.

    Raises:
        WarehouseError: there is no such level in force, or the database failed.
    """
    values = {"patient_id": patient_id, "measure": measure, "from_date": from_date}
    with transaction(connection):
        rows = connection.execute(_LEVELS_OF_MEASURE, values).fetchall()
        if not rows:
            which = f"no level from {from_date}" if from_date else "no level"
            raise WarehouseError(f"{measure} of patient {patient_id}: {which} is accepted; nothing to undo")
        ((undone,),) = rows
        connection.execute(_UNDO_LEVEL, values | {"from_date": undone})
        audit.record(connection, "level_undone", patient_id=patient_id, measure=measure, from_date=undone)
    first_day: date = undone
    return first_day


_LEVELS = """
    SELECT *
    FROM accepted_levels
    WHERE $patient_id IS NULL OR patient_id = $patient_id
    ORDER BY from_date DESC, patient_id, measure, accepted_at
"""


def accepted_levels(connection: duckdb.DuckDBPyConnection, patient_id: str | None = None) -> pl.DataFrame:
    """Rows of accepted_levels for one patient or (None) all, newest first, including levels that were undone."""
    return read(connection, _LEVELS, patient_id=patient_id)


_LEVELS_IN_FORCE = """
    SELECT patient_id, measure, max(from_date) AS from_date, arg_max(note, from_date) AS note
    FROM accepted_levels
    WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[])))
        AND from_date <= $day AND undone_at IS NULL
    GROUP BY patient_id, measure
    ORDER BY patient_id, measure
"""


def levels_in_force(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], day: date
) -> dict[str, dict[str, AcceptedLevel]]:
    """The latest accepted level up to a day, by patient and measure; no entry if there is none."""
    levels: dict[str, dict[str, AcceptedLevel]] = {}
    rows = read(connection, _LEVELS_IN_FORCE, patient_ids=list(patient_ids), day=day)
    for patient_id, measure, from_date, note in rows.iter_rows():
        levels.setdefault(patient_id, {})[measure] = AcceptedLevel(patient_id, measure, from_date, note)
    return levels
