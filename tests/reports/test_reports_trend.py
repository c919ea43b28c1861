"""Daily values, baselines and findings over small frames whose answers can be worked out by hand."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from reports.measures import HEADLINE_MEASURES, MEASURE_BY_KEY, MEASURES
from reports.thresholds import DEFAULT_THRESHOLDS
from reports.trend import (
    Lack,
    State,
    Trend,
    baseline_days,
    daily_values,
    find,
    trends_of,
    usual_range,
)

SMILING = MEASURE_BY_KEY["smiling"]
DAY = date(2026, 3, 21)


def session(back: int, smiling: float | None, scored: int = 60, sampled: int = 60) -> dict[str, object]:
    """A row of session_summary `back` days before DAY, as far as daily_values reads it."""
    row: dict[str, object] = {measure.column: 0.1 if scored else None for measure in MEASURES}
    row |= {"patient_id": "p01", "session_date": DAY - timedelta(days=back)}
    return row | {"frames_sampled": sampled, "frames_scored": scored, SMILING.column: smiling}


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


def test_the_baseline_is_the_first_fourteen_valid_days_and_never_today() -> None:
    daily = steady([0.1] * 30)
    days = baseline_days(daily, DAY, DEFAULT_THRESHOLDS)
    assert days == tuple(DAY - timedelta(days=back) for back in range(29, 15, -1))
    assert baseline_days(daily, DAY - timedelta(days=23), DEFAULT_THRESHOLDS) == ()  # six days lie before it
    assert len(baseline_days(daily, DAY - timedelta(days=22), DEFAULT_THRESHOLDS)) == 7


def test_the_usual_range_is_three_and_a_half_robust_deviations_wide() -> None:
    values = pl.Series([0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.22])  # median 0.16, absolute deviations' median 0.04
    usual = usual_range(values, SMILING, DEFAULT_THRESHOLDS)
    assert usual.half_width == pytest.approx(3.5 * 1.4826 * 1.140 * 0.04)
    assert (usual.low, usual.high) == (0.0, pytest.approx(0.16 + usual.half_width))


def test_days_without_any_spread_still_leave_room_for_the_least_change() -> None:
    usual = usual_range(pl.Series([0.2] * 14), SMILING, DEFAULT_THRESHOLDS)
    assert (usual.low, usual.high) == (pytest.approx(0.17), pytest.approx(0.23))


def test_one_wild_day_hardly_moves_the_usual_range() -> None:
    calm = [0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.22, 0.11, 0.13, 0.15]
    usual = usual_range(pl.Series(calm), SMILING, DEFAULT_THRESHOLDS)
    wild = usual_range(pl.Series([*calm[:-1], 0.95]), SMILING, DEFAULT_THRESHOLDS)
    assert wild.centre == pytest.approx(usual.centre, abs=0.02)
    assert wild.half_width < 1.5 * usual.half_width


@pytest.mark.parametrize(
    ("value", "state"), [(0.16, State.LOWER), (0.18, State.USUAL), (0.22, State.USUAL), (0.24, State.HIGHER)]
)
def test_a_value_is_usual_within_the_range_and_flagged_outside(value: float, state: State) -> None:
    usual = usual_range(pl.Series([0.2] * 14), SMILING, DEFAULT_THRESHOLDS)
    finding = find(SMILING, DAY, value, usual, Lack.NO_SESSION)
    assert finding.state is state
    assert finding.change == pytest.approx((value - 0.2) / 0.03)
    assert finding.flagged == (abs(finding.change or 0) > 1)


def test_without_a_value_or_a_baseline_the_finding_abstains_with_the_reason() -> None:
    usual = usual_range(pl.Series([0.2] * 14), SMILING, DEFAULT_THRESHOLDS)
    nothing = find(SMILING, DAY, None, usual, Lack.ALL_SET_ASIDE)
    assert (nothing.state, nothing.lack, nothing.change) == (State.INSUFFICIENT, Lack.ALL_SET_ASIDE, None)
    early = find(SMILING, DAY, 0.9, None, Lack.NO_SESSION)
    assert (early.state, early.lack, early.change) == (State.INSUFFICIENT, Lack.NO_BASELINE, None)


def test_a_gap_has_no_points_and_a_bad_day_has_one_without_a_value() -> None:
    rows = [session(back, 0.2) for back in range(27, 13, -1)]  # two weeks, then nothing for eleven days
    rows += [session(2, 0.2), session(1, 0.2, scored=3), session(0, 0.5)]
    trend = smiling_trend(daily_values(pl.DataFrame(rows), DEFAULT_THRESHOLDS))
    days = [(DAY - point.day).days for point in trend.points]
    assert days == [*range(27, 13, -1), 2, 1, 0]
    assert [point.value for point in trend.points[-3:]] == [0.2, None, 0.5]
    assert trend.finding.state is State.HIGHER


def test_a_day_without_sessions_says_so_whatever_came_before() -> None:
    trend = smiling_trend(steady([0.2] * 14, first_back=15))
    assert (trend.finding.state, trend.finding.lack) == (State.INSUFFICIENT, Lack.NO_SESSION)
    assert trend.finding.baseline is not None


def test_later_days_do_not_change_a_report() -> None:
    until = steady([0.2] * 20)
    later = steady([0.2] * 20 + [0.9] * 5, first_back=19)
    assert smiling_trend(until) == smiling_trend(later)


def test_a_steady_patient_is_seldom_flagged() -> None:
    """Independent normal days: the share of false findings per measure and day that docs/reports.md states."""
    rng = np.random.default_rng(11)
    for days, most in ((7, 0.07), (14, 0.02)):
        false = 0
        for _ in range(1500):
            values = rng.normal(0.5, 0.05, days + 1)
            usual = usual_range(pl.Series(values[:-1]), HEADLINE_MEASURES[0], DEFAULT_THRESHOLDS)
            false += not usual.low <= values[-1] <= usual.high
        assert 0 < false / 1500 < most
