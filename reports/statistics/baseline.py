"""Personal baselines of many series at once, growing day by day: centre, spread, correlation, and how sure they are."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

from reports.measures import Thresholds
from reports.statistics.autocorrelation import equivalent_days, shrunk_phi, spread_shortfall, variance_of_mean
from reports.statistics.robust import CENTRE_EFFICIENCY, QN_EFFICIENCY, Floats, centre_and_spread

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass
class GrowingBaseline:
    """The first days of each series and what they say. Arrays are [series] unless said otherwise."""

    values: Floats  # [series, most days], filled from the left
    days: Ints  # [series, most days], index of the calendar day of each value
    count: Ints  # days taken so far
    centre: Floats  # NaN while there are too few days
    spread: Floats  # standard deviation of one day, in the unit of the values
    phi: Floats  # correlation of one day with the next
    doubt: Floats  # variance of the centre, in squared spreads
    degrees: Floats  # of freedom of the spread
    stale: Bools  # whether days were taken since the last estimate

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

    def learn(self, rows: Bools, value: Floats, day: Ints) -> Bools:
        """Take a day into the baselines of `rows` that have room, and return which took it."""
        taken: Bools = rows & (self.count < self.values.shape[1])
        at = np.flatnonzero(taken)
        self.values[at, self.count[at]] = value[at]
        self.days[at, self.count[at]] = day[at]
        self.count[at] += 1
        self.stale[at] = True
        return taken

    def estimate(self, thresholds: Thresholds) -> None:
        """Estimate anew where days were taken and there are enough of them; formulas in robust and autocorrelation."""
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

    def limit(self, sigmas: Floats, variance: Floats) -> Floats:
        """Half-width of limits around the centre for a statistic of this variance.

        Student's quantile that is as rare as `sigmas` of a normal distribution, times spread and the root of the
        variance: the prediction interval (Hahn and Meeker, Statistical Intervals, 1991, section 4.7), with the degrees
        of freedom that correlated days are worth.

        Args:
            sigmas: [series], of a normal distribution.
            variance: [series], of the statistic less the centre, in squared spreads.
        """
        quantile = stdtrit(self.degrees, ndtr(sigmas))
        half_width: Floats = quantile * self.spread * np.sqrt(variance)
        return half_width
