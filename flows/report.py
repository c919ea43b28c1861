"""Which reports of a day are due, and rendering them. A report is due when its input differs from what was printed.

Formats are independent: what was once rendered in a format stays in it, and is rendered again when the input changed.
Only what may not lie there any more goes, see flows.printing.Printing.withheld.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb

from flows.data_folder import DataFolder
from flows.findings import finding_records
from flows.printing import Printing, ReportFiles, files_in
from flows.privacy.name_map import read_names
from flows.warehouse_access import WarehouseAccess, require_existing
from pmfer.bundle import sha256_file
from pmfer.errors import ReportError
from reports import Format
from reports.data import NightData, ReportData, ReportReader
from reports.document import data_key
from reports.patient import PatientReport
from reports.ward import WardReport, compare_night
from reports.write import Order, write_all
from warehouse import findings, queries, runs
from warehouse.connection import open_reader
from warehouse.queries import Provenance
from warehouse.records import ReportRecord, digest, report_id


@dataclass(frozen=True)
class WantedReport:
    """A report that a day should have: of a patient, of one ward, or (neither) of the facility."""

    day: date
    patient_id: str | None
    ward: str | None
    input_key: str  # of all that it rests on and of how it is printed: equal keys, equal pages
    files: ReportFiles

    @property
    def kind(self) -> Literal["patient", "ward"]:
        """The kind as the warehouse names it."""
        return "ward" if self.patient_id is None else "patient"

    @property
    def report_id(self) -> str:
        """By which the warehouse knows it."""
        return report_id(self.kind, self.day, self.patient_id or self.ward)


@dataclass(frozen=True)
class DueReport(WantedReport):
    """A report that is to be rendered."""

    report: PatientReport | WardReport  # what it will say
    options: Mapping[str, Any]  # keyword options of reports.render

    @property
    def order(self) -> Order:
        """What is to be written; the patient's name is still to be filled in."""
        return Order(self.report, self.files.in_the_open, self.files.protected, options=self.options)


def wanted_reports(night: NightData, day: date, folder: Path, printing: Printing) -> list[WantedReport]:
    """All reports that a day should have: one per patient with a session that day, stored or not, and the overviews.

    Those are one of the facility and, where sessions say on which ward they were recorded, one of each. A report of
    which nothing is wanted, such as the ward's where FHIR alone is, is left out. Nothing is computed yet.
    """
    options = json.dumps(dict(printing.options), sort_keys=True)

    def wanted(patient_id: str | None, ward: str | None, data: ReportData) -> WantedReport:
        key = digest(data_key(data, day, printing.thresholds), options)
        return WantedReport(day, patient_id, ward, key, files_in(folder, patient_id, ward, printing))

    reports = [
        *(wanted(patient_id, None, night.patients[patient_id]) for patient_id in night.recorded),
        wanted(None, None, night.house),
        *(wanted(None, ward, data) for ward, data in night.wards.items()),
    ]
    return [report for report in reports if report.files.paths]


