"""Like with like: removes the effects of situations, so that days recorded in different situations can be compared.

Care, a meal or therapy moves a face by itself. A day consists of parts, one for each situation in which it was
recorded. The effect of a situation is learnt from days that the baseline may learn, and is subtracted before days are
compared.
"""

from dataclasses import dataclass

import numpy as np

from reports.measures import Thresholds
from reports.statistics.baseline import DaysToLearn, GrowingBaseline
from reports.statistics.estimates import Bools, Floats, Ints, to_even

# Ratio of the variance that the situations of a day share to the variance of each situation alone. It weights days with
# several situations against days with a single one; the estimate is unbiased for any value.
SHARED_VARIANCE = 1.0


@dataclass(frozen=True)
class Parts:
    """The parts of the days; [series, days, situations], with each patient's situations in a fixed order."""

    values: Floats  # mean of the day's sessions in the situation, in the unit of the series; NaN without any
    frames: Floats  # scored frames behind it; 0 without any


class LikeWithLike:
    """Subtracts the effects of situations from the days, using for each day only what was known before it."""

    def __init__(self, parts: Parts, values: Floats, highest: Floats, thresholds: Thresholds) -> None:
        """Start with parts and `values`, [series, days], in the unit of the series; `highest` as in `to_even`."""
        shape = parts.values.shape
        even = to_even(parts.values.reshape(shape[0], -1), highest).reshape(shape)
        self.even = np.where(np.isnan(values)[:, :, None], np.nan, even)
        self.frames = np.where(np.isnan(self.even), 0, parts.frames)
        self.thresholds = thresholds
        self.known = np.zeros((shape[0], shape[2]), dtype=bool)  # which situations have enough earlier days
        self.first = np.full(shape[0], -1)  # reference situation: the one known first; -1 for none
        self.learnt = np.zeros(shape, dtype=bool)  # days that the effects are learnt from
        self.effects = np.zeros((shape[0], shape[2]))  # of each situation, as learnt from these days
        self.days = np.full(shape[:2], np.nan)  # the days without these effects, on the even scale

    def prepare(self, day: int, known: DaysToLearn, base: GrowingBaseline) -> Floats:
        """Make all days up to this one comparable, with the effects of situations learnt from earlier days.

        Earlier days are recomputed only for series whose effects change, which is rare after some weeks.

        Returns:
            [series, days up to this one], on the even scale; NaN on a day without data, or with too few frames in
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
        """The days `days` of the series `rows` without the effects of their situations; see `prepare`."""
        frames = np.where(self.known[rows, None, :], self.frames[rows, days], 0)
        sums = (frames * np.nan_to_num(self.even[rows, days] - self.effects[rows, None, :])).sum(axis=2)
        total = frames.sum(axis=2)
        counts = total >= self.thresholds.min_frames_per_day
        compared: Floats = np.where(counts, sums / np.where(counts, total, 1), np.nan)
        return compared

    def _learn(self, count: int, known: DaysToLearn) -> Bools:
        """Choose the days that each situation's effect is learnt from: the first of `count` days that may be learnt.

        A situation that is known stays known: if a flag takes back its days, as many stay as it needs. Otherwise
        nothing could be compared, and the flag could never close.

        Returns:
            [series], whether the chosen days have changed.
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
        """Difference of each situation from the one that was known first, [rows, situations]; 0 if unknown.

        Least squares with a random effect of the day (Henderson, in Statistical Genetics and Plant Breeding, 1963):
        situations of the same day are compared within that day, days with a single situation across days.
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
