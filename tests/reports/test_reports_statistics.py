"""Robust centre and spread, correlation, the even scale and the bootstrap: by hand, by tables, by simulation."""

import numpy as np
import pytest
from scipy.special import ndtri

from reports.statistics.estimates import (
    CENTRE_EFFICIENCY,
    QN_CONSTANT,
    _qn_factor,
    block_length,
    block_resamples,
    centre_and_spread,
    day_intervals,
    equivalent_days,
    from_even,
    next_ewma_variance,
    shrunk_phi,
    spread_shortfall,
    to_even,
    variance_of_mean,
)

HALF = np.array([0.5])


def ewma_variance(weight: float, phi: np.ndarray) -> np.ndarray:
    """Variance of an exponentially weighted mean after many days, which `next_ewma_variance` must approach.

    weight / (2 - weight) * (1 + phi (1 - weight)) / (1 - phi (1 - weight)); Schmid and Schoene, Annals of Statistics
    25, 1997; Zhang, Technometrics 40, 1998. With phi = 0 it is that of Roberts, Technometrics 1, 1959.
    """
    keep = phi * (1 - weight)
    return weight / (2 - weight) * (1 + keep) / (1 - keep)


def correlations(count: int, phi: float) -> np.ndarray:
    """The correlation matrix of `count` neighbouring days."""
    lag = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    return phi**lag


def autoregressive(rows: int, days: int, phi: float, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, days)) @ np.linalg.cholesky(correlations(days, phi)).T


def test_centre_and_spread_of_four_values() -> None:
    centre, spread = centre_and_spread(np.array([[3.0, 0.0, 1.0, 2.0]]))
    assert centre == pytest.approx([1.5])  # pair means 0, .5, 1, 1, 1.5, 1.5, 2, 2, 2.5, 3
    assert spread == pytest.approx([2.21914 * 0.512 * 1.0])  # distances 1, 1, 1, 2, 2, 3: the third


