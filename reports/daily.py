"""From sessions to days: which sessions count, their daily values, and how much of a day could be analysed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from pmfer.errors import FrameReason
from reports.measures import MEASURES, Measure, Thresholds
from reports.statistics.estimates import Floats, day_intervals


def enough_frames(thresholds: Thresholds) -> pl.Expr:
    """Whether a row of session_summary has enough scored frames (boolean, never null)."""
    enough = pl.col("frames_scored") >= thresholds.min_frames_per_session
    seen = pl.col("frames_scored") >= thresholds.min_scored_share * pl.col("frames_sampled")
    return (enough & seen).fill_null(False)


def facing(thresholds: Thresholds) -> pl.Expr:
    """Whether the face of a row of session_summary was turned to the camera; true if unknown (never null)."""
    return (pl.col("yaw_abs_median_deg") <= thresholds.max_yaw_deg).fill_null(True)


def usable_session(thresholds: Thresholds) -> pl.Expr:
    """Whether a row of session_summary counts for its day (boolean, never null)."""
    return enough_frames(thresholds) & facing(thresholds)


def all_days(summary: pl.DataFrame, kept: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """The daily values of sessions on record and of days kept after their sessions were deleted; see `daily_values`.

    If a day has both, the kept values win: a session that was scored again may be only one of several of that day.

    Args:
        summary: as for `daily_values`.
        kept: rows of the table daily_values, of the same bundle and options.
        thresholds: as for `daily_values`.
    """
    known = daily_values(summary, thresholds)
    if kept.is_empty():
        return known
    whole = kept.filter(pl.col("situation").is_null())
    wide = whole.pivot("measure", index=["patient_id", "session_date", "sessions"], values="value")
    ours = wide.select(pl.selectors.by_name(known.columns, require_all=False))
    old = pl.concat([known.clear(), ours], how="diagonal")
    days = ["patient_id", "session_date"]
    return pl.concat([known.join(old, on=days, how="anti"), old]).sort(days)


def by_patient(rows: pl.DataFrame, patients: Sequence[str]) -> dict[str, pl.DataFrame]:
    """The rows of each patient; an empty frame for a patient without rows."""
    parts = rows.partition_by("patient_id", as_dict=True)
    return {patient_id: parts.get((patient_id,), rows.clear()) for patient_id in patients}


def daily_values(summary: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """One row per patient and day on which something was recorded, in order.

    A day's value is the mean of its usable sessions weighted by their scored frames, that is, the mean over all scored
    frames. A day with too few of them keeps its row but gets NULL, never 0. If some sessions lack a measure, its value
    is the mean of the others, or NULL if those have too few frames: each measure abstains on its own.

    Args:
        summary: rows of session_summary of one bundle and one set of options.
        thresholds: limits for sessions and days.

    Returns:
        patient_id, session_date, sessions (i64, all), sessions_used (i64), frames_scored (i64, of used sessions), and
        one float64 column per Measure.key, in the measure's unit.
    """
    used = usable_session(thresholds)
    scored = pl.col("frames_scored").cast(pl.Int64)

    def day_mean(measure: Measure) -> pl.Expr:
        counted = used & pl.col(measure.column).is_not_null()
        frames = scored.filter(counted).sum()
        total = (pl.col(measure.column) * scored).filter(counted).sum()
        return pl.when(frames >= thresholds.min_frames_per_day).then(total / frames).alias(measure.key)

    return (
        summary.group_by("patient_id", "session_date")
        .agg(
            pl.len().cast(pl.Int64).alias("sessions"),
            used.sum().cast(pl.Int64).alias("sessions_used"),
            scored.filter(used).sum().alias("frames_scored"),
            *(day_mean(measure) for measure in MEASURES),
        )
        .sort("patient_id", "session_date")
    )


def session_intervals(
    measures: Sequence[Measure], today: pl.DataFrame, thresholds: Thresholds
) -> dict[str, tuple[float, float]]:
    """Interval of each measure's value for the day, from its usable sessions; no entry if it is unknown.

    Args:
        measures: the measures to compute intervals for.
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


