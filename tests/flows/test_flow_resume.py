"""A night that is killed at any moment and started again ends like an undisturbed one."""

import random
from pathlib import Path

import pytest
from kill_a_hundred_times import content, differences, finish, kill_at, make_source

SEED = 20260302


@pytest.mark.slow
def test_ten_random_moments_leave_no_trace(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    finish(source, tmp_path / "undisturbed")
    undisturbed = content(tmp_path / "undisturbed")
    assert len(undisturbed["sessions"]) >= 8
    duration_s = finish(source, tmp_path / "again")
    assert differences(tmp_path / "again", undisturbed) == []
    moments = random.Random(SEED)
    for number in range(10):
        data = tmp_path / f"killed-{number}"
        moment_s = moments.uniform(0, duration_s)
        kill_at(source, data, moment_s)
        finish(source, data)
        assert differences(data, undisturbed) == [], f"killed after {moment_s:.2f} s"
