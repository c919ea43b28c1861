"""An erasure removes only the patient's data, even if pseudonyms are short, alike and quoted in other texts."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pypdfium2
import pytest
from privacy_folder import (
    BUNDLE,
    DAY,
    PASSWORD,
    PRINTING,
    access_to,
    file_of,
    frames_of,
    new_house,
    printing_settings,
    scoring_of,
    sessions_of,
)
from stored import store_session

from flows.data_folder import DataFolder
from flows.printing import Printing
from flows.privacy.erase import erase_patient
from flows.report import render_by_hand
from flows.settings import read_settings
from pmfer.errors import ConfigurationError
from reports import Format
from warehouse import migrate, runs
from warehouse.address import FileAddress
from warehouse.care_events import CareEvent, CareEventKind, store_care_events
from warehouse.connection import open_reader
from warehouse.records import RunOutcome, RunRecord

PATIENTS = ("1", "12", "120", "12.json", "birch-1", "birch-10", "birch-1-b")
NOTES = {
    "1": "12 mg, as for 12",
    "12": "own note of 12",
    "120": "with birch-1, and as birch-10 and birch-1-b",
    "birch-10": "after birch-1. 12 ml",
    "birch-1": "own note of birch-1",
}
JSON_ONLY = Printing((Format.JSON,))


@pytest.fixture(scope="module")
def alike(empty_file: FileAddress, tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """The ward, with a source below the data folder. No test changes it."""
    data = new_house(empty_file, tmp_path_factory.mktemp("alike") / "data")
    night = data.root / "source" / DAY.isoformat()
    night.mkdir(parents=True)
    with access_to(data).writing() as writer:
        connection = writer.connection
        options = scoring_of("").options_sha256
        runs.start_run(connection, RunRecord("run", DAY, "0.1", BUNDLE.bundle_id, options, scoring_of("").options))
        for patient in PATIENTS:
            session = sessions_of(patient, DAY)
            frames = frames_of(session.session_id)
            store_session(connection, session, scoring_of("run"), BUNDLE, frames)
            (night / f"{session.session_id}.mp4").write_bytes(b"\0 frames of " + patient.encode())
            sidecar = {"session_id": session.session_id, "patient_id": patient}
            (night / f"{session.session_id}.json").write_text(json.dumps(sidecar))
        at = datetime(DAY.year, DAY.month, DAY.day, 8, tzinfo=UTC)
        events = [CareEvent(who, CareEventKind.CARE, "washing", at, note=note) for who, note in NOTES.items()]
        store_care_events(connection, events, "events of 12.csv")
        runs.finish_run(connection, "run", RunOutcome("completed", 7, 7, 0, 0, 280))
    (night / "list of birch-1 and 12.txt").write_text("birch-1, 12")
    render_by_hand(access_to(data), DAY, None, JSON_ONLY)
    return data


@pytest.fixture
def data(alike: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    monkeypatch.setenv("PMFER_REPORT_FORMATS", "json")
    return DataFolder(Path(shutil.copytree(alike.root, tmp_path / "data")))


def erase(data: DataFolder, patient: str) -> tuple[dict[str, dict[str, object]], list[str]]:
    said: list[str] = []
    return erase_patient(access_to(data), patient, read_settings(), lambda lines: True, said.append), said


def files_of(data: DataFolder) -> dict[str, bytes]:
    """All files of the folder except those of the database and its log, by path."""
    ours = ("warehouse", "published", "audit", "receipts")
    paths = [path for path in data.root.rglob("*") if path.is_file()]
    files = {data.relative(path): path.read_bytes() for path in paths}
    return {name: content for name, content in files.items() if name.split("/")[0] not in ours}


def tables(data: DataFolder) -> dict[str, pl.DataFrame]:
    with open_reader(file_of(data)) as reader:
        names = [name for (name,) in reader.execute(migrate.TABLE_NAMES).fetchall()]
        return {name: reader.execute(f"FROM {name} ORDER BY ALL").pl() for name in names}


def notes(data: DataFolder) -> dict[str, str]:
    return dict(tables(data)["care_events"].select("patient_id", "note").iter_rows())


def test_a_pseudonym_that_nobody_has_changes_nothing(data: DataFolder) -> None:
    files, rows = files_of(data), tables(data)
    for nobody in ("2", "0042", "mp4", "washing", "birch-100"):
        assert erase(data, nobody) == ({}, [])
    assert files_of(data) == files
    after = tables(data)
    for name in rows.keys() - {"audit_log", "audit_head"}:
        assert after[name].equals(rows[name]), name


@pytest.mark.parametrize("patient", ["12", "birch-1"])
def test_only_what_is_the_patients_goes(data: DataFolder, patient: str) -> None:
    files, rows = files_of(data), tables(data)
    receipts, said = erase(data, patient)
    assert len(receipts) == 1
    session = sessions_of(patient, DAY).session_id
    folder = f"source/{DAY}/{session}"
    gone = {f"{folder}.mp4", f"{folder}.json", f"reports/{DAY}/{patient}.json"}
    after = files_of(data)
    assert files.keys() - after.keys() == gone
    # Pages of others whose notes mention the patient are rendered again, if the pseudonym is no ordinary word.
    anew = {f"reports/{DAY}/120.json", f"reports/{DAY}/birch-10.json"} if patient == "birch-1" else set()
    changed = {name for name in after if after[name] != files[name]} - {f"reports/{DAY}/ward.json"}
    assert changed == anew
    for name, table in tables(data).items():
        if "patient_id" in table.columns and name not in ("reports", "care_events"):
            assert table.equals(rows[name].filter(pl.col("patient_id") != patient)), name
    left = "left as it is: the word 12 in 3 texts of others in care_events; it may mean anything"
    assert (left in said) == (patient == "12")


def test_a_mention_is_struck_out_of_the_notes_of_others_and_nothing_else(data: DataFolder) -> None:
    erase(data, "birch-1")
    expected = {name: note for name, note in NOTES.items() if name != "birch-1"} | {
        "120": "with [erased], and as birch-10 and birch-1-b",
        "birch-10": "after [erased]. 12 ml",
    }
    assert notes(data) == expected
    assert "[erased]" in (data.reports(DAY) / "120.json").read_text()
    erase(data, "12")
    assert notes(data) == {name: note for name, note in expected.items() if name != "12"}


def text_of(path: Path, password: str | None = None) -> str:
    with pypdfium2.PdfDocument(path, password=password) as pdf:  # type: ignore[no-untyped-call]
        return " ".join(page.get_textpage().get_text_range() for page in pdf)


def test_a_page_that_was_printed_before_a_note_was_corrected_is_made_anew(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in printing_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    render_by_hand(access_to(data), DAY, "120", PRINTING)
    pages = {data.reports(DAY) / "120.pdf": None, data.reports(DAY) / "for-night-team" / "120.pdf": PASSWORD}
    assert all("with birch-1, and" in text_of(path, password) for path, password in pages.items())
    at = datetime(DAY.year, DAY.month, DAY.day, 8, tzinfo=UTC)
    with access_to(data).writing() as writer:
        corrected = CareEvent("120", CareEventKind.CARE, "washing", at, note="alone, as birch-10")
        store_care_events(writer.connection, [corrected], "events, corrected.csv")
    assert notes(data)["120"] == "alone, as birch-10"
    untouched = (data.reports(DAY) / "birch-1-b.json").read_bytes()
    ((_, receipt),) = erase(data, "birch-1")[0].items()
    assert isinstance(receipt["files"], list)
    assert {file["kind"] for file in receipt["files"]} >= {"report of another"}
    for path, password in pages.items():
        assert "alone, as birch-10" in text_of(path, password)
        assert "birch-1," not in text_of(path, password)
    assert (data.reports(DAY) / "birch-1-b.json").read_bytes() == untouched


def test_a_report_under_a_password_that_nobody_knows_any_more_is_named(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in printing_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    render_by_hand(access_to(data), DAY, "birch-10", replace(PRINTING, formats=()))
    (tmp_path / "night-team.password").write_text("another word, since the new year\n")
    locked = data.reports(DAY) / "for-night-team" / "birch-10.pdf"
    (data.reports(DAY) / "for-night-team" / "120.pdf").write_bytes(b"%PDF-1.7 cut short")
    receipts, said = erase(data, "1")  # not distinguishable from other words, so no page is searched
    assert len(receipts) == 1
    assert not [line for line in said if line.startswith("not searched")]
    _, said = erase(data, "birch-1-b")
    (line,) = (line for line in said if line.startswith("not searched"))
    assert "2 reports that no current password opens, such as" in line
    assert locked.is_file()


def test_an_erasure_that_cannot_end_changes_nothing(data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("", (), {"free": 10})())
    files, rows = files_of(data), tables(data)
    with pytest.raises(Exception, match="make room"):
        erase(data, "12")
    monkeypatch.undo()
    names = data.root.parent / "names"
    names.mkdir()
    (names / "map.csv").write_text("patient_id,name\n12,Rosa\n13,\n")
    monkeypatch.setenv("PMFER_NAME_MAP", str(names / "map.csv"))
    with pytest.raises(Exception, match="name map"):
        erase(data, "12")
    monkeypatch.delenv("PMFER_NAME_MAP")
    with pytest.raises(ConfigurationError, match="nothing was erased"):
        erase_patient(access_to(data), "12", read_settings(), lambda lines: False, lambda line: None)
    assert files_of(data) == files
    assert {name: table.height for name, table in tables(data).items()} == {
        name: table.height for name, table in rows.items()
    }
