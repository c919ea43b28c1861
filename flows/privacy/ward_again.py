"""Pages of others after a patient is gone: those that showed or named the patient are rendered again, or go."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from flows.data_folder import WARD, DataFolder
from flows.printing import SUFFIXES, Printing
from flows.report import (
    DueReport,
    due_report,
    is_current,
    recorded_files,
    recorded_reports,
    render,
    reports_of,
)
from pmfer.bundle import sha256_file
from reports.data import ReportReader
from reports.ward import build_ward_report
from warehouse import quarantine, queries, runs
from warehouse.records import ReportRecord, report_id

# The file, or the draft of it that a rendering which was killed left. Nothing longer: a pseudonym may begin alike.
_WARD_FILE = re.compile(rf"{WARD}\.(?:{'|'.join(SUFFIXES)})|\.{WARD}\.(?:{'|'.join(SUFFIXES)})\.\w+")


def stale_wards(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, printing: Printing
) -> dict[date, DueReport | None]:
    """The days whose ward overview shows somebody erased, or may; each with what takes its place; None: nothing.

    A text in a PDF cannot be searched for. Whom an overview shows is on record with its files; where it is not, or
    where other files lie there, only what would be printed in the same way today is known to show nobody who is gone.
    """
    stale: dict[date, DueReport | None] = {}
    for day in sorted({*runs.ward_report_days(connection), *_days_with_file(data)}):
        row = recorded_reports(connection, day).get(report_id("ward", day, None))
        if row is not None and row["shown"] is not None and _are_recorded(ward_files(data, day), row, data):
            continue
        due = _ward_of(connection, day, data, printing)
        if due is None or not is_current(due, row, data):
            stale[day] = due
    return stale


def _are_recorded(files: list[Path], row: Mapping[str, Any], data: DataFolder) -> bool:
    """Whether files are those on record, unaltered, or some of them: one that is gone shows nobody."""
    recorded = recorded_files(row)
    return all(recorded.get(data.relative(path)) == sha256_file(path) for path in files)


def renew_ward(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, day: date, due: DueReport | None, printing: Printing
) -> list[str]:
    """Render a day's overview again; without anything to print, remove its files and its row.

    Returns:
        What went wrong, if anything did; the old files are gone all the same.
    """
    for path in ward_files(data, day):
        path.unlink(missing_ok=True)
    failures = [] if due is None else render(connection, [due], data, printing, None)
    if due is None or failures:
        runs.forget_report(connection, ReportRecord("ward", None, day, "", "", ""))
    return failures


def stale_reports(connection: duckdb.DuckDBPyConnection, data: DataFolder) -> dict[tuple[date, str], list[Path]]:
    """Reports of patients that have to be rendered again, by day and patient, with the files on record that are there.

    Raises:
        WarehouseError: the database refused.
    """
    stale = {}
    for day, patient_id in runs.reports_forgotten(connection):
        row = recorded_reports(connection, day)[report_id("patient", day, patient_id)]
        paths = (data.root / path for path in sorted(recorded_files(row)))
        stale[day, patient_id] = [path for path in paths if path.is_file()]
    return stale


def renew_reports(
    connection: duckdb.DuckDBPyConnection,
    data: DataFolder,
    stale: Mapping[tuple[date, str], Sequence[Path]],
    printing: Printing,
) -> list[str]:
    """Render reports again; one of which nothing is left to print goes with its row.

    Returns:
        What went wrong, a line each; the old files are gone all the same.
    """
    for path in (path for paths in stale.values() for path in paths):
        path.unlink(missing_ok=True)
    failures = []
    for day in sorted({day for day, _ in stale}):
        scoring = queries.active_provenance(connection, day)
        reports = reports_of(connection, day, scoring, data.reports(day), printing) if scoring else []
        due = [report for report in reports if (day, report.patient_id) in stale]
        failures += render(connection, due, data, printing, None)
    for day, patient_id in runs.reports_forgotten(connection):
        runs.forget_report(connection, ReportRecord("patient", patient_id, day, "", "", ""))
    return failures


def ward_files(data: DataFolder, day: date) -> list[Path]:
    """Every file of a day's ward overview that is there, drafts of a rendering that was killed included."""
    return sorted(path for path in data.reports(day).rglob("*") if path.is_file() and is_ward_file(path, data))


def is_ward_file(path: Path, data: DataFolder) -> bool:
    """Whether a file below the data folder is an overview in any form, see flows.printing."""
    return path.is_relative_to(data.root / "reports") and _WARD_FILE.fullmatch(path.name) is not None


def _ward_of(
    connection: duckdb.DuckDBPyConnection, day: date, data: DataFolder, printing: Printing
) -> DueReport | None:
    scoring = queries.active_provenance(connection, day)
    if scoring is None:
        return None
    if queries.night_summaries(connection, day, scoring).is_empty() and quarantine.of_night(connection, day).is_empty():
        return None
    report = build_ward_report(ReportReader(connection, scoring), day, printing.thresholds)
    due = due_report(report, data.reports(day), printing)
    return due if due.order.paths else None


def _days_with_file(data: DataFolder) -> list[date]:
    folders = (data.root / "reports").glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]")
    days = [date.fromisoformat(folder.name) for folder in folders]
    return [day for day in days if ward_files(data, day)]
