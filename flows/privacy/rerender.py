"""After an erasure or a correction, find the pages that showed the patient, and render them again or delete them."""

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
    WantedReport,
    is_current,
    recorded_files,
    recorded_reports,
    render,
    reports_of,
)
from pmfer.bundle import sha256_file
from warehouse import queries, runs
from warehouse.records import report_id

_FORMS = "|".join(SUFFIXES)
# An overview's file, or the draft that a killed rendering left. Nothing longer, because a pseudonym may begin likewise.
_OVERVIEW = re.compile(rf"(?P<file>[^.].*)\.(?:{_FORMS})|\.(?P<draft>.+)\.(?:{_FORMS})\.\w+")

Overview = tuple[date, str | None]  # day and ward; None for the facility


def outdated_overviews(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, printing: Printing
) -> dict[Overview, DueReport | None]:
    """The overviews that show or may show an erased patient, each with its replacement; None if there is none.

    The text of a PDF cannot be searched reliably, so the warehouse records whom an overview shows, along with its
    files. Erasing a patient's rows clears that record for every overview that showed the patient. Without the record,
    or if the files differ from it, an overview counts as outdated unless it would be rendered identically today.
    """
    stale: dict[Overview, DueReport | None] = {}
    overviews = {*runs.overviews(connection), *_overviews_on_disk(data)}
    for day, ward in sorted(overviews, key=lambda overview: (overview[0], overview[1] or "")):
        row = recorded_reports(connection, day).get(report_id("ward", day, ward))
        if row is not None and row["shown"] is not None and _are_recorded(overview_files(data, day, ward), row, data):
            continue
        due = _overview_today(connection, day, ward, data, printing)
        if due is None or not is_current(due, row, data):
            stale[day, ward] = due
    return stale


def _are_recorded(files: list[Path], row: Mapping[str, Any], data: DataFolder) -> bool:
    """Whether all these files are on record and unaltered. A recorded file may be missing: it shows nobody."""
    recorded = recorded_files(row)
    return all(recorded.get(data.relative(path)) == sha256_file(path) for path in files)


def rerender_overview(
    connection: duckdb.DuckDBPyConnection,
    data: DataFolder,
    overview: Overview,
    due: DueReport | None,
    printing: Printing,
) -> list[str]:
    """Delete an overview's files and render it again; if there is nothing to render, delete its row too.

    Returns:
        One line if the rendering failed. The old files are deleted in any case.
    """
    day, ward = overview
    for path in overview_files(data, day, ward):
        path.unlink(missing_ok=True)
    failures = [] if due is None else render(connection, [due], data, printing, None)
    if due is None or failures:
        runs.forget_report(connection, day, ward=ward)
    return failures


def outdated_reports(connection: duckdb.DuckDBPyConnection, data: DataFolder) -> dict[tuple[date, str], list[Path]]:
    """The patient reports to be rendered again, by day and patient, each with its recorded files that exist.

    Raises:
        WarehouseError: the database failed.
    """
    stale = {}
    for day, patient_id in runs.reports_forgotten(connection):
        row = recorded_reports(connection, day)[report_id("patient", day, patient_id)]
        paths = (data.root / path for path in sorted(recorded_files(row)))
        stale[day, patient_id] = [path for path in paths if path.is_file()]
    return stale


def rerender_reports(
    connection: duckdb.DuckDBPyConnection,
    data: DataFolder,
    stale: Mapping[tuple[date, str], Sequence[Path]],
    printing: Printing,
) -> list[str]:
    """Delete the files of reports and render them again; if there is nothing left to render, delete the row too.

    Returns:
        One line for each report that failed. The old files are deleted in any case.
    """

    def is_stale(report: WantedReport) -> bool:
        return (report.day, report.patient_id) in stale

    for path in (path for paths in stale.values() for path in paths):
        path.unlink(missing_ok=True)
    failures = []
    for day in sorted({day for day, _ in stale}):
        scoring = queries.active_provenance(connection, day)
        due = reports_of(connection, day, scoring, data.reports(day), printing, is_stale)
        failures += render(connection, due, data, printing, None)
    for day, patient_id in runs.reports_forgotten(connection):
        runs.forget_report(connection, day, patient_id=patient_id)
    return failures


def delete_withdrawn_reports(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, day: date, due: Sequence[DueReport]
) -> None:
    """Delete the reports of a day that show a withdrawn session and are not due, because nothing else was to be shown.

    Raises:
        WarehouseError: the database failed.
    """
    kept = {report.report_id for report in due}
    for name, row in recorded_reports(connection, day).items():
        if row["input_key"] or name in kept:
            continue
        for path in recorded_files(row):
            (data.root / path).unlink(missing_ok=True)
        runs.forget_report(connection, day, patient_id=row["patient_id"], ward=row["ward"])


def overview_files(data: DataFolder, day: date, ward: str | None) -> list[Path]:
    """All existing files of an overview, including drafts that a killed rendering left."""
    return [path for path, whose in _overviews_of(data, day) if whose == ward]


def is_overview(path: Path, data: DataFolder) -> bool:
    """Whether a file below the data folder is an overview in any form, see flows.printing."""
    return path.is_relative_to(data.root / "reports") and _stem(path) is not None


def _overviews_of(data: DataFolder, day: date) -> list[tuple[Path, str | None]]:
    """The files of all of a day's overviews, each with its ward; None for the facility."""
    files = sorted(path for path in data.reports(day).rglob("*") if path.is_file())
    stems = ((path, _stem(path)) for path in files)
    return [(path, stem if path.parent.name == WARDS else None) for path, stem in stems if stem is not None]


def _stem(path: Path) -> str | None:
    """The name of the overview that a file belongs to, without suffix; None if it belongs to none."""
    match = _OVERVIEW.fullmatch(path.name)
    stem = match and (match["file"] or match["draft"])
    return stem if stem == WARD or path.parent.name == WARDS else None


def _overview_today(
    connection: duckdb.DuckDBPyConnection, day: date, ward: str | None, data: DataFolder, printing: Printing
) -> DueReport | None:
    def is_meant(report: WantedReport) -> bool:
        return report.patient_id is None and report.ward == ward

    scoring = queries.active_provenance(connection, day)
    return next(iter(reports_of(connection, day, scoring, data.reports(day), printing, is_meant)), None)


def _overviews_on_disk(data: DataFolder) -> set[Overview]:
    folders = (data.root / "reports").glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]")
    days = [date.fromisoformat(folder.name) for folder in folders]
    return {(day, ward) for day in days for _, ward in _overviews_of(data, day)}
