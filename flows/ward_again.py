"""Ward overviews after a patient is gone: those that showed the patient are rendered again, or go."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from flows.data_folder import WARD, DataFolder
from flows.printing import SUFFIXES, Printing
from flows.reporting import (
    DueReport,
    due_report,
    is_current,
    recorded_files,
    recorded_reports,
    render,
    require_none,
)
from pmfer.bundle import sha256_file
from reports.ward import build_ward_report
from warehouse import queries, store
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
    for day in sorted({*queries.ward_report_days(connection), *_days_with_file(data)}):
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
) -> None:
    """Render a day's overview again; without anything to print, remove its files and its row.

    Raises:
        ReportError: it cannot be rendered; the old files are gone.
    """
    for path in ward_files(data, day):
        path.unlink(missing_ok=True)
    if due is not None:
        require_none(render(connection, [due], data, printing, None), 1)
    else:
        store.forget_report(connection, ReportRecord("ward", None, day, "", "", ""))


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
    if queries.night_summaries(connection, day, scoring).is_empty() and queries.quarantine(connection, day).is_empty():
        return None
    report = build_ward_report(connection, day, scoring.bundle_id, scoring.options_sha256)
    due = due_report(report, data.reports(day), printing)
    return due if due.order.paths else None


def _days_with_file(data: DataFolder) -> list[date]:
    folders = (data.root / "reports").glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]")
    days = [date.fromisoformat(folder.name) for folder in folders]
    return [day for day in days if ward_files(data, day)]
