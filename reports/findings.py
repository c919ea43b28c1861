"""Findings: what is flagged, by which rule and since when, and why nothing could be compared.

Pure functions over polars frames: nothing here reads a database, prints or draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

import numpy as np
import polars as pl

from reports.daily import enough_frames, facing, usable_session
from reports.measures import Concern, Measure, Rule, Thresholds
from reports.statistics.bootstrap import day_intervals
from reports.statistics.control_chart import ControlChart, Sensitivity, control_chart
from reports.statistics.robust import Floats


class State(StrEnum):
    """How a day compares with the patient's own usual range."""

    USUAL = "usual"  # also where a change the other way than the measure's concern is told, see Finding.told
    HIGHER = "higher"
    LOWER = "lower"
    INSUFFICIENT = "insufficient"


class Lack(StrEnum):
    """Why a comparison was not made."""

    NO_SESSION = "no_session"  # nothing was recorded on the day
    ALL_SET_ASIDE = "all_set_aside"  # something was recorded, and every session of it is in quarantine
    TOO_DARK = "too_dark"  # too few frames, most of the others for want of light
    TOO_BRIGHT = "too_bright"  # too few frames, most of the others washed out
    TURNED_AWAY = "turned_away"  # too few frames of a face turned towards the camera
    TOO_LITTLE_SEEN = "too_little_seen"  # too few frames for any other reason, or for several
    TOO_FEW_SESSIONS = "too_few_sessions"  # enough frames, but from fewer sessions than a day needs
    NOT_MEASURED = "not_measured"  # the day is fine, but this measure was not scored
    NO_BASELINE = "no_baseline"  # the day is fine, but too few valid days lie before it


@dataclass(frozen=True)
class Signal:
    """One rule that speaks on the day reported."""

    rule: Rule
    state: State  # HIGHER or LOWER
    since: date  # first day of the pattern; the day itself for a single value beyond the limits
    size: float = 1.0  # distance from the centre in half-widths of the rule's limits; 1 for rules that count days


@dataclass(frozen=True)
class Baseline:
    """The usual range of one measure, from the patient's own first valid days. Values in the measure's unit."""

    centre: float  # Hodges-Lehmann centre of the daily values
    low: float  # lower limit of the individuals chart, at least 0
    high: float  # upper limit, at most the measure's highest possible value
    half_width: float  # distance of the further limit from the centre
    days: int = 0  # number of days it rests on


@dataclass(frozen=True)
class Finding:
    """One measure on one day."""

    key: str  # Measure.key
    state: State
    value: float | None  # in the measure's unit; None where the day has too little data
    baseline: Baseline | None  # None where there are too few valid days
    lack: Lack | None  # None unless the state is INSUFFICIENT
    signals: tuple[Signal, ...] = ()  # the rules that speak; at least one exactly when the state is HIGHER or LOWER
    interval: tuple[float, float] | None = None  # 95 % interval of the value from resampled sessions; None if unknown
    told: tuple[Signal, ...] = ()  # the rules that speak the other way than the concern: told, and no flag
    recent: float | None = None  # weighted mean of the last days, what the EWMA rule judges; None without a value

    @property
    def flagged(self) -> bool:
        """Whether a rule speaks in the direction of concern."""
        return self.state in (State.HIGHER, State.LOWER)

    @property
    def size(self) -> float:
        """How far beyond its limits the rule lies that speaks loudest, 1 at the limit; 0 without a flag."""
        return max((signal.size for signal in self.signals), default=0.0)


@dataclass(frozen=True)
class TrendPoint:
    """One calendar day of a trend on which something was recorded."""

    day: date
    value: float | None  # in the measure's unit; None where the day has too little data
    in_baseline: bool


@dataclass(frozen=True)
class Trend:
    """One measure over the days drawn, and what it says about the last of them."""

    finding: Finding
    first_day: date
    last_day: date
    points: tuple[TrendPoint, ...]  # by day; a day without sessions has none


