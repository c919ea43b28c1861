"""From small frames of sessions to the findings of a day, with results that can be worked out by hand."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from session_rows import DAY, SMILING, session, smiling_of_last_day

from reports.daily import daily_values, session_intervals
from reports.findings import Baseline, Lack, Stage, State
from reports.measures import DEFAULT_THRESHOLDS, Rule
from reports.trends import Trend


def steady(values: list[float], first_back: int | None = None) -> pl.DataFrame:
    """One value a day, ending on `DAY` unless the start is further back."""
    first_back = len(values) - 1 if first_back is None else first_back
    rows = [session(first_back - i, value) for i, value in enumerate(values)]
    return daily_values(pl.DataFrame(rows), DEFAULT_THRESHOLDS)


def smiling_trend(daily: pl.DataFrame, missing: Lack = Lack.NO_SESSION, accepted_back: int | None = None) -> Trend:
    accepted = {} if accepted_back is None else {"smiling": DAY - timedelta(days=accepted_back)}
    return smiling_of_last_day(daily, missing=missing, accepted=accepted)


def test_days_without_any_spread_still_leave_room_for_the_least_change() -> None:
    baseline = smiling_trend(steady([0.2] * 15)).finding.baseline
    # The last four of the fourteen days have not been learnt yet.
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
    trend = smiling_of_last_day(daily, intervals={"smiling": (low, high)})
    assert trend.finding.interval == (low, high)


def test_what_a_day_lacks_of_its_own_is_said_so() -> None:
    rows = [session(back, 0.2) for back in range(9, 0, -1)] + [session(0, None) | {"au04_mean": 0.5}]
    finding = smiling_trend(daily_values(pl.DataFrame(rows, strict=False), DEFAULT_THRESHOLDS)).finding
    assert (finding.state, finding.lack) == (State.INSUFFICIENT, Lack.NOT_MEASURED)
    assert finding.baseline is not None


def test_a_rule_that_is_switched_off_is_silent() -> None:
    daily = steady([0.2] * 14 + [0.1])
    off = replace(DEFAULT_THRESHOLDS, rule_beyond_limits=False, rule_ewma=False)
    assert smiling_of_last_day(daily, thresholds=off).finding.state is State.USUAL


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


USUAL_DAYS = [0.30, 0.32, 0.28, 0.31, 0.29, 0.30, 0.33, 0.27, 0.30, 0.31, 0.29, 0.32, 0.30, 0.28, 0.31, 0.30]


def test_a_flag_is_told_from_its_first_day_to_its_return() -> None:
    new = smiling_trend(steady([*USUAL_DAYS, 0.18, 0.17])).finding
    assert (new.stage, new.state, new.flagged) == (Stage.NEW, State.LOWER, True)
    assert new.episode is not None
    assert (new.episode.opened, new.episode.onset) == (DAY, DAY - timedelta(days=1))
    later = smiling_trend(steady([*USUAL_DAYS, 0.18, 0.17, *[0.18] * 30])).finding
    assert (later.stage, later.state) == (Stage.OPEN, State.LOWER)
    assert later.episode is not None
    assert later.episode.days_open == 31
    assert later.episode.onset == DAY - timedelta(days=31)
    assert later.mean_since == pytest.approx((0.17 + 31 * 0.18) / 32)
    back = smiling_trend(steady([*USUAL_DAYS, 0.18, 0.17, *[0.18] * 5, *USUAL_DAYS[:5]])).finding
    assert (back.stage, back.state, back.mean_since) == (Stage.BACK, State.USUAL, None)
    assert back.episode is not None
    assert back.episode.closed is not None
    assert 0 <= (DAY - back.episode.closed).days < 5
    gone = smiling_trend(steady([*USUAL_DAYS, 0.18, 0.17, *[0.18] * 5, *USUAL_DAYS])).finding
    assert (gone.stage, gone.episode) == (Stage.USUAL, None)


def test_a_flag_that_comes_back_soon_is_the_same_flag_and_says_so() -> None:
    days = [*USUAL_DAYS * 2, *[0.15] * 8, 0.30, 0.29, 0.31]
    back, again, still = (smiling_trend(steady([*days, *more])).finding for more in ([], [0.14], [0.14] * 9))
    assert [finding.stage for finding in (back, again, still)] == [Stage.BACK, Stage.OPEN, Stage.OPEN]
    assert back.episode is not None
    assert again.episode is not None
    assert still.episode is not None
    assert again.episode.opened == back.episode.opened - timedelta(days=1)  # its series is a day longer
    assert [finding.episode.reopened for finding in (back, again, still) if finding.episode] == [None, DAY, None]


def test_the_day_of_a_return_is_back_to_usual_and_not_different() -> None:
    """The average still holds days of the flag, so it lags behind on the very day on which the flag closes."""
    days = [*USUAL_DAYS * 2, *[0.15] * 8, 0.30, 0.29]
    back, high = (smiling_trend(steady([*days, last])).finding for last in (0.31, 0.34))
    up_and_down = [0.30, 0.31, 0.33, 0.32, 0.30, 0.28, 0.27, 0.28, 0.30, 0.29] * 3
    still_low = smiling_trend(steady([*up_and_down, *[0.05] * 6, 0.27])).finding
    for finding in (back, high, still_low):
        assert finding.stage is Stage.BACK
        assert finding.episode is not None
        assert finding.episode.closed == DAY
    assert (back.told, high.told) == ((), ())
    assert {signal.state for signal in still_low.told} == {State.LOWER}


def test_an_open_flag_stays_on_a_day_without_sessions() -> None:
    daily = steady([*USUAL_DAYS, *[0.18] * 4], first_back=20)
    finding = smiling_trend(daily).finding
    assert (finding.stage, finding.state, finding.lack) == (Stage.OPEN, State.INSUFFICIENT, Lack.NO_SESSION)


def test_a_change_the_other_way_than_the_concern_has_no_episode() -> None:
    finding = smiling_trend(steady([*USUAL_DAYS, *[0.45] * 6])).finding
    assert (finding.stage, finding.state, finding.episode) == (Stage.USUAL, State.USUAL, None)
    assert {signal.state for signal in finding.told} == {State.HIGHER}


def test_an_accepted_level_is_the_usual_one_once_it_has_enough_days() -> None:
    daily = steady([*USUAL_DAYS, *(value - 0.12 for value in USUAL_DAYS)])
    assert smiling_trend(daily).finding.stage is Stage.OPEN
    accepted = smiling_trend(daily, accepted_back=15).finding
    assert (accepted.stage, accepted.state) == (Stage.ACCEPTED, State.USUAL)
    assert accepted.accepted_on == DAY - timedelta(days=15)
    assert accepted.usual is not None
    assert accepted.usual[1] < 0.25
    young = smiling_trend(daily, accepted_back=4).finding
    assert (young.stage, young.lack) == (Stage.ACCEPTED, Lack.NO_BASELINE)


def test_usual_is_the_middle_of_the_baseline_and_the_whole_of_a_short_one() -> None:
    long = smiling_trend(steady([0.01 * value for value in range(20, 41)] + [0.3] * 5)).finding
    assert long.usual == (pytest.approx(0.22), pytest.approx(0.38))  # the middle 80 % of the 21 days in the baseline
    short = smiling_trend(steady([0.30, 0.36, 0.27, 0.31, 0.29, 0.30, 0.33, 0.30])).finding
    assert short.usual == (pytest.approx(0.27), pytest.approx(0.36))
    assert (short.tentative, long.tentative) == (True, True)
    assert not smiling_trend(steady([*USUAL_DAYS] * 5)).finding.tentative
