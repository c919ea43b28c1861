"""Personal baselines of many series at once, growing day by day: centre, spread, correlation and their precision."""

from dataclasses import dataclass

import numpy as np

from reports.measures import Thresholds
from reports.statistics.estimates import (
    CENTRE_EFFICIENCY,
    QN_EFFICIENCY,
    Bools,
    Floats,
    Ints,
    centre_and_spread,
    entries,
    equivalent_days,
    shrunk_phi,
    spread_shortfall,
    variance_of_mean,
)


@dataclass
class GrowingBaseline:
    """The first days of each series and the estimates from them. Arrays are [series] unless noted otherwise."""

    values: Floats  # [series, most days], filled from the left
    days: Ints  # [series, most days], index of the calendar day of each value
    count: Ints  # number of days taken so far
    centre: Floats  # NaN until there are enough days
    spread: Floats  # standard deviation of one day, in the unit of the values
    phi: Floats  # correlation of one day with the next
    doubt: Floats  # variance of the centre, in squared spreads
    degrees: Floats  # degrees of freedom of the spread
    stale: Bools  # whether days were added or removed since the last estimate

    @classmethod
    def empty(cls, series: int, thresholds: Thresholds) -> "GrowingBaseline":
        """Baselines without any day."""
        room = (series, thresholds.max_baseline_days)
        return cls(
            values=np.zeros(room),
            days=np.zeros(room, dtype=np.int64),
            count=np.zeros(series, dtype=np.int64),
            centre=np.full(series, np.nan),
            spread=np.zeros(series),
            phi=np.full(series, thresholds.expected_phi),
            doubt=np.zeros(series),
            degrees=np.full(series, thresholds.least_degrees),
            stale=np.zeros(series, dtype=bool),
        )

    def learn(self, rows: Bools, value: Floats, day: Ints) -> None:
        """Add one day, [series], to the baselines of `rows` that have room; `value` and `day` are [series]."""
        at = np.flatnonzero(rows & (self.count < self.values.shape[1]))
        self.values[at, self.count[at]] = value[at]
        self.days[at, self.count[at]] = day[at]
        self.count[at] += 1
        self.stale[at] = True

    def forget(self, rows: Ints, since: Ints, thresholds: Thresholds) -> None:
        """Remove the days from `since` on, [rows], but keep the `min_baseline_days` that a baseline needs."""
        number = np.arange(self.values.shape[1])
        before = (self.days[rows] < since[:, None]) & (number < self.count[rows][:, None])
        least = np.minimum(self.count[rows], thresholds.min_baseline_days)
        left = np.maximum(before.sum(axis=1), least)
        self.stale[rows] |= left != self.count[rows]
        self.count[rows] = left

    def relearn(self, known: "DaysToLearn", thresholds: Thresholds, rows: Ints | slice = slice(None)) -> None:
        """Rebuild the baselines of `rows` from the days handed over so far, after these days have changed.

        A baseline that would lose days it needs stays as it is, see `forget`.
        """
        number, room = np.arange(known.values.shape[1]), self.values.shape[1]
        quiet, kept, kept_days = known.quiet[rows], known.values[rows], known.days[rows]
        fit = quiet & (number < known.passed[rows, None]) & ~np.isnan(kept)
        order = np.argsort(~fit, axis=1, kind="stable")[:, :room]
        count = np.minimum(fit.sum(axis=1), room)
        taken = np.arange(order.shape[1]) < count[:, None]
        values, days = np.zeros_like(self.values[rows]), np.zeros_like(self.days[rows])
        values[:, : order.shape[1]] = np.where(taken, np.take_along_axis(kept, order, axis=1), 0)
        days[:, : order.shape[1]] = np.where(taken, np.take_along_axis(kept_days, order, axis=1), 0)
        enough = count >= np.minimum(self.count[rows], thresholds.min_baseline_days)
        differ = (values != self.values[rows]) | (days != self.days[rows])
        self.stale[rows] |= enough & (differ.any(axis=1) | (count != self.count[rows]))
        at = np.arange(len(self.count))[rows][enough]
        self.values[at], self.days[at], self.count[at] = values[enough], days[enough], count[enough]

    def days_taken(self, rows: Ints, count: int) -> Bools:
        """[rows, count]: whether the baseline includes each calendar day."""
        taken, days = np.zeros((len(rows), count), dtype=bool), self.days[rows]
        row, place = np.nonzero(np.arange(days.shape[1]) < self.count[rows, None])
        taken[row, days[row, place]] = True
        return taken

    def estimate(self, thresholds: Thresholds) -> Ints:
        """Re-estimate the baselines whose days changed, if they have enough days; formulas in `estimates`.

        Returns:
            The series that were re-estimated. What was derived from the baselines of all others is still valid.
        """
        rows = self.stale & (self.count >= thresholds.min_baseline_days)
        self.stale &= ~rows
        for count in np.unique(self.count[rows]).tolist():
            these = np.flatnonzero(rows & (self.count == count))
            samples = self.values[these, :count]
            centre, spread = centre_and_spread(samples)
            deviations = (samples - centre[:, None]) / np.maximum(spread, 1e-9)[:, None]
            neighbours = (np.diff(self.days[these, :count], axis=1) == 1).astype(np.float64)
            phi = shrunk_phi(deviations, neighbours, thresholds.expected_phi, thresholds.expected_phi_pairs)
            self.centre[these] = centre
            self.spread[these] = spread / spread_shortfall(count, phi)
            self.phi[these] = phi
            self.doubt[these] = variance_of_mean(count, phi) / CENTRE_EFFICIENCY
            self.degrees[these] = np.maximum(QN_EFFICIENCY * equivalent_days(count, phi), thresholds.least_degrees)
        return np.flatnonzero(rows)

    def limit(self, quantiles: Floats, variance: Floats) -> Floats:
        """Half-width of the limits around the centre, for a statistic with this variance.

        Student's quantile times the spread times the root of the variance. This is the prediction interval of Hahn and
        Meeker, Statistical Intervals, 1991, section 4.7, with degrees of freedom for correlated days.

        Args:
            quantiles: [series], see `StudentQuantiles`.
            variance: [series], of the statistic minus the centre, in squared spreads.
        """
        half_width: Floats = quantiles * self.spread * np.sqrt(variance)
        return half_width


