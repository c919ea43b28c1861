"""Daily values, findings and trends over small frames whose answers can be worked out by hand."""

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from reports.daily import daily_values
from reports.measures import MEASURE_BY_KEY, MEASURES
from reports.thresholds import DEFAULT_THRESHOLDS
from reports.trend import Baseline, Lack, Rule, Signal, State, Trend, find, session_intervals, trends_of

SMILING = MEASURE_BY_KEY["smiling"]
DAY = date(2026, 3, 21)


def session(
    back: int, smiling: float | None, scored: int = 60, sampled: int = 60, yaw: float = 5.0
) -> dict[str, object]:
    """A row of session_summary `back` days before DAY, as far as daily_values reads it."""
    row: dict[str, object] = {measure.column: 0.1 if scored else None for measure in MEASURES}
    row |= {"patient_id": "p01", "session_date": DAY - timedelta(days=back)}
    row |= {"frames_sampled": sampled, "frames_scored": scored, "yaw_abs_median_deg": yaw}
    return row | {SMILING.column: smiling}


def smiling_of(*rows: dict[str, object]) -> list[float | None]:
    return daily_values(pl.DataFrame(rows), DEFAULT_THRESHOLDS)["smiling"].to_list()


def steady(values: list[float], first_back: int | None = None) -> pl.DataFrame:
    """Daily values, one a day, the last of them `DAY` unless the first lies further back."""
    first_back = len(values) - 1 if first_back is None else first_back
    rows = [session(first_back - i, value) for i, value in enumerate(values)]
    return daily_values(pl.DataFrame(rows), DEFAULT_THRESHOLDS)


def smiling_trend(daily: pl.DataFrame, missing: Lack = Lack.NO_SESSION) -> Trend:
    return trends_of([SMILING], daily, DAY, missing, DEFAULT_THRESHOLDS)[0]


def test_a_day_is_the_mean_over_its_scored_frames() -> None:
    assert smiling_of(session(0, 0.1, scored=100, sampled=100), session(0, 0.4, scored=50)) == [pytest.approx(0.2)]


def test_a_day_with_too_few_frames_is_missing_and_not_zero() -> None:
    assert smiling_of(session(1, 0.5, scored=29, sampled=29), session(0, 0.5, scored=30)) == [None, 0.5]


def test_a_session_without_scored_frames_leaves_the_day_alone() -> None:
    assert smiling_of(session(0, 0.3), session(0, None, scored=0)) == [pytest.approx(0.3)]


@pytest.mark.parametrize(
    ("scored", "sampled", "counts"), [(19, 19, False), (20, 20, True), (199, 1000, False), (200, 1000, True)]
)
def test_a_session_counts_from_20_frames_and_a_fifth_of_its_length(scored: int, sampled: int, counts: bool) -> None:
    daily = daily_values(pl.DataFrame([session(0, 0.9, scored, sampled), session(0, 0.1)]), DEFAULT_THRESHOLDS)
    assert daily["sessions"].item() == 2
    assert daily["sessions_used"].item() == (2 if counts else 1)
    assert (daily["smiling"].item() > 0.11) == counts


def test_a_session_of_a_face_turned_away_does_not_count() -> None:
    assert smiling_of(session(0, 0.9, yaw=21.0), session(0, 0.1, yaw=20.0)) == [pytest.approx(0.1)]


def test_a_measure_that_was_not_scored_abstains_alone() -> None:
    daily = daily_values(pl.DataFrame([session(0, None) | {"au04_mean": 0.5}], strict=False), DEFAULT_THRESHOLDS)
    assert (daily["smiling"].item(), daily["au04"].item()) == (None, 0.5)


def test_a_session_without_a_measure_takes_nothing_from_its_mean() -> None:
    assert smiling_of(session(0, 0.3), session(0, None)) == [pytest.approx(0.3)]


USUAL = Baseline(0.2, 0.17, 0.23, 0.03, 14)
ABOVE = Signal(Rule.BEYOND_LIMITS, State.HIGHER, DAY, 1.4)
BELOW = Signal(Rule.EWMA, State.LOWER, DAY - timedelta(days=3), 1.2)


def test_a_change_in_the_direction_of_concern_is_flagged() -> None:
    less = find(SMILING, 0.1, USUAL, Lack.NO_SESSION, (BELOW,))
    assert (less.state, less.signals, less.told, less.size) == (State.LOWER, (BELOW,), (), 1.2)
    assert less.change == pytest.approx(-0.1 / 0.03)


def test_a_change_the_other_way_is_told_and_no_flag() -> None:
    more = find(SMILING, 0.3, USUAL, Lack.NO_SESSION, (ABOVE,))
    assert (more.state, more.flagged, more.signals, more.told, more.size) == (State.USUAL, False, (), (ABOVE,), 0.0)


def test_a_measure_without_concern_is_told_both_ways_and_a_phrase_is_marked_both_ways() -> None:
    fear, phrase = MEASURE_BY_KEY["fear"], MEASURE_BY_KEY["au04"]
    assert find(fear, 0.3, USUAL, Lack.NO_SESSION, (ABOVE,)).told == (ABOVE,)
    assert find(phrase, 0.3, USUAL, Lack.NO_SESSION, (ABOVE,)).state is State.HIGHER
    assert find(phrase, 0.1, USUAL, Lack.NO_SESSION, (BELOW,)).state is State.LOWER
    both = find(phrase, 0.3, USUAL, Lack.NO_SESSION, (ABOVE, BELOW))
    assert (both.state, both.told) == (State.HIGHER, (BELOW,))  # the louder rule decides


def test_without_a_value_or_a_baseline_the_finding_abstains_with_the_reason() -> None:
    nothing = find(SMILING, None, USUAL, Lack.ALL_SET_ASIDE)
    assert (nothing.state, nothing.lack, nothing.change) == (State.INSUFFICIENT, Lack.ALL_SET_ASIDE, None)
    early = find(SMILING, 0.9, None, Lack.NO_SESSION)
    assert (early.state, early.lack, early.change) == (State.INSUFFICIENT, Lack.NO_BASELINE, None)


def test_days_without_any_spread_still_leave_room_for_the_least_change() -> None:
    baseline = smiling_trend(steady([0.2] * 15)).finding.baseline
    # The last four of the fourteen days wait to be learnt.
    assert baseline == Baseline(pytest.approx(0.2), pytest.approx(0.17), pytest.approx(0.23), pytest.approx(0.03), 10)


@pytest.mark.parametrize(("today", "state"), [(0.165, State.LOWER), (0.175, State.USUAL), (0.8, State.USUAL)])
def test_a_day_beyond_its_limits_is_flagged_by_that_rule(today: float, state: State) -> None:
    finding = smiling_trend(steady([0.2] * 14 + [today])).finding
    assert finding.state is state
    assert [signal.rule for signal in finding.signals] == ([Rule.BEYOND_LIMITS] if state is State.LOWER else [])
    assert all(signal.since == DAY for signal in finding.signals)


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