@pytest.mark.parametrize("count", [2, 3, 6, 7, 20, 55, 56])
@pytest.mark.parametrize("decimals", [1, 15])  # with many equal values, and without
def test_centre_and_spread_rest_on_all_pairs_to_the_bit(count: int, decimals: int) -> None:
    samples = np.random.default_rng(count).random((50, count)).round(decimals)
    first, second = np.triu_indices(count)
    means = (samples[:, first] + samples[:, second]) / 2
    first, second = np.triu_indices(count, 1)
    distances = np.sort(np.abs(samples[:, first] - samples[:, second]), axis=1)
    half = count // 2 + 1
    centre, spread = centre_and_spread(samples)
    assert np.array_equal(centre, np.median(means, axis=1))
    assert np.array_equal(spread, distances[:, half * (half - 1) // 2 - 1] * QN_CONSTANT * _qn_factor(count))


def test_the_constants_are_what_their_formulas_give() -> None:
    assert pytest.approx(1 / (np.sqrt(2) * ndtri(5 / 8)), abs=1e-5) == QN_CONSTANT
    assert pytest.approx(3 / np.pi, abs=1e-3) == CENTRE_EFFICIENCY


@pytest.mark.parametrize("count", [4, 7, 8, 9, 12, 15, 40])
def test_the_spread_of_small_normal_samples_is_unbiased(count: int) -> None:
    samples = np.random.default_rng(count).standard_normal((2500, count))
    assert centre_and_spread(samples)[1].mean() == pytest.approx(1, abs=0.025)


def test_a_quarter_of_wild_days_moves_centre_and_spread_little() -> None:
    days = np.random.default_rng(1).standard_normal((1, 40))
    wild = days.copy()
    wild[0, :10] = 50
    (calm_centre, calm_spread), (centre, spread) = centre_and_spread(days), centre_and_spread(wild)
    assert abs(centre - calm_centre) < 1
    assert spread < 2.5 * calm_spread


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_the_variance_of_a_mean_is_that_of_its_covariance_matrix(phi: float) -> None:
    matrix, count = correlations(9, phi), 9
    assert variance_of_mean(count, np.array([phi])) == pytest.approx([matrix.sum() / count**2])
    centred = np.trace(matrix) - matrix.sum() / count
    assert spread_shortfall(count, np.array([phi])) ** 2 == pytest.approx([centred / (count - 1)])


def test_half_correlated_days_tell_three_fifths_as_much_about_a_spread() -> None:
    assert equivalent_days(20, np.array([0.0, 0.5])) == pytest.approx([20, 12])
    sampled = autoregressive(4000, 40, 0.5).var(axis=1, ddof=1)
    assert 2 * sampled.mean() ** 2 / sampled.var() == pytest.approx(equivalent_days(40, HALF)[0], rel=0.1)


@pytest.mark.parametrize(("weight", "phi"), [(0.2, 0.0), (0.4, 0.5), (0.3, 0.7)])
def test_the_variance_of_the_moving_average_is_that_of_its_weights_and_of_a_simulation(
    weight: float, phi: float
) -> None:
    days = 60
    weights = weight * (1 - weight) ** np.arange(days)
    expected = weights @ correlations(days, phi) @ weights
    at = np.array([phi])
    assert ewma_variance(weight, at) == pytest.approx([expected], rel=1e-4)
    assert (autoregressive(20_000, days, phi) @ weights).var() == pytest.approx(expected, rel=0.04)
    variance, covariance = np.zeros(1), np.zeros(1)
    for day in range(days):
        variance, covariance = next_ewma_variance(weight, at, variance, covariance)
        if day == 2:
            assert variance == pytest.approx([weights[:3] @ correlations(3, phi) @ weights[:3]])
    assert variance == pytest.approx([expected], rel=1e-4)


@pytest.mark.parametrize(("weight", "sigmas"), [(0.4, 3.054), (0.1, 2.814)])
def test_independent_days_give_the_run_length_of_the_literature(weight: float, sigmas: float) -> None:
    """Lucas and Saccucci, Technometrics 32, 1990: with these limits, a false alarm comes after 500 days on average."""
    limit = sigmas * np.sqrt(ewma_variance(weight, np.zeros(1))[0])
    rng = np.random.default_rng(8)
    mean, length = np.zeros(1500), np.zeros(1500)
    running = np.ones(1500, dtype=bool)
    while running.any():
        mean = (1 - weight) * mean + weight * rng.standard_normal(1500)
        length += running
        running &= np.abs(mean) <= limit
    assert length.mean() == pytest.approx(500, rel=0.06)


def test_few_days_leave_the_expected_correlation_and_many_show_their_own() -> None:
    few = shrunk_phi(np.zeros((1, 7)), np.zeros((1, 6)), 0.5, 30)
    assert few == pytest.approx([0.5])
    long = autoregressive(20, 600, 0.7)
    assert shrunk_phi(long, np.ones((20, 599)), 0.5, 30).mean() == pytest.approx(0.68, abs=0.03)
    alternating = np.tile([1.0, -1.0], 300)[None]
    assert shrunk_phi(alternating, np.ones((1, 599)), 0.5, 30) == pytest.approx([0.0])


def test_short_series_show_their_correlation_without_bias() -> None:
    days = autoregressive(4000, 20, 0.3)
    days -= days.mean(axis=1, keepdims=True)
    estimates = shrunk_phi(days / days.std(axis=1, keepdims=True), np.ones((4000, 19)), 0.3, 30)
    assert estimates.mean() == pytest.approx(0.3, abs=0.02)


def test_the_even_scale_comes_back_and_ends_where_shares_end() -> None:
    highest = np.array([1.0, np.inf])
    values = np.array([[0.0, 0.3, 1.0], [0.0, 2.5, 9.0]])
    even = to_even(values, highest)
    assert even[1] == pytest.approx([0, 1.5811, 3], abs=1e-4)
    for day in range(3):
        assert from_even(even[:, day], highest) == pytest.approx(values[:, day])
    assert from_even(np.array([-0.2, -0.2]), highest) == pytest.approx([0, 0])
    assert from_even(np.array([2.0, 2.0]), highest) == pytest.approx([1, 4])


def test_blocks_are_runs_of_sessions_that_wrap_around_the_day() -> None:
    assert [block_length(sessions) for sessions in (1, 4, 8, 9, 27, 60)] == [1, 2, 2, 3, 3, 4]
    drawn = block_resamples(7, 500, seed=1)
    assert drawn.shape == (500, 7)
    assert ((drawn[:, 1] - drawn[:, 0]) % 7 == 1).all()
    assert np.bincount(drawn.ravel(), minlength=7) == pytest.approx(np.full(7, 500), rel=0.15)


def test_the_same_sessions_give_the_same_interval_and_equal_ones_give_a_point() -> None:
    values, frames = np.array([[0.1], [0.2], [0.4], [0.2], [0.3]]), np.array([50.0, 60, 70, 80, 90])
    assert day_intervals(values, frames, 0.95, 300) == day_intervals(values, frames, 0.95, 300)
    low, high = day_intervals(np.full((5, 1), 0.2), frames, 0.95, 300)
    assert (low, high) == (pytest.approx([0.2]), pytest.approx([0.2]))


@pytest.mark.parametrize(("sessions", "phi", "least"), [(4, 0.0, 0.92), (8, 0.0, 0.92), (8, 0.3, 0.85)])
def test_the_interval_holds_the_days_mean_about_as_often_as_it_says(sessions: int, phi: float, least: float) -> None:
    days = autoregressive(1200, sessions, phi, seed=5).T
    low, high = day_intervals(days, np.ones(sessions), 0.95, 400)
    assert least < ((low <= 0) & (high >= 0)).mean() < 0.98
