"""Pain-related facial activity: of one face from its phrase scores, and over the frames of a session.

It does not measure pain: the product only compares it with the patient's own usual days.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the settings import this module for every command, and must not wait for polars
    import polars as pl

# Terms of the PSPI (Prkachin and Solomon, Pain 139, 2008): if a term has two units, the stronger one counts.
PAIN_TERMS: tuple[tuple[str, ...], ...] = (("au04",), ("au06", "au07"), ("au09", "au10"), ("au43",))
PAIN_COLUMNS: tuple[str, ...] = tuple(column for term in PAIN_TERMS for column in term)
SMILING = "happiness"
SMILE = (SMILING, "au12")  # the stronger one counts: slight smiles and those of old faces are often read as neutral
EYES_CLOSED = "au43"
OF_THE_EYES = (*PAIN_TERMS[1], EYES_CLOSED)  # closed lids look tight to the model: calmly closed eyes raise AU 6 and 7

CLOSED = 0.3  # the eyes are closed if AU 43 is at least this; with open eyes it hardly ever is, see docs/results.md
ASLEEP_S = 10.0  # somebody whose eyes are closed for this long is asleep; in a grimace they are closed for seconds
BLINK_S = 2.0  # if the eyes are open or not seen for no longer than this, the sleep continues


def pain_activity(
    scores: Mapping[str, Any],
    larger: Callable[[Any, Any], Any] = max,
    smaller: Callable[[Any, Any], Any] = min,
) -> Any:
    """Pain-related facial activity of a face, 0..1: the mean of the PSPI's four terms, computed from phrase scores.

    The PSPI itself adds up FACS intensities. Two things are different here, so that neither a smile nor a rest looks
    like pain. Closed eyes count only as far as brows are lowered, or the nose is wrinkled or the upper lip raised. And
    both terms of the eyes are multiplied by 1 - SMILE, because a smile raises the cheeks and narrows the eyes as well.

    Args:
        scores: scores in 0..1 by column name: numbers, or arrays or expressions of one shape. Needs PAIN_COLUMNS and
            SMILE.
        larger: returns the larger of two scores, elementwise for arrays (np.maximum).
        smaller: likewise the smaller one (np.minimum).
    """

    def largest(columns: tuple[str, ...]) -> Any:
        return reduce(larger, [scores[column] for column in columns])

    brows, orbit, nose_and_lip, closed = (largest(term) for term in PAIN_TERMS)
    eyes = orbit + smaller(closed, larger(brows, nose_and_lip))
    return (brows + nose_and_lip + eyes * (1 - largest(SMILE))) / len(PAIN_TERMS)


def with_pain_activity(frames: "pl.DataFrame") -> "pl.DataFrame":
    """Add the column `pain_activity`, Float32 in 0..1, to the frames of one session.

    While the person is asleep (see `asleep`), the terms of the eyes count as 0; those of brows, nose and upper lip do
    not change. If one of a term's two units is covered (NULL), the other one stands for both: a nasal tube covers AU 6
    and 9, and would otherwise leave its wearer without any figure. NULL if a whole term is NULL, or the face is not
    scored, and in all rows if the bundle lacks one of the units.

    Args:
        frames: rows in order of time with `pts_s` and the score columns. Without times (`pts_s` NULL), as for pictures,
            nobody is asleep.
    """
    import polars as pl

    needed = (*PAIN_COLUMNS, *SMILE)
    if not set(needed) <= set(frames.columns):
        return frames.with_columns(pain_activity=pl.lit(None, pl.Float32))
    scores = {column: pl.col(column) for column in needed}
    sleeping = asleep(frames)
    scores |= {column: pl.when(sleeping).then(scores[column] * 0).otherwise(scores[column]) for column in OF_THE_EYES}
    covered = [pl.all_horizontal(pl.col(column).is_null() for column in term) for term in PAIN_TERMS]
    missing = pl.any_horizontal(pl.col(SMILING).is_null(), *covered)
    activity = pain_activity(scores, pl.max_horizontal, pl.min_horizontal).cast(pl.Float32)
    return frames.with_columns(pain_activity=pl.when(~missing).then(activity))


def asleep(frames: "pl.DataFrame") -> "pl.Series":
    """Whether each frame lies in a period of closed eyes of at least ASLEEP_S; a boolean per row.

    Args:
        frames: rows of one session in order of time, with `pts_s` and `au43`.
    """
    import polars as pl

    closed = frames.with_row_index().filter(pl.col(EYES_CLOSED) >= CLOSED, pl.col("pts_s").is_not_null())
    periods = closed.group_by((pl.col("pts_s").diff() > BLINK_S).fill_null(True).cum_sum().alias("period")).agg(
        pl.col("index"), duration_s=pl.col("pts_s").max() - pl.col("pts_s").min()
    )
    sleeping = periods.filter(pl.col("duration_s") >= ASLEEP_S)["index"].explode()
    return pl.Series(range(len(frames)), dtype=pl.UInt32).is_in(sleeping.implode())