@dataclass(frozen=True)
class Limits:
    """A centre and the limits around it, in the unit of the values; [series], NaN without a baseline."""

    centre: Floats
    low: Floats
    high: Floats

    def side(self, values: Floats) -> Ints:
        """+1 above the upper limit, -1 below the lower one, else 0."""
        return (values > self.high).astype(np.int64) - (values < self.low).astype(np.int64)

    def size(self, values: Floats) -> Floats:
        """Distance from the centre, as a multiple of the distance to the limit on that side."""
        width = np.where(values >= self.centre, self.high - self.centre, self.centre - self.low)
        away = np.abs(values - self.centre)
        result: Floats = np.divide(away, width, out=np.zeros_like(away), where=(width > 0) | np.isnan(width))
        return result


class StudentQuantiles:
    """Student's quantiles with the tail probability of given sigmas of a normal distribution, per baseline."""

    def __init__(self, sigmas: Floats, base: GrowingBaseline) -> None:
        """Start with baselines that are not estimated yet; `sigmas` is [kinds, series]."""
        from scipy.special import ndtr  # slow to import, and most commands do not need it

        self.rarity: Floats = ndtr(sigmas)
        self.values: Floats = np.empty(sigmas.shape)  # [kinds, series]
        self.update(base, np.arange(sigmas.shape[1]))

    def update(self, base: GrowingBaseline, rows: Ints) -> None:
        """Recompute the quantiles of `rows`, whose baselines were re-estimated."""
        from scipy.special import stdtrit

        self.values[:, rows] = stdtrit(base.degrees[rows], self.rarity[:, rows])


