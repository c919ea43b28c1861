"""From sessions to daily values, from the first valid days to a personal baseline, from today to a finding.

Pure functions over polars frames: nothing here reads a database, prints or draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import polars as pl

from reports.measures import MEASURES, Measure
from reports.thresholds import Thresholds


class State(StrEnum):
    """How a day compares with the patient's own usual range."""

    USUAL = "usual"
    HIGHER = "higher"
    LOWER = "lower"
    INSUFFICIENT = "insufficient"


class Lack(StrEnum):
    """Why a comparison was not made."""

    NO_SESSION = "no_session"  # nothing was recorded on the day
    ALL_SET_ASIDE = "all_set_aside"  # something was recorded, and every session of it is in quarantine
    TOO_LITTLE_SEEN = "too_little_seen"  # the face was seen in too few frames
    NO_BASELINE = "no_baseline"  # the day is fine, but too few valid days lie before it


class Rule(StrEnum):
    """What raises a flag. Each can be switched off, see reports.thresholds."""

    BEYOND_LIMITS = "beyond_limits"  # the day's value lies outside the limits of the individuals chart
    EWMA = "ewma"  # the exponentially weighted mean of the last days lies outside its limits
    SHIFT = "shift"  # many valid days in a row on one side of the baseline's centre
    TREND = "trend"  # many valid days in a row, each higher (or each lower) than the one before


@dataclass(frozen=True)
class Signal:
    """One rule that speaks on the day reported."""

    rule: Rule
    state: State  # HIGHER or LOWER
    since: date  # first day of the pattern; the day itself for a single value beyond the limits


@dataclass(frozen=True)
class Baseline:
    """The usual range of one measure, from the patient's own first valid days. Values in 0..1."""

    centre: float  # median of the daily values
    low: float  # lower limit, at least 0
    high: float  # upper limit, at most 1
    half_width: float  # limit_sigmas robust standard deviations, or the measure's least change if that is more


@dataclass(frozen=True)
class Finding:
    """One measure on one day."""

    key: str  # Measure.key
    state: State
    value: float | None  # 0..1; None where the day has too little data
    baseline: Baseline | None  # None where there are too few valid days
    lack: Lack | None  # None unless the state is INSUFFICIENT
    signals: tuple[Signal, ...] = ()  # the rules that speak; at least one exactly when the state is HIGHER or LOWER
    interval: tuple[float, float] | None = None  # 95 % interval of the value from resampled sessions; None if unknown

    @property
    def change(self) -> float | None:
        """Distance from the baseline's centre in half-widths of its range; beyond 1 is outside. None if unknown."""
        if self.value is None or self.baseline is None:
            return None
        return (self.value - self.baseline.centre) / self.baseline.half_width

    @property
    def flagged(self) -> bool:
        """Whether the day lies outside the usual range."""
        return self.state in (State.HIGHER, State.LOWER)


@dataclass(frozen=True)
class TrendPoint:
    """One calendar day of a trend on which something was recorded."""

    day: date
    value: float | None  # 0..1; None where the day has too little data
    in_baseline: bool


@dataclass(frozen=True)
class Trend:
    """One measure over the days drawn, and what it says about the last of them."""

    finding: Finding
    first_day: date
    last_day: date
    points: tuple[TrendPoint, ...]  # by day; a day without sessions has none


def usable_session(thresholds: Thresholds) -> pl.Expr:
    """Whether a row of session_summary carries enough scored frames to count (boolean, never null)."""
    enough = pl.col("frames_scored") >= thresholds.min_frames_per_session
    seen = pl.col("frames_scored") >= thresholds.min_scored_share * pl.col("frames_sampled")
    return (enough & seen).fill_null(False)


