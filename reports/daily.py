"""From sessions to daily values: which sessions count, which days are valid, and why a day is not."""

import polars as pl

from reports.measures import MEASURES, Measure
from reports.thresholds import Thresholds
from warehouse.queries import Provenance


def enough_frames(thresholds: Thresholds) -> pl.Expr:
    """Whether a row of session_summary carries enough scored frames (boolean, never null)."""
    enough = pl.col("frames_scored") >= thresholds.min_frames_per_session
    seen = pl.col("frames_scored") >= thresholds.min_scored_share * pl.col("frames_sampled")
    return (enough & seen).fill_null(False)


def facing(thresholds: Thresholds) -> pl.Expr:
    """Whether the face of a row of session_summary was towards the camera, as far as it was estimated (never null)."""
    return (pl.col("yaw_abs_median_deg") <= thresholds.max_yaw_deg).fill_null(True)


def usable_session(thresholds: Thresholds) -> pl.Expr:
    """Whether a row of session_summary counts for its day (boolean, never null)."""
    return enough_frames(thresholds) & facing(thresholds)


def all_days(summary: pl.DataFrame, kept: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """The daily values of sessions on record and of days that are kept without them, see `daily_values`.

    Of a day that is kept, a session that is on record again may be one of several, so what is kept counts.

    Args:
        summary: as for `daily_values`.
        kept: rows of the table daily_values, of the same bundle and options.
        thresholds: as for `daily_values`.
    """
    known = daily_values(summary, thresholds)
    if kept.is_empty():
        return known
    wide = kept.pivot("measure", index=["patient_id", "session_date", "sessions"], values="value")
    ours = wide.select(pl.selectors.by_name(known.columns, require_all=False))
    old = pl.concat([known.clear(), ours], how="diagonal")
    days = ["patient_id", "session_date"]
    return pl.concat([known.join(old, on=days, how="anti"), old]).sort(days)


def kept_form(daily: pl.DataFrame, scoring: Provenance) -> pl.DataFrame:
    """Daily values as the table daily_values has them."""
    return daily.unpivot(
        [measure.key for measure in MEASURES],
        index=["patient_id", "session_date", "sessions"],
        variable_name="measure",
        value_name="value",
    ).with_columns(bundle_id=pl.lit(scoring.bundle_id), options_sha256=pl.lit(scoring.options_sha256))


def daily_values(summary: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """One row per patient and day on which something was recorded, in order.

    A day's value is the mean of its usable sessions weighted by their scored frames, that is the mean over all scored
    frames. A day with too few of them keeps its row and gets NULL, never 0. A measure that some sessions lack is the
    mean of the others, and NULL where those have too few frames: each measure abstains for itself.

    Args:
        summary: rows of session_summary of one bundle and one set of options.
        thresholds: limits for sessions and days.

    Returns:
        patient_id, session_date, sessions (i64, all), sessions_used (i64), frames_scored (i64, of used sessions), and
        one float64 column per Measure.key, in the measure's unit.
    """
    used = usable_session(thresholds)
    scored = pl.col("frames_scored").cast(pl.Int64)
    enough_sessions = used.sum() >= thresholds.min_sessions_per_day

    def day_mean(measure: Measure) -> pl.Expr:
        counted = used & pl.col(measure.column).is_not_null()
        frames = scored.filter(counted).sum()
        total = (pl.col(measure.column) * scored).filter(counted).sum()
        valid = enough_sessions & (frames >= thresholds.min_frames_per_day)
        return pl.when(valid).then(total / frames).alias(measure.key)

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
