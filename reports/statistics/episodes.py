"""The life of a flag: it opens when a rule speaks, stays open while the values have not come back, and closes.

While it is open nothing is learnt, nor are the days from its onset on, so that a change that stays is never taken for
the patient's usual self.
"""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.measures import Thresholds
from reports.statistics.baseline import Bools, DaysToLearn, GrowingBaseline, Ints
from reports.statistics.change_point import onset_of_step
from reports.statistics.robust import Floats

Record = defaultdict[str, list[npt.NDArray[Any]]]  # columns of the chart by the name of its field


class Episodes:
    """The newest episode of each series; arrays are [series], days are indices of calendar days, -1 for none."""

    def __init__(self, series: int) -> None:
        self.sign = np.zeros(series, dtype=np.int64)  # +1 above, -1 below while it is open, 0 once it is closed
        self.opened, self.closed, self.onset, self.earliest, self.latest = np.full((5, series), -1, dtype=np.int64)
        self.first = np.zeros(series, dtype=np.int64)  # the onset cannot lie before this day
        self.valid_days = np.zeros(series, dtype=np.int64)  # since it opened, the first one included
        self.direction = np.zeros(series, dtype=np.int64)  # the sign, kept when it has closed
        self.evidence = np.zeros(series)  # log likelihood of "still away" against "back", capped
        self.last_deviation, self.last_day = np.zeros(series), np.zeros(series, dtype=np.int64)

    def step(
        self, day: int, value: Floats, spoke: Ints, base: GrowingBaseline, known: DaysToLearn, thresholds: Thresholds
    ) -> None:
        """Judge one more day: go on, close, open.

        Args:
            day: index of the calendar day.
            value: [series], on the even scale, NaN on a day without enough data.
            spoke: [series], which way a rule spoke, +1, -1 or 0.
            base: of the days before.
            known: all valid days, this one included.
            thresholds: limits for closing and dating.
        """
        seen = ~np.isnan(value) & ~np.isnan(base.centre)
        deviation = np.where(seen, (value - base.centre) / np.maximum(base.spread, 1e-9), 0)
        going_on = seen & (self.sign != 0)
        self.valid_days += going_on
        self._weigh(going_on, day, deviation, base, thresholds)
        self.evidence = np.where(going_on & (spoke == self.sign), thresholds.back_cap, self.evidence)
        back = going_on & ((self.evidence <= -thresholds.back_evidence) | (spoke == -self.sign))
        self.sign[back] = 0
        self.closed[back] = day
        self._open(seen & (spoke != 0) & (self.sign == 0), day, spoke, base, thresholds)
        self.last_deviation = np.where(seen, deviation, self.last_deviation)
        self.last_day = np.where(seen, day, self.last_day)
        self._date(seen & (self.sign != 0) & (self.valid_days <= thresholds.dating_days), base, known, thresholds)

    def record(self, record: Record) -> None:
        """Note how each series stands after the day."""
        columns = {
            "episode": self.sign,
            "direction": self.direction,
            "opened": self.opened,
            "closed": self.closed,
            "onset": self.onset,
            "onset_earliest": self.earliest,
            "onset_latest": self.latest,
            "valid_days": self.valid_days,
        }
        for name, column in columns.items():
            record[name].append(column.copy())

    def _weigh(self, rows: Bools, day: int, deviation: Floats, base: GrowingBaseline, thresholds: Thresholds) -> None:
        """Add what the day's innovation says for "still as far away as a change worth finding" against "back".

        The two are told apart as in Wald's sequential test (Annals of Mathematical Statistics 16, 1945); the sum never
        rises above the cap, so that a long absence does not delay the return.
        """
        carried = base.phi ** np.maximum(day - self.last_day, 1)
        shift = thresholds.back_shift * (1 - carried)
        innovation = self.sign * (deviation - carried * self.last_deviation)
        told = shift * (innovation - shift / 2) / (1 - carried**2)
        self.evidence = np.where(rows, np.minimum(self.evidence + told, thresholds.back_cap), self.evidence)

    def _open(self, rows: Bools, day: int, spoke: Ints, base: GrowingBaseline, thresholds: Thresholds) -> None:
        """Open an episode where there is none."""
        earliest = base.days[rows, thresholds.min_baseline_days - 1] + 1
        self.first[rows] = np.maximum(earliest, self.closed[rows] + 1)
        self.sign[rows] = self.direction[rows] = spoke[rows]
        self.opened[rows] = day
        self.closed[rows] = -1
        self.valid_days[rows] = 1
        self.evidence[rows] = 0.0

    def _date(self, rows: Bools, base: GrowingBaseline, known: DaysToLearn, thresholds: Thresholds) -> None:
        """Estimate the onset, and take back what was learnt since."""
        at = np.flatnonzero(rows)
        if not at.size:
            return
        values, days = known.latest(at, thresholds.dating_window)
        deviations = (values - base.centre[at, None]) / np.maximum(base.spread[at, None], 1e-9)
        onset = onset_of_step(
            deviations, days, base.phi[at], self.sign[at], self.first[at], self.opened[at], thresholds.onset_share
        )
        self.onset[at], self.earliest[at], self.latest[at] = onset.day, onset.earliest, onset.latest
        known.hold_back(at, onset.earliest)
        base.forget(at, onset.earliest, thresholds)