def made(
    reader: ReportReader, night: NightData, day: date, wanted: Sequence[WantedReport], printing: Printing
) -> list[DueReport]:
    """What some of the reports of a day will say.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    patients = [report.patient_id for report in wanted if report.patient_id is not None]
    wards = [report.ward for report in wanted if report.patient_id is None]
    pages, overviews = compare_night(reader, night, day, printing.thresholds, patients, wards)
    said: dict[tuple[str | None, str | None], PatientReport | WardReport] = {}
    said |= {(page.patient_id, None): page for page in pages}
    said |= {(None, overview.ward): overview for overview in overviews}
    return [
        DueReport(**vars(report), report=said[report.patient_id, report.ward], options=printing.options)
        for report in wanted
    ]


def reports_of(
    connection: duckdb.DuckDBPyConnection, day: date, scoring: Provenance, folder: Path, printing: Printing
) -> list[DueReport]:
    """All reports that a day should have, see `wanted_reports`; a day without any session has none."""
    reader = ReportReader(connection, scoring)
    night = reader.night(day, printing.thresholds.trend_days)
    if night is None:
        return []
    return made(reader, night, day, wanted_reports(night, day, folder, printing), printing)


def due_reports(
    connection: duckdb.DuckDBPyConnection, day: date, scoring: Provenance, data: DataFolder, printing: Printing
) -> list[DueReport]:
    """Those reports of a day that were not rendered yet, whose input changed, or of which a file is gone or altered."""
    reader = ReportReader(connection, scoring)
    night = reader.night(day, printing.thresholds.trend_days)
    return [] if night is None else made(reader, night, day, _outdated(reader, night, day, data, printing), printing)


def is_report_due(
    connection: duckdb.DuckDBPyConnection, day: date, scoring: Provenance, data: DataFolder, printing: Printing
) -> bool:
    """Whether a day has a report that is due, see `due_reports`; told without computing any."""
    reader = ReportReader(connection, scoring)
    night = reader.night(day, printing.thresholds.trend_days)
    return night is not None and bool(_outdated(reader, night, day, data, printing))


def _outdated(
    reader: ReportReader, night: NightData, day: date, data: DataFolder, printing: Printing
) -> list[WantedReport]:
    recorded = recorded_reports(reader.connection, day)
    wanted = wanted_reports(night, day, data.reports(day), printing)
    return [report for report in wanted if not is_current(report, recorded.get(report.report_id), data)]


def recorded_reports(connection: duckdb.DuckDBPyConnection, day: date) -> dict[str, Mapping[str, Any]]:
    """The rows of reports of a day, by report_id."""
    return {row["report_id"]: row for row in runs.reports_of_day(connection, day).iter_rows(named=True)}


def recorded_files(row: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 by path of the files of a row of reports."""
    files: dict[str, str] = json.loads(row["files"]) if row["files"] else {row["path"]: row["sha256"]}
    return files


def is_current(report: WantedReport, row: Mapping[str, Any] | None, data: DataFolder) -> bool:
    """Whether a report was printed from the same input in all files that are wanted, and these are as they were.

    Of files that may stay one may be gone, but none altered; and there is none that has to go.
    """
    if row is None or row["input_key"] != report.input_key:
        return False
    files = recorded_files(row)
    wanted = {data.relative(path) for path in report.files.paths}
    others = {data.relative(path) for path in report.files.may_stay.values()}
    return wanted <= files.keys() <= wanted | others and all(
        sha256_file(data.root / path) == sha256 if (data.root / path).is_file() else path not in wanted
        for path, sha256 in files.items()
    )


def render(
    connection: duckdb.DuckDBPyConnection,
    due: Sequence[DueReport],
    data: DataFolder,
    printing: Printing,
    run_id: str | None,
) -> list[str]:
    """Store what reports say, render them and record each; files of an earlier rendering in other formats stay.

    The findings of all are stored before the first is rendered, in the place of those of an earlier rendering: a page
    that cannot be written takes nothing from the data.

    Args:
        connection: the warehouse, open for writing.
        due: what to render.
        data: the data folder.
        printing: gives the names and the number of processes.
        run_id: the run; None when rendered by hand.

    Returns:
        What went wrong, a line for each report that failed; the others are rendered and recorded.

    Raises:
        ReportError: the map of names cannot be read; nothing was rendered.
    """
    findings.store_findings(connection, finding_records(report.report for report in due))
    failures = []
    recorded = {
        name: row for day in {report.day for report in due} for name, row in recorded_reports(connection, day).items()
    }
    orders = [_with_outdated(report, recorded.get(report.report_id), data) for report in due]
    for rendered, error in _written(orders, printing):
        if error is None:
            row = recorded.get(rendered.report_id)
            if row:
                _remove_others(row, rendered, data)
            runs.record_report(connection, _record(rendered, row, data, run_id))
        else:
            failures.append(error)
    return failures


def _with_outdated(due: DueReport, row: Mapping[str, Any] | None, data: DataFolder) -> DueReport:
    """The report with those files besides that may stay, but say what is no longer so, or were altered."""
    files = recorded_files(row) if row else {}
    outdated = {
        form: path
        for form, path in due.files.may_stay.items()
        if path.is_file()
        and (sha256 := files.get(data.relative(path)))
        and row
        and (row["input_key"] != due.input_key or sha256_file(path) != sha256)
    }
    all_forms = {**due.files.in_the_open, **outdated}
    in_the_open = {form: all_forms[form] for form in Format if form in all_forms}
    may_stay = {form: path for form, path in due.files.may_stay.items() if form not in outdated}
    return replace(due, files=replace(due.files, in_the_open=in_the_open, may_stay=may_stay))


