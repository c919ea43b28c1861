"""Which reports of a day are due, and rendering them. A report is due when its input differs from what was printed."""

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import duckdb
import polars as pl

from flows.data_folder import DataFolder
from pmfer.bundle import sha256_file
from pmfer.errors import ReportError
from reports.patient import PatientReport, build_patient_report
from reports.render import render_patient, render_ward
from reports.ward import WardReport, build_ward_report
from warehouse import queries, store
from warehouse.address import Address, FileAddress, LakeAddress
from warehouse.connection import open_reader, open_writer
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

    def current(due: DueReport) -> bool:
        row = recorded.get(data.relative(due.target))
        if row is None or row["input_key"] != due.input_key or not due.target.is_file():
            return False
        return bool(sha256_file(due.target) == row["sha256"])

    return [due for due in reports_of(connection, day, scoring, data) if not current(due)]


def render(due: DueReport, data: DataFolder, run_id: str | None) -> ReportRecord:
    """Render one report and return what the warehouse records of it.

    Raises:
        ReportError: it cannot be rendered or written.
    """
    due.target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if isinstance(due.report, PatientReport):
        render_patient(due.report, due.target)
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
    if isinstance(warehouse, FileAddress) and not warehouse.path.is_file():
        raise ReportError(f"{warehouse}: no warehouse there; run `pmfer nightly` first or name another --data-dir")
    if isinstance(warehouse, LakeAddress):
        open_reader(warehouse).close()  # opened for writing, an address with a slip in it would become a new lake
    with closing(open_writer(warehouse)) as connection:
        scoring = queries.active_provenance(connection, day)
        reports = reports_of(connection, day, scoring, data) if scoring else []
        chosen = [report for report in reports if patient_id in (None, report.patient_id)]
        if not chosen:
            who = f"patient {patient_id}" if patient_id else "any patient"
            raise ReportError(f"{day}: no session of {who} was processed on that day; choose another --date")
        for report in chosen:
            store.record_report(connection, render(report, data, None))
        publish(connection, warehouse)
    return [report.target for report in chosen]
