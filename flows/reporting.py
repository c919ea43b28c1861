"""Which reports of a day are due, and rendering them. A report is due when its input differs from what was printed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import duckdb
import polars as pl

from flows.data_folder import DataFolder
from flows.name_map import read_names
from flows.settings import read_settings
from flows.writing import record_reading, require_existing, writing
from pmfer.bundle import sha256_file
from pmfer.errors import ReportError
from reports.patient import PatientReport, build_patient_report
from reports.render import render_patient, render_ward
from reports.ward import WardReport, build_ward_report
from warehouse import queries, store
from warehouse.address import Address
from warehouse.publish import publish
from warehouse.queries import Provenance
from warehouse.records import ReportRecord


@dataclass(frozen=True)
class DueReport:
    """A report that is to be rendered, with what it will say."""

    report: PatientReport | WardReport
    day: date
    target: Path
    input_key: str

    @property
    def kind(self) -> Literal["patient", "ward"]:
        """The kind as the warehouse names it."""
        return "patient" if isinstance(self.report, PatientReport) else "ward"

    @property
    def patient_id(self) -> str | None:
        """The patient; None for the ward."""
        return self.report.patient_id if isinstance(self.report, PatientReport) else None


def reports_of(
    connection: duckdb.DuckDBPyConnection, day: date, scoring: Provenance, data: DataFolder
) -> list[DueReport]:
    """All reports that a day should have: one per patient with a session that day, stored or set aside, and the ward's.

    A day without any session has none.
    """
    summaries = queries.night_summaries(connection, day, scoring)
    quarantine = queries.quarantine(connection, day)
    if summaries.is_empty() and quarantine.is_empty():
        return []
    patients = pl.concat([summaries["patient_id"], quarantine["patient_id"]]).drop_nulls().unique().sort()
    wanted = []
    for patient_id in patients:
        report = build_patient_report(connection, patient_id, day, scoring.bundle_id, scoring.options_sha256)
        wanted.append(DueReport(report, day, data.patient_report(patient_id, day), report.input_key()))
    ward = build_ward_report(connection, day, scoring.bundle_id, scoring.options_sha256)
    return [*wanted, DueReport(ward, day, data.ward_report(day), ward.input_key())]


def due_reports(
    connection: duckdb.DuckDBPyConnection, day: date, scoring: Provenance, data: DataFolder
) -> list[DueReport]:
    """Those reports of a day that were not rendered yet, whose input changed, or whose file is gone or altered."""
    recorded = {row["path"]: row for row in queries.reports(connection, day).iter_rows(named=True)}
    wanted = reports_of(connection, day, scoring, data)
    return [due for due in wanted if not is_current(due, recorded.get(data.relative(due.target)))]


def is_current(due: DueReport, row: Mapping[str, Any] | None) -> bool:
    """Whether a report was printed from the same input and its file is as it was; `row` is its row of reports."""
    if row is None or row["input_key"] != due.input_key or not due.target.is_file():
        return False
    return bool(sha256_file(due.target) == row["sha256"])


def render(due: DueReport, data: DataFolder, run_id: str | None) -> ReportRecord:
    """Render one report and return what the warehouse records of it.

    Raises:
        ReportError: it cannot be rendered or written, or the map of names cannot be read.
    """
    due.target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if isinstance(due.report, PatientReport):
        names = read_names(read_settings().name_map)
        render_patient(due.report, due.target, names.get(due.report.patient_id))
    else:
        render_ward(due.report, due.target)
    return ReportRecord(
        kind=due.kind,
        patient_id=due.patient_id,
        report_date=due.day,
        path=data.relative(due.target),
        sha256=sha256_file(due.target),
        input_key=due.input_key,
        run_id=run_id,
    )


def render_by_hand(data: DataFolder, warehouse: Address, day: date, patient_id: str | None) -> list[Path]:
    """Render a day's reports again, whether due or not, and record them.

    Args:
        data: the data folder.
        warehouse: address of the warehouse.
        day: the day.
        patient_id: one patient; None for all of the day and the ward.

    Returns:
        The PDFs.

    Raises:
        ReportError: nothing was scored up to that day, or the patient has no session on it.
        WarehouseError: the warehouse is missing or being written.
    """
    require_existing(warehouse)
    with writing(data, warehouse) as connection:
        scoring = queries.active_provenance(connection, day)
        reports = reports_of(connection, day, scoring, data) if scoring else []
        chosen = [report for report in reports if patient_id in (None, report.patient_id)]
        if not chosen:
            who = f"patient {patient_id}" if patient_id else "any patient"
            raise ReportError(f"{day}: no session of {who} was processed on that day; choose another --date")
        record_reading(data, "report", report_date=day, reports=len(chosen))
        for report in chosen:
            store.record_report(connection, render(report, data, None))
        publish(connection, warehouse)
    return [report.target for report in chosen]
