"""Ward overviews after a patient is gone: those that showed the patient are rendered again, or go."""

from datetime import date
from pathlib import Path

import duckdb

from flows.data_folder import DataFolder
from flows.reporting import DueReport, is_current, render
from reports.ward import build_ward_report
from warehouse import queries, store
from warehouse.records import ReportRecord


def stale_wards(connection: duckdb.DuckDBPyConnection, data: DataFolder) -> dict[date, DueReport | None]:
    """The days whose ward overview is not what the warehouse would print today, each with what it would; None: nothing.

    A text in a PDF cannot be searched for. What is printed is known by its digest: an overview whose digest is the same
    without the patient did not show the patient.
    """
    stale: dict[date, DueReport | None] = {}
    for day in sorted({*queries.ward_report_days(connection), *_days_with_file(data)}):
        due = _ward_of(connection, day, data)
        recorded = {row["path"]: row for row in queries.reports(connection, day).iter_rows(named=True)}
        if due is None or not is_current(due, recorded.get(data.relative(due.target))):
            stale[day] = due
    return stale


def renew_ward(connection: duckdb.DuckDBPyConnection, data: DataFolder, day: date, due: DueReport | None) -> None:
    """Render a day's overview again; without anything to print, remove its file and its row."""
    target = data.ward_report(day)
    target.unlink(missing_ok=True)
    if due is not None:
        store.record_report(connection, render(due, data, None))
    else:
        store.forget_report(connection, ReportRecord("ward", None, day, data.relative(target), "", ""))


def _ward_of(connection: duckdb.DuckDBPyConnection, day: date, data: DataFolder) -> DueReport | None:
    scoring = queries.active_provenance(connection, day)
    if scoring is None:
        return None
    if queries.night_summaries(connection, day, scoring).is_empty() and queries.quarantine(connection, day).is_empty():
        return None
    report = build_ward_report(connection, day, scoring.bundle_id, scoring.options_sha256)
    return DueReport(report, day, data.ward_report(day), report.input_key())


def _days_with_file(data: DataFolder) -> list[date]:
    return [date.fromisoformat(path.parent.name) for path in _ward_files(data.root / "reports")]


def _ward_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/ward.pdf"))