def _written(due: Sequence[DueReport], printing: Printing) -> Iterator[tuple[DueReport, str | None]]:
    """Write the files of every report; each with what went wrong, None if nothing did."""
    names = read_names(printing.name_map) if any(report.patient_id for report in due) else {}
    now = datetime.now().astimezone()  # the time zone of the facility is that of this machine
    orders = {
        report.report_id: replace(report.order, name=names.get(report.patient_id or ""), printed_at=now)
        for report in due
    }
    by_path = {report.files.paths[0]: report for report in due}
    for outcome in write_all(list(orders.values()), printing.processes):
        yield by_path[outcome.order.paths[0]], outcome.error


def _record(due: DueReport, row: Mapping[str, Any] | None, data: DataFolder, run_id: str | None) -> ReportRecord:
    before = recorded_files(row) if row else {}
    stayed = {path for path in due.files.may_stay.values() if data.relative(path) in before and path.is_file()}
    files = {data.relative(path): sha256_file(path) for path in (*due.files.paths, *stayed)}
    in_the_open = {**due.files.in_the_open, **due.files.may_stay}
    ordered = [data.relative(in_the_open[form]) for form in Format if form in in_the_open]
    first = next((path for path in ordered if path in files), data.relative(due.files.paths[0]))
    return ReportRecord(
        kind=due.kind,
        patient_id=due.patient_id,
        report_date=due.day,
        path=first,
        sha256=files[first],
        input_key=due.input_key,
        run_id=run_id,
        files=files,
        shown=due.report.shown if isinstance(due.report, WardReport) else None,
        ward=due.ward,
    )


def _remove_others(row: Mapping[str, Any], due: DueReport, data: DataFolder) -> None:
    """A PDF in the open, once passwords are asked for, and the copies of somebody who gets none any more."""
    stays = {data.relative(path) for path in (*due.files.paths, *due.files.may_stay.values())}
    for path in recorded_files(row).keys() - stays:
        (data.root / path).unlink(missing_ok=True)


def render_by_hand(
    access: WarehouseAccess,
    day: date,
    patient_id: str | None,
    printing: Printing,
    out: Path | None = None,
) -> list[Path]:
    """Render a day's reports again, whether due or not.

    Args:
        access: to the warehouse and the data folder.
        day: the day.
        patient_id: one patient; None for all of the day and the ward.
        printing: what is written.
        out: a folder for copies, which nothing keeps a record of; None: in their place below the data folder, and
            recorded.

    Returns:
        The files.

    Raises:
        ReportError: nothing was scored up to that day, the patient has no session on it, or a report failed.
        WarehouseError: the warehouse is missing or being written.
    """
    require_existing(access.warehouse)
    if out is not None:
        with open_reader(access.warehouse) as reader:
            chosen = _chosen(reader, access, day, patient_id, printing, out.absolute())
        failures = [error for _, error in _written(chosen, printing) if error]
    else:
        with access.writing() as writer:
            chosen = _chosen(writer.connection, access, day, patient_id, printing, access.data.reports(day))
            failures = render(writer.connection, chosen, access.data, printing, None)
    require_none(failures, len(chosen))
    return [path for due in chosen for path in due.files.paths]


def require_none(failures: Sequence[str], count: int) -> None:
    """Say that some of `count` reports failed.

    Raises:
        ReportError: some did.
    """
    if failures:
        raise ReportError(f"{len(failures)} of {count} reports failed, the first: {failures[0]}")


def _chosen(
    connection: duckdb.DuckDBPyConnection,
    access: WarehouseAccess,
    day: date,
    patient_id: str | None,
    printing: Printing,
    folder: Path,
) -> list[DueReport]:
    scoring = queries.active_provenance(connection, day)
    reports = reports_of(connection, day, scoring, folder, printing) if scoring else []
    chosen = [report for report in reports if patient_id in (None, report.patient_id)]
    if not chosen:
        who = f"patient {patient_id}" if patient_id else "any patient"
        raise ReportError(f"{day}: no session of {who} was processed on that day; choose another --date")
    access.record_reading("report", report_date=day, reports=len(chosen))
    return chosen