@dataclass(frozen=True)
class Quality:
    """Counts of sessions and sampled frames over the sessions of a day."""

    sessions: int  # sessions recorded and stored
    sessions_used: int  # of these, sessions that are usable
    frames_sampled: int
    frames_scored: int
    unscored: tuple[tuple[FrameReason, int], ...]  # most frequent first, without zeros
    frames_several_faces: int  # frames with more than one face; the other faces were counted, never scored
    sessions_with_warning: int  # the decoder complained, for example about a truncated end
    recorded_s: float | None = None  # length of all sessions, seconds; None if a length is unknown
    seen_s: float | None = None  # time with the face scored in the sessions used, seconds; None in the same case
    closed_s: float = 0.0  # time in the sessions used with the eyes closed long enough to be sleep, seconds

    @property
    def scored_share(self) -> float | None:
        """Scored over sampled frames, 0..1; None if nothing was sampled."""
        return self.frames_scored / self.frames_sampled if self.frames_sampled else None


def quality_of(summary: pl.DataFrame, usable: pl.Expr) -> Quality:
    """Add up the frame counts of rows of session_summary.

    Args:
        summary: the sessions of a day, of one patient or of a ward.
        usable: which of them are used, see `usable_session`.
    """

    def total(column: str) -> int:
        return int(summary[column].sum())

    used = summary.filter(usable)
    counts = ((reason, total(f"frames_{reason.value}")) for reason in FrameReason)
    unscored = sorted((pair for pair in counts if pair[1]), key=lambda pair: -pair[1])
    known = summary["duration_s"].null_count() == 0
    seen = pl.col("duration_s") * pl.col("frames_scored") / pl.col("frames_sampled")
    return Quality(
        sessions=summary.height,
        sessions_used=used.height,
        frames_sampled=total("frames_sampled"),
        frames_scored=total("frames_scored"),
        unscored=tuple(unscored),
        frames_several_faces=total("frames_several_faces"),
        sessions_with_warning=summary["warning"].count(),
        recorded_s=float(summary["duration_s"].sum()) if known else None,
        seen_s=float(used.select(seen.sum()).item()) if known else None,
        closed_s=float(used["closed_s"].sum()),
    )


MINUTES_PER_DAY = 24 * 60
NEAR_MINUTES = 120  # recordings that begin less far apart on the clock were made at about the same time of day
HARDLY_ANY = 0.05  # share of the earlier recordings
MOST = 0.75  # share of the recordings since


def at_other_times(summary: pl.DataFrame, began: tuple[date, date], thresholds: Thresholds) -> bool:
    """Whether most recordings since a change were made at times of day at which hardly any earlier one was.

    False with fewer earlier recordings than a baseline needs days.

    Args:
        summary: rows of session_summary of one patient, up to the reported day.
        began: first day on which the change may have begun, and the most likely one.
        thresholds: which sessions count.
    """
    local = pl.col("started_at").dt.convert_time_zone("UTC") + pl.duration(seconds=pl.col("utc_offset_s"))
    minute = local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute()
    used = summary.filter(usable_session(thresholds)).select("session_date", minute=minute)
    before = used.filter(pl.col("session_date") < began[0])["minute"].to_numpy()
    since = used.filter(pl.col("session_date") >= began[1])["minute"].to_numpy()
    if len(before) < thresholds.min_baseline_days or not len(since):
        return False
    apart = np.abs(since[:, None] - before[None, :])
    near = np.minimum(apart, MINUTES_PER_DAY - apart) <= NEAR_MINUTES
    return bool((near.mean(axis=1) < HARDLY_ANY).mean() > MOST)


def usual_scored_share(summary: pl.DataFrame, day: date, thresholds: Thresholds) -> float | None:
    """Median share of the sampled frames that were scored on the days drawn before `day`, 0..1.

    None with fewer days than a baseline needs.

    Args:
        summary: rows of session_summary of one patient.
        day: the reported day.
        thresholds: how many days are drawn, and how many a baseline needs.
    """
    first = day - timedelta(days=thresholds.trend_days - 1)
    before = pl.col("session_date").is_between(first, day, closed="left")
    drawn = summary.filter(before & (pl.col("frames_sampled") > 0))
    shares = drawn.group_by("session_date").agg(share=pl.col("frames_scored").sum() / pl.col("frames_sampled").sum())
    if shares.height < thresholds.min_baseline_days:
        return None
    return float(shares.select(pl.col("share").median()).item())
