"""A recording that was filed under the wrong patient moves to the right one once its sidecar is corrected."""

import json
import re
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from command import pmfer
from plain_night import run_night
from privacy_folder import access_to, file_of

from flows.data_folder import DataFolder
from flows.privacy.erase import erase_patient
from flows.settings import read_settings
from warehouse import quarantine
from warehouse.connection import open_reader, open_writer
from warehouse.contracts import broken_contracts
from warehouse.verify import verify_log

NIGHT = date(2026, 3, 2)
NEXT = NIGHT + timedelta(days=1)


def recorded(source: Path, name: str, video: Path, patient: str, night: date = NIGHT) -> Path:
    """A recording with its sidecar, whose session_id is the name of the file."""
    folder = source / night.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(video, folder / f"{name}.mp4")
    return stated(folder / f"{name}.json", patient, night=night)


def stated(sidecar: Path, patient: str, session_id: str | None = None, night: date = NIGHT, **other: Any) -> Path:
    """Write a sidecar."""
    started_at = f"{night}T09:00:00+01:00"
    fields = {"session_id": session_id or sidecar.stem, "patient_id": patient, "started_at": started_at}
    sidecar.write_text(json.dumps({**fields, "consent": True, **other}))
    return sidecar


def stored(data: DataFolder) -> list[tuple[str, str, str]]:
    with open_reader(file_of(data)) as reader:
        return reader.execute("SELECT session_id, patient_id, source_uri FROM sessions ORDER BY ALL").fetchall()


def pages(data: DataFolder, night: date) -> dict[str, str]:
    """What each file of a night was made from. Files without a row, and rows without a file, fail."""
    with open_reader(file_of(data)) as reader:
        rows = reader.execute("SELECT path, input_key FROM reports WHERE report_date = ?", [night]).fetchall()
    keys = {Path(path).name: key for path, key in rows}
    assert keys.keys() == {path.name for path in data.reports(night).iterdir()}
    return keys


@pytest.fixture
def videos(source: Path) -> list[Path]:
    return sorted(source.glob("*/*.mp4"))


@pytest.mark.parametrize("is_known", [True, False])
def test_a_corrected_sidecar_takes_scores_findings_and_pages_to_the_right_patient(
    videos: list[Path], data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    here = tmp_path / "source"
    wrong = recorded(here, "a", videos[0], "brich-01")  # misspelt
    recorded(here, "b", videos[1], "cedar-02")
    recorded(here, "c", videos[2], "birch-01", NEXT)
    monkeypatch.setenv("PMFER_SOURCE_SETTLE_S", "0")
    given = ["backfill", "--source", str(here), "--data-dir", str(data.root), "--from", str(NIGHT), "--to", str(NEXT)]
    assert pmfer(*given).returncode == 0
    before = pages(data, NEXT)
    assert pages(data, NIGHT).keys() == {"brich-01.json", "cedar-02.json", "ward.json"}

    stated(wrong, "birch-01", "a-corrected")
    if not is_known:
        shutil.rmtree(data.root / "digests")  # as after a restoration: the video has to be read to be recognised
    done = pmfer(*given)
    assert done.returncode == 0, done.stderr
    assert re.search("scored again, because (its sidecar was|their sidecars were) corrected", done.stdout)
    assert stored(data) == [
        ("a-corrected", "birch-01", f"{NIGHT}/a.mp4"),
        ("b", "cedar-02", f"{NIGHT}/b.mp4"),
        ("c", "birch-01", f"{NEXT}/c.mp4"),
    ]
    assert pages(data, NIGHT).keys() == {"birch-01.json", "cedar-02.json", "ward.json"}
    after = pages(data, NEXT)
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in ("birch-01.json", "ward.json")), "which compare with the night"
    with open_writer(file_of(data)) as writer:
        assert broken_contracts(writer) == []
        days = writer.execute("SELECT DISTINCT patient_id, session_date FROM findings ORDER BY ALL").fetchall()
        assert days == [(patient, day) for patient in ("birch-01", "cedar-02") for day in (NIGHT, NEXT)]
        assert writer.execute("SELECT count(*) FROM audit_log WHERE action = 'session_withdrawn'").fetchall() == [(1,)]
        assert verify_log(writer)[1] is None
    assert "nothing to do" in pmfer(*given).stdout


