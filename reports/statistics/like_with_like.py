"""Like with like: each day as it would be in one situation, by what each situation is like for the patient.

Care, a meal or therapy moves a face by itself. A day is made of parts, one for each situation in which it was recorded.
What a situation adds is learnt from the days that the baseline may learn, and is taken off before days are compared.
"""

from dataclasses import dataclass

import numpy as np

from reports.measures import Thresholds
from reports.statistics.baseline import DaysToLearn, GrowingBaseline
from reports.statistics.estimates import Bools, Floats, Ints, to_even

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
        self.learnt = np.zeros(shape, dtype=bool)  # from which days; [series, days, situations]
        self.effects = np.zeros((shape[0], shape[2]))  # of the situations, as learnt from these days
        self.days = np.full(shape[:2], np.nan)  # without these effects

    def prepare(self, day: int, known: DaysToLearn, base: GrowingBaseline) -> Floats:
        """Make all days up to this one comparable, by what the patient's earlier days say of each situation.

        Days that were made comparable before stay so until the effects change, as they rarely do after some weeks.

        Returns:
            [series, days up to this one], on the even scale; NaN on a day without data, or with too little in
            situations that have enough earlier days.
        """
        self.days[:, day] = self._compared(slice(None), slice(day, day + 1))[:, 0]
        rows = np.flatnonzero(self._learn(day + 1, known))
        if len(rows):
            self.effects[rows] = self._effects(rows, day + 1)
            self.days[rows, : day + 1] = self._compared(rows, slice(day + 1))
            known.replace(rows, self.days[rows])
        base.relearn(known, self.thresholds)
        return self.days[:, : day + 1]

    def _compared(self, rows: Ints | slice, days: slice) -> Floats:
        """Some days of some series without the effects of their situations; see `prepare`."""
        frames = np.where(self.known[rows, None, :], self.frames[rows, days], 0)
        sums = (frames * np.nan_to_num(self.even[rows, days] - self.effects[rows, None, :])).sum(axis=2)
        total = frames.sum(axis=2)
        counts = total >= self.thresholds.min_frames_per_day
        compared: Floats = np.where(counts, sums / np.where(counts, total, 1), np.nan)
        return compared

    def _learn(self, count: int, known: DaysToLearn) -> Bools:
        """Choose the days that tell of each situation: the first ones, of so many days, that may be learnt.

        A situation that was known stays known: where a flag takes back its days, so many stay as it needs. Else nothing
        could be compared, and the flag never end.

        Returns:
            The series of which other days tell than before; [series].
        """
        least, most = self.thresholds.min_situation_days, self.thresholds.max_baseline_days
        quiet, passed = known.by_calendar(count)
        fit = ~np.isnan(self.even[:, :count]) & quiet[:, :, None]
        fit &= passed[:, :, None] | (fit.cumsum(axis=1) <= least)
        number = fit.cumsum(axis=1)
        enough = number[:, -1] >= least
        before = self.learnt[:, :count]
        lost = self.known & ~enough
        learnt = fit & (number <= most) & enough[:, None, :]
        if lost.any():
            learnt = np.where(lost[:, None, :], before & (before.cumsum(axis=1) <= least), learnt)
        changed = (learnt != before).any(axis=(1, 2))
        self.learnt[:, :count] = learnt
        self.known |= enough
        since = np.where(enough, (number >= least).argmax(axis=1), count)
        self.first = np.where((self.first < 0) & enough.any(axis=1), since.argmin(axis=1), self.first)
        return np.asarray(changed)

    def _effects(self, rows: Ints, count: int) -> Floats:
        """How far each situation lies from the one that was known first, [rows, situations]; 0 where it is unknown.

        Least squares with a random effect of the day (Henderson, in Statistical Genetics and Plant Breeding, 1963): two
        situations of one day are compared with each other, and days of a single one as a whole.
        """
        learnt, known = self.learnt[rows, :count], self.known[rows]
        each, value = learnt.astype(np.float64), np.where(learnt, self.even[rows, :count], 0)
        shared = SHARED_VARIANCE / (1 + SHARED_VARIANCE * each.sum(axis=2))
        weighted = shared[:, :, None] * each
        one = np.eye(each.shape[2])
        left = one * (each.sum(axis=1) + ~known)[:, None, :] - np.einsum("sdg,sdh->sgh", weighted, each)
        right = value.sum(axis=1) - (weighted * value.sum(axis=2, keepdims=True)).sum(axis=1)
        level = np.linalg.solve(left, right[:, :, None])[:, :, 0]
        against = np.take_along_axis(level, np.maximum(self.first[rows], 0)[:, None], axis=1)
        effects: Floats = np.where(known, level - against, 0)
        return effects
