"""When a change began, and whether the latest days differ as a group: by hand and by simulation."""

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from reports.measures import DEFAULT_THRESHOLDS
from reports.statistics.baseline import DaysToLearn, GrowingBaseline
from reports.statistics.change_point import LastingChange, LastingChanges, Onset, onset_of_step
from reports.statistics.estimates import variance_of_mean

PHI = 0.5


def onset(deviations: np.ndarray, first: int = 0, last: int | None = None, sign: int = 1) -> Onset:
    rows, count = np.atleast_2d(deviations).shape
    days = np.tile(np.arange(count), (rows, 1))

    def all_of(value: float) -> np.ndarray:
        return np.full(rows, value)

    whole = (all_of(value).astype(np.int64) for value in (sign, first, count - 1 if last is None else last))
    return onset_of_step(np.atleast_2d(deviations), days, all_of(PHI), all_of(0.1), *whole, 0.8)


def steps(size: float, before: int, after: int, rows: int = 1000) -> np.ndarray:
    """AR(1) deviations with a step after `before` days."""
    state = np.random.default_rng(5).standard_normal((rows, before + after))
    for day in range(1, before + after):
        state[:, day] = PHI * state[:, day - 1] + np.sqrt(1 - PHI**2) * state[:, day]
    return state + size * (np.arange(before + after) >= before)


def test_a_plain_step_is_dated_to_its_day_either_way() -> None:
    step = np.array([0.1, -0.2, 0.0, 0.2, -0.1, 0.1, 4.0, 4.2, 3.9])
    rise, fall = onset(step), onset(-step, sign=-1)
    assert (rise.day[0], rise.earliest[0], rise.latest[0]) == (6, 6, 6)
    assert fall.day[0] == 6
    shorter = onset(np.concatenate([[np.nan, np.nan], step]))
    assert shorter.day[0] == 8


def test_an_onset_lies_among_the_days_it_may_lie_on() -> None:
    step = np.array([0.1, -0.2, 0.0, 3.8, 4.1, 3.9, 4.0, 4.2, 3.9])
    assert onset(step, first=5).day[0] == 5
    assert onset(step, last=2).latest[0] <= 2


@pytest.mark.parametrize(("size", "least"), [(2.0, 0.75), (3.0, 0.93)])
def test_most_onsets_are_within_two_days_and_their_intervals_hold_them(size: float, least: float) -> None:
    found = onset(steps(size, 28, 6))
    assert (np.abs(found.day - 28) <= 2).mean() >= least
    assert ((found.earliest <= 28) & (found.latest >= 28)).mean() > 0.8


def lasting_change(base: GrowingBaseline, known: DaysToLearn, since: int = 0) -> LastingChange:
    """The lasting change of a single series, however small."""
    changes = LastingChanges(base, known.values.shape[1], DEFAULT_THRESHOLDS)
    changes.update(base, np.arange(1))
    return changes.compare(base, known, np.arange(1), np.array([since]), np.full(1, -1.0))[1]


def test_the_latest_days_are_compared_with_the_baseline_before_them() -> None:
    values = np.array([[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 2.0, 3.0, 2.0, 3.0]])
    base, known = GrowingBaseline.empty(1, DEFAULT_THRESHOLDS), DaysToLearn(values)
    for day, value in enumerate(values[0]):
        if day < 8:
            base.learn(np.ones(1, dtype=bool), np.array([value]), np.array([day]))
        known.add(np.array([value]), day, np.ones(1, dtype=bool))
    base.centre[:], base.spread[:], base.phi[:] = 0.5, 5.0, PHI
    found = lasting_change(base, known)
    assert (found.mean[0, 0], found.mean_before[0, 0]) == (2.5, 0.5)  # four days, the fewest compared
    assert not np.isnan(found.mean[0, 1])  # five days leave seven before them
    assert np.isnan(found.mean[0, 2])
    phi = np.array([PHI])
    before, after = variance_of_mean(8, phi)[0], variance_of_mean(4, phi)[0]
    error = np.sqrt((8 + 4) * 0.25 / (8 * (1 - before) + 4 * (1 - after)) * (before + after))
    degrees = max(10 * (1 - PHI**2) / (1 + PHI**2), DEFAULT_THRESHOLDS.least_degrees)
    assert stdtrit(degrees, ndtr(found.sigmas[0, 0])) == pytest.approx(2 / error, rel=0.02)


def test_days_before_the_last_return_are_not_compared() -> None:
    values = np.tile([0.4, 0.6], (1, 15))
    base, known = GrowingBaseline.empty(1, DEFAULT_THRESHOLDS), DaysToLearn(values)
    for day, value in enumerate(values[0]):
        base.learn(np.full(1, day < 15), np.array([value]), np.array([day]))
        known.add(np.array([value]), day, np.ones(1, dtype=bool))
    base.estimate(DEFAULT_THRESHOLDS)
    found = lasting_change(base, known, since=24)
    assert np.flatnonzero(~np.isnan(found.mean[0])).tolist() == [0, 1, 2]  # the latest four, five, six days
