"""What was set aside: listed, shown, tried again although the bytes are the same, and forgotten with a trace."""

import json
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from plain_night import run_night
from privacy_folder import file_of

from flows.cli import main
from flows.data_folder import DataFolder
from flows.night import quarantine_record
from flows.sources import Rejection
from flows.unfinished import note_unready, unfinished_nights
from flows.writing import writing
from pmfer.errors import QuarantineReason
from warehouse import queries, store
from warehouse.connection import open_reader

NIGHT = date(2026, 3, 2)


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


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def pmfer(data: DataFolder, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pmfer", "quarantine", *arguments, "--data-dir", str(data.root)])
    with pytest.raises(SystemExit) as ending:
        main()
    return int(ending.value.code or 0)


def test_a_session_is_tried_again_on_demand_and_only_then(
    source: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(run_night(source, data, NIGHT).pending) == 2
    assert run_night(source, data, NIGHT).nothing_new

    assert pmfer(data, monkeypatch, "list", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    reasons = {row["source_uri"]: row["reason"] for row in rows}
    assert reasons[f"{NIGHT}/a.mp4"] == "not_a_video"

    assert pmfer(data, monkeypatch, "replay", f"{NIGHT}/a.mp4") == 0
    assert f"--date {NIGHT}" in capsys.readouterr().out
    with closing(open_reader(file_of(data))) as reader:
        assert unfinished_nights(reader, data) == [NIGHT]
    tried = run_night(source, data, NIGHT)
    assert [session.recording.name for session in tried.pending] == ["a.mp4"]
    assert run_night(source, data, NIGHT).nothing_new  # once is enough: the trouble is still the same
    with closing(open_reader(file_of(data))) as reader:
        assert unfinished_nights(reader, data) == []


def test_dropping_forgets_the_row_and_leaves_an_entry_that_names_nobody(
    source: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_night(source, data, NIGHT)
    assert pmfer(data, monkeypatch, "drop", "--reason", "not_a_video", "--yes") == 0
    assert "2 forgotten" in capsys.readouterr().out
    with closing(open_reader(file_of(data))) as reader:
        left = queries.quarantine_all(reader)
        entries = reader.execute("SELECT * FROM audit_log WHERE action = 'quarantine_dropped'").pl()
    assert left["reason"].to_list() == ["sidecar_invalid"]
    assert entries.height == 2
    assert "p01" not in str(entries.to_dicts())
    assert len(run_night(source, data, NIGHT).pending) == 2  # the files are still there


def test_nothing_is_changed_unless_it_is_named(
    source: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_night(source, data, NIGHT)
    for arguments in (("replay",), ("drop", "--yes"), ("drop", "zz", "--yes"), ("show", "zz")):
        assert pmfer(data, monkeypatch, *arguments) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    with closing(open_reader(file_of(data))) as reader:
        assert queries.quarantine_all(reader).height == 3


def test_names_of_files_cannot_speak_to_the_terminal(
    source: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_night(source, data, NIGHT)
    assert pmfer(data, monkeypatch, "list") == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 1 + 3  # a row is a line where nobody watches
    assert r"[red]x\x1b[2J.mp4" in shown
    assert "\x1b[2J" not in shown


def test_a_night_with_sessions_still_being_uploaded_is_come_back_to(data: DataFolder, source: Path) -> None:
    data.require_writable()
    note_unready(data, NIGHT, 2)
    with writing(data, file_of(data)) as connection:
        assert unfinished_nights(connection, data) == [NIGHT]
        note_unready(data, NIGHT, 0)
        assert unfinished_nights(connection, data) == []
        data.unready.write_text("{torn")
        assert unfinished_nights(connection, data) == []
    shutil.rmtree(data.root)


SCHEDULED = """
import sys
from pathlib import Path
from flows.settings import prepare_prefect
prepare_prefect(Path(sys.argv[2]) / "prefect")
from flows.nightly import nightly
nightly(sys.argv[1], Path(sys.argv[2]))  # no day is given: the day before, as on a schedule
"""


@pytest.mark.slow
def test_a_scheduled_night_comes_back_to_what_was_asked_for(source: Path, data: DataFolder) -> None:
    run_night(source, data, NIGHT)
    with writing(data, file_of(data)) as connection:
        row = queries.quarantine_all(connection, reason="not_a_video").row(0, named=True)
        rejection = Rejection(row["source_uri"], QuarantineReason.NOT_A_VIDEO, "", row["content_sha256"])
        assert store.ask_replay(connection, [quarantine_record(rejection, NIGHT, "")]) == 1
    done = subprocess.run(
        [sys.executable, "-c", SCHEDULED, str(source), str(data.root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with closing(open_reader(file_of(data))) as reader:
        assert reader.execute("SELECT night, status FROM runs").fetchall() == [(NIGHT, "completed")]
        assert queries.nights_to_replay(reader) == []
        assert queries.quarantine_all(reader).height == 3


def test_the_reasons_of_the_contract_are_those_of_the_code(data: DataFolder) -> None:
    data.require_writable()
    text = (Path(store.__file__).parent / "contracts" / "codes_known.sql").read_text()
    assert {reason for reason in QuarantineReason if f"'{reason}'" not in text} == set()
