"""Reads from the warehouse, for reports and flows: each function runs one .sql file and returns a polars frame.

Columns are those of the tables and views (see docs/data-dictionary.md) unless said otherwise; rows come in a fixed
order; times are UTC. Scores of different bundles or options are not comparable, so whatever compares sessions asks for
both. All raise WarehouseError when the database refuses.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from pmfer.errors import WarehouseError
from pmfer.frame_row import SCORE_COLUMNS
from warehouse import sql
from warehouse.transaction import database_path, one_line_errors

MOMENT_COLUMNS: tuple[str, ...] = (*SCORE_COLUMNS, "expressivity", "pain_activity")


@dataclass(frozen=True)
class Provenance:
    """What a session was scored with. Scores of different provenance are not comparable."""

    bundle_id: str  # 64 hex digits
    options_sha256: str  # 64 hex digits


def session_summaries(
    connection: duckdb.DuckDBPyConnection,
    patient_id: str,
    provenance: Provenance,
    *,
    until: date,
    since: date | None = None,
) -> pl.DataFrame:
    """Rows of session_summary of one patient from `since` (None: the beginning) to `until`, both included, by time."""
    return _read(connection, "session_summaries", patient_id=patient_id, until=until, since=since, **vars(provenance))


def smile_counts(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], provenance: Provenance, *, until: date
) -> pl.DataFrame:
    """Smile episodes of each scoring of several patients up to a day: scoring_id, smiles (count, 0 without any)."""
    return _read(connection, "smile_counts", patient_ids=list(patient_ids), until=until, **vars(provenance))


def summaries_of_patients(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], provenance: Provenance, *, until: date
) -> pl.DataFrame:
    """Rows of session_summary of several patients up to `until`, included, by patient and time."""
    return _read(connection, "summaries_of_patients", patient_ids=list(patient_ids), until=until, **vars(provenance))


def daily_values(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], provenance: Provenance, *, until: date
) -> pl.DataFrame:
    """What is kept of days up to `until`, included, whose sessions are gone: a row per patient, day and measure.

    Columns: patient_id, session_date, sessions (count), measure, value (in its unit, NULL for too few frames).
    """
    return _read(connection, "daily_values", patient_ids=list(patient_ids), until=until, **vars(provenance))


def patients_before_and_since(connection: duckdb.DuckDBPyConnection, day: date) -> dict[Provenance, list[str]]:
    """Patients with sessions before a day and on it or later, by what scored both."""
    rows = _read(connection, "patients_before_and_since", day=day).iter_rows()
    return {Provenance(bundle_id, options_sha256): patient_ids for bundle_id, options_sha256, patient_ids in rows}


def night_summaries(connection: duckdb.DuckDBPyConnection, night: date, provenance: Provenance) -> pl.DataFrame:
    """Rows of session_summary of all sessions of one day, by patient and time."""
    return _read(connection, "night_summaries", night=night, **vars(provenance))


def patient_ids(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Pseudonyms of all patients, in order."""
    return _read(connection, "patient_ids")["patient_id"].to_list()


def patients_seen(connection: duckdb.DuckDBPyConnection, *, until: date, days: int) -> pl.DataFrame:
    """Patients with a session in the `days` days that end with `until`, by name.

    Columns: patient_id, sessions (count in that time), first_date, last_date.
    """
    return _read(connection, "patients_seen", until=until, days=days)


def active_provenance(connection: duckdb.DuckDBPyConnection, until: date) -> Provenance | None:
    """Bundle and options of the latest completed run for a day up to `until`; None if there is none."""
    rows = _read(connection, "active_provenance", until=until)
    return Provenance(**rows.row(0, named=True)) if rows.height else None


def moments(
    connection: duckdb.DuckDBPyConnection,
    scoring_ids: Collection[str],
    column: str,
    *,
    count: int = 3,
    window_s: float = 10.0,
) -> pl.DataFrame:
    """The moments of some sessions in which `column` is highest, for evidence.

    Neighbouring frames show the same moment, so each window of `window_s` seconds offers its best frame only. The best
    moment of every session comes before the second best of any, so that one long session does not hide the others.

    Args:
        connection: an open warehouse.
        scoring_ids: the scorings.
        column: one of MOMENT_COLUMNS.
        count: how many at most.
        window_s: length of a window, seconds.

    Returns:
        scoring_id, session_id, frame_index, session_time_s (seconds since the session's first frame), value (of the
        column), leading_expression and all score columns.
    """
    if column not in MOMENT_COLUMNS:
        raise WarehouseError(f"moments by {column}: not a score; choose one of {', '.join(MOMENT_COLUMNS)}")
    return _read(connection, "moments", scoring_ids=list(scoring_ids), column=column, count=count, window_s=window_s)


def time_series(connection: duckdb.DuckDBPyConnection, scoring_id: str, *, bin_s: float = 1.0) -> pl.DataFrame:
    """A scoring over time in bins of `bin_s` seconds, for drawing.

    Returns:
        session_time_s (start of the bin, seconds since the first frame), frames_sampled, frames_scored and the means of
        all score columns, expressivity and pain_activity: NULL in a bin without scored frames. Bins without sampled
        frames have no row.
    """
    return _read(connection, "time_series", scoring_id=scoring_id, bin_s=bin_s)


