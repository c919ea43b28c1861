"""Other packages on the same machine and video, each in a process of its own, with packages of its own.

`make peers` installs them; their versions are pinned in benchmarks/peers.txt. Only packages that contain
their weights are included, because a benchmark downloads nothing.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring import Spent

PYTHON = Path("var/peers/venv/bin/python")
SCRIPTS = (Path(__file__).with_name("peer_fer.py"),)


@dataclass
class Peer:
    """A package whose process waits to score a video, any number of times."""

    name: str
    version: str
    process: "subprocess.Popen[str]"
    frames: int = 0  # of the video, as counted in the last run
    frames_with_face: int = 0

    def score(self) -> Spent:
        """Score the whole video once; give what that took in the peer's own process, without its start.

        Raises:
            SystemExit: its process has ended.
        """
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # _answer reports that the process has ended
            self.process.stdin.write("again\n")
            self.process.stdin.flush()
        answer = _answer(self.process)
        self.frames, self.frames_with_face = answer["frames"], answer["frames_with_face"]
        return Spent(answer["wall_s"], answer["cpu_s"])


@contextmanager
def open_peers(video: Path, python: Path = PYTHON, scripts: Sequence[Path] = SCRIPTS) -> Iterator[list[Peer]]:
    """The installed peers, loaded and ready to score a video; none if `make peers` was not run.

    Raises:
        SystemExit: one is installed but does not start.
    """
    processes = [_start(python, script, video) for script in scripts] if python.is_file() else []
    try:
        ready = [(_answer(process), process) for process in processes]
        yield [Peer(answer["name"], answer["version"], process) for answer, process in ready]
    finally:
        for process in processes:
            process.communicate()  # closes its input, which ends it


def _start(python: Path, script: Path, video: Path) -> "subprocess.Popen[str]":
    command = [str(python), str(script), str(video)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """The next line of JSON; libraries may print other lines."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            answer: dict[str, Any] = json.loads(line)
            return answer
    raise SystemExit(f"peer: {process.args!r} ended; run it by hand to see why, or make peers again")
