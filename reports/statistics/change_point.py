"""Lasting changes of level: whether the latest days differ from those before, and when a change began."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.measures import Thresholds
from reports.statistics.baseline import DaysToLearn, GrowingBaseline
from reports.statistics.estimates import Floats, Ints, entries, equivalent_days, from_even, variance_of_mean

EXPECTED_STEP = 2.5  # spreads: expected size of a change (prior); it keeps small, old changes from winning


@dataclass(frozen=True)
class Onset:
    """The most likely first day of a change, and an interval around it; indices of days, [rows] each."""

    day: Ints
    earliest: Ints
    latest: Ints


@dataclass(frozen=True)
class LastingChange:
    """The mean of the latest days against the mean of the baseline's days before them, on the even scale.

    Arrays are [rows, counts], one column for each count of latest days; `mean` is NaN if that many are not compared.
    """

    mean: Floats
    mean_before: Floats
    sigmas: Floats  # difference of the means, in equally rare sigmas of a normal distribution

    def size(self, added: Floats, highest: Floats, least_change: Floats, change_sigmas: Floats) -> Floats:
        """[rows], the largest change over all counts, as a multiple of the limit; 0 if all are below the least change.

        Args:
            added: [rows], what the situations of the day add.
            highest: [rows], see `to_even`.
            least_change: [rows], in the unit of the values.
            change_sigmas: [rows], the limit.
        """
        mean, before = (from_even(each + added[:, None], highest[:, None]) for each in (self.mean, self.mean_before))
        enough = np.abs(mean - before) >= least_change[:, None]
        size = np.where(enough, self.sigmas, 0) / change_sigmas[:, None]
        largest: Floats = np.take_along_axis(size, np.abs(size).argmax(axis=1)[:, None], axis=1)[:, 0]
        return largest


class LastingChanges:
    """Compares the latest 4, 5, 6 ... valid days, as a group, with the baseline's days before them.

    The change-point model of Hawkins, Qiu and Kang (Journal of Quality Technology 35, 2003) with the variances of means
    under AR(1). Unlike limits around a baseline, it never compares the days of a change with themselves, and these days
    help to estimate the spread. A young baseline needs both.

    What depends on a baseline alone is computed once, when the baseline is estimated.
    """

    def __init__(self, base: GrowingBaseline, days: int, thresholds: Thresholds) -> None:
        """Start with baselines that are not estimated yet; `days` is the number of calendar days."""
        series, room = base.values.shape
        self.thresholds = thresholds
        self.count = np.arange(thresholds.change_least_days, thresholds.change_most_days + 1)
        # Of the mean of `count` days: variance, degrees of freedom
        self.doubt, self.free = np.zeros((2, series, len(self.count)))
        self.learnt = np.zeros((series, days + 1), dtype=np.int64)  # number of the baseline's days before each day
        # Of the baseline's first 0, 1, 2 ... days: mean, sum of squares around it, variance of the mean, degrees
        self.before = np.zeros((4, series, room + 1))

    def update(self, base: GrowingBaseline, rows: Ints) -> None:
        """Recompute what depends on the baselines of `rows`, which were re-estimated."""
        phi, number = base.phi[rows, None], np.arange(self.before.shape[2])
        self.doubt[rows] = variance_of_mean(self.count, phi)
        self.free[rows] = self.count * (1 - self.doubt[rows])
        self.learnt[rows] = _from_none(base.days_taken(rows, self.learnt.shape[1] - 1))
        furthest, centre = (self.thresholds.change_clip * base.spread[rows])[:, None], base.centre[rows, None]
        values = np.clip(base.values[rows] - centre, -furthest, furthest)
        values = np.where(number[:-1] < base.count[rows, None], values, 0)
        mean, within = _moments(_from_none(values), _from_none(values**2), np.maximum(number, 1))
        doubt = variance_of_mean(np.maximum(number, 1), phi)
        self.before[:, rows] = mean, within, doubt, number * (1 - doubt)

    def compare(
        self, base: GrowingBaseline, known: DaysToLearn, rows: Ints, since: Ints, sigmas: Floats
    ) -> tuple[Ints, LastingChange]:
        """Compare the latest days of the series in `rows`, and find those that may have changed.

        Args:
            base: the baselines before the newest day.
            known: all valid days, including the newest.
            rows: which series.
            since: [rows], days before this one do not count as latest days.
            sigmas: [rows], the limit; series that cannot reach it are left out of the result.

        Returns:
            Indices into `rows`, and the changes of these series.
        """
        least = self.thresholds.change_least_days
        values, days = known.latest(rows, self.thresholds.change_most_days)
        furthest, centre = (self.thresholds.change_clip * base.spread[rows])[:, None], base.centre[rows, None]
        latest = np.clip(values[:, ::-1] - centre, -furthest, furthest)  # the newest first
        total, square = (terms.cumsum(axis=1)[:, least - 1 :] for terms in (latest, latest**2))
        mean, within = _moments(total, square, self.count)
        start = days[:, ::-1][:, least - 1 :]
        before = entries(self.learnt, rows, start)
        mean_before, within_before, doubt_before, free_before = (entries(each, rows, before) for each in self.before)
        free = np.maximum(self.free[rows] + free_before, 1e-9)
        error = np.sqrt((within + within_before) / free * (self.doubt[rows] + doubt_before))
        student = (mean - mean_before) / np.maximum(error, 1e-9)
        compared = (start >= since[:, None]) & (before >= self.thresholds.min_baseline_days)
        # The equally rare value of a normal distribution is never larger than that of Student's t
        candidates = np.flatnonzero((compared & (np.abs(student) > sigmas[:, None])).any(axis=1))
        degrees = equivalent_days(self.count + before[candidates] - 2, base.phi[rows[candidates], None])
        normal = _normal_of_student(student[candidates], np.maximum(degrees, self.thresholds.least_degrees))
        mean = np.where(compared[candidates], mean[candidates] + centre[candidates], np.nan)
        return candidates, LastingChange(mean, mean_before[candidates] + centre[candidates], normal)


def onset_of_step(
    deviations: Floats, days: Ints, phi: Floats, doubt: Floats, sign: Ints, first: Ints, last: Ints, share: float
) -> Onset:
    """The first day of a lasting change of level, as the change point of an AR(1) series.

    A step at day k changes the innovation of day k by its full size, and those after it by (1 - phi) times its size
    (Box and Tiao, JASA 70, 1975). The likelihood of k is that of the innovations. The size of the step (normal, with
    standard deviation `EXPECTED_STEP`) and the error of the baseline's centre are integrated out. This is a linear
    model with two unknowns, whose log likelihood is (b' A^-1 b - log det A) / 2 up to a constant, where A and b hold
    the sums of squares and products. A step the other way counts as no step. The interval takes the most likely days
    until they hold `share` of the likelihood.

    Args:
        deviations: [rows, n], distances from the baseline's centre in spreads, newest on the right; padded with NaN on
            the left if a series is shorter.
        days: [rows, n], index of the calendar day of each.
        phi: [rows], correlation of one day with the next.
        doubt: [rows], variance of the centre, in squared spreads.
        sign: [rows], +1 for a rise, -1 for a fall.
        first: [rows], first candidate day.
        last: [rows], last candidate day.
        share: share of the likelihood that the interval holds, 0..1.
    """
    upwards = deviations * sign[:, None]
    known = ~np.isnan(upwards)
    before = np.concatenate([np.full((len(upwards), 1), np.nan), upwards[:, :-1]], axis=1)
    gaps = np.maximum(np.diff(days, axis=1, prepend=days[:, :1]), 1)
    carried = np.where(known & ~np.isnan(before), phi[:, None] ** gaps, 0)
    innovation = np.where(known, upwards - carried * np.nan_to_num(before), 0)
    precision = np.where(known, 1 / (1 - carried**2), 0)
    level = np.where(known, 1 - carried, 0)  # effect on the innovations of a centre that is 1 too low
    later = _after(level**2 * precision)
    score, score_centre = (
        innovation * precision + _after(level * innovation * precision),
        level * innovation * precision,
    )
    score_centre = score_centre.sum(axis=1, keepdims=True)
    step, both = precision + later + EXPECTED_STEP**-2, level * precision + later
    centre = (level**2 * precision).sum(axis=1, keepdims=True) + 1 / np.maximum(doubt, 1e-6)[:, None]
    determinant = step * centre - both**2
    rise = (score * centre - score_centre * both) / determinant  # the size of the step
    gain = (centre * score**2 - 2 * both * score * score_centre + step * score_centre**2) / determinant
    likelihood = np.where(rise > 0, gain, score_centre**2 / centre) / 2 - np.log(determinant) / 2
    allowed = known & (days <= last[:, None]) & (days >= first[:, None])
    likelihood = np.where(allowed, likelihood, -np.inf)
    weight = np.exp(likelihood - likelihood.max(axis=1, keepdims=True, initial=-1e9))
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    order = (-weight).argsort(axis=1, kind="stable")
    ranked = np.take_along_axis(weight, order, axis=1)
    inside = np.zeros_like(allowed)
    np.put_along_axis(inside, order, ranked.cumsum(axis=1) - ranked < share, axis=1)
    inside &= allowed
    rows, end = np.arange(len(days)), days.shape[1] - 1
    earliest, latest = inside.argmax(axis=1), end - inside[:, ::-1].argmax(axis=1)
    return Onset(days[rows, likelihood.argmax(axis=1)], days[rows, earliest], days[rows, latest])


def _normal_of_student(value: Floats, degrees: Floats) -> Floats:
    """The equally rare normal deviate for a value of Student's t; Wallace, Biometrika 46, 1959, (3.1)."""
    size: Floats = np.sqrt(degrees * np.log1p(value**2 / degrees)) * (8 * degrees + 1) / (8 * degrees + 3)
    return np.copysign(size, value)


def _moments(total: Floats, square: Floats, count: Ints) -> tuple[Floats, Floats]:
    """The mean and the sum of squares around it, from sums of values and squares."""
    mean = total / count
    return mean, np.maximum(square - count * mean**2, 0)  # rounding must not make it negative


def _from_none(terms: Any) -> Any:
    """[rows, columns + 1], sums of the first 0, 1, 2 ... columns."""
    sums = terms.cumsum(axis=1)
    return np.concatenate([np.zeros_like(sums[:, :1]), sums], axis=1)  # np.pad takes ten times as long


def _after(terms: Floats) -> Floats:
    """For each column, the sum of all columns to its right."""
    after: Floats = terms[:, ::-1].cumsum(axis=1)[:, ::-1] - terms
    return after
