"""Daily series with a known truth, for `benchmarks.statistics`: what a measure does while nothing happens."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import gamma, norm  # type: ignore[attr-defined]  # scipy has no types

from reports.statistics.estimates import Floats

LEVEL, SPREAD = 0.5, 0.05  # mean and standard deviation of a day's value, on the measures' scale of 0..1
RARE_LEVEL, RARE_SHAPE = 0.06, 2.0
SESSIONS = 3  # a day, if sessions add noise


@dataclass(frozen=True)
class Scenario:
    """How a patient's days vary while nothing happens. Amounts are in standard deviations of the daily value."""

    name: str
    phi: float = 0.5  # correlation of one day with the next
    gap_share: float = 0.0  # share of days without enough data, at random
    gap_week: bool = False  # seven days in a row without data, from a random day of the baseline on
    weekend: float = 0.0  # added on two days of seven
    outlier_share: float = 0.0  # share of days that are outliers
    outlier: float = 4.0  # by how much, up or down
    session_noise: float = 0.0  # of each of three sessions, on top of the day's own variance before scaling to 1
    rare: bool = False  # a rare expression: the level is 6 %, the values follow a gamma distribution of shape 2

    @property
    def level(self) -> float:
        """Mean of a day's value."""
        return RARE_LEVEL if self.rare else LEVEL

    @property
    def spread(self) -> float:
        """Standard deviation of a day's value."""
        return RARE_LEVEL / np.sqrt(RARE_SHAPE) if self.rare else SPREAD


SCENARIOS = (
    Scenario("phi 0", phi=0.0),
    Scenario("phi 0.3", phi=0.3),
    Scenario("phi 0.5"),
    Scenario("phi 0.7", phi=0.7),
    Scenario("gaps", gap_share=0.2, gap_week=True),
    Scenario("weekend +0.75 SD", weekend=0.75),
    Scenario("3 % outliers of 4 SD", outlier_share=0.03),
    Scenario("noise of sessions", session_noise=1.0),
    Scenario("rare expression", rare=True),
)


def series(scenario: Scenario, count: int, days: int, rng: np.random.Generator) -> Floats:
    """[count, days] of daily values with the scenario's level and spread; NaN on a day without data.

    The standard deviation is that of one day's value over all days, noise of sessions included; weekends and outliers
    come on top of it.
    """
    state = _autoregressive(scenario.phi, count, days, rng)
    if scenario.session_noise:
        noise = scenario.session_noise * rng.standard_normal((count, days, SESSIONS)).mean(axis=2)
        state = (state + noise) / np.sqrt(1 + scenario.session_noise**2 / SESSIONS)
    if scenario.rare:
        state = (gamma.ppf(norm.cdf(state), RARE_SHAPE) - RARE_SHAPE) / np.sqrt(RARE_SHAPE)
    first_weekday = rng.integers(0, 7, size=(count, 1))
    state = state + scenario.weekend * ((first_weekday + np.arange(days)) % 7 >= 5)
    wild = rng.random((count, days)) < scenario.outlier_share
    state = state + wild * scenario.outlier * rng.choice([-1.0, 1.0], size=(count, days))
    state[rng.random((count, days)) < scenario.gap_share] = np.nan
    if scenario.gap_week:
        start = rng.integers(10, 50, size=(count, 1))
        state[(np.arange(days) >= start) & (np.arange(days) < start + 7)] = np.nan
    values: Floats = np.clip(scenario.level + scenario.spread * state, 0, 1)
    return values


def _autoregressive(phi: float, count: int, days: int, rng: np.random.Generator) -> Floats:
    """Stationary AR(1) with variance 1."""
    innovation = rng.standard_normal((count, days))
    state = np.empty((count, days))
    state[:, 0] = innovation[:, 0]
    for day in range(1, days):
        state[:, day] = phi * state[:, day - 1] + np.sqrt(1 - phi**2) * innovation[:, day]
    return state