def existing_scorings(connection: duckdb.DuckDBPyConnection, scoring_ids: Collection[str]) -> set[str]:
    """Those of the identifiers whose scoring is stored."""
    return set(_read(connection, "scorings_existing", scoring_ids=list(scoring_ids))["scoring_id"])


def last_status(connection: duckdb.DuckDBPyConnection, night: date) -> str | None:
    """How the latest run of a night ended, or `running`; None if there was none."""
    rows = _read(connection, "last_run_of_night", night=night)
    return None if rows.is_empty() else str(rows["status"][0])


def knows_run(connection: duckdb.DuckDBPyConnection, run_id: str) -> bool:
    """Whether a run was begun in this warehouse."""
    return not _read(connection, "run", run_id=run_id).is_empty()


def scored_sessions(
    connection: duckdb.DuckDBPyConnection, session_ids: Collection[str], provenance: Provenance
) -> pl.DataFrame:
    """Those of the sessions that are scored, by name.

    Columns: session_id, source_uri, content_sha256, run_id (of the run that stored it), frames_sampled,
    frames_with_face, frames_scored.
    """
    return _read(connection, "scored_sessions", session_ids=list(session_ids), **vars(provenance))


def quarantine(connection: duckdb.DuckDBPyConnection, night: date, patient_id: str | None = None) -> pl.DataFrame:
    """Rows of quarantine of one day by source, of one patient or (None) of all, with those whose patient is unknown."""
    return _read(connection, "quarantine", night=night, patient_id=patient_id)


def quarantine_by_id(connection: duckdb.DuckDBPyConnection, quarantine_ids: Collection[str]) -> pl.DataFrame:
    """Rows of quarantine with these identifiers, by source; those without a row are left out."""
    return _read(connection, "quarantine_by_id", quarantine_ids=list(quarantine_ids))


def quarantine_all(
    connection: duckdb.DuckDBPyConnection,
    *,
    since: date | None = None,
    until: date | None = None,
    reason: str | None = None,
) -> pl.DataFrame:
    """Rows of quarantine from `since` to `until`, both included, for one reason, or (None) all; by night and source."""
    return _read(connection, "quarantine_all", since=since, until=until, reason=reason)


def nights_to_replay(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Nights of which something in quarantine is to be tried again, in order."""
    return _read(connection, "nights_to_replay")["night"].to_list()


def nights_with_recordings(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Nights of which a recording is stored or set aside, in order."""
    return _read(connection, "nights_with_recordings")["night"].to_list()


def runs(connection: duckdb.DuckDBPyConnection, limit: int = 30) -> pl.DataFrame:
    """The latest rows of runs, newest first."""
    return _read(connection, "runs", limit=limit)


def nights(connection: duckdb.DuckDBPyConnection, limit: int = 14, night: date | None = None) -> pl.DataFrame:
    """The last nights, or one, newest first: the latest run of each and what is stored of it.

    Columns: night, status, started_at, finished_at, run_s (NULL while it runs), sessions_found, sessions_stored and
    sessions_set_aside, frames_sampled, frames_scored, abstention_share (of the sampled frames those without scores,
    0..1; NULL without any), video_s (seconds of video, NULL if unknown), reports, message.
    """
    return _read(connection, "nights", limit=limit, night=night)


def reports(connection: duckdb.DuckDBPyConnection, report_date: date) -> pl.DataFrame:
    """Rows of reports on one day, the ward's first, then by patient."""
    return _read(connection, "reports", report_date=report_date)


def care_events(connection: duckdb.DuckDBPyConnection, patient_id: str, *, since: date, until: date) -> pl.DataFrame:
    """Rows of care_events of one patient that began between two days, both included, by time."""
    return _read(connection, "care_events", patient_id=patient_id, since=since, until=until)


def scored_otherwise(
    connection: duckdb.DuckDBPyConnection, patient_id: str, provenance: Provenance, *, before: date
) -> date | None:
    """The last day before a date of which a patient's sessions were scored with another provenance; None if none."""
    rows = _read(connection, "scored_otherwise", patient_id=patient_id, before=before, **vars(provenance))
    last: date | None = rows["last_date"].item() if rows.height else None
    return last


def ward_report_days(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """The days of which a ward overview is on record, in order."""
    return _read(connection, "ward_report_days")["report_date"].to_list()


def reports_forgotten(connection: duckdb.DuckDBPyConnection) -> list[tuple[date, str]]:
    """Day and patient of every report that has to be rendered again after an erasure, in order."""
    return [(row[0], row[1]) for row in _read(connection, "reports_forgotten").iter_rows()]


def bundle(connection: duckdb.DuckDBPyConnection, bundle_id: str) -> pl.DataFrame:
    """The row of bundles of one bundle (`card` is JSON text), or none."""
    return _read(connection, "bundle", bundle_id=bundle_id)


def consents(connection: duckdb.DuckDBPyConnection, patient_id: str | None = None) -> pl.DataFrame:
    """Rows of consents of one patient or (None) of all, by patient and first day."""
    return _read(connection, "consents", patient_id=patient_id)


def _read(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> pl.DataFrame:
    with one_line_errors(database_path(connection)):
        # By way of Arrow: fetching times row by row would need pytz.
        return connection.execute(sql.query(name), parameters).pl()
