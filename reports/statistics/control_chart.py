"""Control charts of many series of days at once: a personal baseline that grows, and five rules that watch each day.

One series is one measure of one patient. A day is judged by what lay before it and nothing else, so the chart of a
longer series begins with the chart of the shorter one. The benchmark runs this very code over thousands of series.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from reports.measures import Thresholds
from reports.statistics.baseline import DaysToLearn, GrowingBaseline, StudentQuantiles
from reports.statistics.change_point import LastingChanges
from reports.statistics.episodes import Episodes, JudgedDay, Record
from reports.statistics.estimates import Bools, Floats, Ints, from_even, next_ewma_variance, to_even
from reports.statistics.like_with_like import LikeWithLike, Parts


@dataclass(frozen=True)
class Sensitivity:
    """How readily the series speak. Arrays are [series]."""

    highest: Floats  # possible value: 1 for shares, infinite for rates
    least_change: Floats  # in the unit of the values: a smaller distance from the centre is never a signal
    limit_sigmas: Floats  # half-width of the individuals chart, sigmas of a normal distribution
    ewma_sigmas: Floats  # half-width of the EWMA chart
    change_sigmas: Floats  # of a lasting change
    one_day_opens: Bools  # whether any day beyond its limits opens a flag; else see Thresholds.sudden_size
    concern: Ints  # +1 where a rise asks for a look, -1 where a fall does, 0 where neither does or both do


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

    The five signals are +1 above, -1 below, 0 silent. `*_since` are indices of days, meaningful where a signal speaks.
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
    change: Ints  # the latest days as a whole
    change_size: Floats  # 1 at its limit; 0 where it is silent
    shift: Ints
    shift_since: Ints
    trend: Ints
    trend_since: Ints
    episode: Ints  # +1 or -1 while a flag is open that way, from the day it opens to the day before it closes, else 0
    direction: Ints  # the same of the newest episode, open or closed
    opened: Ints  # day of the newest episode on which a rule first spoke; -1 if there was none
    closed: Ints  # day on which it was back; -1 while it is open
    onset: Ints  # day on which the change most likely began, by what was known on the day
    onset_earliest: Ints  # interval around it
    onset_latest: Ints
    valid_days: Ints  # of the newest episode from its opening on, the closing day included
    in_baseline: Bools  # whether the baseline of the last day rests on the day
    compared: Floats  # the values, as they would be in the situations of the last day; NaN where they do not compare
    added: Floats  # by the situations of each day, on the even scale; NaN likewise, 0 where days stay as they are
    known: Bools  # [series, situations]: which have enough days before the last one

    def series(self, rows: slice) -> "ControlChart":
        """The chart of some of the series."""
        return ControlChart(**{name: column[rows] for name, column in vars(self).items()})


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
        self.last_reach = np.zeros(series)  # of the last valid day: distance from the centre, 1 or -1 at the limit
        # Of the moving average: sum, weight of what is in it (approaches 1), variance, covariance with the last day
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
        """Carry everything on by one day, or start afresh after a long gap.

        In the moving average a day counts as no further out than `furthest`, its own limit: one wild day alone does not
        move it beyond. After a flag has `closed` it goes on from the centre.
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
    - Baseline: the first valid days outside any episode, at least `min_baseline_days` before anything is said and
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
    - Episodes: what follows once a rule spoke, see `Episodes`. Where rules speak both ways, the concern decides, then
      the size.

    Args:
        values: [series, days], one column per calendar day, NaN on a day without enough data.
        sensitivity: per series.
        thresholds: limits for baselines and rules.
        restart: [series], index of the first day of a level that a person accepted: earlier days count for nothing.
            0 where there is none.
        parts: what the days are made of, by situation: they are compared like with like, see `LikeWithLike`. Centre,
            limits and means are then those of days recorded in the same situations as the day. None: days are compared
            as they are.

    Raises:
        ValueError: there are fewer days in a baseline than two.
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
    """All series on their way through the days: what is known of them, and what was recorded so far."""

    def __init__(self, values: Floats, sensitivity: Sensitivity, thresholds: Thresholds, parts: Parts | None) -> None:
        self.values, self.sensitivity, self.thresholds = values, sensitivity, thresholds
        self.recorded = to_even(values, sensitivity.highest)
        self.even = self.recorded  # as days compare: without what their situations add
        self.like = None if parts is None else LikeWithLike(parts, values, sensitivity.highest, thresholds)
        self.base, self.known = GrowingBaseline.empty(len(values), thresholds), DaysToLearn(self.even)
        self.memory, self.episodes = _Memory(len(values)), Episodes(len(values))
        self.quantiles = StudentQuantiles(np.stack([sensitivity.limit_sigmas, sensitivity.ewma_sigmas]), self.base)
        self.changes = LastingChanges(self.base, values.shape[1], thresholds)
        self.added = np.zeros(len(values))  # by the situations of the latest day
        self.record: Record = defaultdict(list)

    def step(self, day: int) -> None:
        """Judge a day by what lay before it, record that, and learn what may be learnt by now."""
        self.known.hand_over(self.base, self.thresholds)
        if self.like is not None:
            self.even = self.like.prepare(day, self.known, self.base)
            self._remember(day)
        anew = self.base.estimate(self.thresholds)
        self.quantiles.update(self.base, anew)
        self.changes.update(self.base, anew)
        even, (of_day, of_mean) = self.even[:, day], self.quantiles.values
        furthest = self.base.limit(of_day, 1 + self.base.doubt)
        self.memory.add(even, day, self.base, furthest, self.episodes.closed, self.thresholds)
        self.known.add(even, day, self.episodes.sign == 0, ~np.isnan(self.recorded[:, day]))
        self.added = np.nan_to_num(self.recorded[:, day] - even)
        change = self._lasting_change(np.flatnonzero(~np.isnan(even) & ~np.isnan(self.base.centre)))
        value = np.where(np.isnan(even), np.nan, self.values[:, day])
        today = self._judge(day, value, furthest, of_mean, change)
        self.known.hold_back(np.flatnonzero(today.beyond), np.full(np.count_nonzero(today.beyond), day))
        self.episodes.step(today, self.base, self.known, self.thresholds)
        self.episodes.record(self.record)

    def chart(self) -> ControlChart:
        """What was recorded of all days."""
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

    def _remember(self, today: int) -> None:
        """Carry the days on that became comparable only now, where a baseline is about to speak for the first time."""
        speaks = np.isnan(self.base.centre) & (self.base.count >= self.thresholds.min_baseline_days)
        if speaks.any():
            for day, even in enumerate(self.even[:, :today].T):
                value = np.where(speaks, even, np.nan)
                self.memory.add(value, day, self.base, self.base.spread, self.episodes.closed, self.thresholds)

    def _judge(self, day: int, value: Floats, furthest: Floats, of_mean: Floats, change: Floats) -> JudgedDay:
        """Let the rules speak of the day, record what they say, and sum it up.

        `furthest` is the half-width of a day's limits on the even scale, `of_mean` the quantile for that of the mean's.
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
            "trend": memory.slope.sign * (moved & steep & thresholds.rule_trend),  # so many days are one step fewer
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
            spoke=_loudest(opening, columns, sensitivity.concern),
            beyond=beyond,
        )

    def _lasting_change(self, rows: Ints) -> Floats:
        """The lasting change of each series that speaks loudest, beyond 1 or -1, its limit; 0 where none does.

        Only days since the last flag closed are compared, and while one is open those since its onset; `rows` are the
        series with a value on the day and a baseline.
        """
        episodes, sensitivity = self.episodes, self.sensitivity
        since = np.where(episodes.sign != 0, episodes.onset, episodes.closed + 1)
        sigmas = sensitivity.change_sigmas
        some, found = self.changes.compare(self.base, self.known, rows, since[rows], sigmas[rows])
        rows = rows[some]
        size = found.size(self.added[rows], sensitivity.highest[rows], sensitivity.least_change[rows], sigmas[rows])
        loudest = np.zeros(len(self.base.centre))
        loudest[rows] = np.where(np.abs(size) > 1, size, 0)
        return loudest

    def _limits(self, half_width: Floats) -> Limits:
        """Limits of this half-width on the even scale, no nearer to the centre than the least change."""
        usual, highest, least = self.base.centre + self.added, self.sensitivity.highest, self.sensitivity.least_change
        centre, low, high = (from_even(usual + away, highest) for away in (0, -half_width, half_width))
        return Limits(
            centre,
            np.maximum(np.minimum(low, centre - least), 0),
            np.minimum(np.maximum(high, centre + least), highest),
        )


def _loudest(signals: dict[str, Ints], columns: dict[str, Floats], concern: Ints) -> Ints:
    """Which way the rules speak; if both ways, that of the concern, else that of the larger distance."""
    up, down = (np.logical_or.reduce([each == sign for each in signals.values()]) for sign in (1, -1))
    further = np.where(columns["beyond_size"] >= columns["moving_size"], signals["beyond"], signals["moving"])
    both = np.where(concern != 0, concern, further)
    result: Ints = np.where(up & down, both, up.astype(np.int64) - down.astype(np.int64))
    return result
