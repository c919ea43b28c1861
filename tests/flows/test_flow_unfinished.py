"""Nights that were killed, failed, were missed or wait for uploads: the next `pmfer nightly` finishes them."""

import json
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from command import pmfer
from notice_server import notice_server
from plain_night import run_night
from privacy_folder import DAYS, access_to, copy_ward, file_of
from typer.testing import CliRunner

from cli.app import app
from flows.data_folder import DataFolder
from flows.job import make_job
from flows.nightly import run_tonight
from flows.plan import nights_with_late_recordings
from flows.request import RunRequest
from flows.unfinished import (
    Standing,
    nights_to_come_back_to,
    note_failed,
    note_missed,
    track_night,
    unfinished_nights,
)
from warehouse.connection import open_reader

NIGHT = date(2026, 3, 2)
# A night that runs until it is killed.
RUNNING = """
import sys
from datetime import date
from pathlib import Path
from flows.data_folder import DataFolder
from flows.unfinished import track_night
with track_night(DataFolder(Path(sys.argv[1])), date.fromisoformat(sys.argv[2])):
    print("begun", flush=True)
    sys.stdin.read()
"""


def kill_in_mid_night(data: DataFolder, night: date) -> Standing:
    """Kill -9 a process that runs a night; return the night's standing just before."""
    command = [sys.executable, "-c", RUNNING, str(data.root), night.isoformat()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        before = standings(data)[night][0]
        process.kill()
    return before


def standings(data: DataFolder) -> dict[date, tuple[Standing, int]]:
    return {left.night: (left.standing, left.sessions) for left in unfinished_nights(data)}


def test_a_first_night_that_failed_is_in_the_status_although_nothing_is_published(data: DataFolder) -> None:
    shown = CliRunner().invoke(app, ["status", "--data-dir", str(data.root)])
    assert (shown.exit_code, shown.output) == (0, f"{data.root}: no night has been published yet\n")
    nightly = ["nightly", "--source", "nowhere", "--date", "2026-03-02", "--data-dir", str(data.root)]
    assert CliRunner().invoke(app, nightly).exit_code == 1
    shown = CliRunner().invoke(app, ["status", "--data-dir", str(data.root)])
    assert "2026-03-02: failed; the next `pmfer nightly` comes back to it" in shown.output


def test_a_night_stands_as_it_ended(data: DataFolder) -> None:
    days = [NIGHT + timedelta(days=offset) for offset in range(6)]
    assert kill_in_mid_night(data, days[0]) is Standing.RUNNING
    with pytest.raises(ValueError, match="of the night"), track_night(data, days[1]):
        raise ValueError("of the night")
    with track_night(data, days[2]) as note:
        note.waiting = 3
    with track_night(data, days[3]):
        pass
    note_missed(data, days, days[3])
    note_missed(data, [*days, date(2026, 3, 30)], days[5])
    assert standings(data) == {
        days[0]: (Standing.INTERRUPTED, 0),
        days[1]: (Standing.FAILED, 0),
        days[2]: (Standing.WAITING, 3),
        days[4]: (Standing.MISSED, 0),
    }
    with track_night(data, days[0]):
        assert standings(data)[days[0]] == (Standing.RUNNING, 0)
    with track_night(data, days[2]):
        pass
    assert list(standings(data)) == [days[1], days[4]]


def test_what_failed_after_readers_saw_it_is_not_shown_as_it_was_before(ward: DataFolder, tmp_path: Path) -> None:
    data = copy_ward(ward, tmp_path / "data")
    first, second = DAYS[:2]
    note_failed(data, first)
    shown = CliRunner().invoke(app, ["status", "--json", "--data-dir", str(data.root)])
    rows = json.loads(shown.output)["nights"]
    assert {row["night"]: row["status"] for row in rows} == {str(first): "failed", str(second): "completed"}
    with open_reader(file_of(data)) as reader:
        assert nights_to_come_back_to(reader, data, second) == [first]
        with track_night(data, first):
            assert nights_to_come_back_to(reader, data, second) == []


def test_the_next_night_finishes_what_was_killed_and_what_was_missed(
    tmp_path: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tonight = date.today() - timedelta(days=1)
    killed, missed = tonight - timedelta(days=3), tonight - timedelta(days=1)
    for night in (killed, missed, tonight):
        folder = tmp_path / "source" / night.isoformat()
        folder.mkdir(parents=True)
        (folder / f"{night}.mp4").write_text(f"no video, and no sidecar, of {night}")
    kill_in_mid_night(data, killed)
    note_missed(data, [], tonight - timedelta(days=2))  # the last night that was due
    given = ["--source", str(tmp_path / "source"), "--data-dir", str(data.root)]
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    done = pmfer("nightly", *given)
    assert done.returncode == 0, done.stderr
    with open_reader(file_of(data)) as reader:
        runs = reader.execute("SELECT night, status FROM runs ORDER BY night").fetchall()
    assert runs == [(night, "completed") for night in (killed, missed, tonight)]
    assert standings(data) == {}
    assert not data.prefect_home.exists()  # without a server there is no state of Prefect


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # one of Apprise's many services uses it
def test_a_scheduled_run_that_cannot_come_back_to_earlier_nights_sends_a_notice(
    tmp_path: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source" / (date.today() - timedelta(days=1)).isoformat()).mkdir(parents=True)
    (data.unfinished / "last-scheduled").mkdir(parents=True)  # so that this file cannot be written
    monkeypatch.setenv("PMFER_NOTIFY_ON", "failure")
    with notice_server() as hook:
        monkeypatch.setenv("PMFER_NOTIFY_URLS", hook.url)
        with pytest.raises(IsADirectoryError):
            run_tonight(RunRequest(source=str(tmp_path / "source"), data_dir=data.root))
    assert hook.titles == ["PMFER: coming back to earlier nights failed"]


def recorded(source: Path, night: date, name: str, video: Path) -> None:
    """A recording of a night, without its sidecar."""
    folder = source / night.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(video, folder / f"{name}.mp4")


def stated(source: Path, night: date, name: str) -> None:
    """Its sidecar."""
    sidecar = {"session_id": name, "patient_id": "birch-01", "started_at": f"{night}T09:00:00+01:00", "consent": True}
    (source / night.isoformat() / f"{name}.json").write_text(json.dumps(sidecar))


def test_the_next_night_finds_what_arrived_after_the_run_of_its_night(
    source: Path, tmp_path: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, (one, two, *_) = tmp_path / "source", sorted(source.glob("*/birch-01*.mp4"))
    tonight = date.today() - timedelta(days=1)
    older, first, folder_late, files_late = (tonight - timedelta(days=days) for days in (9, 8, 2, 1))
    for night, name in ((older, "older"), (first, "first"), (files_late, "in-time"), (tonight, "tonight")):
        (here / night.isoformat()).mkdir(parents=True)
        (here / night.isoformat() / f"{name}.mp4").write_text(f"no video of {name}")
    recorded(here, files_late, "a", one)
    monkeypatch.setenv("PMFER_SOURCE_SETTLE_S", "0")
    given = ["--source", str(here), "--data-dir", str(data.root)]
    assert pmfer("backfill", *given, "--from", str(first), "--to", str(files_late)).returncode == 0

    recorded(here, folder_late, "b", two)
    stated(here, folder_late, "b")
    stated(here, files_late, "a")
    assert pmfer("nightly", *given).returncode == 0
    with open_reader(file_of(data)) as reader:
        assert reader.execute("SELECT session_id, session_date FROM sessions ORDER BY ALL").fetchall() == [
            ("a", files_late),
            ("b", folder_late),
        ]
        kept = reader.execute("SELECT source_uri FROM quarantine ORDER BY night").fetchall()
        assert kept == [(f"{first}/first.mp4",), (f"{files_late}/in-time.mp4",), (f"{tonight}/tonight.mp4",)]
        runs = reader.execute("SELECT count(*) FROM runs").fetchall()

    assert pmfer("nightly", *given).returncode == 0
    with open_reader(file_of(data)) as reader:
        assert reader.execute("SELECT count(*) FROM runs").fetchall() == runs  # tonight's reports know of all


@pytest.mark.parametrize("setting", ["PMFER_RETAIN_SESSIONS_DAYS", "PMFER_RETAIN_QUARANTINE_DAYS"])
def test_what_the_warehouse_no_longer_keeps_is_not_late(
    setting: str, tmp_path: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tonight = date.today() - timedelta(days=1)
    nights = [tonight - timedelta(days=days) for days in (5, 4, 3)]
    monkeypatch.setenv("PMFER_SOURCE_SETTLE_S", "0")
    for night in nights:
        (tmp_path / "source" / night.isoformat()).mkdir(parents=True)
        (tmp_path / "source" / night.isoformat() / "a.mp4").write_text(f"no video of {night}")
    request = RunRequest(source=str(tmp_path / "source"), data_dir=data.root)
    run_night(request.source, data, nights[0])
    with access_to(data).writing() as writer:
        assert list(nights_with_late_recordings(writer.connection, nights, make_job(request, tonight))) == nights[1:]
        monkeypatch.setenv(setting, "4")
        assert list(nights_with_late_recordings(writer.connection, nights, make_job(request, tonight))) == nights[2:]


def test_a_late_recording_does_not_score_a_night_of_the_earlier_options_again(
    source: Path, tmp_path: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here, (one, two, three) = tmp_path / "source", sorted(source.glob("*/*.mp4"))[:3]
    tonight = date.today() - timedelta(days=1)
    before, folder_late = tonight - timedelta(days=3), tonight - timedelta(days=2)
    monkeypatch.setenv("PMFER_SOURCE_SETTLE_S", "0")
    request = RunRequest(source=str(here), data_dir=data.root)

    def arrives(night: date, name: str, video: Path) -> None:
        recorded(here, night, name, video)
        stated(here, night, name)

    def late() -> list[date]:
        with access_to(data).writing() as writer:
            job = make_job(request, tonight)
            return list(nights_with_late_recordings(writer.connection, [before, folder_late], job))

    arrives(before, "a", one)
    run_night(here, data, before)
    monkeypatch.setenv("PMFER_FRAMES_PER_SECOND", "4")
    arrives(before, "b", two)
    arrives(folder_late, "c", three)
    assert late() == [folder_late]
    assert f"`pmfer backfill --from {before} --to {before}` scores all of it again" in caplog.text

    run_night(here, data, before)
    caplog.clear()
    assert late() == [folder_late]
    assert not caplog.records
