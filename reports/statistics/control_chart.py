"""Control charts of many series of days at once: a growing personal baseline, and five rules that judge each day.

One series is one measure of one patient. A day is judged only by what came before it, so the chart of a longer series
begins with the chart of the shorter one. The benchmark runs this same code over thousands of series.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from reports.measures import Thresholds
from reports.statistics.baseline import DaysToLearn, GrowingBaseline, Limits, StudentQuantiles
from reports.statistics.change_point import LastingChanges
from reports.statistics.episodes import Episodes, JudgedDay, Record
from reports.statistics.estimates import Bools, Floats, Ints, from_even, next_ewma_variance, to_even
from reports.statistics.like_with_like import LikeWithLike, Parts


@dataclass(frozen=True)
class Sensitivity:
    """How sensitive each series is to change. Arrays are [series]."""

    highest: Floats  # highest possible value: 1 for shares, infinite for rates
    least_change: Floats  # in the unit of the values; a smaller distance from the centre is never a signal
    limit_sigmas: Floats  # half-width of the individuals chart, in sigmas of a normal distribution
    ewma_sigmas: Floats  # half-width of the EWMA chart, likewise
    change_sigmas: Floats  # limit of a lasting change, likewise
    one_day_opens: Bools  # whether one day beyond its limits opens a flag; otherwise see Thresholds.sudden_size
    concern: Ints  # +1 if a rise raises a flag, -1 if a fall does, 0 for both or neither


@dataclass(frozen=True)
class ControlChart:
    """Every day of every series. Arrays are [series, days]; NaN (0 for integers) if unknown.

    The signals `beyond`, `moving`, `change`, `shift` and `trend` are +1 above, -1 below, 0 if the rule did not fire.
    `*_since` are indices of days, meaningful if the rule fired.
    """

    centre: Floats  # of the baseline before the day
    low: Floats  # limits of the individuals chart
    high: Floats
    ewma: Floats  # weighted mean of the days up to this one
    baseline_days: Ints  # number of days in the baseline
    beyond: Ints
    beyond_size: Floats  # distance from the centre, 1 at the limit
    moving: Ints  # EWMA
    moving_size: Floats  # distance of the EWMA from the centre, 1 at its own limit
    change: Ints  # lasting change of the latest days as a group
    change_size: Floats  # 1 at its limit; 0 if the rule did not fire
    shift: Ints
    shift_since: Ints
    trend: Ints
    trend_since: Ints
    episode: Ints  # +1 or -1 from the day a flag opens in that direction to the day before it closes, else 0
    direction: Ints  # direction of the newest episode, open or closed
    opened: Ints  # day on which the newest episode opened; -1 if there was none
    closed: Ints  # day on which it closed; -1 while it is open
    reopened: Ints  # last day on which it opened again after it had closed; -1 if it never did
    onset: Ints  # day on which its change most likely began, as known on the day
    onset_earliest: Ints  # interval around the onset
    onset_latest: Ints
    valid_days: Ints  # valid days of the newest episode, including its first and its closing day
    settled: Ints  # day on which a change that is no concern became the usual level; -1 if there was none
    level_since: Ints  # first day of that level
    level_change: Ints  # +1 if it is higher than the level before, -1 if lower, 0 if there was none
    in_baseline: Bools  # whether the day is in the baseline of the last day
    compared: Floats  # the values as they would be in the situations of the last day; NaN if not comparable
    added: Floats  # what the situations of each day add, on the even scale; NaN likewise, 0 without situations
    known: Bools  # [series, situations]: which situations have enough days before the last one

    def series(self, rows: slice) -> "ControlChart":
        """The chart of a slice of the series."""
        return ControlChart(**{name: column[rows] for name, column in vars(self).items()})


class _Run:
    """A run of valid days with the same sign; arrays are [series]."""

    def __init__(self, series: int) -> None:
        self.sign = np.zeros(series, dtype=np.int64)
        self.since = np.zeros(series, dtype=np.int64)  # index of the first day
        self.length = np.zeros(series, dtype=np.int64)  # number of valid days

    def add(self, difference: Floats, where: Bools, start: int | Ints) -> None:
        """Extend the runs in `where` if the sign stays the same; otherwise start new ones at `start`."""
        sign = np.sign(np.nan_to_num(difference)).astype(np.int64)
        turned = where & (sign != self.sign)
        self.since = np.where(turned, start, self.since)
        self.length = np.where(where, np.where(turned, 1, self.length + 1), self.length)
        self.sign = np.where(where, sign, self.sign)

    def clear(self, rows: Bools) -> None:
        """Delete the runs of these series."""
        self.sign[rows] = 0
        self.length[rows] = 0


class _Memory:
    """State that the rules carry from day to day; arrays are [series]."""

    def __init__(self, series: int) -> None:
        self.last_value = np.full(series, np.nan)
        self.last_day = np.zeros(series, dtype=np.int64)
        self.last_reach = np.zeros(series)  # of the last valid day, signed distance from the centre: 1 or -1 at a limit
        # Of the moving average: weighted sum, total weight (approaches 1), variance, covariance with the last day
        self.ewma, self.weight, self.variance, self.covariance = np.zeros((4, series))
        self.side, self.slope = _Run(series), _Run(series)

    def add(
        self,
        value: Floats,
        day: int,
        base: GrowingBaseline,
        furthest: Floats,
        closed: Ints,
        thresholds: Thresholds,
    ) -> None:
        """Update the state by one day, or start again after a long gap.

        In the moving average a day counts as no further out than `furthest`, its own limit, so that a single outlier
        cannot move the average beyond its limits. On the first valid day after a flag has `closed`, the average
        restarts from the centre.
        """
        newest, seen = thresholds.ewma_weight, ~np.isnan(value)
        fresh = seen & (np.isnan(self.last_value) | (day - self.last_day > thresholds.restart_days))
        back = seen & (closed >= 0) & (closed == self.last_day)
        self.ewma = np.where(back, self.weight * base.centre, self.ewma)
        nearest = np.clip(value, base.centre - furthest, base.centre + furthest)
        kept = np.where(np.isnan(base.centre), value, nearest)
        for array in (self.ewma, self.weight, self.variance, self.covariance, self.last_reach):
            array[fresh] = 0
        for run in (self.side, self.slope):
            run.clear(fresh)
        variance, covariance = next_ewma_variance(newest, base.phi, self.variance, self.covariance)
        self.variance = np.where(seen, variance, self.variance)
        self.covariance = np.where(seen, covariance, self.covariance)
        self.ewma = np.where(seen, (1 - newest) * self.ewma + newest * kept, self.ewma)
        self.weight = np.where(seen, (1 - newest) * self.weight + newest, self.weight)
        self.side.add(value - base.centre, seen, day)
        self.slope.add(np.where(fresh, 0, value - self.last_value), seen, self.last_day)
        self.last_value = np.where(seen, value, self.last_value)
        self.last_day = np.where(seen, day, self.last_day)


def control_chart(
    values: Floats,
    sensitivity: Sensitivity,
    thresholds: Thresholds,
    restart: Ints | None = None,
    parts: Parts | None = None,
) -> ControlChart:
    """Chart all days of all series.

    - Days are compared on the even scale (`to_even`); limits are given in the unit of the values.
    - Baseline: the first valid days outside any episode; at least `min_baseline_days`, before which no rule can fire,
      and at most `max_baseline_days`. Once it is in use, it learns a day only `learning_delay` valid days later, so
      that a change is seen before it is learnt. Centre and spread are those of `centre_and_spread`, with the spread
      corrected for correlated days.
    - Individuals chart (Shewhart; Wheeler, Understanding Variation, 1993): a day beyond centre +- q spread
      sqrt(1 + v), where v is the variance of the centre and q the quantile of Student's t with the spread's degrees of
      freedom that is as rare as `limit_sigmas` of a normal distribution. That is the prediction interval of one more
      day, so a short baseline gives wide limits instead of false alarms.
    - EWMA (Roberts, Technometrics 1, 1959): the same, with the variance of the moving average under AR(1).
    - Lasting change: see `LastingChanges`.
    - Shift (Nelson, Journal of Quality Technology 16, 1984, rule 2): `shift_days` valid days on one side of the centre.
    - Trend (ibid., rule 3): `trend_run_days` valid days, each higher (lower) than the one before.
      For shift and trend, the moving average must also be at least `least_change` from the centre.
    - Episodes: what happens after a rule has fired, see `Episodes`. If rules fire in both directions, the concern
      decides, and without one the larger size.

    Args:
        values: [series, days], one column per calendar day, NaN on a day without enough data.
        sensitivity: per series.
        thresholds: limits for baselines and rules.
        restart: [series], index of the first day of a level that a person accepted; earlier days are ignored. 0 if
            there is none.
        parts: the parts of the days by situation. Days are then compared like with like, see `LikeWithLike`, and
            centre, limits and means are those of days recorded in the same situations as the day. None: days are
            compared as they are.

    Raises:
        ValueError: `min_baseline_days` is less than two or more than `max_baseline_days`.
    """
    if not 2 <= thresholds.min_baseline_days <= thresholds.max_baseline_days:
        raise ValueError("a baseline needs at least two days, and at most max_baseline_days")
    if restart is not None:
        values = np.where(np.arange(values.shape[1]) < restart[:, None], np.nan, values)
    charting = _Charting(values, sensitivity, thresholds, parts)
    for day in range(values.shape[1]):
        charting.step(day)
    return charting.chart()


class _Charting:
    """The state of all series while they are charted day by day, and the chart so far."""

    def __init__(self, values: Floats, sensitivity: Sensitivity, thresholds: Thresholds, parts: Parts | None) -> None:
        self.values, self.sensitivity, self.thresholds = values, sensitivity, thresholds
        self.recorded = to_even(values, sensitivity.highest)
        self.even = self.recorded  # without what the situations add, so that days can be compared
        self.like = None if parts is None else LikeWithLike(parts, values, sensitivity.highest, thresholds)
        self.base, self.known = GrowingBaseline.empty(len(values), thresholds), DaysToLearn(self.even)
        self.memory, self.episodes = _Memory(len(values)), Episodes(len(values))
        self.quantiles = StudentQuantiles(np.stack([sensitivity.limit_sigmas, sensitivity.ewma_sigmas]), self.base)
        self.changes = LastingChanges(self.base, values.shape[1], thresholds)
        self.added = np.zeros(len(values))  # what the situations of the latest day add
        self.record: Record = defaultdict(list)

    def step(self, day: int) -> None:
        """Judge a day by what came before it, record the result, and let the baseline learn the days that are due."""
        self.known.hand_over(self.base, self.thresholds)
        if self.like is not None:
            self.even = self.like.prepare(day, self.known, self.base)
            self._replay(day)
        updated = self.base.estimate(self.thresholds)
        if updated.size:
            self.quantiles.update(self.base, updated)
            self.changes.update(self.base, updated)
        even, (of_day, of_mean) = self.even[:, day], self.quantiles.values
        furthest = self.base.limit(of_day, 1 + self.base.doubt)
        self.memory.add(even, day, self.base, furthest, self.episodes.closed, self.thresholds)
        self.known.add(even, day, self.episodes.sign == 0, ~np.isnan(self.recorded[:, day]))
        self.added = np.nan_to_num(self.recorded[:, day] - even)
        change = self._lasting_change(np.flatnonzero(~np.isnan(even) & ~np.isnan(self.base.centre)))
        value = np.where(np.isnan(even), np.nan, self.values[:, day])
        today = self._judge(day, value, furthest, of_mean, change)
        self.known.hold_back(np.flatnonzero(today.beyond), np.full(np.count_nonzero(today.beyond), day))
        self.episodes.step(today, self.sensitivity.concern, self.base, self.known, self.thresholds)
        self.episodes.record(self.record)

    def chart(self) -> ControlChart:
        """The chart of all days."""
        series, days = self.values.shape
        columns = {name: np.stack(column).T for name, column in self.record.items()}
        compared = self.values
        if self.like is not None:
            highest = self.sensitivity.highest
            compared = np.stack([from_even(column + self.added, highest) for column in self.even.T], axis=1)
        return ControlChart(
            **columns,
            in_baseline=self.base.days_taken(np.arange(series), days),
            compared=compared,
            added=self.recorded - self.even,
            known=np.zeros((series, 0), dtype=bool) if self.like is None else self.like.known,
        )

    def _replay(self, today: int) -> None:
        """Replay the days before `today` where a baseline is about to be used for the first time.

        Some of these days have only just become comparable.
        """
        ready = np.isnan(self.base.centre) & (self.base.count >= self.thresholds.min_baseline_days)
        if ready.any():
            for day, even in enumerate(self.even[:, :today].T):
                value = np.where(ready, even, np.nan)
                self.memory.add(value, day, self.base, self.base.spread, self.episodes.closed, self.thresholds)

    def _judge(self, day: int, value: Floats, furthest: Floats, of_mean: Floats, change: Floats) -> JudgedDay:
        """Apply the rules to the day, record the signals, and return the judged day.

        `furthest` is the half-width of the day's limits on the even scale, `of_mean` the quantile for the limits of the
        moving average, `change` the result of `_lasting_change`.
        """
        base, memory, sensitivity, thresholds = self.base, self.memory, self.sensitivity, self.thresholds
        limits = self._limits(furthest)
        weight = np.where(memory.weight > 0, memory.weight, 1)
        limits_ewma = self._limits(base.limit(of_mean, memory.variance / weight**2 + base.doubt))
        ewma = np.where(np.isnan(value), np.nan, from_even(memory.ewma / weight + self.added, sensitivity.highest))
        moved = np.abs(ewma - limits.centre) >= sensitivity.least_change
        long, steep = memory.side.length >= thresholds.shift_days, memory.slope.length >= thresholds.trend_run_days - 1
        beyond = limits.side(value) * thresholds.rule_beyond_limits
        signals = {
            "beyond": beyond,
            "moving": limits_ewma.side(ewma) * thresholds.rule_ewma,
            "change": np.sign(change).astype(np.int64) * thresholds.rule_change,
            "shift": memory.side.sign * (moved & long & thresholds.rule_shift),
            "trend": memory.slope.sign * (moved & steep & thresholds.rule_trend),  # n days are n - 1 steps
        }
        columns = {
            "centre": limits.centre,
            "low": limits.low,
            "high": limits.high,
            "ewma": ewma,
            "baseline_days": base.count.copy(),
            "beyond_size": limits.size(value),
            "moving_size": limits_ewma.size(ewma),
            "change_size": np.abs(change),
        }
        since = {"shift_since": memory.side.since, "trend_since": memory.slope.since}
        for name, column in (columns | signals | since).items():
            self.record[name].append(column)
        reach = np.nan_to_num(np.sign(value - limits.centre) * columns["beyond_size"])
        confirmed = sensitivity.one_day_opens | (reach * beyond >= thresholds.sudden_size)
        confirmed |= memory.last_reach * beyond >= thresholds.confirming_size
        memory.last_reach = np.where(np.isnan(value), memory.last_reach, reach)
        opening = signals | {"beyond": signals["beyond"] * confirmed}
        least = to_even((limits.centre + sensitivity.least_change)[:, None], sensitivity.highest)[:, 0] - base.centre
        even = to_even(value[:, None], sensitivity.highest)[:, 0] - self.added
        return JudgedDay(
            day=day,
            value=np.where(np.isnan(base.centre), np.nan, even),
            unit=np.maximum(base.spread, np.maximum(least - self.added, 1e-9) / thresholds.back_shift),
            fired=_direction(opening, columns, sensitivity.concern),
            beyond=beyond,
        )

    def _lasting_change(self, rows: Ints) -> Floats:
        """The largest lasting change of each series, as a signed multiple of its limit; 0 if none is beyond the limit.

        Only days since the last flag closed count as latest days, or those since the onset while a flag is open.
        `rows` are the series with a value on the day and a baseline.
        """
        largest = np.zeros(len(self.base.centre))
        if not rows.size:
            return largest
        episodes, sensitivity = self.episodes, self.sensitivity
        since = np.where(episodes.sign != 0, episodes.onset, episodes.closed + 1)
        sigmas = sensitivity.change_sigmas
        candidates, found = self.changes.compare(self.base, self.known, rows, since[rows], sigmas[rows])
        rows = rows[candidates]
        size = found.size(self.added[rows], sensitivity.highest[rows], sensitivity.least_change[rows], sigmas[rows])
        largest[rows] = np.where(np.abs(size) > 1, size, 0)
        return largest

    def _limits(self, half_width: Floats) -> Limits:
        """Limits with this half-width on the even scale, but at least the least change away from the centre."""
        usual, highest, least = self.base.centre + self.added, self.sensitivity.highest, self.sensitivity.least_change
        centre, low, high = (from_even(usual + away, highest) for away in (0, -half_width, half_width))
        return Limits(
            centre,
            np.maximum(np.minimum(low, centre - least), 0),
            np.minimum(np.maximum(high, centre + least), highest),
        )


def _direction(signals: dict[str, Ints], columns: dict[str, Floats], concern: Ints) -> Ints:
    """The direction in which rules fired; if both, that of the concern, otherwise that of the larger distance."""
    up, down = (np.logical_or.reduce([each == sign for each in signals.values()]) for sign in (1, -1))
    further = np.where(columns["beyond_size"] >= columns["moving_size"], signals["beyond"], signals["moving"])
    both = np.where(concern != 0, concern, further)
    result: Ints = np.where(up & down, both, up.astype(np.int64) - down.astype(np.int64))
    return result
