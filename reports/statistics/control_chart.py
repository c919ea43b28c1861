"""Control charts of many series of days at once: a personal baseline that grows, and four rules that watch each day.

One series is one measure of one patient. A day is judged by what lay before it and nothing else, so the chart of a
longer series begins with the chart of the shorter one. The benchmark runs this very code over thousands of series.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.measures import Thresholds
from reports.statistics.autocorrelation import next_ewma_variance
from reports.statistics.baseline import Bools, GrowingBaseline, Ints
from reports.statistics.robust import Floats, from_even, to_even

Record = defaultdict[str, list[npt.NDArray[Any]]]  # columns of the chart by the name of its field


@dataclass(frozen=True)
class Sensitivity:
    """How readily the series speak. Arrays are [series]."""

    highest: Floats  # possible value: 1 for shares, infinite for rates
    least_change: Floats  # in the unit of the values: a smaller distance from the centre is never a signal
    limit_sigmas: Floats  # half-width of the individuals chart, sigmas of a normal distribution
    ewma_sigmas: Floats  # half-width of the EWMA chart


@dataclass(frozen=True)
class Limits:
    """A centre and the limits around it in the unit of the values; [series], NaN while there is no baseline."""

    centre: Floats
    low: Floats
    high: Floats

    def side(self, values: Floats) -> Ints:
        """+1 above the upper limit, -1 below the lower one, else 0."""
        return (values > self.high).astype(np.int64) - (values < self.low).astype(np.int64)

    def size(self, values: Floats) -> Floats:
        """Distance from the centre, 1 at the limit on that side."""
        width = np.where(values >= self.centre, self.high - self.centre, self.centre - self.low)
        away = np.abs(values - self.centre)
        result: Floats = np.divide(away, width, out=np.zeros_like(away), where=(width > 0) | np.isnan(width))
        return result


@dataclass(frozen=True)
class ControlChart:
    """Every day of every series. Arrays are [series, days]; NaN (0 for the whole numbers) where nothing is known.

    The four signals are +1 above, -1 below, 0 silent. `*_since` are indices of days, meaningful where a signal speaks.
    """

    centre: Floats  # of the baseline before the day
    low: Floats  # limits of the individuals chart
    high: Floats
    ewma: Floats  # weighted mean of the days up to this one
    baseline_days: Ints  # number of days the baseline rests on
    beyond: Ints
    beyond_size: Floats  # distance from the centre; beyond 1 the day lies outside the limits
    moving: Ints  # EWMA
    moving_size: Floats  # the same of the moving average and its own limits
    moving_since: Ints  # the day after the moving average was last on the other side of the centre
    shift: Ints
    shift_since: Ints
    trend: Ints
    trend_since: Ints
    in_baseline: Bools  # whether the baseline of the last day rests on the day


class _Run:
    """Valid days in a row with the same sign; arrays are [series]."""

    def __init__(self, series: int) -> None:
        self.sign = np.zeros(series, dtype=np.int64)
        self.since = np.zeros(series, dtype=np.int64)  # index of the first day
        self.length = np.zeros(series, dtype=np.int64)  # valid days

    def add(self, difference: Floats, where: Bools, start: int | Ints) -> None:
        """Count on where the sign stays; where it turns, begin anew at `start`."""
        sign = np.sign(np.nan_to_num(difference)).astype(np.int64)
        turned = where & (sign != self.sign)
        self.since = np.where(turned, start, self.since)
        self.length = np.where(where, np.where(turned, 1, self.length + 1), self.length)
        self.sign = np.where(where, sign, self.sign)

    def clear(self, rows: Bools) -> None:
        """Forget the run of these series."""
        self.sign[rows] = 0
        self.length[rows] = 0


class _Memory:
    """What the rules carry from day to day; arrays are [series]."""

    def __init__(self, series: int) -> None:
        self.last_value = np.full(series, np.nan)
        self.last_day = np.zeros(series, dtype=np.int64)
        # Of the moving average: sum, weight of what is in it (approaches 1), variance, covariance with the last day
        self.ewma, self.weight, self.variance, self.covariance = np.zeros((4, series))
        self.ewma_side, self.side, self.slope = _Run(series), _Run(series), _Run(series)

    def add(self, value: Floats, day: int, base: GrowingBaseline, thresholds: Thresholds) -> None:
        """Carry everything on by one day, or start afresh after a long gap."""
        newest, seen = thresholds.ewma_weight, ~np.isnan(value)
        fresh = seen & (np.isnan(self.last_value) | (day - self.last_day > thresholds.restart_days))
        for array in (self.ewma, self.weight, self.variance, self.covariance):
            array[fresh] = 0
        for run in (self.ewma_side, self.side, self.slope):
            run.clear(fresh)
        variance, covariance = next_ewma_variance(newest, base.phi, self.variance, self.covariance)
        self.variance = np.where(seen, variance, self.variance)
        self.covariance = np.where(seen, covariance, self.covariance)
        self.ewma = np.where(seen, (1 - newest) * self.ewma + newest * value, self.ewma)
        self.weight = np.where(seen, (1 - newest) * self.weight + newest, self.weight)
        self.ewma_side.add(self.ewma - self.weight * base.centre, seen, day)
        self.side.add(value - base.centre, seen, day)
        self.slope.add(np.where(fresh, 0, value - self.last_value), seen, self.last_day)
        self.last_value = np.where(seen, value, self.last_value)
        self.last_day = np.where(seen, day, self.last_day)


class _Waiting:
    """Valid days that have not yet been taken into the baseline, each until it is old enough; arrays [series, days]."""

    def __init__(self, values: Floats) -> None:
        self.values = np.zeros_like(values)
        self.days = np.zeros(values.shape, dtype=np.int64)
        self.quiet = np.ones(values.shape, dtype=bool)  # whether no rule spoke of the day
        self.seen, self.passed = np.zeros((2, len(values)), dtype=np.int64)
        self.taken = np.zeros(values.shape, dtype=bool)  # by calendar day

    def hand_over(self, base: GrowingBaseline, thresholds: Thresholds) -> None:
        """Pass on one day per series: at once while the baseline is too short to speak, later after a delay."""
        old = self.seen - self.passed >= thresholds.learning_delay
        short = (base.count < thresholds.min_baseline_days) & (self.seen > self.passed)
        due = np.flatnonzero(old | short)
        at = self.passed[due]
        rows = np.zeros(len(self.seen), dtype=bool)
        value, day = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
        rows[due], value[due], day[due] = self.quiet[due, at], self.values[due, at], self.days[due, at]
        learnt = np.flatnonzero(base.learn(rows, value, day))
        self.taken[learnt, day[learnt]] = True
        self.passed[due] += 1

    def add(self, value: Floats, day: int, spoke: Bools) -> None:
        """Keep the day; one of which a rule spoke is never learnt."""
        rows = np.flatnonzero(~np.isnan(value))
        self.values[rows, self.seen[rows]] = value[rows]
        self.days[rows, self.seen[rows]] = day
        self.quiet[rows, self.seen[rows]] = ~spoke[rows]
        self.seen[rows] += 1


def control_chart(values: Floats, sensitivity: Sensitivity, thresholds: Thresholds) -> ControlChart:
    """Chart all days of all series.

    - Days are compared on the even scale (`to_even`); limits are given in the unit of the values.
    - Baseline: the first valid days of which no rule spoke, at least `min_baseline_days` before anything is said and
      at most `max_baseline_days`. Once it can speak, it learns a day `learning_delay` valid days later: a change is
      seen before it is learnt. Centre and spread as in `centre_and_spread`, the spread corrected for correlated days.
    - Individuals chart (Shewhart; Wheeler, Understanding Variation, 1993): a day beyond centre +- q spread
      sqrt(1 + v), where v is the variance of the centre and q the quantile of Student's t with the spread's degrees of
      freedom that is as rare as `limit_sigmas` of a normal distribution. That is the prediction interval of one more
      day, so few days give wide limits instead of false alarms.
    - EWMA (Roberts, Technometrics 1, 1959): the same with the variance of the moving average under AR(1).
    - Shift (Nelson, Journal of Quality Technology 16, 1984, rule 2): `shift_days` valid days on one side of the centre.
    - Trend (ibid., rule 3): `trend_run_days` valid days, each higher (lower) than the one before.
      The last two also ask that the moving average lies at least `least_change` from the centre.

    Args:
        values: [series, days], one column per calendar day, NaN on a day without enough data.
        sensitivity: per series.
        thresholds: limits for baselines and rules.

    Raises:
        ValueError: there are fewer days in a baseline than two.
    """
    if not 2 <= thresholds.min_baseline_days <= thresholds.max_baseline_days:
        raise ValueError("a baseline needs at least two days, and at most max_baseline_days")
    even = to_even(values, sensitivity.highest)
    base, memory, waiting = GrowingBaseline.empty(len(values), thresholds), _Memory(len(values)), _Waiting(even)
    record: Record = defaultdict(list)
    for day in range(values.shape[1]):
        waiting.hand_over(base, thresholds)
        base.estimate(thresholds)
        memory.add(even[:, day], day, base, thresholds)
        spoke = _judge(record, memory, base, values[:, day], sensitivity, thresholds)
        waiting.add(even[:, day], day, spoke)
    columns = {name: np.stack(column, axis=1) for name, column in record.items()}
    return ControlChart(**columns, in_baseline=waiting.taken)


def _judge(
    record: Record,
    memory: _Memory,
    base: GrowingBaseline,
    value: Floats,
    sensitivity: Sensitivity,
    thresholds: Thresholds,
) -> Bools:
    """Let the rules speak of the day, record what they say, and return where any of them did."""
    limits = _limits(base, sensitivity, base.limit(sensitivity.limit_sigmas, 1 + base.doubt))
    weight = np.where(memory.weight > 0, memory.weight, 1)
    variance = memory.variance / weight**2 + base.doubt
    limits_ewma = _limits(base, sensitivity, base.limit(sensitivity.ewma_sigmas, variance))
    ewma = np.where(np.isnan(value), np.nan, from_even(memory.ewma / weight, sensitivity.highest))
    moved = np.abs(ewma - limits.centre) >= sensitivity.least_change
    long, steep = memory.side.length >= thresholds.shift_days, memory.slope.length >= thresholds.trend_run_days - 1
    signals = {
        "beyond": limits.side(value) * thresholds.rule_beyond_limits,
        "moving": limits_ewma.side(ewma) * thresholds.rule_ewma,
        "shift": memory.side.sign * (moved & long & thresholds.rule_shift),
        "trend": memory.slope.sign * (moved & steep & thresholds.rule_trend),  # so many days are one step fewer
    }
    since = {
        "moving_since": memory.ewma_side.since,
        "shift_since": memory.side.since,
        "trend_since": memory.slope.since,
    }
    columns = {
        "centre": limits.centre,
        "low": limits.low,
        "high": limits.high,
        "ewma": ewma,
        "baseline_days": base.count.copy(),
        "beyond_size": limits.size(value),
        "moving_size": limits_ewma.size(ewma),
    }
    for name, column in (columns | signals | since).items():
        record[name].append(column)
    spoke: Bools = np.logical_or.reduce([signal != 0 for signal in signals.values()])
    return spoke


def _limits(base: GrowingBaseline, sensitivity: Sensitivity, half_width: Floats) -> Limits:
    """Limits of this half-width on the even scale, no nearer to the centre than the least change."""
    centre = from_even(base.centre, sensitivity.highest)
    low = from_even(base.centre - half_width, sensitivity.highest)
    high = from_even(base.centre + half_width, sensitivity.highest)
    least = sensitivity.least_change
    return Limits(
        centre,
        np.maximum(np.minimum(low, centre - least), 0),
        np.minimum(np.maximum(high, centre + least), sensitivity.highest),
    )
