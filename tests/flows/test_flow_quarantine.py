"""Quarantined sessions are listed, shown, replayed with the same bytes, and dropped with an audit entry."""

import json
import re
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from command import exit_code
from notice_server import notice_server
from plain_night import run_night
from privacy_folder import access_to, file_of

from flows.data_folder import DataFolder
from flows.metrics import read_metrics
from flows.quarantine import record_of
from flows.unfinished import nights_to_come_back_to
from pmfer.errors import QuarantineReason
from simulator.ward import WardPlan, write_ward
from warehouse import quarantine, store
from warehouse.connection import open_reader

NIGHT = date(2026, 3, 2)
AFTER = NIGHT + timedelta(days=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A night with two files that are no videos, one of which is said to be, and one with a hostile name."""
    folder = tmp_path / "source" / NIGHT.isoformat()
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        sidecar = {"session_id": name, "patient_id": "p01", "started_at": "2026-03-02T09:00:00+01:00", "consent": True}
        (folder / f"{name}.json").write_text(json.dumps(sidecar))
        (folder / f"{name}.mp4").write_text(f"no video: {name}")
    (folder / "[red]x\x1b[2J.mp4").write_text("clears the screen")
    return tmp_path / "source"


def pmfer(data: DataFolder, *arguments: str) -> int:
    return exit_code("quarantine", *arguments, "--data-dir", data.root)


def test_a_session_is_tried_again_on_demand_and_only_then(
    source: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(run_night(source, data, NIGHT).pending) == 2
    assert run_night(source, data, NIGHT).nothing_new

    assert pmfer(data, "list", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    reasons = {row["source_uri"]: row["reason"] for row in rows}
    assert reasons[f"{NIGHT}/a.mp4"] == "not_a_video"
    assert all(re.fullmatch(r"[\d-]+T[\d:.]+\+00:00", row["first_seen_at"]) for row in rows)  # ISO 8601

    assert pmfer(data, "replay", f"{NIGHT}/a.mp4") == 0
    assert f"pmfer nightly --source SOURCE --date {NIGHT}" in capsys.readouterr().out
    monkeypatch.setenv("PMFER_SOURCE", str(source))
    assert pmfer(data, "replay", f"{NIGHT}/a.mp4") == 0
    assert f"pmfer nightly --date {NIGHT}" in capsys.readouterr().out
    with open_reader(file_of(data)) as reader:
        assert nights_to_come_back_to(reader, data, AFTER) == [NIGHT]
    tried = run_night(source, data, NIGHT)
    assert [session.recording.name for session in tried.pending] == ["a.mp4"]
    assert run_night(source, data, NIGHT).nothing_new  # replayed once: the fault is still the same
    with open_reader(file_of(data)) as reader:
        assert nights_to_come_back_to(reader, data, AFTER) == []


def test_a_sidecar_with_one_fault_corrected_and_another_left_says_what_is_wrong_now(
    source: Path, data: DataFolder
) -> None:
    sidecar = source / NIGHT.isoformat() / "a.json"
    stated = {"session_id": "a", "patient_id": "Mrs Miller", "started_at": "2026-03-01T09:00:00+01:00", "consent": True}
    for patient, told in (("Mrs Miller", "patient_id"), ("p01", "not on the day"), ("p02", "not on the day")):
        sidecar.write_text(json.dumps(stated | {"patient_id": patient}))
        run_night(source, data, NIGHT)
        assert run_night(source, data, NIGHT).nothing_new
        with open_reader(file_of(data)) as reader:
            (row,) = quarantine.of_night(reader, NIGHT).filter(source_uri=f"{NIGHT}/a.mp4").to_dicts()
        assert told in row["message"]
        assert row["patient_id"] == (None if patient == "Mrs Miller" else patient)
    sidecar.write_text(json.dumps(stated | {"ward": "Ward 3"}))
    run_night(source, data, NIGHT)
    sidecar.write_text(json.dumps(stated | {"patient_id": "p01", "ward": "Ward 3"}))
    run_night(source, data, NIGHT)
    with open_reader(file_of(data)) as reader:
        messages = quarantine.of_night(reader, NIGHT)["message"].to_list()
    assert any("a.mp4: ward" in message for message in messages), messages


def test_what_is_repaired_or_removed_leaves_the_quarantine_and_what_was_stored_stays(
    tmp_path: Path, data: DataFolder
) -> None:
    ward = tmp_path / "ward"
    patients = ("aspen-06", "birch-01", "cedar-02")
    plan = WardPlan(NIGHT, days=1, sessions_per_day=1, seconds_per_session=1.2, size=(160, 120), patients=patients)
    write_ward(ward, plan, workers=1)
    first, second, third = sorted((ward / NIGHT.isoformat()).glob("*.mp4"))
    folder = tmp_path / "source" / NIGHT.isoformat()
    folder.mkdir(parents=True)

    def deliver(name: str, video: Path | None, session_id: str) -> None:
        described = {"session_id": session_id, "patient_id": "p01", "started_at": f"{NIGHT}T09:00:00+01:00"}
        (folder / f"{name}.json").write_text(json.dumps({**described, "consent": True}))
        if video:
            shutil.copy(video, folder / f"{name}.mp4")

    def reasons() -> dict[str, str]:
        run_night(tmp_path / "source", data, NIGHT)
        with open_reader(file_of(data)) as reader:
            rows = quarantine.between(reader).select("source_uri", "reason").iter_rows()
            return {Path(uri).name: reason for uri, reason in rows}

    deliver("a", first, "a")
    assert reasons() == {}
    (folder / "a.json").rename(tmp_path / "a.json")
    assert reasons() == {"a.mp4": "sidecar_missing"}
    (tmp_path / "a.json").rename(folder / "a.json")
    assert reasons() == {}
    deliver("b", None, "b")  # its video arrives later
    deliver("c", third, "a")  # with another's session id
    deliver("d", first, "d")  # a video that is already stored
    assert reasons() == {"b.json": "video_missing", "c.mp4": "session_conflict", "d.mp4": "duplicate_content"}
    shutil.copy(second, folder / "b.mp4")
    deliver("c", None, "c")
    for path in folder.glob("d.*"):
        path.unlink()
    (folder / "manifest.csv").write_text("no manifest")
    assert reasons().keys() == {"manifest.csv", "a.mp4", "b.mp4", "c.mp4"}
    (folder / "manifest.csv").unlink()
    assert reasons() == {}
    (folder / "e.mp4").touch()
    assert reasons() == {"e.mp4": "sidecar_missing"}
    shutil.rmtree(folder)  # a facility that deletes its recordings repairs nothing by that
    (tmp_path / "source" / "2026-03-03").mkdir()
    assert reasons() == {"e.mp4": "sidecar_missing"}
    with open_reader(file_of(data)) as reader:
        assert reader.execute("SELECT session_id FROM sessions ORDER BY 1").fetchall() == [("a",), ("b",), ("c",)]


def test_dropping_forgets_the_row_and_leaves_an_entry_that_names_nobody(
    source: Path, data: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    run_night(source, data, NIGHT)
    assert pmfer(data, "drop", "--reason", "not_a_video", "--yes") == 0
    assert "2 removed" in capsys.readouterr().out
    with open_reader(file_of(data)) as reader:
        left = quarantine.between(reader)
        entries = reader.execute("SELECT * FROM audit_log WHERE action = 'quarantine_dropped'").pl()
    assert left["reason"].to_list() == ["sidecar_invalid"]
    assert entries.height == 2
    assert "p01" not in str(entries.to_dicts())
    assert len(run_night(source, data, NIGHT).pending) == 2  # the files are still there


def test_nothing_is_changed_unless_it_is_named(
    source: Path, data: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    run_night(source, data, NIGHT)
    for arguments in (("replay",), ("drop", "--yes"), ("drop", "zz", "--yes"), ("show", "zz")):
        assert pmfer(data, *arguments) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    with open_reader(file_of(data)) as reader:
        assert quarantine.between(reader).height == 3


def test_names_of_files_cannot_speak_to_the_terminal(
    source: Path, data: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    run_night(source, data, NIGHT)
    assert pmfer(data, "list") == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 1 + 3  # not a terminal, so each row is one line
    assert r"[red]x\x1b[2J.mp4" in shown
    assert "\x1b[2J" not in shown


@pytest.mark.slow
def test_a_scheduled_night_comes_back_to_what_was_asked_for_and_a_bad_old_night_is_no_failure_of_tonight(
    source: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = NIGHT - timedelta(days=1)
    (source / bad.isoformat()).mkdir()
    (source / bad.isoformat() / "c.mp4").write_text("of nobody known")
    for night in (bad, NIGHT):
        run_night(source, data, night)
    with access_to(data).writing() as writer:
        connection = writer.connection
        rows = [record_of(row) for row in quarantine.between(connection).iter_rows(named=True)]
        asked = [row for row in rows if row.reason in (QuarantineReason.NOT_A_VIDEO, QuarantineReason.SIDECAR_MISSING)]
        assert quarantine.ask_replay(connection, asked) == 3
    data.reports(bad).parent.mkdir()
    data.reports(bad).write_text("no folder, so that its reports cannot be written")
    with notice_server() as hook:
        monkeypatch.setenv("PMFER_NOTIFY_URLS", hook.url)
        # No day is given, so the night is yesterday's, as on a schedule.
        command = [sys.executable, "-m", "cli", "nightly", "--source", str(source), "--data-dir", str(data.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{bad}, left unfinished earlier, failed: " in done.stdout
    assert f"PMFER: the night of {bad} failed" in hook.titles
    assert f"PMFER: the night of {NIGHT} failed" not in hook.titles
    last = read_metrics(data.metrics)
    assert last is not None
    assert last.succeeded
    assert last.last_success_at == last.ended_at
    with open_reader(file_of(data)) as reader:
        assert reader.execute("SELECT night, status FROM runs ORDER BY night").fetchall() == [
            (bad, "failed"),
            (NIGHT, "completed"),
        ]
        assert quarantine.nights_to_replay(reader) == [bad]


def test_the_reasons_of_the_contract_are_those_of_the_code(data: DataFolder) -> None:
    data.require_writable()
    text = (Path(store.__file__).parent / "contracts" / "codes_known.sql").read_text()
    assert {reason for reason in QuarantineReason if f"'{reason}'" not in text} == set()
