"""Copies are deleted once scored; a recording that never fits is quarantined, and one that does not fit now waits."""

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from own_mounts import told_in_a_namespace
from privacy_folder import file_of

from flows.data_folder import DataFolder
from flows.nightly import one_night
from flows.outcome import NightOutcome
from flows.request import RunRequest
from flows.sources.discovery import list_night
from flows.sources.source import Source
from flows.staging import TooLargeToCopyError, clean, copy_recording, staging_folder
from pmfer.errors import QuarantineReason
from warehouse import quarantine
from warehouse.connection import open_reader

NIGHT = date(2026, 3, 2)
HOLD = """
import sys, time
from pathlib import Path
from flows.staging import staging_folder
with staging_folder(Path(sys.argv[1])) as folder:
    (folder / "video.mp4").write_bytes(b"a patient")
    print(folder, flush=True)
    sys.stdin.read()
"""


def holder(staging: Path) -> "tuple[subprocess.Popen[str], Path]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(staging)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    os.kill(process.pid, number)
    process.communicate()


def test_what_a_killed_run_left_goes_and_what_a_running_one_works_on_stays(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    (killed, left), (running, used) = holder(staging), holder(staging)
    end(killed, signal.SIGKILL)
    (staging / "of-an-earlier-release.mp4").write_bytes(b"a patient")
    try:
        assert left.exists()
        with staging_folder(staging) as folder:
            assert not left.exists()
            assert (used / "video.mp4").exists()
            (folder / "other.mp4").write_bytes(b"another patient")
        assert [path.name for path in staging.iterdir()] == [used.name]
    finally:
        end(running, signal.SIGKILL)
    clean(staging)
    assert list(staging.iterdir()) == []


def test_a_folder_goes_when_its_run_fails(tmp_path: Path) -> None:
    try:
        with staging_folder(tmp_path) as folder:
            (folder / "video.mp4").write_bytes(b"a patient")
            raise RuntimeError
    except RuntimeError:
        assert list(tmp_path.iterdir()) == []


def deliver(source: Path, name: str, content: bytes = b"no video", size: int | None = None) -> None:
    """Add a recording of a given size; the bytes after its content are never written."""
    folder = source / str(NIGHT)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.mp4").write_bytes(content)
    if size:
        os.truncate(folder / f"{name}.mp4", size)
    sidecar = {"session_id": name, "patient_id": "p01", "started_at": f"{NIGHT}T09:00:00+01:00", "consent": True}
    (folder / f"{name}.json").write_text(json.dumps(sidecar))


def run(source: Path, data: DataFolder, night: date) -> NightOutcome:
    return one_night(RunRequest(source=str(source), data_dir=data.root), night)


def quarantined(data: DataFolder) -> pl.DataFrame:
    with open_reader(file_of(data)) as reader:
        return quarantine.between(reader).select("source_uri", "reason", "message")


def test_a_file_that_no_disk_here_could_hold_is_quarantined_and_the_night_goes_on(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = shutil.disk_usage(tmp_path).total + 1_000_000_000
    monkeypatch.setenv("PMFER_VIDEO_MAX_BYTES", str(2 * size))
    source = tmp_path / "source"
    deliver(source, "a", size=size)
    deliver(source, "b")
    assert run(source, data, NIGHT).quarantined == 2
    (huge, other) = quarantined(data).iter_rows(named=True)
    assert (huge["source_uri"], huge["reason"]) == (f"{NIGHT}/a.mp4", QuarantineReason.TOO_LARGE)
    assert huge["message"].startswith(f"a.mp4: has {size:,} bytes, and the disk that it would be copied to holds ")
    assert other["reason"] == QuarantineReason.NOT_A_VIDEO
    deliver(source, "a", b"no video either")
    assert run(source, data, NIGHT).quarantined == 1
    assert set(quarantined(data)["reason"]) == {QuarantineReason.NOT_A_VIDEO}


def test_a_sparse_file_that_does_not_fit_now_never_will(tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    deliver(tmp_path, "a", size=usage.free + usage.used // 2)
    (recording,) = list_night(Source(str(tmp_path), settle_s=0, max_bytes=1 << 60), NIGHT).recordings
    (tmp_path / "staging").mkdir()
    with pytest.raises(TooLargeToCopyError, match=f"{recording.size:,} bytes, most of which were never written"):
        copy_recording(recording, Source(str(tmp_path)), tmp_path / "staging")
    assert list((tmp_path / "staging").iterdir()) == []


MOUNT = 'mount -t tmpfs -o size=200m tmpfs "$FOLDER/data"'
STORY = f"""
night() {{
    "$PYTHON" -m cli nightly --source "$FOLDER/source" --date {NIGHT} --data-dir "$FOLDER/data" >"$FOLDER/$1.out" \\
        2>"$FOLDER/$1.err"
    echo $? >"$FOLDER/$1.code"
    "$PYTHON" -m cli quarantine list --json --data-dir "$FOLDER/data" >"$FOLDER/$1.aside"
}}
head -c 150000000 /dev/zero >"$FOLDER/data/other"
night full
rm "$FOLDER/data/other"
night roomy
"""


@pytest.mark.slow
def test_a_recording_without_room_now_waits_and_all_others_are_done(tmp_path: Path) -> None:
    deliver(tmp_path / "source", "a", os.urandom(50_000_000))
    deliver(tmp_path / "source", "b")
    deliver(tmp_path / "source", "c", size=300_000_000)
    (tmp_path / "data").mkdir()
    told_in_a_namespace(MOUNT, STORY, {"FOLDER": tmp_path})

    def reasons(night: str) -> dict[str, str]:
        rows = [json.loads(line) for line in (tmp_path / f"{night}.aside").read_text().splitlines()]
        return {row["source_uri"].partition("/")[2]: row["reason"] for row in rows}

    assert (tmp_path / "full.code").read_text() == "1\n"
    (line,) = (tmp_path / "full.err").read_text().splitlines()
    assert "no room for 2026-03-02/" in line
    assert "has 50,000,000 bytes" in line
    assert "make room and run again" in line
    assert reasons("full") == {"b.mp4": "not_a_video", "c.mp4": "too_large"}
    assert (tmp_path / "roomy.code").read_text() == "0\n", (tmp_path / "roomy.err").read_text()
    assert reasons("roomy") == {"a.mp4": "not_a_video", "b.mp4": "not_a_video", "c.mp4": "too_large"}
