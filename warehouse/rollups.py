"""Computes what is derived from frames and stored with them: rollups, quantiles of action units, and episodes.

The database has a macro for each: session_rollups_of, au_quantiles_of and episodes_of; their latest definitions are in
the migrations 0022, 0004 and 0018. This module computes the same rows from frames in memory in a fraction of the time.
A contract compares the stored rows with the macros, so the results must be identical to the bit: sums, roundings and
divisions have to work as in DuckDB.

All functions take frames from checked_frames with an additional column scoring_id. The frames of a scoring are adjacent
and in their order.
"""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.dataframe.group_by import GroupBy

from pmfer.errors import FrameReason
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS

QUANTILES = {"p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}  # columns of phrase_quantiles
_MEANS = (*EXPRESSION_NAMES, "expressivity")  # of what every scored frame has
_MEANS_OF_MOST = (*AU_COLUMNS, "pain_activity")  # of what a cover may hide: only if half of the scored frames have it
_MEDIANS = {
    "brightness_median": pl.col("brightness"),
    "sharpness_median": pl.col("sharpness"),
    "face_size_px_median": pl.col("face_size_px"),
    "yaw_abs_median_deg": pl.col("yaw_deg").abs(),
}
# Kinds of episodes: the measure that defines them, and its minimum in each of their frames.
_EPISODES = {
    "smile": ("happiness", 0.5),
    "brow_lowering": ("au04", 0.5),
    "eyes_closed": ("au43", 0.3),
    "pain_activity": ("pain_activity", 0.5),
}
_SCORING = "scoring"  # column with the running number of the scoring, for grouping
_LONGEST_GAP_S = 1  # between two frames of an episode
_FEWEST_FRAMES = 2  # in an episode


def derived_rows(frames: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows that are derived from frames, by table."""
    return {
        "session_rollups": _session_rollups(frames),
        "phrase_quantiles": _au_quantiles(frames),
        "episodes": _episodes(frames),
    }


def _session_rollups(frames: pl.DataFrame) -> pl.DataFrame:
    """Rows of `session_rollups`: counts, means and medians over the frames of each scoring."""
    measured = frames.with_columns(expressivity=1 - pl.col("neutral"), highest=pl.max_horizontal(EXPRESSION_NAMES))
    # In a tie, the first expression. As numbers, because comparing names takes longer.
    leading = pl.coalesce(
        pl.when(pl.col(name) == pl.col("highest")).then(pl.lit(number, pl.UInt8))
        for number, name in enumerate(EXPRESSION_NAMES)
    )
    scorings = _scorings(measured.with_columns(leading=leading))
    counts = scorings.agg(
        pl.col("scoring_id", "session_id").first(),
        frames_sampled=pl.len(),
        frames_scored=pl.col("neutral").count(),
        frames_several_faces=(pl.col("face_count") > 1).sum(),
        **{f"frames_{reason}": (pl.col("reason") == reason).sum() for reason in FrameReason},
        **{f"frames_{name}": (pl.col("leading") == number).sum() for number, name in enumerate(EXPRESSION_NAMES)},
    )
    have = scorings.agg(pl.col(_MEANS_OF_MOST).count())
    most = [pl.when(2 * have[name] >= counts["frames_scored"]).then(name).alias(name) for name in _MEANS_OF_MOST]
    means = _means(scorings, (*_MEANS, *_MEANS_OF_MOST)).with_columns(most).rename(lambda name: f"{name}_mean")
    by_scoring = _by_scoring(frames.select("scoring_id", **_MEDIANS))
    medians = pl.DataFrame(np.stack([_quantiles(rows, [0.5])[:, 0] for rows in by_scoring]), schema=list(_MEDIANS))
    return pl.concat([counts.drop(_SCORING), means, medians.fill_nan(None)], how="horizontal")


def _au_quantiles(frames: pl.DataFrame) -> pl.DataFrame:
    """Rows of `phrase_quantiles` for the action units; no row for an action unit without any score."""
    scored = _scorings(frames).agg(pl.col("scoring_id").first(), frames_scored=pl.col("neutral").count()).drop(_SCORING)
    by_scoring = _by_scoring(frames.select("scoring_id", *AU_COLUMNS))
    quantiles = np.concatenate([_quantiles(rows, list(QUANTILES.values())) for rows in by_scoring])
    keys = scored.join(pl.DataFrame({"phrase_key": AU_COLUMNS}), how="cross")
    rows = pl.concat([keys, pl.DataFrame(quantiles, schema=list(QUANTILES))], how="horizontal")
    return rows.filter(pl.col("p50").is_not_nan())


def _episodes(frames: pl.DataFrame) -> pl.DataFrame:
    """Rows of `episodes`: runs of frames with a high measure, without long gaps."""
    # Rounded, so that 0.9999999 s, the result of a subtraction, counts as one second.
    start_s = pl.col("pts_s").min().over(pl.col("scoring_id").rle_id())
    timed = frames.with_columns(time_s=_rounded_s(pl.col("pts_s") - start_s))
    return pl.concat(_episodes_of_kind(timed, kind, measure, least) for kind, (measure, least) in _EPISODES.items())


def _episodes_of_kind(timed: pl.DataFrame, kind: str, measure: str, least: float) -> pl.DataFrame:
    high = timed.select("scoring_id", "time_s", value=measure).filter(pl.col("value") >= least)
    new_scoring = pl.col("scoring_id").ne_missing(pl.col("scoring_id").shift())
    begins = new_scoring | (_rounded_s(pl.col("time_s").diff()) > _LONGEST_GAP_S)
    found = high.with_columns(number=begins.cum_sum().set_sorted()).group_by("number", maintain_order=True)
    rows = found.agg(
        pl.col("scoring_id").first(),
        kind=pl.lit(kind),
        start_s=pl.col("time_s").min(),
        end_s=pl.col("time_s").max(),
        frames=pl.len(),
        peak=pl.col("value").max(),
    )
    rows = pl.concat([rows.drop("number"), _means(found, ["value"]).rename({"value": "mean"})], how="horizontal")
    return rows.filter(pl.col("frames") >= _FEWEST_FRAMES)


def _scorings(frames: pl.DataFrame) -> GroupBy:
    """Frames grouped by scoring, in their order. A running number is faster to group by than scoring_id."""
    return frames.with_columns(pl.col("scoring_id").rle_id().alias(_SCORING)).group_by(_SCORING, maintain_order=True)


def _rounded_s(seconds: pl.Expr) -> pl.Expr:
    """Rounded to the microsecond in the same way as in the macro."""
    return seconds.round(6, mode="half_away_from_zero")


def _means(groups: GroupBy, scores: Collection[str]) -> pl.DataFrame:
    """Means of scores by group, NULL if there are none; equal to those of the macro mean_score (means of decimals)."""
    # DuckDB casts a FLOAT to a decimal of nine digits through its number of billionths, rounded to FLOAT. Scores have
    # three decimals, so no half of a billionth occurs that would have to be rounded.
    billionths = (pl.col(scores).cast(pl.Float64) * 1e9).round().cast(pl.Float32).cast(pl.Float64)
    found = groups.agg(billionths.sum(), pl.col(scores).count().name.suffix("_count"))
    sums, counts = found.select(scores).to_numpy(), found.select(pl.col("^.*_count$")).to_numpy()
    # DuckDB divides in extended precision and rounds the result. Sums below 2**53 are exact.
    with np.errstate(invalid="ignore"):
        means = sums.astype(np.longdouble) / (counts * 1e9)
    return pl.DataFrame(means.astype(np.float64), schema=list(scores)).fill_nan(None)


def _by_scoring(values: pl.DataFrame) -> list[npt.NDArray[np.float32]]:
    """For each scoring an array of the columns other than scoring_id: one row per column, NaN for missing values."""
    heights = _scorings(values).len()["len"].to_numpy()
    return [part.T for part in np.split(values.drop("scoring_id").to_numpy(), np.cumsum(heights)[:-1])]


def _quantiles(values: npt.NDArray[np.float32], shares: Sequence[float]) -> npt.NDArray[np.float32]:
    """Quantiles of each row, interpolated as in DuckDB's quantile_cont. Missing values are NaN and are left out."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.count_nonzero(~np.isnan(values), axis=1)[:, None]
    place = np.array(shares) * np.maximum(count - 1, 0)
    below, above = (np.take_along_axis(ordered, end(place).astype(np.int64), axis=1) for end in (np.floor, np.ceil))
    quantiles: npt.NDArray[np.float32] = below + ((above - below) * (place - np.floor(place))).astype(np.float32)
    return quantiles
