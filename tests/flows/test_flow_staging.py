"""Copies of recordings go when they are scored, and what a killed run left goes with the next."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from flows.staging import clean, staging_folder

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
    assert clean(staging) == 1
    assert list(staging.iterdir()) == []


def test_a_folder_goes_when_its_run_fails(tmp_path: Path) -> None:
    try:
        with staging_folder(tmp_path) as folder:
            (folder / "video.mp4").write_bytes(b"a patient")
            raise RuntimeError
    except RuntimeError:
        assert list(tmp_path.iterdir()) == []
