"""The life of a flag: it opens when a rule fires, stays open until the values have come back, and then closes.

The baseline learns neither the days with an open flag nor those since its onset, so that a change that stays never
becomes the patient's usual level. A change away from the concern, such as less pain-related activity, is different:
once it has lasted, the baseline starts again with it. Otherwise a relapse to the earlier level would pass as usual.
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

Record = defaultdict[str, list[npt.NDArray[Any]]]  # columns of the chart by field name, one entry per day


@dataclass(frozen=True)
class JudgedDay:
    """One day of every series; arrays are [series]."""

    day: int  # index of the calendar day
    value: Floats  # on the even scale; NaN without data or without a baseline
    unit: Floats  # size of one spread, with a lower bound so that the least change is at most `back_shift` of them
    fired: Ints  # direction of the rules that may open a flag: +1, -1 or 0
    beyond: Ints  # the side on which the day lies beyond its own limits


class Episodes:
    """The newest episode of each series. Arrays are [series]; days are indices of calendar days, -1 for none."""

    def __init__(self, series: int) -> None:
        self.sign = np.zeros(series, dtype=np.int64)  # +1 above or -1 below while it is open, else 0
        self.direction = np.zeros(series, dtype=np.int64)  # the same, but kept after it has closed
        self.opened, self.closed, self.onset, self.earliest, self.latest = np.full((5, series), -1, dtype=np.int64)
        self.reopened = np.full(series, -1, dtype=np.int64)  # last day on which it opened again after it had closed
        self.first = np.zeros(series, dtype=np.int64)  # first day on which its onset can lie
        self.passed = np.zeros(series, dtype=np.int64)  # valid days since it opened, including that day
        self.valid_days = np.zeros(series, dtype=np.int64)  # the same, up to the day it closed
        # Capped log likelihood ratio of "still away" against "back" for a known centre, and the information in it
        self.evidence, self.information = np.zeros((2, series))
        self.last_deviation, self.last_day = np.zeros(series), np.zeros(series, dtype=np.int64)
        # The newest change that became the usual level: the day on which it did, its first day, and its direction
        self.settled, self.level_since = np.full((2, series), -1, dtype=np.int64)
        self.level_change = np.zeros(series, dtype=np.int64)

    def step(
        self, today: JudgedDay, concern: Ints, base: GrowingBaseline, known: DaysToLearn, thresholds: Thresholds
    ) -> None:
        """Process one day: update the test for "back", close and open episodes, date the onset, settle on a new level.

        Args:
            today: the day.
            concern: see `Sensitivity.concern`.
            base: the baselines before the day; days learnt since an onset are removed.
            known: all valid days, including this one; those since an onset are marked as never to be learnt.
            thresholds: limits for closing and dating.
        """
        seen = ~np.isnan(today.value)
        deviation = np.where(seen, (today.value - base.centre) / today.unit, 0)
        going_on = seen & (self.sign != 0)
        self.passed += seen
        returned = self._weigh(going_on, today, deviation, base, thresholds)
        back = going_on & (returned | (today.fired == -self.sign))
        self.valid_days = np.where(going_on, self.passed, self.valid_days)
        self.sign[back], self.closed[back] = 0, today.day
        # The moving average and the lasting change lag behind, so they may not reopen it on the day of the return
        opening = seen & (today.fired != 0) & (self.sign == 0) & ~(back & (today.fired == self.direction))
        if opening.any():
            self._open(opening, today, base, known, thresholds)
        self.last_deviation = np.where(seen, deviation, self.last_deviation)
        self.last_day = np.where(seen, today.day, self.last_day)
        young = np.flatnonzero(seen & (self.sign != 0) & (self.valid_days <= thresholds.dating_days))
        if young.size:
            onset = self._date(young, self.opened, today.unit, base, known, thresholds)
            self.onset[young], self.earliest[young], self.latest[young] = onset.day, onset.earliest, onset.latest
            self._unlearn(young, base, known, thresholds)
        lasting = seen & (self.valid_days >= thresholds.settling_days)
        welcome = np.flatnonzero(lasting & (self.sign != 0) & (self.sign == -concern))
        if welcome.size:
            self._settle(welcome, today.day, base, known, thresholds)

    def record(self, record: Record) -> None:
        """Append the state of each series after the day."""
        columns = {
            "episode": self.sign,
            "direction": self.direction,
            "opened": self.opened,
            "closed": self.closed,
            "reopened": self.reopened,
            "onset": self.onset,
            "onset_earliest": self.earliest,
            "onset_latest": self.latest,
            "valid_days": self.valid_days,
            "settled": self.settled,
            "level_since": self.level_since,
            "level_change": self.level_change,
        }
        for name, column in columns.items():
            record[name].append(column.copy())

    def _weigh(
        self, rows: Bools, today: JudgedDay, deviation: Floats, base: GrowingBaseline, thresholds: Thresholds
    ) -> Bools:
        """Add the evidence of the day's innovation to the test of "still away" against "back", and return who is back.

        Wald's sequential test (Annals of Mathematical Statistics 16, 1945) under AR(1). The sum never rises above the
        cap, so that a long episode does not delay the return; a day beyond its limits sets it to the cap. The error of
        the centre is the same on every day. With it integrated out, the log likelihood is the sum divided by
        1 + error x information, so a flag on a young baseline needs more days to close. The head start of `_open` and
        the cap are part of the sum, so they lose weight with it.
        """
        carried = base.phi ** np.maximum(today.day - self.last_day, 1)
        variance = 1 - carried**2
        shift = thresholds.back_shift * (1 - carried)
        innovation = self.sign * (deviation - carried * self.last_deviation)
        total = self.evidence + shift * (innovation - shift / 2) / variance
        away = (today.beyond == self.sign) | (total >= thresholds.back_cap)
        information = np.where(away, 0, self.information + (1 - carried) ** 2 / variance)
        self.evidence = np.where(rows, np.where(away, thresholds.back_cap, total), self.evidence)
        self.information = np.where(rows, information, self.information)
        error = base.doubt * (base.spread / today.unit) ** 2
        result: Bools = self.evidence / (1 + error * self.information) <= -thresholds.back_evidence
        return result

    def _open(
        self, rows: Bools, today: JudgedDay, base: GrowingBaseline, known: DaysToLearn, thresholds: Thresholds
    ) -> None:
        """Open a new episode, or reopen one that closed recently if the change is dated before it closed."""
        recently = (self.closed >= 0) & (today.day - self.closed < thresholds.back_days)
        self.first = np.where(rows & ~recently, base.days[:, thresholds.min_baseline_days - 1] + 1, self.first)
        again = np.flatnonzero(rows & recently & (today.fired == self.direction))
        self.sign[rows] = self.direction[rows] = today.fired[rows]
        onset = self._date(again, np.full(len(rows), today.day), today.unit, base, known, thresholds)
        again = again[onset.day <= self.closed[again]]
        self._unlearn(again, base, known, thresholds)
        self.valid_days[again] = self.passed[again]
        self.reopened[rows] = -1
        self.reopened[again] = today.day
        new = rows.copy()
        new[again] = False
        self.first = np.where(new & (self.closed >= 0), np.maximum(self.first, self.closed + 1), self.first)
        self.opened[new] = today.day
        self.passed[new] = self.valid_days[new] = 1
        self.closed[rows] = -1
        # A day beyond its own limits may be an outlier, so "back" gets a head start
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
        """The onset of the episodes of the series `at`, no later than `last`."""
        values, days = known.latest(at, thresholds.dating_window)
        deviations = (values - base.centre[at, None]) / unit[at, None]
        first, share = np.minimum(self.first, last)[at], thresholds.onset_share
        return onset_of_step(deviations, days, base.phi[at], base.doubt[at], self.sign[at], first, last[at], share)

    def _unlearn(self, at: Ints, base: GrowingBaseline, known: DaysToLearn, thresholds: Thresholds) -> None:
        """Remove the days since the onset from the baseline, and keep it from learning them later."""
        known.hold_back(at, self.earliest[at])
        base.forget(at, self.earliest[at], thresholds)

    def _settle(self, at: Ints, day: int, base: GrowingBaseline, known: DaysToLearn, thresholds: Thresholds) -> None:
        """Start the baselines of the series `at` again with the days of the open change, which thereby ends."""
        self.settled[at], self.level_since[at], self.level_change[at] = day, self.latest[at], self.sign[at]
        known.start_again(at, self.latest[at])
        base.relearn(known, thresholds, at)
        self.sign[at] = self.direction[at] = 0
        self.opened[at] = self.closed[at] = -1