def chart_of(
    measures: Sequence[Measure], daily: pl.DataFrame, day: date, thresholds: Thresholds
) -> tuple[ControlChart, tuple[date, ...]]:
    """The control charts of one patient's measures, from the first day on record to `day`.

    Returns:
        The chart with a series per measure, and the calendar day of each of its columns.
    """
    known = daily.filter(pl.col("session_date") <= day).sort("session_date")
    recorded: list[date] = known["session_date"].to_list()
    first = recorded[0] if recorded else day
    days = tuple(first + timedelta(days=number) for number in range((day - first).days + 1))
    values = np.full((len(measures), len(days)), np.nan)
    at = [(when - first).days for when in recorded]
    for row, measure in enumerate(measures):
        values[row, at] = known[measure.key].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return control_chart(values, sensitivity_of(measures, thresholds), thresholds), days


def sensitivity_of(measures: Sequence[Measure], thresholds: Thresholds) -> Sensitivity:
    """How readily each measure speaks."""
    close = np.array([measure.watched_closely for measure in measures])
    return Sensitivity(
        highest=np.array([measure.unit.highest for measure in measures]),
        least_change=np.array([measure.least_change for measure in measures]),
        limit_sigmas=np.where(close, thresholds.limit_sigmas, thresholds.strict_limit_sigmas),
        ewma_sigmas=np.where(close, thresholds.ewma_sigmas, thresholds.strict_ewma_sigmas),
    )