def test_two_recordings_whose_sidecars_were_swapped_are_swapped_back(
    videos: list[Path], data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "source"
    sidecars = [recorded(here, "a", videos[0], "cedar-02"), recorded(here, "b", videos[1], "birch-01")]
    monkeypatch.setenv("PMFER_SOURCE_SETTLE_S", "0")
    given = ["nightly", "--source", str(here), "--date", str(NIGHT), "--data-dir", str(data.root)]
    assert pmfer(*given).returncode == 0
    stated(sidecars[0], "birch-01", "b")
    stated(sidecars[1], "cedar-02", "a")
    assert pmfer(*given).returncode == 0
    assert stored(data) == [("a", "cedar-02", f"{NIGHT}/b.mp4"), ("b", "birch-01", f"{NIGHT}/a.mp4")]
    with open_reader(file_of(data)) as reader:
        assert quarantine.of_night(reader, NIGHT).is_empty()


def test_a_renamed_recording_moves_and_a_copy_beside_its_original_does_not(
    videos: list[Path], data: DataFolder, tmp_path: Path
) -> None:
    here = tmp_path / "source"
    sidecar = recorded(here, "a", videos[0], "brich-01")
    recorded(here, "b", videos[1], "cedar-02")
    run_night(here, data, NIGHT)
    sidecar.unlink()
    sidecar.with_suffix(".mp4").rename(sidecar.with_name("birch.mp4"))
    stated(sidecar.with_name("birch.json"), "birch-01")
    recorded(here, "copy", videos[1], "birch-01")
    run_night(here, data, NIGHT)
    assert stored(data) == [("b", "cedar-02", f"{NIGHT}/b.mp4"), ("birch", "birch-01", f"{NIGHT}/birch.mp4")]
    with open_reader(file_of(data)) as reader:
        assert quarantine.of_night(reader, NIGHT)["reason"].to_list() == ["duplicate_content"]
        patients = reader.execute("SELECT patient_id FROM patients ORDER BY ALL").fetchall()
    assert patients == [("birch-01",), ("cedar-02",)], "nothing is left of a patient who never was"
    assert run_night(here, data, NIGHT).nothing_new


def test_what_names_a_patient_without_consent_leaves_the_wrong_one(
    videos: list[Path], data: DataFolder, tmp_path: Path
) -> None:
    here = tmp_path / "source"
    sidecar = recorded(here, "a", videos[0], "birch-01")
    other = recorded(here, "b", videos[1], "birch-01")
    run_night(here, data, NIGHT)
    stated(sidecar, "cedar-02", consent=False)
    stated(other, "birch-01", consent=False)  # withdrawn later: what was stored before stays
    run_night(here, data, NIGHT)
    assert stored(data) == [("b", "birch-01", f"{NIGHT}/b.mp4")]
    with open_reader(file_of(data)) as reader:
        rows = quarantine.of_night(reader, NIGHT).select("patient_id", "reason").rows()
    assert rows == [("cedar-02", "no_consent"), ("birch-01", "no_consent")]


def test_a_sidecar_that_names_an_erased_patient_leaves_nothing_under_the_wrong_one(
    videos: list[Path], data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "source"
    misfiled = recorded(here, "a", videos[0], "cedar-02")
    recorded(here, "b", videos[1], "birch-01", NEXT)
    monkeypatch.setenv("PMFER_SOURCE_SETTLE_S", "0")
    given = ["--source", str(here), "--data-dir", str(data.root)]
    assert pmfer("backfill", *given, "--from", str(NIGHT), "--to", str(NEXT)).returncode == 0
    erase_patient(access_to(data), "birch-01", read_settings(), lambda lines: True, print)
    assert stored(data) == [("a", "cedar-02", f"{NIGHT}/a.mp4")]
    assert pages(data, NIGHT)

    stated(misfiled, "birch-01")
    done = pmfer("nightly", *given, "--date", str(NIGHT))
    assert done.returncode == 0, done.stderr
    assert stored(data) == []
    assert not pages(data, NIGHT), "the only session of the day is gone, and its pages with it"
    with open_reader(file_of(data)) as reader:
        assert reader.execute("SELECT patient_id FROM patients").fetchall() == []
        assert broken_contracts(reader) == []
    again = pmfer("nightly", *given, "--date", str(NIGHT))
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)


def test_a_faulty_video_is_quarantined_under_the_patient_that_its_sidecar_names_now(
    data: DataFolder, tmp_path: Path
) -> None:
    (tmp_path / "no-video").write_text("no video")
    sidecar = recorded(tmp_path / "source", "a", tmp_path / "no-video", "birch-01")
    for patient in ("birch-01", "cedar-02"):
        stated(sidecar, patient)
        run_night(tmp_path / "source", data, NIGHT)
        with open_reader(file_of(data)) as reader:
            assert quarantine.of_night(reader, NIGHT)["patient_id"].to_list() == [patient]
        assert run_night(tmp_path / "source", data, NIGHT).nothing_new
