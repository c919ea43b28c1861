"""Find the reports of a day that are due, and render them. A report is due if its input changed since it was rendered.

Formats are independent: a file that was once rendered in a format is kept, and rendered again when the input changes,
even if the settings no longer ask for that format. Files that may no longer be kept are deleted, see
flows.printing.Printing.withheld.
"""

import json
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
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
from reports import Format, Printed
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
    """A report that a day should have: about a patient, about a ward, or (if both are None) about the facility."""

    day: date
    patient_id: str | None
    ward: str | None
    input_key: str  # digest of its data and printing options: equal keys, equal pages
    files: ReportFiles

    @property
    def kind(self) -> Literal["patient", "ward"]:
        """The kind, as the warehouse names it."""
        return "ward" if self.patient_id is None else "patient"

    @property
    def report_id(self) -> str:
        """The report's key in the warehouse."""
        return report_id(self.kind, self.day, self.patient_id or self.ward)


@dataclass(frozen=True)
class DueReport(WantedReport):
    """A report that is to be rendered."""

    report: PatientReport | WardReport  # its content
    options: Mapping[str, Any]  # keyword arguments of reports.render

    @property
    def order(self) -> Order:
        """The order to write its files; the patient's name is filled in later."""
        return Order(self.report, self.files.unprotected, self.files.protected, options=self.options)


def wanted_reports(night: NightData, day: date, folder: Path, printing: Printing) -> list[WantedReport]:
    """All reports that a day should have: one per patient with a session that day, stored or not, and the overviews.

    There is an overview of the facility, and one of each ward that sessions name. A report of which no file is wanted
    is left out, such as an overview if FHIR is the only format. Nothing is computed yet.
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


def reports_of(
    connection: duckdb.DuckDBPyConnection,
    day: date,
    scoring: Provenance | None,
    folder: Path,
    printing: Printing,
    chosen: Callable[[WantedReport], bool] = lambda report: True,
) -> list[DueReport]:
    """The reports that a day should have, see `wanted_reports`, and that are `chosen`, with their content.

    A day without sessions has none, nor has one without a `scoring`. Only the content of chosen reports is computed.
    """
    if scoring is None:
        return []
    reader = ReportReader(connection, scoring)
    night = reader.night(day, printing.thresholds.trend_days)
    if night is None:
        return []
    wanted = list(filter(chosen, wanted_reports(night, day, folder, printing)))
    patients = [report.patient_id for report in wanted if report.patient_id is not None]
    wards = [report.ward for report in wanted if report.patient_id is None]
    pages, overviews = compare_night(reader, night, day, printing.thresholds, patients, wards)
    content: dict[tuple[str | None, str | None], PatientReport | WardReport] = {}  # by patient and ward
    content |= {(page.patient_id, None): page for page in pages}
    content |= {(None, overview.ward): overview for overview in overviews}
    return [
        DueReport(**vars(report), report=content[report.patient_id, report.ward], options=printing.options)
        for report in wanted
    ]


def due_reports(
    connection: duckdb.DuckDBPyConnection, day: date, scoring: Provenance, data: DataFolder, printing: Printing
) -> list[DueReport]:
    """The reports of a day that were not rendered yet, whose input changed, or whose files are missing or altered."""
    return reports_of(connection, day, scoring, data.reports(day), printing, _is_due(connection, day, data))


def is_report_due(
    connection: duckdb.DuckDBPyConnection, day: date, scoring: Provenance, data: DataFolder, printing: Printing
) -> bool:
    """Whether a day has a report that is due, see `due_reports`; computes no report."""
    night = ReportReader(connection, scoring).night(day, printing.thresholds.trend_days)
    wanted = wanted_reports(night, day, data.reports(day), printing) if night else []
    return any(map(_is_due(connection, day, data), wanted))


def _is_due(connection: duckdb.DuckDBPyConnection, day: date, data: DataFolder) -> Callable[[WantedReport], bool]:
    recorded = recorded_reports(connection, day)
    return lambda report: not is_current(report, recorded.get(report.report_id), data)


def recorded_reports(connection: duckdb.DuckDBPyConnection, day: date) -> dict[str, Mapping[str, Any]]:
    """The rows of table `reports` for a day, by report_id."""
    return {row["report_id"]: row for row in runs.reports_of_day(connection, day).iter_rows(named=True)}


def recorded_files(row: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 of each file that a row of table `reports` lists, by path."""
    files: dict[str, str] = json.loads(row["files"]) if row["files"] else {row["path"]: row["sha256"]}
    return files


