"""What makes which report due: a report's key depends on everything that its page is based on, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from other_processes import python_path
from privacy_folder import (
    ANOTHER,
    BUNDLE,
    DAY,
    DAYS,
    OTHER,
    PATIENT,
    PRINTING,
    copy_ward,
    frames_of,
    scoring_of,
    sessions_of,
)
from stored import store_session

from flows.data_folder import DataFolder
from flows.report import due_reports, is_report_due, render, wanted_reports
from pmfer.errors import QuarantineReason
from reports.data import ReportReader
from reports.measures import Thresholds
from warehouse import findings, quarantine, queries
from warehouse.care_events import CareEvent, CareEventKind, store_care_events
from warehouse.connection import open_writer
from warehouse.consent import Consent, record_consents
from warehouse.queries import Provenance
from warehouse.records import AcceptedLevel, QuarantineRecord
from warehouse.retention import Retention, expire_rows

TODAY = DAYS[1]  # two patients have a page, the overviews list all three
WARDS = {PATIENT: "3b", OTHER: "2a", ANOTHER: "3b"}
PAGE, HOUSE, WARD = f"patient-{TODAY}-{OTHER}", f"ward-{TODAY}", f"ward-{TODAY}-2a"
PAGES = {PAGE, f"patient-{TODAY}-{ANOTHER}"}
Connection = duckdb.DuckDBPyConnection


@pytest.fixture
def data(ward: DataFolder, tmp_path: Path) -> DataFolder:
    return copy_ward(ward, tmp_path / "data")


@pytest.fixture
def writer(data: DataFolder) -> Iterator[Connection]:
    """A data folder whose patients are on two wards."""
    with open_writer(data.warehouse) as connection:
        for patient_id, name in WARDS.items():
            values = {"ward": name, "patient_id": patient_id}
            connection.execute("UPDATE sessions SET ward = $ward WHERE patient_id = $patient_id", values)
        yield connection


def scoring_in(connection: Connection) -> Provenance:
    scoring = queries.active_provenance(connection, TODAY)
    assert scoring is not None
    return scoring


def keys(connection: Connection, data: DataFolder, thresholds: Thresholds = PRINTING.thresholds) -> dict[str, str]:
    night = ReportReader(connection, scoring_in(connection)).night(TODAY, thresholds.trend_days)
    assert night is not None
    wanted = wanted_reports(night, TODAY, data.reports(TODAY), replace(PRINTING, thresholds=thresholds))
    return {report.report_id: report.input_key for report in wanted}


def record(connection: Connection, day: date, bundle_id: str = BUNDLE.bundle_id, patient: str = OTHER) -> None:
    """Store one more session of a patient."""
    morning = sessions_of(patient, day)
    late = f"{morning.session_id}-{bundle_id[0]}-late"
    session = replace(morning, session_id=late, started_at=morning.started_at + timedelta(hours=3), ward=WARDS[patient])
    session = replace(session, content_sha256=f"{len(late):064x}", source_uri=f"{day}/{late}.mp4")
    bundle = replace(BUNDLE, bundle_id=bundle_id)
    store_session(connection, session, scoring_of(f"run-{DAY}"), bundle, frames_of(late))


def dose(amount: float, *, removed: bool = False) -> CareEvent:
    at = datetime(TODAY.year, TODAY.month, TODAY.day, 8, tzinfo=UTC)
    return CareEvent(OTHER, CareEventKind.MEDICATION, "drops", at, amount=amount, unit="ml", removed=removed)


def give(connection: Connection, *events: CareEvent, file: str = "events.csv") -> None:
    store_care_events(connection, events, file)


def quarantine_one(connection: Connection, patient: str | None) -> None:
    uri = f"{TODAY}/torn.mp4"
    trouble = QuarantineRecord(TODAY, uri, None, None, patient, QuarantineReason.TRUNCATED, "torn", f"run-{TODAY}")
    quarantine.add_quarantine(connection, trouble)


def accept(connection: Connection) -> None:
    findings.accept_level(connection, AcceptedLevel(OTHER, "smiling", TODAY, "new glasses"))


CHANGES: dict[str, tuple[Callable[[Connection], object], set[str]]] = {
    "a late session": (lambda c: record(c, TODAY), {PAGE, HOUSE, WARD}),
    "a late session of the day before": (lambda c: record(c, DAY), {PAGE, HOUSE, WARD}),
    "a session of the day after": (lambda c: record(c, TODAY + timedelta(days=1)), set()),
    "a late session of somebody who is on the overview only": (
        lambda c: record(c, DAY, patient=PATIENT),
        {HOUSE, f"{HOUSE}-3b"},
    ),
    "an earlier day of another model": (
        lambda c: record(c, DAY - timedelta(days=1), "f" * 64, ANOTHER),
        {f"patient-{TODAY}-{ANOTHER}"},
    ),
    "a care event": (lambda c: give(c, dose(1.0)), {PAGE}),
    "a level": (accept, {PAGE, HOUSE, WARD}),
    "a level that was undone": (lambda c: (accept(c), findings.undo_level(c, OTHER, "smiling")), set()),
    "a recording in quarantine": (lambda c: quarantine_one(c, OTHER), {PAGE, HOUSE, WARD}),
    "a recording of an unknown patient": (lambda c: quarantine_one(c, None), {HOUSE}),
    "a withdrawn consent": (lambda c: record_consents(c, [Consent(OTHER, DAY, None, DAY, "form")]), set()),
    "frames too old": (lambda c: expire_rows(c, Retention(frames=1), TODAY + timedelta(days=2)), PAGES),
    "frames of the day before too old": (
        lambda c: expire_rows(c, Retention(frames=1), TODAY + timedelta(days=1)),
        set(),
    ),
    "sessions too old": (
        lambda c: expire_rows(c, Retention(sessions=1), TODAY + timedelta(days=1)),
        {*PAGES, HOUSE, WARD, f"{HOUSE}-3b"},
    ),
}


@pytest.mark.parametrize(("change", "concerned"), CHANGES.values(), ids=CHANGES)
def test_a_change_makes_those_reports_due_that_it_concerns(
    data: DataFolder, writer: Connection, change: Callable[[Connection], object], concerned: set[str]
) -> None:
    before = keys(writer, data)
    assert before.keys() == {*PAGES, HOUSE, WARD, f"{HOUSE}-3b"}
    change(writer)
    after = keys(writer, data)
    assert {name for name in before if after.get(name) != before[name]} == concerned


def test_an_event_that_is_corrected_makes_the_page_due_and_one_that_is_told_again_does_not(
    data: DataFolder, writer: Connection
) -> None:
    without = keys(writer, data)
    give(writer, dose(1.0))
    given = keys(writer, data)
    give(writer, dose(1.0), file="the same again.csv")
    assert keys(writer, data) == given
    give(writer, dose(2.0))
    assert {name for name, key in keys(writer, data).items() if key != given[name]} == {PAGE}
    give(writer, dose(2.0, removed=True))
    assert keys(writer, data) == without


def test_other_limits_concern_every_report(data: DataFolder, writer: Connection) -> None:
    assert not set(keys(writer, data).values()) & set(keys(writer, data, Thresholds(limit_sigmas=3.0)).values())


def test_the_night_makes_those_pages_anew_and_leaves_the_others(data: DataFolder, writer: Connection) -> None:
    def due() -> list[str]:
        wanted = due_reports(writer, TODAY, scoring_in(writer), data, PRINTING)
        assert is_report_due(writer, TODAY, scoring_in(writer), data, PRINTING) == bool(wanted)
        assert render(writer, wanted, data, PRINTING, None) == []
        return [report.report_id for report in wanted]

    def written() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in data.reports(TODAY).glob("*.json")}

    assert HOUSE in due()  # the wards are new
    assert due() == []
    before = written()
    record(writer, TODAY)
    assert due() == [PAGE, HOUSE, WARD]
    assert {name for name, time in written().items() if time != before[name]} == {f"{OTHER}.json", "ward.json"}
    assert due() == []


ASK = """
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from privacy_folder import PRINTING
from flows.data_folder import DataFolder
from flows.report import due_reports, is_report_due
from warehouse import queries
from warehouse.connection import open_reader

data, day = DataFolder(Path(sys.argv[1])), date.fromisoformat(sys.argv[2])
with open_reader(data.warehouse) as connection:
    asked = connection, day, queries.active_provenance(connection, day), data, PRINTING

    def ask():
        print(is_report_due(*asked), sorted({"scipy", "weasyprint", "jinja2"} & sys.modules.keys()))
        print(len(due_reports(*asked)), sorted({"scipy", "weasyprint", "jinja2"} & sys.modules.keys()))

    ask()
    Path(sys.argv[3]).unlink()
    ask()
"""


def test_a_night_with_nothing_to_do_computes_no_statistics_and_loads_no_pages(data: DataFolder) -> None:
    """Only the limits of a chart need SciPy, so its import shows that statistics were computed."""
    gone = data.reports(TODAY) / f"{OTHER}.json"
    command = [sys.executable, "-c", ASK, str(data.root), str(TODAY), str(gone)]
    places = {**os.environ, "PYTHONPATH": python_path()}
    said = subprocess.run(command, env=places, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said == "False []\n0 []\nTrue []\n1 ['scipy']\n"
