"""Render the reports of a night and measure it: wall time by stage, reports per second, peak memory.

    python -m benchmarks.reports --patients 100 --days 90 --out FOLDER

The warehouse is built as in `benchmarks.warehouse` and kept in FOLDER for the next time. The stages are those of the
nightly flow: decide which reports are due (a night with nothing to do ends there), read and compare the night's data,
lay out and write the PDFs. They are measured once in one process, stage by stage, and the last stage with each
requested number of processes.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measuring import measured, memory_mib
from benchmarks.warehouse import FIRST_DAY, Size, store_ward
from reports import Format
from reports.data import ReportReader
from reports.document import data_key
from reports.measures import DEFAULT_THRESHOLDS
from reports.pages import patient_html, ward_html
from reports.patient import PatientReport
from reports.ward import WardReport, compare_night
from reports.write import Order, write_all
from warehouse import queries
from warehouse.address import FileAddress
from warehouse.connection import open_reader, open_writer
from warehouse.publish import publish


def main() -> None:
    """Measure and print; with --json also write the figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--sessions", type=int, default=2, help="per patient and day")
    parser.add_argument("--frames", type=int, default=100, help="per session, five a second")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--formats", type=Format, nargs="+", default=[Format.PDF])
    parser.add_argument("--out", type=Path, help="folder for the warehouse; by default a temporary one")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    size = Size(options.patients, options.days, options.sessions, options.frames)
    with tempfile.TemporaryDirectory() as temporary:
        address = warehouse_of(size, options.out or Path(temporary))
        figures = measure(address, size, options.processes, options.formats, Path(temporary))
    for name, value in figures.items():
        print(f"{name:<32} {value:>12,.2f}" if isinstance(value, float) else f"{name:<32} {value!s:>12}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def warehouse_of(size: Size, folder: Path) -> FileAddress:
    """The warehouse of a ward, built if it is not in the folder yet."""
    place = folder / f"{size.patients}x{size.days}x{size.sessions}x{size.frames}"
    address = FileAddress(place / "warehouse.duckdb", place / "published.duckdb")
    if not address.published.is_file():
        with open_writer(address) as connection:
            store_ward(connection, size)
            publish(connection, address)
    return address


def measure(
    address: FileAddress, size: Size, processes: Sequence[int], formats: Sequence[Format], folder: Path
) -> dict[str, object]:
    """Figures by name: seconds, reports per second, MiB that a process takes at most."""
    day = FIRST_DAY + timedelta(days=size.days - 1)
    figures: dict[str, object] = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0], **vars(size)}
    with measured(figures, "ask_what_is_due"):
        ask_what_is_due(address, day)
    with measured(figures, "read_and_compare"):
        patients, ward = read_night(address, day)
    with measured(figures, "html"):
        for report in patients:
            patient_html(report)
        ward_html(ward)
    for count in dict.fromkeys(processes):
        orders = orders_of(patients, ward, formats, folder / f"with-{count}")
        with measured(figures, f"write_with_{count}"):
            for outcome in write_all(orders, count):
                if outcome.error:
                    raise SystemExit(outcome.error)
                children = (child.pid for child in multiprocessing.active_children())
                figures[f"peak_mib_of_{count}"] = max(memory_mib("VmHWM", pid) for pid in ("self", *children))
        figures[f"reports_per_s_with_{count}"] = len(orders) / float(str(figures[f"write_with_{count}_s"]))
    figures["load_after"] = os.getloadavg()[0]
    return figures


def ask_what_is_due(address: FileAddress, day: date) -> None:
    """The keys of all reports of a day, from which the flow decides what is due."""
    with open_reader(address) as connection:
        scoring = queries.active_provenance(connection, day)
        night = scoring and ReportReader(connection, scoring).night(day, DEFAULT_THRESHOLDS.trend_days)
    for data in (*night.patients.values(), night.house) if night else ():
        data_key(data, day, DEFAULT_THRESHOLDS)


def read_night(address: FileAddress, day: date) -> tuple[list[PatientReport], WardReport]:
    """The compared reports of everybody recorded on a day, and the overview."""
    with open_reader(address) as connection:
        scoring = queries.active_provenance(connection, day)
        reader = ReportReader(connection, scoring) if scoring else None
        night = reader.night(day, DEFAULT_THRESHOLDS.trend_days) if reader else None
        if reader is None or night is None:
            raise SystemExit("the warehouse has nothing on that day")
        patients, (ward,) = compare_night(reader, night, day, DEFAULT_THRESHOLDS, night.recorded, (None,))
    return patients, ward


def orders_of(
    patients: Sequence[PatientReport], ward: WardReport, formats: Sequence[Format], folder: Path
) -> list[Order]:
    """The files of all reports in the requested formats, below a folder."""
    orders = [Order(report, _files(folder, report.patient_id, formats)) for report in patients]
    of_ward = [form for form in formats if form is not Format.FHIR]
    return [*orders, Order(ward, _files(folder, "ward", of_ward))]


def _files(folder: Path, stem: str, formats: Sequence[Format]) -> dict[Format, Path]:
    return {form: folder / form / f"{stem}.{form}" for form in formats}


if __name__ == "__main__":
    main()
