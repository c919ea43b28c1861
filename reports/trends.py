"""From daily values to findings: the charted weeks of each measure, and what they say about the last day.

Pure functions over polars frames: nothing here reads a database, prints or draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import polars as pl

from reports.control_charts import Charted
from reports.findings import (
    Baseline,
    Episode,
    Finding,
    Lack,
    NewLevel,
    Signal,
    Stage,
    State,
    common_lack,
    find,
    largest_first,
    stage_of,
)
from reports.measures import Concern, Measure, Rule, Thresholds
from reports.statistics.control_chart import ControlChart
from reports.statistics.estimates import Bools, Floats, from_even, to_even

DAYS_OF_A_MIDDLE = 10  # with fewer days the middle 80 % is hardly different from the whole range


@dataclass(frozen=True)
class TrendPoint:
    """One calendar day of a trend on which something was recorded."""

    day: date
    value: float | None  # in the measure's unit; None if the day has too little data
    in_baseline: bool
    # Only if days are compared like with like: the usual range and the alarm limits in this day's situations
    usual: tuple[float, float] | None = None
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Trend:
    """One measure over the days drawn, and what it says about the last of them."""

    finding: Finding
    first_day: date
    last_day: date
    points: tuple[TrendPoint, ...]  # by day; a day without sessions has none


class HeadlineTrends:
    """What the trends of a patient's headline measures say together; the base of a page and of a row in the ward."""

    trends: tuple[Trend, ...]  # in the order of HEADLINE_MEASURES

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Their findings for the day."""
        return tuple(trend.finding for trend in self.trends)

    @property
    def changes(self) -> tuple[Finding, ...]:
        """The open flags: new ones first, then earlier ones, each group by the size of the change."""
        return tuple(sorted(largest_first(self.findings), key=lambda finding: finding.stage is not Stage.NEW))

    @property
    def back(self) -> tuple[Finding, ...]:
        """The measures that came back to their usual range within the last days and are there today."""
        return tuple(finding for finding in self.findings if finding.stage is Stage.BACK and not finding.told)

    @property
    def told(self) -> tuple[Finding, ...]:
        """The measures that differ in a direction that raises no flag."""
        return tuple(finding for finding in self.findings if finding.told and not finding.flagged)

    @property
    def partly_compared(self) -> bool:
        """Whether a measure, or a recording of the day, could not be compared."""
        return any(finding.lack is not None or finding.left_out for finding in self.findings)

    @property
    def tentative(self) -> bool:
        """Whether any baseline has so few days that a day without a flag cannot rule out a large change."""
        return any(finding.tentative for finding in self.findings)

    @property
    def lack(self) -> Lack | None:
        """Why nothing could be compared; None if it could."""
        return common_lack(self.findings)

    @property
    def last_seen(self) -> date | None:
        """The last day with enough data before the reported one, among the days drawn; None if there is none."""
        seen = (point.day for trend in self.trends for point in trend.points if point.value is not None)
        return max((day for day in seen if day < self.trends[0].last_day), default=None)


def trends_of(
    measures: Sequence[Measure],
    charted: Charted,
    day: date,
    missing: Lack,
    thresholds: Thresholds,
    intervals: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    accepted: Mapping[str, date] = MappingProxyType({}),
) -> tuple[Trend, ...]:
    """The last weeks of each measure up to `day`, with its finding for that day.

    Args:
        measures: what is followed.
        charted: the patient's days, with a series for each of the measures; see `charts_of`.
        day: the reported day, the last one charted.
        missing: why the day has no values, if it has none.
        thresholds: limits for the baseline and the rules, and the number of days drawn.
        intervals: of the day's values by Measure.key, see `daily.session_intervals`.
        accepted: by Measure.key, the first day, up to `day`, of a level that a person accepted as the usual one.
    """
    daily, chart, days, made_of = charted
    first_day = day - timedelta(days=thresholds.trend_days - 1)
    drawn = daily.filter(pl.col("session_date").is_between(first_day, day)).sort("session_date")
    lack = Lack.NOT_MEASURED if _counts(drawn, day, thresholds) else missing
    dates: list[date] = drawn["session_date"].to_list()
    learnt = chart.in_baseline[:, [(when - days[0]).days for when in dates]].tolist()
    usual = usual_ranges(chart.compared, chart.in_baseline)

    def trend(row: int, measure: Measure) -> Trend:
        points = tuple(
            TrendPoint(when, value, when < day and in_baseline)
            for when, value, in_baseline in zip(dates, drawn[measure.key].to_list(), learnt[row], strict=True)
        )
        since = accepted.get(measure.key)
        today = points[-1].value if points and points[-1].day == day else None
        recent = None if today is None else float(chart.ewma[row, -1])
        episode = episode_of(chart, row, days, measure.concern, thresholds)
        new = today is not None and made_of is not None and bool(np.isnan(chart.compared[row, -1]))
        new = new and _valid_days_before(daily, measure, day, since) >= thresholds.min_baseline_days
        baseline, why = (None, Lack.NEW_SITUATION) if new else (baseline_of(chart, row), Lack.NO_BASELINE)
        finding = find(measure, today, baseline, lack, signals_of(chart, row, days), recent, episode, why)
        finding = replace(
            finding,
            interval=None if today is None else intervals.get(measure.key),
            mean_since=mean_since(chart, row) if episode and episode.closed is None else None,
            stage=stage_of(finding, day, since, thresholds),
            usual=None if new else usual[row],
            accepted_on=since,
            new_level=new_level_of(chart, row, days, thresholds),
            tentative=finding.baseline is not None and finding.baseline.days < thresholds.firm_baseline_days,
        )
        finding = _without_echoes(finding, day)
        if made_of is not None and today is not None:
            compared, left_out = made_of.of_last_day(row, chart.known)
            finding = replace(finding, situations=compared, left_out=left_out)
        if made_of is not None and finding.baseline is not None and finding.usual is not None:
            points = _like_with_like(points, finding.baseline, finding.usual, chart.added[row], measure, days[0])
        return Trend(finding, first_day, day, points)

    return tuple(trend(row, measure) for row, measure in enumerate(measures))


def _without_echoes(finding: Finding, day: date) -> Finding:
    """On the day of a return, leave out averages that differ only because they still hold days of the flag."""
    episode, usual = finding.episode, finding.usual
    if episode is None or episode.closed != day or finding.value is None or usual is None:
        return finding
    lagging = all(signal.rule is not Rule.BEYOND_LIMITS and signal.state is episode.state for signal in finding.told)
    within = finding.value <= usual[1] if episode.state is State.HIGHER else finding.value >= usual[0]
    return replace(finding, told=()) if lagging and within else finding


def signals_of(chart: ControlChart, row: int, days: tuple[date, ...]) -> tuple[Signal, ...]:
    """The rules that fired on the last day of one series, in either direction.

    For the moving average and the lasting change, `since` is the onset of the change.
    """

    def state(sign: int) -> State:
        return State.HIGHER if sign > 0 else State.LOWER

    rules = (
        (Rule.BEYOND_LIMITS, chart.beyond, None, chart.beyond_size),
        (Rule.EWMA, chart.moving, chart.onset, chart.moving_size),
        (Rule.CHANGE, chart.change, chart.onset, chart.change_size),
        (Rule.SHIFT, chart.shift, chart.shift_since, None),
        (Rule.TREND, chart.trend, chart.trend_since, None),
    )
    return tuple(
        Signal(
            rule,
            state(int(signs[row, -1])),
            days[-1] if since is None else days[int(since[row, -1])],
            1.0 if size is None else float(size[row, -1]),
        )
        for rule, signs, since, size in rules
        if signs[row, -1]
    )


def episode_of(
    chart: ControlChart, row: int, days: tuple[date, ...], concern: Concern, thresholds: Thresholds
) -> Episode | None:
    """The flag that is open on the last day or closed within `back_days`; None if there is none.

    A change in the direction that is not the measure's concern also has an episode in the chart, so that the baseline
    does not learn from it, but it is not a flag.
    """
    opened, closed, reopened, onset, earliest, latest, sign, valid = (
        int(array[row, -1])
        for array in (
            chart.opened,
            chart.closed,
            chart.reopened,
            chart.onset,
            chart.onset_earliest,
            chart.onset_latest,
            chart.direction,
            chart.valid_days,
        )
    )
    state = State.HIGHER if sign > 0 else State.LOWER
    if opened < 0 or concern not in (Concern.EITHER, state):
        return None
    recent = max(len(days) - thresholds.back_days, 0)  # the first of the last `back_days`
    if 0 <= closed < recent:
        return None
    return Episode(
        state,
        opened=days[opened],
        onset=days[onset],
        onset_from=days[earliest],
        onset_to=days[latest],
        closed=days[closed] if closed >= 0 else None,
        days_open=valid,
        reopened=days[reopened] if reopened >= recent else None,
    )


def new_level_of(chart: ControlChart, row: int, days: tuple[date, ...], thresholds: Thresholds) -> NewLevel | None:
    """The change of one series that became its usual level within `accepted_days`; None if there is none."""
    settled, since, change = (int(array[row, -1]) for array in (chart.settled, chart.level_since, chart.level_change))
    if settled < 0 or len(days) - 1 - settled >= thresholds.accepted_days:
        return None
    return NewLevel(State.HIGHER if change > 0 else State.LOWER, days[since], days[settled])


def baseline_of(chart: ControlChart, row: int) -> Baseline | None:
    """The baseline of one series on its last day; None while it has too few days."""
    centre, low, high = (float(array[row, -1]) for array in (chart.centre, chart.low, chart.high))
    if np.isnan(centre):
        return None
    return Baseline(centre, low, high, max(high - centre, centre - low), int(chart.baseline_days[row, -1]))


def mean_since(chart: ControlChart, row: int) -> float | None:
    """The mean of the days of one series since the onset of its open flag; None if none of them can be compared."""
    since = chart.compared[row, chart.onset[row, -1] :]
    return None if np.isnan(since).all() else float(np.nanmean(since))


def usual_ranges(values: Floats, days: Bools) -> list[tuple[float, float] | None]:
    """The middle 80 % of the chosen days of each series, or their full range if fewer than 10; None without any.

    Args:
        values: [series, days].
        days: [series, days], which days to use.
    """
    ranges: list[tuple[float, float] | None] = [None] * len(values)
    counts = days.sum(axis=1)
    # One call for all series with the same number of days, because np.quantile has a high fixed cost
    for count in np.unique(counts[counts > 0]).tolist():
        rows = np.flatnonzero(counts == count)
        for row, low, high in zip(rows.tolist(), *_usual(values[rows][days[rows]].reshape(-1, count)), strict=True):
            ranges[row] = low, high
    return ranges


def _usual(values: Floats) -> tuple[list[float], list[float]]:
    """Lower and upper ends for each row of values."""
    if values.shape[1] < DAYS_OF_A_MIDDLE:
        return values.min(axis=1).tolist(), values.max(axis=1).tolist()
    low, high = np.quantile(values, (0.1, 0.9), axis=1).tolist()
    return low, high


def _like_with_like(
    points: tuple[TrendPoint, ...],
    baseline: Baseline,
    usual: tuple[float, float],
    added: Floats,
    measure: Measure,
    first_day: date,
) -> tuple[TrendPoint, ...]:
    """The points with the usual range and the alarm limits moved to the situations of their own day.

    Args:
        points: the days drawn.
        baseline: in the situations of the last day.
        usual: the usual range, in the situations of the last day.
        added: [days], what each day's situations add, on the even scale.
        measure: the measure drawn.
        first_day: the day of `added[0]`.
    """
    highest = np.full(4, measure.unit.highest)
    even = to_even(np.array([[*usual, baseline.low, baseline.high]]), highest[:1])[0] - np.nan_to_num(added[-1])

    def moved(point: TrendPoint) -> TrendPoint:
        more = added[(point.day - first_day).days]
        if np.isnan(more):
            return point
        low, high, limit_low, limit_high = from_even(even + more, highest).tolist()
        return replace(point, usual=(low, high), limits=(limit_low, limit_high))

    return tuple(moved(point) for point in points)


def _valid_days_before(daily: pl.DataFrame, measure: Measure, day: date, since: date | None) -> int:
    """Number of days before `day` with a value of the measure; days before an accepted level are left out."""
    before = (pl.col("session_date") < day) & (pl.col("session_date") >= (since or date.min))
    return daily.filter(before & pl.col(measure.key).is_not_null()).height


def _counts(drawn: pl.DataFrame, day: date, thresholds: Thresholds) -> bool:
    """Whether the day itself has enough data; if so, a measure without a value was not measured."""
    enough = pl.col("frames_scored") >= thresholds.min_frames_per_day
    return not drawn.filter((pl.col("session_date") == day) & enough).is_empty()
