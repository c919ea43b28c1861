"""What follows from the frames of scorings and is stored with them: rollups, quantiles of action units, episodes.

The database has a macro for each: session_rollups_of, au_quantiles_of and episodes_of, whose newest texts are in the
migrations 0015, 0004 and 0018. Here the rows are computed from the frames in memory in a fraction of the time, the same
to the bit: a contract compares what is stored with the macros. So sums, roundings and divisions have to be DuckDB's.

All frames here are checked ones with a column scoring_id, those of a scoring one after the other in their order.
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
_MEANS = (*EXPRESSION_NAMES, *AU_COLUMNS, "pain_activity", "expressivity")
_MEDIANS = {
    "brightness_median": pl.col("brightness"),
    "sharpness_median": pl.col("sharpness"),
    "face_size_px_median": pl.col("face_size_px"),
    "yaw_abs_median_deg": pl.col("yaw_deg").abs(),
}
# Kinds of episodes: the measure that tells them, and the least of it in each of their frames.
_EPISODES = {
    "smile": ("happiness", 0.5),
    "brow_lowering": ("au04", 0.5),
    "eyes_closed": ("au43", 0.3),
    "pain_activity": ("pain_activity", 0.5),
}
_RUN = "run"  # number of a scoring among those of the frames, by which they are grouped
_LONGEST_GAP_S = 1  # between two frames of an episode
_FEWEST_FRAMES = 2  # of an episode


def session_rollups(frames: pl.DataFrame) -> pl.DataFrame:
    """Rows of `session_rollups`: counts, means and medians over the frames of each scoring."""
    measured = frames.with_columns(expressivity=1 - pl.col("neutral"), highest=pl.max_horizontal(EXPRESSION_NAMES))
    # At a tie the first; by number, as comparing names takes longer.
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
    means = _means(scorings, _MEANS).rename(lambda name: f"{name}_mean")
    values = _by_scoring(frames.select("scoring_id", **_MEDIANS))
    medians = pl.DataFrame(np.stack([_quantiles(of_one, [0.5])[:, 0] for of_one in values]), schema=list(_MEDIANS))
    return pl.concat([counts.drop(_RUN), means, medians.fill_nan(None)], how="horizontal")


def au_quantiles(frames: pl.DataFrame) -> pl.DataFrame:
    """Rows of `phrase_quantiles` for the action units: none for one that was seen in no frame."""
    scored = _scorings(frames).agg(pl.col("scoring_id").first(), frames_scored=pl.col("neutral").count()).drop(_RUN)
    scores = _by_scoring(frames.select("scoring_id", *AU_COLUMNS))
    quantiles = np.concatenate([_quantiles(of_one, list(QUANTILES.values())) for of_one in scores])
    keys = scored.join(pl.DataFrame({"phrase_key": AU_COLUMNS}), how="cross")
    rows = pl.concat([keys, pl.DataFrame(quantiles, schema=list(QUANTILES))], how="horizontal")
    return rows.filter(pl.col("p50").is_not_nan())


def episodes(frames: pl.DataFrame) -> pl.DataFrame:
    """Rows of `episodes`: frames of a kind that follow each other closely enough."""
    # Rounded: 0.9999999 s, left by subtracting, is one second.
    start_s = pl.col("pts_s").min().over(pl.col("scoring_id").rle_id())
    timed = frames.with_columns(time_s=_rounded_s(pl.col("pts_s") - start_s))
    return pl.concat(_episodes(timed, kind, *of_kind) for kind, of_kind in _EPISODES.items())


def _episodes(timed: pl.DataFrame, kind: str, measure: str, least: float) -> pl.DataFrame:
    high = timed.select("scoring_id", "time_s", value=measure).filter(pl.col("value") >= least)
    another = pl.col("scoring_id").ne_missing(pl.col("scoring_id").shift())
    begins = another | (_rounded_s(pl.col("time_s").diff()) > _LONGEST_GAP_S)
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
    """Frames by scoring, in their order. By running numbers, as those of a scoring are then not looked for."""
    return frames.with_columns(pl.col("scoring_id").rle_id().alias(_RUN)).group_by(_RUN, maintain_order=True)


def _rounded_s(seconds: pl.Expr) -> pl.Expr:
    """To the microsecond, as the macro rounds."""
    return seconds.round(6, mode="half_away_from_zero")


def _means(groups: GroupBy, scores: Collection[str]) -> pl.DataFrame:
    """Means of scores by group, NULL where there are none: what the macro mean_score, an average of decimals, has."""
    # DuckDB takes a number to nine decimals by way of a whole number that it keeps as a 32-bit one. Scores have three
    # decimals, so no half of a billionth has to be rounded.
    billionths = (pl.col(scores).cast(pl.Float64) * 1e9).round().cast(pl.Float32).cast(pl.Float64)
    found = groups.agg(billionths.sum(), pl.col(scores).count().name.suffix("_count"))
    sums, counts = found.select(scores).to_numpy(), found.select(pl.col("^.*_count$")).to_numpy()
    # It divides with all digits that the processor has, and rounds then. Sums below 2**53 are exact.
    with np.errstate(invalid="ignore"):
        means = sums.astype(np.longdouble) / (counts * 1e9)
    return pl.DataFrame(means.astype(np.float64), schema=list(scores)).fill_nan(None)


def _by_scoring(values: pl.DataFrame) -> list[npt.NDArray[np.float32]]:
    """The columns beside scoring_id, as one array by scoring: a row a column, NaN for what is missing."""
    heights = _scorings(values).len()["len"].to_numpy()
    return [part.T for part in np.split(values.drop("scoring_id").to_numpy(), np.cumsum(heights)[:-1])]


def _quantiles(values: npt.NDArray[np.float32], shares: Sequence[float]) -> npt.NDArray[np.float32]:
    """Quantiles of each row, interpolated as DuckDB's quantile_cont does; what is missing is NaN and left out."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.count_nonzero(~np.isnan(values), axis=1)[:, None]
    place = np.array(shares) * np.maximum(count - 1, 0)
    below, above = (np.take_along_axis(ordered, end(place).astype(np.int64), axis=1) for end in (np.floor, np.ceil))
    quantiles: npt.NDArray[np.float32] = below + ((above - below) * (place - np.floor(place))).astype(np.float32)
    return quantiles
