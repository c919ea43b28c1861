"""Control charts of many series of days at once: a personal baseline that grows, and four rules that watch each day.

One series is one measure of one patient. A day is judged by what lay before it and nothing else, so the chart of a
longer series begins with the chart of the shorter one. The benchmark runs this very code over thousands of series.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.autocorrelation import next_ewma_variance
from reports.baseline import Bools, GrowingBaseline, Ints
from reports.robust import Floats
from reports.thresholds import Thresholds

Record = defaultdict[str, list[npt.NDArray[Any]]]  # columns of the chart by the name of its field


@dataclass(frozen=True)
class Sensitivity:
    """How readily the series speak. Arrays are [series]."""

    least_change: Floats  # in the unit of the values: a smaller distance from the centre is never a signal
    limit_sigmas: Floats  # half-width of the individuals chart, sigmas of a normal distribution
    ewma_sigmas: Floats  # half-width of the EWMA chart


@dataclass(frozen=True)
class ControlChart:
    """Every day of every series. Arrays are [series, days]; NaN (0 for the whole numbers) where nothing is known.

    The four signals are +1 above, -1 below, 0 silent. `*_since` are indices of days, meaningful where a signal speaks.
    """

    centre: Floats  # of the baseline before the day; NaN while it is too short
    half_width: Floats  # of the individuals chart
    ewma: Floats  # weighted mean of the days up to this one
    in_baseline: Bools  # whether the day was taken into the baseline, for the days after it
    beyond: Ints
    beyond_size: Floats  # distance from the centre in half-widths; beyond 1 the day lies outside
    moving: Ints  # EWMA
    moving_size: Floats  # distance of the moving average from the centre in its own half-widths
    moving_since: Ints  # the day after the moving average was last on the other side of the centre
    shift: Ints
    shift_since: Ints
    trend: Ints
    trend_since: Ints


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

    def add(self, value: Floats, seen: Bools, day: int, base: GrowingBaseline, thresholds: Thresholds) -> None:
        """Carry everything on by one day, or start afresh after a long gap."""
        newest = thresholds.ewma_weight
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


def control_chart(values: Floats, sensitivity: Sensitivity, thresholds: Thresholds) -> ControlChart:
    """Chart all days of all series.

    - Baseline: the first valid days without a signal, at least `min_baseline_days` before anything is said and at most
      `max_baseline_days`. Centre and spread as in `reports.robust`, the spread corrected for correlated days.
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
    series = values.shape[0]
    base, memory = GrowingBaseline.empty(series, thresholds), _Memory(series)
    record: Record = defaultdict(list)
    for day in range(values.shape[1]):
        value = values[:, day]
        seen = ~np.isnan(value)
        base.estimate(thresholds)
        memory.add(value, seen, day, base, thresholds)
        spoke = _judge(record, memory, base, value, sensitivity, thresholds)
        record["in_baseline"].append(base.learn(seen & ~spoke, value, day))
    return ControlChart(**{name: np.stack(columns, axis=1) for name, columns in record.items()})


def _judge(
    record: Record,
    memory: _Memory,
    base: GrowingBaseline,
    value: Floats,
    sensitivity: Sensitivity,
    thresholds: Thresholds,
) -> Bools:
    """Let the rules speak of the day, record what they say, and return where any of them did."""
    half = base.limit(sensitivity.limit_sigmas, 1 + base.doubt, sensitivity.least_change)
    floor = sensitivity.least_change * memory.weight
    variance = memory.variance + base.doubt * memory.weight**2
    half_ewma = np.maximum(base.limit(sensitivity.ewma_sigmas, variance, floor), np.finfo(float).tiny)
    seen = ~np.isnan(value)
    distance = value - base.centre  # NaN, and silent, while there is no baseline or no value
    distance_ewma = np.where(seen, memory.ewma - memory.weight * base.centre, np.nan)
    moved = np.abs(distance_ewma) >= floor

    def speak(switched_on: bool, where: Bools, difference: Floats | Ints) -> Ints:
        return np.where(where & switched_on, np.sign(np.nan_to_num(difference)), 0).astype(np.int64)

    signals = {
        "beyond": speak(thresholds.rule_beyond_limits, np.abs(distance) > half, distance),
        "moving": speak(thresholds.rule_ewma, np.abs(distance_ewma) > half_ewma, distance_ewma),
        "shift": speak(thresholds.rule_shift, moved & (memory.side.length >= thresholds.shift_days), memory.side.sign),
        # `trend_run_days` days are one step fewer
        "trend": speak(
            thresholds.rule_trend, moved & (memory.slope.length >= thresholds.trend_run_days - 1), memory.slope.sign
        ),
    }
    columns = signals | {
        "centre": base.centre.copy(),
        "half_width": np.where(np.isnan(base.centre), np.nan, half),
        "ewma": np.where(seen, memory.ewma / np.where(seen, memory.weight, 1), np.nan),
        "beyond_size": np.abs(distance) / half,
        "moving_size": np.abs(distance_ewma) / half_ewma,
        "moving_since": memory.ewma_side.since,
        "shift_since": memory.side.since,
        "trend_since": memory.slope.since,
    }
    for name, column in columns.items():
        record[name].append(column)
    spoke: Bools = np.logical_or.reduce([signal != 0 for signal in signals.values()])
    return spoke
