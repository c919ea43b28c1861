"""Ctrl-C, as a terminal sends it to all processes of a command: one line, status 130, nothing left behind."""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from prefect_server import descendants

from simulator.ward import WardPlan, write_ward

NIGHT = date(2026, 3, 2)
# A command that starts a process and waits. When interrupted, it ends, or begins something that never ends.
PROGRAM = """
import subprocess, sys, time
from cli.app import ended_by_signals
with ended_by_signals(lambda: print("interrupted", file=sys.stderr, flush=True)):
    child = ["-c", "import time; print('up', flush=True); time.sleep(600)"]
    subprocess.Popen([sys.executable, *child], start_new_session=True)
    try:
        time.sleep(600)
    finally:
        while sys.argv[1] == "hangs":
            time.sleep(1)
"""


def runs(pid: int) -> bool:
    """Whether a process is running, and not just a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("manner", "number", "times"),
    [("ends", signal.SIGINT, 1), ("ends", signal.SIGTERM, 1), ("hangs", signal.SIGINT, 2)],
)
def test_a_signal_ends_a_command_and_what_it_started(manner: str, number: signal.Signals, times: int) -> None:
    command = [sys.executable, "-c", PROGRAM, manner]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "up\n"
        (child,) = descendants(process.pid)
        os.killpg(process.pid, number)
        assert process.stderr.readline() == "interrupted\n"
        for _ in range(times - 1):
            os.killpg(process.pid, number)
        out, errors = process.communicate()  # ends once the child, which holds the same pipes, is gone
    assert (process.returncode, out, errors) == (128 + number, "", "")
    assert not runs(child)


@pytest.mark.slow
def test_a_night_that_was_interrupted_while_it_scored_is_finished_by_the_next_one(tmp_path: Path) -> None:
    plan = WardPlan(NIGHT, days=1, sessions_per_day=1, seconds_per_session=1.2, size=(160, 120))
    write_ward(tmp_path / "source", plan, workers=2)
    data = tmp_path / "data"
    given = ("--source", str(tmp_path / "source"), "--date", NIGHT.isoformat(), "--data-dir", str(data))
    # As in a hospital, where connections within the machine must not use the proxy.
    environment = os.environ | {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}

    def night() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "cli", "nightly", *given],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    first = night()
    while not list(data.glob("staging/run-*/*.mp4")):
        assert first.poll() is None, first.communicate()
    below = descendants(first.pid)
    os.killpg(first.pid, signal.SIGINT)
    out, errors = first.communicate()
    assert (first.returncode, errors.count("\n")) == (130, 1), errors
    assert errors.startswith("pmfer: interrupted; ")
    assert "sessions scored" not in out
    assert [pid for pid in below if runs(pid)] == []

    second = night()
    out, errors = second.communicate()
    assert second.returncode == 0, errors
    assert "sessions scored" in out
