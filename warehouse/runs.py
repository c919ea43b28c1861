"""Writes and reads the records of runs and reports.

Every function that writes is one transaction. Those that record reports do nothing if the record is already stored.
"""

import json
from collections.abc import Collection
from datetime import date
from typing import Literal

import duckdb
import polars as pl

from pmfer.errors import WarehouseError
from warehouse import audit, sql
from warehouse.consent import with_tombstone
from warehouse.queries import Provenance
from warehouse.records import ReportRecord, RunOutcome, RunRecord, report_id
from warehouse.sql import changed, json_text
from warehouse.transaction import read, transaction

# Mark the unfinished runs of a night as failed: their process was killed.
_FAIL_INTERRUPTED_RUNS = """
    UPDATE runs
    SET status = 'failed', finished_at = now(), message = 'interrupted: the process ended before the run did'
    WHERE night = $night AND status = 'running'
"""
# Record that a run started, unless its run_id exists.
_INSERT_RUN = """
    INSERT INTO runs (run_id, night, started_at, status, code_version, bundle_id, options_sha256, options)
    SELECT $run_id, $night, now(), 'running', $code_version, $bundle_id, $options_sha256, $options
    WHERE NOT EXISTS (FROM runs WHERE run_id = $run_id)
"""


def start_run(connection: duckdb.DuckDBPyConnection, run: RunRecord) -> None:
    """Record that a run started. Unfinished runs of the same night were killed and are marked as failed.

    Raises:
        WarehouseError: the run_id has been used before, or the database failed.
    """
    with transaction(connection):
        connection.execute(_FAIL_INTERRUPTED_RUNS, {"night": run.night})
        if not changed(connection, _INSERT_RUN, {**vars(run), "options": json_text(run.options)}):
            raise WarehouseError(f"run {run.run_id}: is already stored; use another identifier")
        audit.record(connection, "run_started", object_id=run.run_id, night=run.night, bundle_id=run.bundle_id)


# The bundle and options that the views show.
_ACTIVE_BUNDLE = "SELECT bundle_id, options_sha256 FROM active_bundle"
# Make the bundle and options of a completed run active, unless those of a later night are.
_ACTIVATE_BUNDLE = """
    MERGE INTO active_bundle
    USING (
        SELECT bundle_id, options_sha256, night, finished_at AS activated_at
        FROM runs
        WHERE run_id = $run_id AND status = 'completed'
    ) AS run
    ON true
    WHEN MATCHED AND run.night >= active_bundle.night
        THEN UPDATE SET
            bundle_id = run.bundle_id,
            options_sha256 = run.options_sha256,
            night = run.night,
            activated_at = CASE
                WHEN (run.bundle_id, run.options_sha256) = (active_bundle.bundle_id, active_bundle.options_sha256)
                    THEN active_bundle.activated_at
                ELSE run.activated_at
            END
    WHEN NOT MATCHED THEN INSERT BY NAME
"""
# Record how a running run ended.
_FINISH_RUN = """
    UPDATE runs
    SET status = $status, finished_at = now(), sessions_found = $sessions_found, sessions_scored = $sessions_scored,
        sessions_done_before = $sessions_done_before, sessions_quarantined = $sessions_quarantined,
        frames_scored = $frames_scored, message = $message
    WHERE run_id = $run_id AND status = 'running'
"""


def finish_run(connection: duckdb.DuckDBPyConnection, run_id: str, outcome: RunOutcome) -> None:
    """Record how a run ended. A completed run makes its bundle and options active, unless those of a later night are.

    Raises:
        WarehouseError: no such run is running, or the database failed.
    """
    with transaction(connection):
        if not changed(connection, _FINISH_RUN, {"run_id": run_id, **vars(outcome)}):
            raise WarehouseError(f"run {run_id}: not running, so it cannot be finished; start it first")
        counts = {key: value for key, value in vars(outcome).items() if key != "message"}  # it may name a session
        audit.record(connection, "run_finished", object_id=run_id, **counts)
        before = connection.execute(_ACTIVE_BUNDLE).fetchall()
        connection.execute(_ACTIVATE_BUNDLE, {"run_id": run_id})
        after = connection.execute(_ACTIVE_BUNDLE).fetchall()
        if after != before:
            bundle_id, options_sha256 = after[0]
            audit.record(connection, "bundle_activated", object_id=bundle_id, options_sha256=options_sha256)