class DaysToLearn:
    """All valid days of each series, in the order in which they are handed to the baseline; arrays are [series, days].

    If days are compared like with like, a day that cannot be compared is kept without a value (NaN).
    """

    def __init__(self, values: Floats) -> None:
        self.values: Floats = np.full(values.shape, np.nan)  # filled from the left
        self.days = np.zeros(values.shape, dtype=np.int64)
        self.quiet = np.ones(values.shape, dtype=bool)  # whether the baseline may learn the day
        self.gaps = False  # whether there may be days without a value
        self.seen, self.passed = np.zeros((2, len(values)), dtype=np.int64)  # [series], days kept and handed over

    def hand_over(self, base: GrowingBaseline, thresholds: Thresholds) -> None:
        """Hand one day per series to the baseline: at once while it is too short to be used, later with a delay."""
        old = self.seen - self.passed >= thresholds.learning_delay
        short = (base.count < thresholds.min_baseline_days) & (self.seen > self.passed)
        due = np.flatnonzero(old | short)
        at = self.passed[due]
        rows = np.zeros(len(self.seen), dtype=bool)
        value, day = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
        rows[due], value[due], day[due] = self.quiet[due, at], self.values[due, at], self.days[due, at]
        base.learn(rows & ~np.isnan(value), value, day)
        self.passed[due] += 1

    def add(self, value: Floats, day: int, quiet: Bools, recorded: Bools | None = None) -> None:
        """Append one day, [series], where it has a value, or where it was `recorded` if that is given.

        The baseline will never learn a day that is not `quiet`, which means one with an open episode.
        """
        rows = np.flatnonzero(~np.isnan(value) if recorded is None else recorded)
        self.gaps |= bool(np.isnan(value[rows]).any())
        self.values[rows, self.seen[rows]] = value[rows]
        self.days[rows, self.seen[rows]] = day
        self.quiet[rows, self.seen[rows]] = quiet[rows]
        self.seen[rows] += 1

    def hold_back(self, rows: Ints, since: Ints) -> None:
        """Mark the days known so far, from `since` on, [rows], as never to be learnt."""
        self.quiet[rows] &= (self.days[rows] < since[:, None]) | np.isnan(self.values[rows])

    def start_again(self, rows: Ints, since: Ints) -> None:
        """Let the baseline learn the days known so far from `since` on, [rows], and none before."""
        yet_to_come = np.arange(self.values.shape[1]) >= self.seen[rows][:, None]
        self.quiet[rows] = yet_to_come | (self.days[rows] >= since[:, None])

    def latest(self, rows: Ints, count: int) -> tuple[Floats, Ints]:
        """Values and days of the last `count` days with a value, newest on the right; NaN if there are fewer."""
        number, back = self.seen[rows], np.arange(count, 0, -1)
        if self.gaps:
            compared = ~np.isnan(self.values[rows, : self.seen.max(initial=0)])
            number = compared.sum(axis=1)
        at = number[:, None] - back
        kept = np.maximum(at, 0)
        if (number < self.seen[rows]).any():  # skip days that were kept without a value
            kept = np.take_along_axis(np.argsort(~compared, axis=1, kind="stable"), kept, axis=1)
        values: Floats = np.where(at >= 0, entries(self.values, rows, kept), np.nan)
        return values, entries(self.days, rows, kept)

    def by_calendar(self, count: int) -> tuple[Bools, Bools]:
        """[series, count]: which calendar days may be learnt, and which have been handed to the baseline."""
        quiet, passed = np.zeros((2, len(self.seen), count), dtype=bool)
        row, place = np.nonzero(np.arange(self.values.shape[1]) < self.seen[:, None])
        quiet[row, self.days[row, place]] = self.quiet[row, place]
        passed[row, self.days[row, place]] = place < self.passed[row]
        return quiet, passed

    def replace(self, rows: Ints, values: Floats) -> None:
        """Replace the values of all days of `rows`; `values` is [rows, calendar days]."""
        row, place = np.nonzero(np.arange(self.values.shape[1]) < self.seen[rows, None])
        self.values[rows[row], place] = values[row, self.days[rows[row], place]]
        self.gaps = True
