"""The life of a flag: it opens when a rule speaks, stays open while the values have not come back, and closes.

While it is open nothing is learnt, nor are the days from its onset on, so that a change that stays is never taken for
the patient's usual self.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.measures import Thresholds
from reports.statistics.baseline import DaysToLearn, GrowingBaseline
from reports.statistics.change_point import Onset, onset_of_step
from reports.statistics.estimates import Bools, Floats, Ints

Record = defaultdict[str, list[npt.NDArray[Any]]]  # columns of the chart by the name of its field


@dataclass(frozen=True)
class JudgedDay:
    """One day of every series; arrays are [series]."""

    day: int  # index of the calendar day
    value: Floats  # on the even scale; NaN without data or without a baseline
    unit: Floats  # what counts as one spread: never so little that the least change would be many of them
    spoke: Ints  # which way a rule spoke that may open a flag: +1, -1 or 0
    beyond: Ints  # the side on which the day lies beyond its own limits


class Episodes:
    """The newest episode of each series; arrays are [series], days are indices of calendar days, -1 for none."""

    def __init__(self, series: int) -> None:
        self.sign = np.zeros(series, dtype=np.int64)  # +1 above, -1 below while it is open, else 0
        self.direction = np.zeros(series, dtype=np.int64)  # the same, kept when it has closed
        self.opened, self.closed, self.onset, self.earliest, self.latest = np.full((5, series), -1, dtype=np.int64)
        self.first = np.zeros(series, dtype=np.int64)  # its onset cannot lie before this day
        self.passed = np.zeros(series, dtype=np.int64)  # valid days from the one on which it opened
        self.valid_days = np.zeros(series, dtype=np.int64)  # the same until it closed
        # Log likelihood of "still away" against "back" if the centre were known, capped, and what it rests on
        self.evidence, self.information = np.zeros((2, series))
        self.last_deviation, self.last_day = np.zeros(series), np.zeros(series, dtype=np.int64)

    def step(self, today: JudgedDay, base: GrowingBaseline, known: DaysToLearn, thresholds: Thresholds) -> None:
        """Go on by one day: weigh it, close, open, and date the onset.

        Args:
            today: the day.
            base: of the days before; what was learnt since an onset is taken back.
            known: all valid days, this one included; those since an onset are held back.
            thresholds: limits for closing and dating.
        """
        seen = ~np.isnan(today.value)
        deviation = np.where(seen, (today.value - base.centre) / today.unit, 0)
        going_on = seen & (self.sign != 0)
        self.passed += seen
        returned = self._weigh(going_on, today, deviation, base, thresholds)
        back = going_on & (returned | (today.spoke == -self.sign))
        self.valid_days = np.where(going_on, self.passed, self.valid_days)
        self.sign[back], self.closed[back] = 0, today.day
        # The moving average and the latest days lag behind: on the day of the return they may not open it again
        opening = seen & (today.spoke != 0) & (self.sign == 0) & ~(back & (today.spoke == self.direction))
        self._open(opening, today, base, known, thresholds)
        self.last_deviation = np.where(seen, deviation, self.last_deviation)
        self.last_day = np.where(seen, today.day, self.last_day)
        young = np.flatnonzero(seen & (self.sign != 0) & (self.valid_days <= thresholds.dating_days))
        onset = self._date(young, self.opened, today.unit, base, known, thresholds)
        self.onset[young], self.earliest[young], self.latest[young] = onset.day, onset.earliest, onset.latest
        self._unlearn(young, base, known, thresholds)

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

    def _weigh(
        self, rows: Bools, today: JudgedDay, deviation: Floats, base: GrowingBaseline, thresholds: Thresholds
    ) -> Bools:
        """Add what the day's innovation says for "still as far away as a change worth finding", and tell who is back.

        Wald's sequential test of "away" against "back" (Annals of Mathematical Statistics 16, 1945) under AR(1). The
        sum never rises above the cap, so that a long absence does not delay the return, and a day beyond its limits
        takes it there. The error of the centre is the same on every day: with it integrated out, the log likelihood is
        the sum over 1 + error x information, so a flag on a young baseline needs more days to close. The head start of
        `_open` and the cap are part of the sum and fade with it.
        """
        carried = base.phi ** np.maximum(today.day - self.last_day, 1)
        variance = 1 - carried**2
        shift = thresholds.back_shift * (1 - carried)
        innovation = self.sign * (deviation - carried * self.last_deviation)
        told = self.evidence + shift * (innovation - shift / 2) / variance
        away = (today.beyond == self.sign) | (told >= thresholds.back_cap)
        information = np.where(away, 0, self.information + (1 - carried) ** 2 / variance)
        self.evidence = np.where(rows, np.where(away, thresholds.back_cap, told), self.evidence)
        self.information = np.where(rows, information, self.information)
        error = base.doubt * (base.spread / today.unit) ** 2
        result: Bools = self.evidence / (1 + error * self.information) <= -thresholds.back_evidence
        return result

    def _open(
        self, rows: Bools, today: JudgedDay, base: GrowingBaseline, known: DaysToLearn, thresholds: Thresholds
    ) -> None:
        """Open an episode, or one again that closed lately and whose change is dated before it closed."""
        lately = (self.closed >= 0) & (today.day - self.closed < thresholds.back_days)
        self.first = np.where(rows & ~lately, base.days[:, thresholds.min_baseline_days - 1] + 1, self.first)
        again = np.flatnonzero(rows & lately & (today.spoke == self.direction))
        self.sign[rows] = self.direction[rows] = today.spoke[rows]
        onset = self._date(again, np.full(len(rows), today.day), today.unit, base, known, thresholds)
        again = again[onset.day <= self.closed[again]]
        self._unlearn(again, base, known, thresholds)
        self.valid_days[again] = self.passed[again]
        new = rows.copy()
        new[again] = False
        self.first = np.where(new & (self.closed >= 0), np.maximum(self.first, self.closed + 1), self.first)
        self.opened[new] = today.day
        self.passed[new] = self.valid_days[new] = 1
        self.closed[rows] = -1
        # A day beyond its own limits may be a wild one: "back" begins ahead
        self.evidence[rows] = -thresholds.back_lead * (today.beyond[rows] == self.sign[rows])
        self.information[rows] = 0

    def _date(
        self,
        at: Ints,
        last: Ints,
        unit: Floats,
        base: GrowingBaseline,
        known: DaysToLearn,
        thresholds: Thresholds,
    ) -> Onset:
        """The onset of the episodes of some series, no later than `last`."""
        values, days = known.latest(at, thresholds.dating_window)
        deviations = (values - base.centre[at, None]) / unit[at, None]
        first, share = np.minimum(self.first, last)[at], thresholds.onset_share
        return onset_of_step(deviations, days, base.phi[at], base.doubt[at], self.sign[at], first, last[at], share)

    def _unlearn(self, at: Ints, base: GrowingBaseline, known: DaysToLearn, thresholds: Thresholds) -> None:
        """Take back what was learnt of the change, and learn no more of it."""
        known.hold_back(at, self.earliest[at])
        base.forget(at, self.earliest[at], thresholds)