# Record a report in place of an older one with the same report_id, unless nothing has changed.
_UPSERT_REPORT = """
    MERGE INTO reports
    USING (
        SELECT
            $report_id AS report_id, $kind AS kind, CAST($patient_id AS VARCHAR) AS patient_id,
            CAST($report_date AS DATE) AS report_date, $path AS path, $sha256 AS sha256, $input_key AS input_key,
            CAST($run_id AS VARCHAR) AS run_id, now() AS rendered_at, $files AS files,
            CAST($shown AS VARCHAR) AS shown, CAST($ward AS VARCHAR) AS ward
    ) AS rendered
    USING (report_id)
    WHEN MATCHED AND (reports.path, reports.sha256, reports.input_key, reports.files, reports.shown)
            IS DISTINCT FROM (rendered.path, rendered.sha256, rendered.input_key, rendered.files, rendered.shown)
        THEN UPDATE SET path = rendered.path, sha256 = rendered.sha256, input_key = rendered.input_key,
            run_id = rendered.run_id, rendered_at = rendered.rendered_at, files = rendered.files,
            shown = rendered.shown
    WHEN NOT MATCHED THEN INSERT BY NAME
"""


def record_report(connection: duckdb.DuckDBPyConnection, record: ReportRecord) -> bool:
    """Record a rendered report in place of an older one of the same kind, date, and patient or ward.

    Returns:
        False, with nothing written, if the same files made from the same input are already recorded.

    Raises:
        WarehouseError: the database failed, or the patient was erased.
    """
    with transaction(connection):
        if record.patient_id and with_tombstone(connection, "patient", [record.patient_id]):
            raise WarehouseError(f"report of {record.report_date}: its patient was erased; the report was not recorded")
        files = json.dumps(dict(record.files), sort_keys=True)
        shown = None if record.shown is None else ",".join(record.shown)
        values = {**vars(record), "report_id": record.report_id, "files": files, "shown": shown}
        recorded = changed(connection, _UPSERT_REPORT, values) > 0
        if recorded:
            audit.record(
                connection,
                "report_rendered",
                object_id=record.run_id,
                patient_id=record.patient_id,
                kind=record.kind,
                report_date=record.report_date,
            )
    return recorded


# Delete the record of a report whose files were deleted.
_DELETE_REPORT = "DELETE FROM reports WHERE report_id = $report_id"


def forget_report(
    connection: duckdb.DuckDBPyConnection, report_date: date, *, patient_id: str | None = None, ward: str | None = None
) -> None:
    """Delete the record of a patient's report or of an overview, whose files were deleted.

    Raises:
        WarehouseError: the database failed.
    """
    kind: Literal["patient", "ward"] = "patient" if patient_id else "ward"
    with transaction(connection):
        if changed(connection, _DELETE_REPORT, {"report_id": report_id(kind, report_date, patient_id or ward)}):
            audit.record(connection, "report_removed", patient_id=patient_id, kind=kind, report_date=report_date)


_LAST_RUN_OF_NIGHT = "SELECT status FROM runs WHERE night = $night ORDER BY started_at DESC, run_id LIMIT 1"


def last_status(connection: duckdb.DuckDBPyConnection, night: date) -> str | None:
    """Status of the latest run of a night: completed, failed or running; None if there was none."""
    rows = read(connection, _LAST_RUN_OF_NIGHT, night=night)
    return None if rows.is_empty() else str(rows["status"][0])


_RUN = "SELECT night FROM runs WHERE run_id = $run_id"


