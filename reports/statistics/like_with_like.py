"""Like with like: each day as it would be in one situation, by what each situation is like for the patient.

Care, a meal or therapy moves a face by itself. A day is made of parts, one for each situation in which it was recorded.
What a situation adds is learnt from the days that the baseline may learn, and is taken off before days are compared.
"""

from dataclasses import dataclass

import numpy as np

from reports.measures import Thresholds
from reports.statistics.baseline import DaysToLearn, GrowingBaseline
from reports.statistics.estimates import Floats, to_even

# Variance that the situations of a day share, in variances of what each has of its own. It decides how much days of
# several situations tell beside days of a single one; the estimate is unbiased whatever it is.
SHARED_VARIANCE = 1.0


@dataclass(frozen=True)
class Parts:
    """What the days are made of; [series, days, situations], the situations of one patient in any fixed order."""

    values: Floats  # mean of the day's sessions in the situation, in the unit of the series; NaN without any
    frames: Floats  # scored frames behind it; 0 without any


class LikeWithLike:
    """Takes the effects of the situations off the days, anew each day by what was known before it."""

    def __init__(self, parts: Parts, values: Floats, highest: Floats, thresholds: Thresholds) -> None:
        """Prepare the parts of the days whose `values` are charted, both before the even scale."""
        shape = parts.values.shape
        even = to_even(parts.values.reshape(shape[0], -1), highest).reshape(shape)
        self.even = np.where(np.isnan(values)[:, :, None], np.nan, even)
        self.frames = np.where(np.isnan(self.even), 0, parts.frames)
        self.thresholds = thresholds
        self.known = np.zeros((shape[0], shape[2]), dtype=bool)  # which situations have enough days before the newest
        self.first = np.full(shape[0], -1)  # the situation of each series that was known first
        self.learnt = np.zeros((shape[0], 0, shape[2]), dtype=bool)  # from which days; [series, days, situations]

    def prepare(self, day: int, known: DaysToLearn, base: GrowingBaseline) -> Floats:
        """Make all days up to this one comparable, by what the patient's earlier days say of each situation.

        Returns:
            [series, days up to this one], on the even scale; NaN on a day without data, or with too little in
            situations that have enough earlier days.
        """
        even = self.even[:, : day + 1]
        self._learn(even, known)
        effects = self._effects(even)
        compared = np.where(self.known[:, None, :], self.frames[:, : day + 1], 0)
        frames = compared.sum(axis=2)
        sums = (compared * np.nan_to_num(even - effects[:, None, :])).sum(axis=2)
        counts = frames >= self.thresholds.min_frames_per_day
        days: Floats = np.where(counts, sums / np.where(counts, frames, 1), np.nan)
        known.replace(days)
        base.relearn(known, self.thresholds)
        return days

    def _learn(self, even: Floats, known: DaysToLearn) -> None:
        """Choose the days that tell of each situation: the first ones that may be learnt.

        A situation that was known stays known: where a flag takes back its days, so many stay as it needs. Else nothing
        could be compared, and the flag never end.
        """
        least, most = self.thresholds.min_situation_days, self.thresholds.max_baseline_days
        quiet, passed = known.by_calendar(even.shape[1])
        fit = ~np.isnan(even) & quiet[:, :, None]
        fit &= passed[:, :, None] | (fit.cumsum(axis=1) <= least)
        number = fit.cumsum(axis=1)
        enough = number[:, -1] >= least
        before = np.zeros_like(fit)
        before[:, : self.learnt.shape[1]] = self.learnt & (self.learnt.cumsum(axis=1) <= least)
        lost = self.known & ~enough
        self.learnt = np.where(lost[:, None, :], before, fit & (number <= most) & enough[:, None, :])
        self.known |= enough
        since = np.where(enough, (number >= least).argmax(axis=1), fit.shape[1])
        self.first = np.where((self.first < 0) & enough.any(axis=1), since.argmin(axis=1), self.first)

    def _effects(self, even: Floats) -> Floats:
        """How far each situation lies from the one that was known first, [series, situations]; 0 where it is unknown.

        Least squares with a random effect of the day (Henderson, in Statistical Genetics and Plant Breeding, 1963): two
        situations of one day are compared with each other, and days of a single one as a whole.
        """
        each, value = self.learnt.astype(np.float64), np.where(self.learnt, even, 0)
        shared = SHARED_VARIANCE / (1 + SHARED_VARIANCE * each.sum(axis=2))
        weighted = shared[:, :, None] * each
        one = np.eye(each.shape[2])
        left = one * (each.sum(axis=1) + ~self.known)[:, None, :] - np.einsum("sdg,sdh->sgh", weighted, each)
        right = value.sum(axis=1) - (weighted * value.sum(axis=2, keepdims=True)).sum(axis=1)
        level = np.linalg.solve(left, right[:, :, None])[:, :, 0]
        against = np.take_along_axis(level, np.maximum(self.first, 0)[:, None], axis=1)
        effects: Floats = np.where(self.known, level - against, 0)
        return effects
