"""How `make bench-scoring` lets another package score a video, in a separate process."""

import sys
from pathlib import Path

import pytest

from benchmarks.measuring import Spent, in_turns
from benchmarks.peers import open_peers

TALKATIVE = """
import json, sys
print("a library says hello")
print(json.dumps({"name": "other", "version": "1.2"}), flush=True)
for line in sys.stdin:
    print(json.dumps({"frames": 4, "frames_with_face": 3, "wall_s": 0.5, "cpu_s": 0.7}), flush=True)
"""


def test_a_peer_measures_itself_and_what_its_libraries_print_is_passed_over(tmp_path: Path) -> None:
    script = tmp_path / "peer.py"
    script.write_text(TALKATIVE)
    with open_peers(tmp_path / "video.mp4", Path(sys.executable), [script]) as peers:
        (peer,) = peers
        assert (peer.name, peer.version) == ("other", "1.2")
        assert in_turns({"other": peer.score}, 2) == {"other": Spent(0.5, 0.7)}
        assert (peer.frames, peer.frames_with_face) == (4, 3)


def test_a_peer_that_does_not_start_is_named(tmp_path: Path) -> None:
    script = tmp_path / "peer.py"
    script.write_text("import nothing_of_that_name")
    with pytest.raises(SystemExit, match=r"peer\.py.* ended"), open_peers(tmp_path, Path(sys.executable), [script]):
        pass


def test_without_peers_there_are_none(tmp_path: Path) -> None:
    with open_peers(tmp_path, tmp_path / "no-python") as peers:
        assert peers == []
