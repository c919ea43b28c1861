"""The clock and the sampling of frames."""

from dataclasses import dataclass
from fractions import Fraction

import pytest

from inference.timing import Clock, sample

MS = Fraction(1, 1000)


@dataclass(frozen=True)
class Moment:
    time_s: float


def sampled(times_s: list[float], rate: float | None) -> list[float]:
    return [moment.time_s for moment in sample(map(Moment, times_s), rate)]


def test_first_frame_at_or_after_each_tick() -> None:
    film = [number / 24 for number in range(24)]
    assert sampled(film, 5) == pytest.approx([0, 5 / 24, 10 / 24, 15 / 24, 20 / 24])


def test_pause_yields_no_frame_twice() -> None:
    assert sampled([0, 0.1, 0.2, 7.05, 7.1, 7.25], 5) == [0, 0.2, 7.05, 7.25]


def test_rounded_timestamps_do_not_slip_past_their_tick() -> None:
    assert len(sampled([round(number / 30, 6) for number in range(300)], 10)) == 100


def test_every_frame_and_slower_video_than_rate() -> None:
    assert sampled([0, 0.5, 0.9], None) == [0, 0.5, 0.9]
    assert sampled([0, 0.5, 0.9], 25) == [0, 0.5, 0.9]


def test_clock_subtracts_the_containers_start() -> None:
    clock = Clock(start_s=1.4, frame_s=0.04)
    assert clock.seconds(1400, MS) == pytest.approx(0)
    assert clock.seconds(1440, MS) == pytest.approx(0.04)


def test_clock_goes_on_where_timestamps_are_missing() -> None:
    clock = Clock(start_s=None, frame_s=0.04)
    times = [clock.seconds(pts, MS) for pts in (None, None, 5000, 5040)]
    assert times == pytest.approx([0, 0.04, 0.08, 0.12])


def test_clock_goes_on_after_a_jump_back_and_ignores_jitter() -> None:
    clock = Clock(start_s=0.0, frame_s=0.04)
    times = [clock.seconds(pts, MS) for pts in (0, 5000, 4980, 5040, 0, 40)]
    assert times == pytest.approx([0, 5, 5, 5.04, 5.08, 5.12])


def test_clock_leaves_out_what_is_much_longer_than_a_usual_step() -> None:
    clock = Clock(start_s=0.0, frame_s=0.04, usual_step_s=0.04)
    times = [clock.seconds(pts, MS) for pts in (0, 40, 30_040, 7_230_040, 7_230_080)]
    assert times == pytest.approx([0, 0.04, 30.04, 30.08, 30.12])  # half a minute is a pause, two hours are not
    assert [(gap.at_s, gap.length_s) for gap in clock.gaps] == [(pytest.approx(30.08), pytest.approx(7200))]


def test_clock_knows_the_long_steps_of_a_time_lapse() -> None:
    clock = Clock(start_s=0.0, frame_s=0.04, usual_step_s=300.0)
    assert [clock.seconds(pts * 1000, MS) for pts in (0, 300, 900, 1200)] == [0, 300, 900, 1200]
    assert not clock.gaps
