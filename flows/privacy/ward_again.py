"""Pages of others after a patient is gone: those that showed or named the patient are rendered again, or go."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from flows.data_folder import WARD, WARDS, DataFolder
from flows.printing import SUFFIXES, Printing
from flows.report import (
    DueReport,
    is_current,
    made,
    recorded_files,
    recorded_reports,
    render,
    reports_of,
    wanted_reports,
)
from pmfer.bundle import sha256_file
from reports.data import ReportReader
from warehouse import queries, runs
from warehouse.records import ReportRecord, report_id

# The file, or the draft of it that a rendering which was killed left. Nothing longer: a pseudonym may begin alike.
_FORMS = "|".join(SUFFIXES)
_OVERVIEW = re.compile(rf"(?P<file>[^.].*)\.(?:{_FORMS})|\.(?P<draft>.+)\.(?:{_FORMS})\.\w+")

Overview = tuple[date, str | None]  # by its day and ward; None for that of the facility


def stale_wards(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, printing: Printing
) -> dict[Overview, DueReport | None]:
    """The overviews that show somebody erased, or may; each with what takes its place; None: nothing.

    A text in a PDF cannot be searched for. Whom an overview shows is on record with its files; where it is not, or
    where other files lie there, only what would be printed in the same way today is known to show nobody who is gone.
    """
    stale: dict[Overview, DueReport | None] = {}
    for day, ward in sorted({*runs.overviews(connection), *_with_files(data)}, key=lambda one: (one[0], one[1] or "")):
        row = recorded_reports(connection, day).get(report_id("ward", day, ward))
        if row is not None and row["shown"] is not None and _are_recorded(ward_files(data, day, ward), row, data):
            continue
        due = _ward_of(connection, day, ward, data, printing)
        if due is None or not is_current(due, row, data):
            stale[day, ward] = due
    return stale


def _are_recorded(files: list[Path], row: Mapping[str, Any], data: DataFolder) -> bool:
    """Whether files are those on record, unaltered, or some of them: one that is gone shows nobody."""
    recorded = recorded_files(row)
    return all(recorded.get(data.relative(path)) == sha256_file(path) for path in files)


def renew_ward(
    connection: duckdb.DuckDBPyConnection,
    data: DataFolder,
    overview: Overview,
    due: DueReport | None,
    printing: Printing,
) -> list[str]:
    """Render an overview again; without anything to print, remove its files and its row.

    Returns:
        What went wrong, if anything did; the old files are gone all the same.
    """
    day, ward = overview
    for path in ward_files(data, day, ward):
        path.unlink(missing_ok=True)
    failures = [] if due is None else render(connection, [due], data, printing, None)
    if due is None or failures:
        runs.forget_report(connection, ReportRecord("ward", None, day, "", "", "", ward=ward))
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


def ward_files(data: DataFolder, day: date, ward: str | None) -> list[Path]:
    """Every file of an overview that is there, drafts of a rendering that was killed included."""
    return [path for path, whose in _overview_files(data, day) if whose == ward]


def is_ward_file(path: Path, data: DataFolder) -> bool:
    """Whether a file below the data folder is an overview in any form, see flows.printing."""
    return path.is_relative_to(data.root / "reports") and _stem(path) is not None


def _overview_files(data: DataFolder, day: date) -> list[tuple[Path, str | None]]:
    """The files of a day's overviews, each with the ward; None for the facility."""
    files = sorted(path for path in data.reports(day).rglob("*") if path.is_file())
    stems = ((path, _stem(path)) for path in files)
    return [(path, stem if path.parent.name == WARDS else None) for path, stem in stems if stem is not None]


def _stem(path: Path) -> str | None:
    """What an overview is called in its file's name; None for a file of something else."""
    match = _OVERVIEW.fullmatch(path.name)
    stem = match and (match["file"] or match["draft"])
    return stem if stem == WARD or path.parent.name == WARDS else None


def _ward_of(
    connection: duckdb.DuckDBPyConnection, day: date, ward: str | None, data: DataFolder, printing: Printing
) -> DueReport | None:
    scoring = queries.active_provenance(connection, day)
    if scoring is None:
        return None
    reader = ReportReader(connection, scoring)
    night = reader.night(day, printing.thresholds.trend_days)
    if night is None:
        return None
    reports = wanted_reports(night, day, data.reports(day), printing)
    overview = [report for report in reports if report.patient_id is None and report.ward == ward]
    return next(iter(made(reader, night, day, overview, printing)), None)


def _with_files(data: DataFolder) -> set[Overview]:
    folders = (data.root / "reports").glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]")
    days = [date.fromisoformat(folder.name) for folder in folders]
    return {(day, ward) for day in days for _, ward in _overview_files(data, day)}
