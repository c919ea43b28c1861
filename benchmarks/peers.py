"""Other packages beside ours on the same machine and video: each in a process of its own, with packages of its own.

`make peers` installs them; their versions are pinned in benchmarks/peers.txt. Only those can be here that carry their
weights in the package, because a benchmark downloads nothing.
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
    """A package that waits to score a video again and again."""

    name: str
    version: str
    process: "subprocess.Popen[str]"
    frames: int = 0  # of the video, as it read them the last time
    frames_with_face: int = 0

    def score(self) -> Spent:
        """Score the whole video once; what that took in the peer's own process, its start left out.

        Raises:
            SystemExit: it ended.
        """
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # what follows says that it ended
            self.process.stdin.write("again\n")
            self.process.stdin.flush()
        answer = _answer(self.process)
        self.frames, self.frames_with_face = answer["frames"], answer["frames_with_face"]
        return Spent(answer["wall_s"], answer["cpu_s"])


@contextmanager
def open_peers(video: Path, python: Path = PYTHON, scripts: Sequence[Path] = SCRIPTS) -> Iterator[list[Peer]]:
    """The peers that are installed, loaded and ready to score a video; none where `make peers` was not run.

    Raises:
        SystemExit: one is installed and does not start.
    """
    processes = [_start(python, script, video) for script in scripts] if python.is_file() else []
    try:
        ready = [(_answer(process), process) for process in processes]
        yield [Peer(told["name"], told["version"], process) for told, process in ready]
    finally:
        for process in processes:
            process.communicate()  # closes its input, upon which it ends


def _start(python: Path, script: Path, video: Path) -> "subprocess.Popen[str]":
    command = [str(python), str(script), str(video)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """The next line that is JSON: libraries may print lines of their own."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            answer: dict[str, Any] = json.loads(line)
            return answer
    raise SystemExit(f"peer: {' '.join(map(str, process.args))} ended; see what it says by hand, or make peers again")
