"""An export appears all at once, is in the read log, replaces only exports, and is deleted by an erasure."""

import json
from pathlib import Path

import polars as pl
import pytest
from command import exit_code
from privacy_folder import DAY, OTHER, PATIENT, access_to, copy_ward, file_of, lake_of, sessions_of

from flows.data_folder import DataFolder
from flows.export import export_warehouse
from flows.privacy.erase import erase_patient
from flows.settings import read_settings
from flows.verify import verify_logs
from pmfer.errors import ConfigurationError
from warehouse.address import Address
from warehouse.care_events import CareEvent, CareEventKind, store_care_events
from warehouse.connection import open_writer
from warehouse.export import EXPORTED
from warehouse.publish import publish

OF_PATIENTS = ("patient_days", "session_summary", "frames", "episodes", "care_events", "quarantine")


@pytest.fixture(scope="module", params=["file", pytest.param("lake", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[DataFolder, Address]:
    """A data folder whose warehouse has one event of each of two patients."""
    ward: DataFolder = request.getfixturevalue("ward" if request.param == "file" else "ward_lake")
    data = copy_ward(ward, tmp_path_factory.mktemp("ward") / "data")
    warehouse = file_of(data) if request.param == "file" else lake_of(data)
    at = sessions_of(PATIENT, DAY).started_at
    events = [
        CareEvent(PATIENT, CareEventKind.CARE, "washing", at, own_id=f"{PATIENT}-e1"),
        CareEvent(OTHER, CareEventKind.TRANSFER, f"room of {PATIENT}", at, own_id="e2", note="quiet"),
    ]
    with open_writer(warehouse) as connection:
        store_care_events(connection, events, f"{PATIENT}.csv")
        publish(connection, warehouse)
    return data, warehouse


def test_it_is_logged_replaced_and_erased(place: tuple[DataFolder, Address], tmp_path: Path) -> None:
    data, warehouse = place
    outside = export_warehouse(access_to(data, warehouse), tmp_path / "out", DAY, DAY)
    assert "does not reach it" in outside[-1]
    for _ in range(2):
        export_warehouse(access_to(data, warehouse), None, None, None)
    target = data.exports / "warehouse"
    for name in OF_PATIENTS:
        assert PATIENT in set(pl.read_parquet(target / name)["patient_id"]), name
    assert {path.name for path in data.exports.iterdir()} == {"warehouse", "frames.parquet"}
    entries = [json.loads(line) for line in data.read_log.read_text(encoding="utf-8").splitlines()]
    exports = [entry["details"] for entry in entries if entry["action"] == "export"]
    assert [entry["first"] for entry in exports] == [DAY.isoformat(), None, None]
    assert exports[-1]["rows"].keys() == EXPORTED.keys()
    assert exports[-1]["rows"]["care_events"] == 2
    assert any(line.startswith("read log: whole") for line in verify_logs(access_to(data, warehouse)))
    erase_patient(access_to(data, warehouse), PATIENT, read_settings(), lambda lines: True, lambda step: None)
    assert list(data.exports.iterdir()) == []
    export_warehouse(access_to(data, warehouse), None, None, None)
    events = pl.read_parquet(target / "care_events").to_dicts()
    assert [(event["patient_id"], event["item"]) for event in events] == [(OTHER, "room of [erased]")]
    for name in OF_PATIENTS:
        assert PATIENT not in set(pl.read_parquet(target / name)["patient_id"]), name


def test_a_folder_with_something_else_is_left_alone(
    place: tuple[DataFolder, Address],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, warehouse = place
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="holds files that are not an export"):
        export_warehouse(access_to(data, warehouse), tmp_path, None, None)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    days = ("--from", "2026-03-03", "--to", "2026-03-02")
    assert exit_code("warehouse", "export", "--data-dir", data.root, *days) == 1
    assert "the last day is before the first" in capsys.readouterr().err