def knows_run(connection: duckdb.DuckDBPyConnection, run_id: str) -> bool:
    """Whether this warehouse has a record of the run."""
    return not read(connection, _RUN, run_id=run_id).is_empty()


_RUNS = "SELECT * FROM runs ORDER BY started_at DESC, run_id LIMIT $limit"


def latest_runs(connection: duckdb.DuckDBPyConnection, limit: int = 30) -> pl.DataFrame:
    """The latest rows of the table runs, newest first."""
    return read(connection, _RUNS, limit=limit)


def latest_nights(connection: duckdb.DuckDBPyConnection, limit: int = 14, night: date | None = None) -> pl.DataFrame:
    """The last nights, newest first, or one night: the latest run of each, and what is stored of the night.

    Columns: night, status, started_at, finished_at, run_s (NULL while it is running), sessions_found, sessions_stored,
    sessions_set_aside (in quarantine), frames_sampled, frames_scored, abstention_share (share of sampled frames without
    scores, 0..1; NULL if there are no frames), video_s (seconds of video, NULL if unknown), reports (count), message.
    """
    return read(connection, sql.query("nights"), limit=limit, night=night)


_NIGHTS_SCORED_OTHERWISE = """
    SELECT DISTINCT session_date AS night
    FROM sessions
    WHERE session_id NOT IN (
        SELECT session_id
        FROM scorings
        WHERE bundle_id = $bundle_id AND options_sha256 = $options_sha256
    )
    ORDER BY night
"""


def nights_scored_otherwise(connection: duckdb.DuckDBPyConnection, provenance: Provenance) -> list[date]:
    """Nights with a stored session that was not scored with this bundle and these options, in order."""
    return read(connection, _NIGHTS_SCORED_OTHERWISE, **vars(provenance))["night"].to_list()


_REPORTS = "SELECT * FROM reports WHERE report_date = $report_date ORDER BY patient_id NULLS FIRST, ward NULLS FIRST"


def reports_of_day(connection: duckdb.DuckDBPyConnection, report_date: date) -> pl.DataFrame:
    """Rows of reports for one day: the facility's overview, those of wards, then patients' reports by patient_id."""
    return read(connection, _REPORTS, report_date=report_date)


_OVERVIEWS = "SELECT report_date, ward FROM reports WHERE kind = 'ward' ORDER BY report_date, ward NULLS FIRST"


def overviews(connection: duckdb.DuckDBPyConnection) -> list[tuple[date, str | None]]:
    """Day and ward of every recorded overview, in order; the ward is None for the overview of the facility."""
    return read(connection, _OVERVIEWS).rows()


_FILES_OF_REPORTS = "SELECT report_id, path, files FROM reports ORDER BY report_id"
# Forget what a report was made from, and which patients an overview shows. It is then rendered again.
_FORGET_PAGE = "UPDATE reports SET input_key = '', shown = NULL WHERE report_id = $report_id"


def forget_pages(connection: duckdb.DuckDBPyConnection, paths: Collection[str]) -> None:
    """Mark the reports that have one of these files to be rendered again, within the caller's transaction.

    Args:
        connection: the warehouse, open for writing.
        paths: files, relative to the data folder.
    """
    for name, path, files in connection.execute(_FILES_OF_REPORTS).fetchall():
        if not {path, *json.loads(files or "{}")}.isdisjoint(paths):
            connection.execute(_FORGET_PAGE, {"report_id": name})


_REPORTS_FORGOTTEN = """
    SELECT report_date, patient_id
    FROM reports
    WHERE kind = 'patient' AND input_key = ''
    ORDER BY report_date, patient_id
"""


def reports_forgotten(connection: duckdb.DuckDBPyConnection) -> list[tuple[date, str]]:
    """Day and patient of every patient's report that must be rendered again after an erasure, in order."""
    return [(row[0], row[1]) for row in read(connection, _REPORTS_FORGOTTEN).iter_rows()]