def daily_values(summary: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """One row per patient and day on which something was recorded, in order.

    A day's value is the mean of its usable sessions weighted by their scored frames, that is the mean over all scored
    frames. A day with too few of them keeps its row and gets NULL, never 0.

    Args:
        summary: rows of session_summary of one bundle and one set of options.
        thresholds: limits for sessions and days.

    Returns:
        patient_id, session_date, sessions (i64, all), sessions_used (i64), frames_scored (i64, of used sessions), and
        one float64 column per Measure.key in 0..1.
    """
    used = usable_session(thresholds)
    frames = pl.col("frames_scored").filter(used).cast(pl.Int64).sum()
    valid = (used.sum() >= thresholds.min_sessions_per_day) & (frames >= thresholds.min_frames_per_day)

    def day_mean(measure: Measure) -> pl.Expr:
        total = (pl.col(measure.column) * pl.col("frames_scored")).filter(used).sum()
        return pl.when(valid).then(total / frames).alias(measure.key)

    return (
        summary.group_by("patient_id", "session_date")
        .agg(
            pl.len().cast(pl.Int64).alias("sessions"),
            used.sum().cast(pl.Int64).alias("sessions_used"),
            frames.alias("frames_scored"),
            *(day_mean(measure) for measure in MEASURES),
        )
        .sort("patient_id", "session_date")
    )


def baseline_days(daily: pl.DataFrame, day: date, thresholds: Thresholds) -> tuple[date, ...]:
    """The first valid days of one patient before `day`; empty while there are fewer than a baseline needs."""
    valid = daily.filter((pl.col("session_date") < day) & pl.col(MEASURES[0].key).is_not_null())
    days: list[date] = valid["session_date"].sort().head(thresholds.max_baseline_days).to_list()
    return tuple(days) if len(days) >= thresholds.min_baseline_days else ()


def _small_sample_factor(count: int) -> float:
    """Makes the MAD of a small normal sample unbiased.

    Croux and Rousseeuw, "Time-efficient algorithms for two highly robust estimators of scale", COMPSTAT 1992, p. 414.
    """
    tabulated = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}
    return tabulated.get(count, count / (count - 0.8))


def usual_range(values: pl.Series, measure: Measure, thresholds: Thresholds) -> Baseline:
    """Median plus and minus `limit_sigmas` robust standard deviations of the baseline's daily values.

    The robust standard deviation is 1.4826 times the median absolute deviation (Rousseeuw and Croux, "Alternatives to
    the median absolute deviation", JASA 88, 1993), times the small-sample factor.

    Args:
        values: daily values of the baseline days, 0..1, at least two, no nulls.
        measure: whose least change bounds the range from below.
        thresholds: gives `limit_sigmas`.
    """
    centre = float(values.median())  # type: ignore[arg-type]  # a float column's median is a float
    deviation = float((values - centre).abs().median())  # type: ignore[arg-type]
    sigma = 1.4826 * deviation * _small_sample_factor(len(values))
    half_width = max(thresholds.limit_sigmas * sigma, measure.least_change)
    return Baseline(centre, max(0.0, centre - half_width), min(1.0, centre + half_width), half_width)


def find(measure: Measure, day: date, value: float | None, baseline: Baseline | None, missing: Lack) -> Finding:
    """Compare one day's value with the usual range.

    Args:
        measure: what is compared.
        day: the day reported.
        value: the day's value in 0..1, None if the day has too little data.
        baseline: the usual range, None if there is none yet.
        missing: why there is no value; used only if there is none.
    """

    def beyond(state: State) -> tuple[Signal, ...]:
        return (Signal(Rule.BEYOND_LIMITS, state, day),)

    if value is None:
        return Finding(measure.key, State.INSUFFICIENT, None, baseline, missing)
    if baseline is None:
        return Finding(measure.key, State.INSUFFICIENT, value, None, Lack.NO_BASELINE)
    if value > baseline.high:
        return Finding(measure.key, State.HIGHER, value, baseline, None, beyond(State.HIGHER))
    if value < baseline.low:
        return Finding(measure.key, State.LOWER, value, baseline, None, beyond(State.LOWER))
    return Finding(measure.key, State.USUAL, value, baseline, None)


def trends_of(
    measures: Sequence[Measure], daily: pl.DataFrame, day: date, missing: Lack, thresholds: Thresholds
) -> tuple[Trend, ...]:
    """The last weeks of each measure up to `day`, with its finding for that day.

    Args:
        measures: what is followed.
        daily: one patient's rows of `daily_values`.
        day: the day reported; later rows are ignored.
        missing: why the day has no values, if it has none.
        thresholds: limits for the baseline and the days drawn.
    """
    base_days = baseline_days(daily, day, thresholds)
    base = daily.filter(pl.col("session_date").is_in(base_days))
    first_day = day - timedelta(days=thresholds.trend_days - 1)
    drawn = daily.filter(pl.col("session_date").is_between(first_day, day)).sort("session_date")
    days = drawn["session_date"].to_list()

    def trend(measure: Measure) -> Trend:
        baseline = usual_range(base[measure.key], measure, thresholds) if base_days else None
        points = tuple(
            TrendPoint(when, value, when in base_days) for when, value in zip(days, drawn[measure.key], strict=True)
        )
        today = points[-1].value if points and points[-1].day == day else None
        return Trend(find(measure, day, today, baseline, missing), first_day, day, points)

    return tuple(trend(measure) for measure in measures)