def signals_of(chart: ControlChart, row: int, days: tuple[date, ...]) -> tuple[Signal, ...]:
    """What the rules say of the last day of one series, both ways."""

    def state(sign: int) -> State:
        return State.HIGHER if sign > 0 else State.LOWER

    rules = (
        (Rule.BEYOND_LIMITS, chart.beyond, None, chart.beyond_size),
        (Rule.EWMA, chart.moving, chart.moving_since, chart.moving_size),
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


def find(
    measure: Measure,
    value: float | None,
    baseline: Baseline | None,
    lack: Lack,
    signals: tuple[Signal, ...] = (),
    recent: float | None = None,
) -> Finding:
    """One day's finding from what the rules say.

    Rules that speak the way of the measure's concern flag the day; if they contradict each other, the loudest decides
    and the others are told. Rules that speak the other way are told.

    Args:
        measure: what is compared.
        value: the day's value, None if the day has too little data.
        baseline: the usual range, None if there is none yet.
        lack: why there is no value; used only if there is none.
        signals: what the rules say, both ways.
        recent: weighted mean of the last days.
    """
    if value is None:
        return Finding(measure.key, State.INSUFFICIENT, None, baseline, lack)
    if baseline is None:
        return Finding(measure.key, State.INSUFFICIENT, value, None, Lack.NO_BASELINE)
    asked = [signal for signal in signals if measure.concern in (Concern.EITHER, signal.state)]
    state = max(asked, key=lambda signal: signal.size).state if asked else State.USUAL
    flags = tuple(signal for signal in asked if signal.state is state)
    told = tuple(signal for signal in signals if signal not in flags)
    return Finding(measure.key, state, value, baseline, None, flags, told=told, recent=recent)


def missing_reason(today: pl.DataFrame, set_aside: int, thresholds: Thresholds) -> Lack:
    """Why a day has no values, if it has none.

    Light is named where it took most of the frames that were not scored, a turned face where the frames would have been
    enough; for anything else, or a mixture, the face was seen too little.

    Args:
        today: the day's rows of session_summary of one patient.
        set_aside: number of sessions of the day in quarantine.
        thresholds: which sessions count, and when one reason is named.
    """
    if today.is_empty():
        return Lack.ALL_SET_ASIDE if set_aside else Lack.NO_SESSION
    with_frames = today.filter(enough_frames(thresholds))
    towards = with_frames.filter(facing(thresholds))
    if towards["frames_scored"].sum() >= thresholds.min_frames_per_day:
        return Lack.TOO_FEW_SESSIONS  # enough frames, or the day would not lack anything else
    if with_frames["frames_scored"].sum() >= thresholds.min_frames_per_day:
        return Lack.TURNED_AWAY
    unscored = int(today["frames_sampled"].sum()) - int(today["frames_scored"].sum())
    for column, lack in (("frames_too_dark", Lack.TOO_DARK), ("frames_too_bright", Lack.TOO_BRIGHT)):
        if today[column].sum() > thresholds.dominant_share * unscored:
            return lack
    return Lack.TOO_LITTLE_SEEN


def largest_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The flagged findings by how far they lie beyond their own limits."""
    return tuple(sorted((f for f in findings if f.flagged), key=lambda f: -f.size))


def common_lack(findings: tuple[Finding, ...]) -> Lack | None:
    """The reason if every finding abstains; all of them rest on the same frames, so the first one speaks for all."""
    abstains = all(finding.state is State.INSUFFICIENT for finding in findings)
    return findings[0].lack if abstains else None


def session_intervals(
    measures: Sequence[Measure], today: pl.DataFrame, thresholds: Thresholds
) -> dict[str, tuple[float, float]]:
    """Interval of the day's value of each measure over the day's usable sessions; no entry where it is unknown.

    Args:
        measures: whose intervals are wanted.
        today: the day's rows of session_summary.
        thresholds: which sessions count, and how many are needed.
    """
    used = today.filter(usable_session(thresholds)).sort("started_at", "session_id")
    if used.height < thresholds.min_interval_sessions:
        return {}
    complete = [measure for measure in measures if used[measure.column].null_count() == 0]
    values: Floats = used.select(pl.col(measure.column).cast(pl.Float64) for measure in complete).to_numpy()
    frames: Floats = used["frames_scored"].cast(pl.Float64).to_numpy()
    lows, highs = day_intervals(values, frames, thresholds.interval_share, thresholds.resamples)
    return {
        measure.key: (max(0.0, float(low)), min(measure.unit.highest, float(high)))
        for measure, low, high in zip(complete, lows, highs, strict=True)
    }


def trends_of(
    measures: Sequence[Measure],
    daily: pl.DataFrame,
    day: date,
    missing: Lack,
    thresholds: Thresholds,
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> tuple[Trend, ...]:
    """The last weeks of each measure up to `day`, with its finding for that day.

    Args:
        measures: what is followed.
        daily: one patient's rows of `reports.daily.daily_values`.
        day: the day reported; later rows are ignored.
        missing: why the day has no values, if it has none.
        thresholds: limits for the baseline and the rules, and the days drawn.
        intervals: of the day's values by Measure.key, see `session_intervals`.
    """
    chart, days = chart_of(measures, daily, day, thresholds)
    first_day = day - timedelta(days=thresholds.trend_days - 1)
    drawn = daily.filter(pl.col("session_date").is_between(first_day, day)).sort("session_date")
    lack = Lack.NOT_MEASURED if _counts(drawn, day, thresholds) else missing

    def trend(row: int, measure: Measure) -> Trend:
        points = tuple(
            TrendPoint(when, value, when < day and bool(chart.in_baseline[row, (when - days[0]).days]))
            for when, value in zip(drawn["session_date"], drawn[measure.key], strict=True)
        )
        today = points[-1].value if points and points[-1].day == day else None
        recent = None if today is None else float(chart.ewma[row, -1])
        finding = find(measure, today, baseline_of(chart, row), lack, signals_of(chart, row, days), recent)
        interval = None if today is None or intervals is None else intervals.get(measure.key)
        return Trend(replace(finding, interval=interval), first_day, day, points)

    return tuple(trend(row, measure) for row, measure in enumerate(measures))


def baseline_of(chart: ControlChart, row: int) -> Baseline | None:
    """The usual range of one series for its last day; None while it rests on too few days."""
    centre, low, high = (float(array[row, -1]) for array in (chart.centre, chart.low, chart.high))
    if np.isnan(centre):
        return None
    return Baseline(centre, low, high, max(high - centre, centre - low), int(chart.baseline_days[row, -1]))


def _counts(drawn: pl.DataFrame, day: date, thresholds: Thresholds) -> bool:
    """Whether the day itself has enough data, so that a measure without a value lacks something of its own."""
    enough = (pl.col("sessions_used") >= thresholds.min_sessions_per_day) & (
        pl.col("frames_scored") >= thresholds.min_frames_per_day
    )
    return not drawn.filter((pl.col("session_date") == day) & enough).is_empty()
