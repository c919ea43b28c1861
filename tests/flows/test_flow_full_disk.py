"""A night whose disk becomes full while it runs: a real file system, filled by another program."""

import json
import re
from datetime import date
from pathlib import Path

import pytest
from own_mounts import told_in_a_namespace

from simulator.ward import WardPlan, write_ward

pytestmark = pytest.mark.slow

NIGHT = date(2026, 3, 2)
MOUNT = 'mount -t tmpfs -o size=64m tmpfs "$FOLDER/data"'
STORY = f"""
night() {{
    "$PYTHON" -m cli nightly --source "$FOLDER/source" --date {NIGHT} --data-dir "$FOLDER/data" >"$FOLDER/$1.out" \\
        2>"$FOLDER/$1.err"
    echo $? >"$FOLDER/$1.code"
}}
( until ls "$FOLDER"/data/staging/run-*/*.mp4 || test -e "$FOLDER/full.code"; do sleep 0.01; done
    cat /dev/zero >"$FOLDER/data/other" ) >"$FOLDER/filling" 2>&1 &
night full
wait
night still_full
rm "$FOLDER/data/other"
night roomy
night again
"$PYTHON" -m cli status --json --data-dir "$FOLDER/data" >"$FOLDER/status"
"""


def test_a_disk_that_becomes_full_ends_the_night_in_one_line_and_room_lets_the_next_finish_it(tmp_path: Path) -> None:
    write_ward(tmp_path / "source", WardPlan(NIGHT, days=1, seconds_per_session=1.2, size=(160, 120)), workers=2)
    (tmp_path / "data").mkdir()
    told_in_a_namespace(MOUNT, STORY, {"FOLDER": tmp_path})
    assert "No space left" in (tmp_path / "filling").read_text()

    for name in ("full", "still_full"):
        assert (tmp_path / f"{name}.code").read_text() == "1\n"
        (line,) = (tmp_path / f"{name}.err").read_text().splitlines()
        assert line.startswith("pmfer: ")
        assert re.search("No space left|the disk is full|is the disk full?", line)
        assert "make room" in line

    assert (tmp_path / "roomy.code").read_text() == "0\n", (tmp_path / "roomy.err").read_text()
    assert "nothing to do" in (tmp_path / "again.out").read_text()
    (night,) = json.loads((tmp_path / "status").read_text())["nights"]
    assert night["status"] == "completed"
    assert night["sessions_stored"] + night["sessions_set_aside"] == night["sessions_found"] == 12
    assert night["reports"] >= 6