def is_current(report: WantedReport, row: Mapping[str, Any] | None, data: DataFolder) -> bool:
    """Whether all wanted files of a report were rendered from the same input and are unaltered.

    Other files that may be kept may be missing, but not altered. A recorded file that may not be kept makes the report
    outdated.
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
    """Store the findings of reports, then render and record each report. Existing files in other formats stay.

    The findings of all reports are stored before the first is rendered and replace those of an earlier rendering, so
    no findings are lost if a page cannot be written.

    Args:
        connection: the warehouse, open for writing.
        due: the reports to render.
        data: the data folder.
        printing: gives the name map and the number of processes.
        run_id: the run; None when rendered by hand.

    Returns:
        One line for each report that failed; the others are rendered and recorded.

    Raises:
        ReportError: the name map cannot be read; nothing was rendered.
    """
    findings.store_findings(connection, finding_records(report.report for report in due))
    failures = []
    recorded = {
        name: row for day in {report.day for report in due} for name, row in recorded_reports(connection, day).items()
    }
    in_all_forms = [_with_outdated(report, recorded.get(report.report_id), data) for report in due]
    for rendered, error in _written(in_all_forms, printing, recorded):
        if error is None:
            row = recorded.get(rendered.report_id)
            if row:
                _delete_withheld(row, rendered, data)
            runs.record_report(connection, _record(rendered, row, data, run_id))
        else:
            failures.append(error)
    return failures


def _with_outdated(due: DueReport, row: Mapping[str, Any] | None, data: DataFolder) -> DueReport:
    """The report, to be rendered also in those other formats whose existing files are outdated or were altered."""
    files = recorded_files(row) if row else {}
    outdated = {
        form: path
        for form, path in due.files.may_stay.items()
        if path.is_file()
        and (sha256 := files.get(data.relative(path)))
        and row
        and (row["input_key"] != due.input_key or sha256_file(path) != sha256)
    }
    all_forms = {**due.files.unprotected, **outdated}
    unprotected = {form: all_forms[form] for form in Format if form in all_forms}
    may_stay = {form: path for form, path in due.files.may_stay.items() if form not in outdated}
    return replace(due, files=replace(due.files, unprotected=unprotected, may_stay=may_stay))


def _written(
    due: Sequence[DueReport], printing: Printing, replaced: Container[str] = ()
) -> Iterator[tuple[DueReport, str | None]]:
    """Write the files of every report; yield each report with its error, or None if it succeeded.

    The pages of reports whose report_id is in `replaced` say that they replace earlier prints.
    """
    names = read_names(printing.name_map) if any(report.patient_id for report in due) else {}
    now = datetime.now().astimezone()  # this machine is set to the facility's time zone
    orders = [
        replace(
            report.order,
            name=names.get(report.patient_id or ""),
            printed=Printed(now, again=report.report_id in replaced),
        )
        for report in due
    ]
    by_path = {report.files.paths[0]: report for report in due}
    for outcome in write_all(orders, printing.processes):
        yield by_path[outcome.order.paths[0]], outcome.error


def _record(due: DueReport, row: Mapping[str, Any] | None, data: DataFolder, run_id: str | None) -> ReportRecord:
    before = recorded_files(row) if row else {}
    kept = {path for path in due.files.may_stay.values() if data.relative(path) in before and path.is_file()}
    files = {data.relative(path): sha256_file(path) for path in (*due.files.paths, *kept)}
    unprotected = {**due.files.unprotected, **due.files.may_stay}
    ordered = [data.relative(unprotected[form]) for form in Format if form in unprotected]
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


def _delete_withheld(row: Mapping[str, Any], due: DueReport, data: DataFolder) -> None:
    """Delete an unprotected PDF that now needs a password, and PDFs of former recipients."""
    allowed = {data.relative(path) for path in (*due.files.paths, *due.files.may_stay.values())}
    for path in recorded_files(row).keys() - allowed:
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
        patient_id: one patient; None for all reports of the day.
        printing: how reports are written.
        out: a folder for copies, which are not recorded; None: write to the usual place below the data folder, and
            record.

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
    raise_failures(failures, len(chosen))
    return [path for due in chosen for path in due.files.paths]


def raise_failures(failures: Sequence[str], count: int) -> None:
    """Raise an error if any of `count` reports failed.

    Raises:
        ReportError: at least one failed.
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
    chosen = reports_of(
        connection, day, scoring, folder, printing, lambda report: patient_id in (None, report.patient_id)
    )
    if not chosen:
        who = f"patient {patient_id}" if patient_id else "any patient"
        raise ReportError(f"{day}: no session of {who} was processed on that day; choose another --date")
    access.record_reading("report", report_date=day, reports=len(chosen))
    return chosen
