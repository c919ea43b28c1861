"""Like with like: each day as it would be in one situation, by what each situation is like for the patient.

Care, a meal or therapy moves a face by itself. A day is made of parts, one for each situation in which it was recorded.
What a situation adds is learnt from the days that the baseline may learn, and is taken off before days are compared.
"""

from dataclasses import dataclass

import numpy as np

from reports.measures import Thresholds
from reports.statistics.baseline import DaysToLearn, GrowingBaseline
from reports.statistics.estimates import Bools, Floats, to_even

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

    def prepare(self, day: int, known: DaysToLearn, base: GrowingBaseline) -> Floats:
        """Make all days up to this one comparable, by what the patient's earlier days say of each situation.

        Returns:
            [series, days up to this one], on the even scale; NaN on a day without data, or with too little in
            situations that have enough earlier days.
        """
        even = self.even[:, : day + 1]
        effects, self.known = self._effects(even, known)
        compared = np.where(self.known[:, None, :], self.frames[:, : day + 1], 0)
        frames = compared.sum(axis=2)
        sums = (compared * np.nan_to_num(even - effects[:, None, :])).sum(axis=2)
        counts = frames >= self.thresholds.min_frames_per_day
        days: Floats = np.where(counts, sums / np.where(counts, frames, 1), np.nan)
        known.replace(days)
        base.relearn(known)
        return days

    def _effects(self, even: Floats, known: DaysToLearn) -> tuple[Floats, Bools]:
        """How far each situation lies from the first that was known, and which ones are known; [series, situations].

        Least squares with a random effect of the day (Henderson, in Statistical Genetics and Plant Breeding, 1963): two
        situations of one day are compared with each other, and days of a single one as a whole.
        """
        least, most = self.thresholds.min_situation_days, self.thresholds.max_baseline_days
        quiet, passed = known.by_calendar(even.shape[1])
        have = ~np.isnan(even) & quiet[:, :, None]
        have &= passed[:, :, None] | (have.cumsum(axis=1) <= least)
        number = have.cumsum(axis=1)
        have &= number <= most
        enough = number[:, -1] >= least
        have &= enough[:, None, :]
        each, value = have.astype(np.float64), np.where(have, even, 0)
        shared = SHARED_VARIANCE / (1 + SHARED_VARIANCE * each.sum(axis=2))
        weighted = shared[:, :, None] * each
        one = np.eye(each.shape[2])
        left = one * (each.sum(axis=1) + ~enough)[:, None, :] - np.einsum("sdg,sdh->sgh", weighted, each)
        right = value.sum(axis=1) - (weighted * value.sum(axis=2, keepdims=True)).sum(axis=1)
        level = np.linalg.solve(left, right[:, :, None])[:, :, 0]
        since = np.where(enough, (number >= least).argmax(axis=1), have.shape[1])
        first = since.argmin(axis=1)[:, None]
        return level - np.take_along_axis(level, first, axis=1), enough
