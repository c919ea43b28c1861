"""Findings and trends over small frames whose answers can be worked out by hand, and why a day abstains."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from session_rows import DAY, SMILING, session

from reports.daily import daily_values
from reports.findings import (
    Baseline,
    Episode,
    Lack,
    Signal,
    Stage,
    State,
    find,
    missing_reason,
)
from reports.measures import DEFAULT_THRESHOLDS, MEASURE_BY_KEY, Rule
from reports.trends import Trend, session_intervals, trends_of


def steady(values: list[float], first_back: int | None = None) -> pl.DataFrame:
    """Daily values, one a day, the last of them `DAY` unless the first lies further back."""
    first_back = len(values) - 1 if first_back is None else first_back
    rows = [session(first_back - i, value) for i, value in enumerate(values)]
    return daily_values(pl.DataFrame(rows), DEFAULT_THRESHOLDS)


def smiling_trend(daily: pl.DataFrame, missing: Lack = Lack.NO_SESSION) -> Trend:
    return trends_of([SMILING], daily, DAY, missing, DEFAULT_THRESHOLDS)[0]


USUAL = Baseline(0.2, 0.17, 0.23, 0.03, 14)
ABOVE = Signal(Rule.BEYOND_LIMITS, State.HIGHER, DAY, 1.4)
BELOW = Signal(Rule.EWMA, State.LOWER, DAY - timedelta(days=3), 1.2)


def flag(state: State, closed: int | None = None) -> Episode:
    """A flag that opened the day before and closed so many days before DAY."""
    before = DAY - timedelta(days=1)
    return Episode(state, before, before, before, before, None if closed is None else DAY - timedelta(days=closed), 2)


def test_an_open_flag_gives_the_day_its_state_and_the_rules_that_speak_its_way_are_its_signals() -> None:
    less = find(SMILING, 0.1, USUAL, Lack.NO_SESSION, (BELOW,), episode=flag(State.LOWER))
    assert (less.state, less.signals, less.told, less.size) == (State.LOWER, (BELOW,), (), 1.2)
    silent = find(SMILING, 0.19, USUAL, Lack.NO_SESSION, episode=flag(State.LOWER))
    assert (silent.state, silent.signals, silent.size) == (State.LOWER, (), 0.0)


def test_without_an_open_flag_a_change_is_told() -> None:
    more = find(SMILING, 0.3, USUAL, Lack.NO_SESSION, (ABOVE,))
    assert (more.state, more.flagged, more.signals, more.told, more.size) == (State.USUAL, False, (), (ABOVE,), 0.0)
    back = find(SMILING, 0.3, USUAL, Lack.NO_SESSION, (ABOVE,), episode=flag(State.LOWER, closed=0))
    assert (back.state, back.told) == (State.USUAL, (ABOVE,))
    both = find(MEASURE_BY_KEY["au04"], 0.3, USUAL, Lack.NO_SESSION, (ABOVE, BELOW), episode=flag(State.HIGHER))
    assert (both.state, both.signals, both.told) == (State.HIGHER, (ABOVE,), (BELOW,))


def test_without_a_value_or_a_baseline_the_finding_abstains_with_the_reason() -> None:
    nothing = find(SMILING, None, USUAL, Lack.ALL_SET_ASIDE)
    assert (nothing.state, nothing.lack) == (State.INSUFFICIENT, Lack.ALL_SET_ASIDE)
    early = find(SMILING, 0.9, None, Lack.NO_SESSION)
    assert (early.state, early.lack) == (State.INSUFFICIENT, Lack.NO_BASELINE)


def test_days_without_any_spread_still_leave_room_for_the_least_change() -> None:
    baseline = smiling_trend(steady([0.2] * 15)).finding.baseline
    # The last four of the fourteen days wait to be learnt.
    assert baseline == Baseline(pytest.approx(0.2), pytest.approx(0.17), pytest.approx(0.23), pytest.approx(0.03), 10)


@pytest.mark.parametrize(("today", "state"), [(0.12, State.LOWER), (0.175, State.USUAL), (0.8, State.USUAL)])
def test_a_day_beyond_its_limits_is_flagged_by_that_rule(today: float, state: State) -> None:
    finding = smiling_trend(steady([0.2] * 14 + [today])).finding
    assert finding.state is state
    assert [signal.rule for signal in finding.signals] == ([Rule.BEYOND_LIMITS] if state is State.LOWER else [])
    assert all(signal.since == DAY for signal in finding.signals)


def test_a_single_day_beyond_is_told_and_flagged_once_the_next_one_agrees() -> None:
    alone = smiling_trend(steady([0.2] * 14 + [0.165])).finding
    assert (alone.stage, [signal.rule for signal in alone.told]) == (Stage.USUAL, [Rule.BEYOND_LIMITS])
    agreed = smiling_trend(steady([0.2] * 14 + [0.165, 0.165])).finding
    assert (agreed.stage, agreed.state) == (Stage.NEW, State.LOWER)


def test_six_valid_days_are_no_baseline_and_seven_are() -> None:
    assert smiling_trend(steady([0.2] * 7)).finding.lack is Lack.NO_BASELINE
    assert smiling_trend(steady([0.2] * 8)).finding.state is State.USUAL


def test_the_interval_of_the_day_comes_from_its_sessions_and_needs_four() -> None:
    sessions = [session(0, value) | {"started_at": at, "session_id": str(at)} for at, value in enumerate((0.1,) * 3)]
    assert session_intervals([SMILING], pl.DataFrame(sessions), DEFAULT_THRESHOLDS) == {}
    sessions.append(session(0, 0.4) | {"started_at": 5, "session_id": "5"})
    low, high = session_intervals([SMILING], pl.DataFrame(sessions), DEFAULT_THRESHOLDS)["smiling"]
    assert 0 <= low < 0.175 < high < 0.5  # the mean of 0.1, 0.1, 0.1 and 0.4
    daily = daily_values(pl.DataFrame(sessions), DEFAULT_THRESHOLDS)
    trend = trends_of([SMILING], daily, DAY, Lack.NO_SESSION, DEFAULT_THRESHOLDS, {"smiling": (low, high)})[0]
    assert trend.finding.interval == (low, high)


def test_what_a_day_lacks_of_its_own_is_said_so() -> None:
    rows = [session(back, 0.2) for back in range(9, 0, -1)] + [session(0, None) | {"au04_mean": 0.5}]
    finding = smiling_trend(daily_values(pl.DataFrame(rows, strict=False), DEFAULT_THRESHOLDS)).finding
    assert (finding.state, finding.lack) == (State.INSUFFICIENT, Lack.NOT_MEASURED)
    assert finding.baseline is not None


def test_a_rule_that_is_switched_off_is_silent() -> None:
    daily = steady([0.2] * 14 + [0.1])
    off = replace(DEFAULT_THRESHOLDS, rule_beyond_limits=False, rule_ewma=False)
    assert trends_of([SMILING], daily, DAY, Lack.NO_SESSION, off)[0].finding.state is State.USUAL


def test_a_gap_has_no_points_and_a_bad_day_has_one_without_a_value() -> None:
    rows = [session(back, 0.2) for back in range(27, 13, -1)]  # two weeks, then nothing for eleven days
    rows += [session(2, 0.2), session(1, 0.2, scored=3), session(0, 0.05)]
    trend = smiling_trend(daily_values(pl.DataFrame(rows), DEFAULT_THRESHOLDS))
    days = [(DAY - point.day).days for point in trend.points]
    assert days == [*range(27, 13, -1), 2, 1, 0]
    assert [point.value for point in trend.points[-3:]] == [0.2, None, 0.05]
    assert trend.finding.state is State.LOWER


def test_a_day_without_sessions_says_so_whatever_came_before() -> None:
    trend = smiling_trend(steady([0.2] * 14, first_back=15))
    assert (trend.finding.state, trend.finding.lack) == (State.INSUFFICIENT, Lack.NO_SESSION)
    assert trend.finding.baseline is not None


def test_later_days_do_not_change_a_report() -> None:
    until = steady([0.2] * 20)
    later = steady([0.2] * 20 + [0.9] * 5, first_back=19)
    assert smiling_trend(until) == smiling_trend(later)


def sessions_of_a_day(*sessions: dict[str, object]) -> pl.DataFrame:
    """Sessions of 100 sampled frames, of which ten were scored unless said otherwise."""
    usual = {"frames_sampled": 100, "frames_scored": 10, "yaw_abs_median_deg": 5.0}
    usual |= dict.fromkeys(("frames_too_dark", "frames_too_bright", "frames_covered"), 0)
    return pl.DataFrame([usual | session for session in sessions])


@pytest.mark.parametrize(
    ("seen", "lack"),
    [
        ({"frames_too_dark": 46}, Lack.TOO_DARK),
        ({"frames_too_dark": 45}, Lack.TOO_LITTLE_SEEN),  # half of the ninety that were not scored is not most of them
        ({"frames_too_bright": 60}, Lack.TOO_BRIGHT),
        ({"frames_too_bright": 30, "frames_too_dark": 30}, Lack.TOO_LITTLE_SEEN),
        ({"frames_covered": 60}, Lack.COVERED),
        ({"frames_scored": 90, "yaw_abs_median_deg": 35.0}, Lack.TURNED_AWAY),
        ({"frames_scored": 90, "yaw_abs_median_deg": None}, Lack.TOO_FEW_SESSIONS),
        ({}, Lack.TOO_LITTLE_SEEN),
    ],
)
def test_what_a_day_lacks_is_named(seen: dict[str, object], lack: Lack) -> None:
    wants_two = replace(DEFAULT_THRESHOLDS, min_sessions_per_day=2)
    assert missing_reason(sessions_of_a_day(seen), 0, wants_two) is lack


def test_a_day_without_sessions_was_not_recorded_or_set_aside() -> None:
    nothing = sessions_of_a_day({}).clear()
    assert missing_reason(nothing, 0, DEFAULT_THRESHOLDS) is Lack.NO_SESSION
    assert missing_reason(nothing, 2, DEFAULT_THRESHOLDS) is Lack.ALL_SET_ASIDE
