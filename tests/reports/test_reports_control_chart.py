"""The control chart: what each rule says about series with a known truth, and how often it is wrong."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from reports.measures import DEFAULT_THRESHOLDS, Thresholds
from reports.statistics.control_chart import ControlChart, Sensitivity, control_chart
from reports.statistics.estimates import (
    CENTRE_EFFICIENCY,
    QN_EFFICIENCY,
    centre_and_spread,
    equivalent_days,
    from_even,
    shrunk_phi,
    spread_shortfall,
    to_even,
    variance_of_mean,
)

CLOSE = (DEFAULT_THRESHOLDS.limit_sigmas, DEFAULT_THRESHOLDS.ewma_sigmas, DEFAULT_THRESHOLDS.change_sigmas)
CALM = [0.50, 0.52, 0.49, 0.51, 0.48, 0.50, 0.53, 0.47, 0.50, 0.51, 0.49, 0.52, 0.50, 0.48, 0.51, 0.50]


def chart(
    values: np.ndarray,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    highest: float = 1.0,
    one_day_opens: bool = True,
    restart: int = 0,
) -> ControlChart:
    """A closely watched measure whose rise raises a flag."""
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))

    def all_of(value: float) -> np.ndarray:
        return np.full(len(values), value)

    limit, ewma, change = (all_of(sigmas) for sigmas in CLOSE)
    opens, rises = all_of(one_day_opens).astype(bool), all_of(1).astype(np.int64)
    sensitivity = Sensitivity(all_of(highest), all_of(0.03), limit, ewma, change, opens, rises)
    return control_chart(values, sensitivity, thresholds, all_of(restart).astype(np.int64))


def patients(count: int, days: int, phi: float = 0.5, seed: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    state = rng.standard_normal((count, days))
    for day in range(1, days):
        state[:, day] = phi * state[:, day - 1] + np.sqrt(1 - phi**2) * state[:, day]
    return 0.5 + 0.05 * state


def test_the_limits_are_those_of_the_formula() -> None:
    days = np.array(CALM[:8])
    seven = to_even(days[None, :7], np.ones(1))
    centre, spread = centre_and_spread(seven)
    phi = shrunk_phi((seven - centre) / spread, np.ones((1, 6)), 0.5, 30)
    spread = spread / spread_shortfall(7, phi)
    degrees = max(QN_EFFICIENCY * equivalent_days(7, phi)[0], DEFAULT_THRESHOLDS.least_degrees)
    half = stdtrit(degrees, ndtr(CLOSE[0])) * spread * np.sqrt(1 + variance_of_mean(7, phi) / CENTRE_EFFICIENCY)
    found = chart(days)
    assert np.isnan(found.centre[0, :7]).all()
    assert found.centre[0, 7] == pytest.approx(from_even(centre, np.ones(1))[0])
    assert found.high[0, 7] == pytest.approx(from_even(centre + half, np.ones(1))[0])
    assert found.low[0, 7] == pytest.approx(from_even(centre - half, np.ones(1))[0])


def test_each_series_is_judged_alone_and_by_what_lay_before() -> None:
    values = patients(5, 60)
    values[2, 30:33] = np.nan
    together = chart(values)
    alone = chart(values[2, :45])
    for name in ("centre", "low", "high", "ewma", "beyond", "moving", "episode", "onset", "baseline_days"):
        assert np.array_equal(getattr(together, name)[2, :45], getattr(alone, name)[0], equal_nan=True), name


def test_the_baseline_grows_with_a_delay_and_then_stays_as_it_is() -> None:
    found = chart(
        patients(1, 100, phi=0.0, seed=4), replace(DEFAULT_THRESHOLDS, rule_beyond_limits=False, rule_ewma=False)
    )
    days = found.baseline_days[0]
    assert days[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert days[8:14].tolist() == [7, 7, 7, 7, 8, 9]  # the eighth day is learnt five days later
    assert (days[60], days[61], days[-1]) == (56, 56, 56)
    assert found.in_baseline[0].sum() == 56
    assert found.in_baseline[0, :56].all()


def test_a_flagged_day_is_never_learnt() -> None:
    found = chart([*CALM, 0.9, *CALM])
    assert found.beyond[0, 16] == 1
    assert not found.in_baseline[0, 16]
    assert found.in_baseline[0, 20]


def test_a_gap_is_silent_and_is_not_learnt() -> None:
    found = chart([*CALM[:10], np.nan, np.nan, *CALM])
    assert np.isnan(found.ewma[0, 10:12]).all()
    assert not found.in_baseline[0, 10:12].any()
    assert not found.beyond[0, 10:12].any()
    assert found.centre[0, 11] == found.centre[0, 10]  # also known on a day without a value


def test_a_long_gap_starts_the_moving_average_afresh() -> None:
    week, longer = [*CALM, 0.58, *[np.nan] * 6, 0.5], [*CALM, 0.58, *[np.nan] * 7, 0.5]
    assert chart(week).ewma[0, -1] > 0.51
    assert chart(longer).ewma[0, -1] == pytest.approx(0.5)


def test_a_single_day_far_out_is_beyond_its_limits() -> None:
    found = chart([*CALM, 0.62])
    assert found.beyond[0, -1] == 1
    assert found.beyond_size[0, -1] == pytest.approx(
        (0.62 - found.centre[0, -1]) / (found.high[0, -1] - found.centre[0, -1])
    )
    assert chart([*CALM, 0.38]).beyond[0, -1] == -1


def test_a_change_that_no_single_day_shows_is_seen_by_the_moving_average_with_its_first_day() -> None:
    found = chart([*CALM * 3, 0.47, *[0.548] * 6])
    assert not found.beyond[0].any()
    assert found.moving[0, -1] == 1
    assert found.onset[0, -1] == 49


def test_a_shift_is_so_many_valid_days_on_one_side() -> None:
    on = replace(DEFAULT_THRESHOLDS, rule_shift=True, rule_ewma=False, rule_beyond_limits=False)
    found = chart([*CALM * 3, *[0.535, 0.54] * 3, np.nan, *[0.535, 0.54] * 4], on)
    assert not found.shift[0, :-1].any()
    assert (found.shift[0, -1], found.shift_since[0, -1]) == (1, 48)
    assert not chart([*CALM * 3, *[0.535, 0.54] * 7]).shift.any()  # off by default


def test_a_trend_is_so_many_valid_days_each_lower_than_the_one_before() -> None:
    on = replace(DEFAULT_THRESHOLDS, rule_trend=True, rule_ewma=False, rule_beyond_limits=False)
    falling = [0.53, 0.51, 0.49, 0.47, 0.45, 0.43, 0.41]
    found = chart([*CALM, *falling], on)
    assert not found.trend[0, :-1].any()
    assert (found.trend[0, -1], found.trend_since[0, -1]) == (-1, 16)
    assert not chart([*CALM, *falling[:3], 0.49, *falling[3:]], on).trend.any()  # a day as high as the last breaks it


def test_days_that_never_differ_leave_room_for_the_least_change() -> None:
    found = chart([0.2] * 10)
    assert (found.low[0, -1], found.high[0, -1]) == (pytest.approx(0.17), pytest.approx(0.23))
    assert chart([0.0] * 10).low[0, -1] == 0


def test_the_range_of_a_rare_expression_reaches_further_up_than_down() -> None:
    found = chart([0.02, 0.05, 0.01, 0.09, 0.03, 0.02, 0.12, 0.04, 0.02, 0.06])
    assert found.low[0, -1] == 0
    assert found.high[0, -1] - found.centre[0, -1] > 2 * found.centre[0, -1]


def test_a_baseline_of_one_day_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least two days"):
        chart(CALM, replace(DEFAULT_THRESHOLDS, min_baseline_days=1))


def test_a_steady_patient_is_flagged_less_than_once_in_60_days_and_a_shift_is_found_in_days() -> None:
    """The closely watched measure at phi 0.5; docs/statistics.md has the full figures."""
    values = patients(200, 127)
    found = chart(values)
    new = (found.episode == 1) & (found.opened == np.arange(127))
    assert 0.4 < new[:, 67:].sum() / 200 < 0.75
    moved = values[:, :80].copy()
    moved[:, 70:] += 0.10
    after = chart(moved)
    seen = (after.beyond[:, 70:] > 0) | (after.moving[:, 70:] > 0)
    assert np.median(np.where(seen.any(axis=1), seen.argmax(axis=1) + 1, 99)) <= 3
