"""If sessions name their ward, each ward has its own overview, besides the facility's."""

import json
from pathlib import Path

import duckdb
import pytest
from privacy_folder import ANOTHER, DAY, DAYS, OTHER, PASSWORD, PATIENT, access_to, copy_ward, file_of

from flows.data_folder import DataFolder
from flows.printing import Printing
from flows.privacy.erase import erase_patient
from flows.report import due_reports, render_by_hand
from flows.settings import read_settings
from reports import Format
from reports.write import Recipient
from warehouse import queries, runs
from warehouse.connection import open_reader, open_writer
from warehouse.publish import publish

WARDS = {PATIENT: "3b", OTHER: "2a", ANOTHER: "2a"}
PRINTING = Printing((Format.JSON,))


@pytest.fixture(scope="module")
def two_wards(ward: DataFolder, tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """A copy of the data folder of privacy_folder, with its patients on two wards, and the reports of its first day.

    No test changes it.
    """
    data = copy_ward(ward, tmp_path_factory.mktemp("wards") / "data")
    with open_writer(data.warehouse) as connection:
        for patient_id, name in WARDS.items():
            connection.execute(
                "UPDATE sessions SET ward = $ward WHERE patient_id = $patient_id",
                {"ward": name, "patient_id": patient_id},
            )
        publish(connection, file_of(data))
    render_by_hand(access_to(data), DAY, None, PRINTING)
    return data


@pytest.fixture
def data(two_wards: DataFolder, tmp_path: Path) -> DataFolder:
    """A copy of it for one test."""
    return copy_ward(two_wards, tmp_path / "data")


def shown(data: DataFolder, name: str) -> set[str]:
    """The patients that an overview shows."""
    report = json.loads((data.reports(DAY) / f"{name}.json").read_text())["report"]
    return {
        row["patient_id"] for part in ("new", "still_open", "back", "usual", "not_compared") for row in report[part]
    }


def overviews(data: DataFolder) -> list[tuple[str, str | None]]:
    """Identifier and ward of the day's recorded overviews."""
    with open_reader(data.published) as reader:
        rows = runs.reports_of_day(reader, DAY).rows(named=True)
    return [(row["report_id"], row["ward"]) for row in rows if row["kind"] == "ward"]


def test_each_ward_has_its_patients_and_the_house_has_all(data: DataFolder) -> None:
    assert shown(data, "ward") == {PATIENT, OTHER, ANOTHER}
    assert shown(data, "wards/3b") == {PATIENT}
    assert shown(data, "wards/2a") == {OTHER, ANOTHER}
    assert overviews(data) == [(f"ward-{DAY}", None), (f"ward-{DAY}-2a", "2a"), (f"ward-{DAY}-3b", "3b")]
    assert (data.reports(DAY) / "wards").stat().st_mode & 0o077 == 0


def due(connection: duckdb.DuckDBPyConnection, data: DataFolder, printing: Printing) -> list[str]:
    scoring = queries.active_provenance(connection, DAY)
    assert scoring is not None
    return [report.report_id for report in due_reports(connection, DAY, scoring, data, printing)]


def test_an_overview_that_is_gone_is_due_by_itself_and_recipients_have_theirs(data: DataFolder) -> None:
    (data.reports(DAY) / "wards" / "2a.json").unlink()
    with open_reader(data.published) as reader:
        assert due(reader, data, PRINTING) == [f"ward-{DAY}-2a"]
        printing = Printing((), (Recipient("night-team", PASSWORD),))
        scoring = queries.active_provenance(reader, DAY)
        assert scoring is not None
        wanted = {path for report in due_reports(reader, DAY, scoring, data, printing) for path in report.order.paths}
    assert data.reports(DAY) / "for-night-team" / "wards" / "2a.pdf" in wanted


def test_a_house_whose_sessions_name_no_ward_has_one_overview(ward: DataFolder, tmp_path: Path) -> None:
    data = copy_ward(ward, tmp_path / "data")
    render_by_hand(access_to(data), DAY, None, PRINTING)
    assert overviews(data) == [(f"ward-{DAY}", None)]
    assert not (data.reports(DAY) / "wards").exists()


def test_an_erasure_makes_the_overviews_anew_that_showed_the_patient(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PMFER_REPORT_FORMATS", "json")
    before = (data.reports(DAY) / "wards" / "2a.json").read_bytes()
    stray = data.reports(DAYS[1]) / "wards" / "9z.json"  # not on record, so it may show anybody
    stray.parent.mkdir()
    stray.write_text("{}")
    erase_patient(access_to(data), PATIENT, read_settings(), lambda lines: True, lambda step: None)
    assert shown(data, "ward") == {OTHER, ANOTHER}
    # Nobody is left on that ward, and the other one never showed the patient.
    assert not (data.reports(DAY) / "wards" / "3b.json").exists()
    assert (data.reports(DAY) / "wards" / "2a.json").read_bytes() == before
    assert not stray.exists()
    assert overviews(data) == [(f"ward-{DAY}", None), (f"ward-{DAY}-2a", "2a")]


def test_a_ward_may_be_called_like_a_patient(data: DataFolder) -> None:
    with open_writer(data.warehouse) as connection:
        connection.execute("UPDATE sessions SET ward = $ward WHERE ward = '2a'", {"ward": PATIENT})
        publish(connection, file_of(data))
    render_by_hand(access_to(data), DAY, None, PRINTING)
    assert shown(data, f"wards/{PATIENT}") == {OTHER, ANOTHER}
    assert json.loads((data.reports(DAY) / f"{PATIENT}.json").read_text())["report"]["patient_id"] == PATIENT
