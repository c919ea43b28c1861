"""Pain-related facial activity: from the phrases of a face, and over the frames of a session.

No measure of pain: the product compares it with the patient's own usual days only.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the settings of every command know these units, and must not wait for polars
    import polars as pl

# Terms of the PSPI (Prkachin and Solomon, Pain 139, 2008): of two units in one term, the stronger one counts.
PAIN_TERMS: tuple[tuple[str, ...], ...] = (("au04",), ("au06", "au07"), ("au09", "au10"), ("au43",))
PAIN_COLUMNS: tuple[str, ...] = tuple(column for term in PAIN_TERMS for column in term)
SMILING = "happiness"
EYES_CLOSED = "au43"
_ORBIT = PAIN_TERMS[1]  # raised cheeks and tight lids, which a smile brings along
OF_THE_EYES = (*_ORBIT, EYES_CLOSED)  # closed lids look tight to the model: calm closed eyes raise AU 6 and 7 as well

CLOSED = 0.3  # AU 43 from here on: the eyes are closed. Faces with open eyes hardly ever reach it: docs/results.md
ASLEEP_S = 10.0  # eyes closed for so long are those of a sleeper; in a grimace they are closed for seconds
BLINK_S = 2.0  # eyes that open for no longer than this, or are not seen, do not end a sleep


def pain_activity(scores: Mapping[str, Any], larger: Callable[[Any, Any], Any] = max) -> Any:
    """Pain-related facial activity of a face, 0..1: the mean of the PSPI's four terms, on the scale of their scores.

    The PSPI itself adds up FACS intensities. Cheeks that are raised and lids that are tight in a smile are no sign of
    pain: their term counts by the probability that the face does not smile.

    Args:
        scores: scores in 0..1 by column name, numbers, arrays or expressions of one shape; PAIN_COLUMNS and SMILING are
            needed.
        larger: gives the larger of two scores, elementwise for arrays (np.maximum).
    """
    terms = [reduce(larger, [scores[column] for column in term]) for term in PAIN_TERMS]
    terms[PAIN_TERMS.index(_ORBIT)] *= 1 - scores[SMILING]
    return sum(terms[1:], start=terms[0]) / len(terms)


def with_pain_activity(frames: "pl.DataFrame") -> "pl.DataFrame":
    """The frames of one session with a further column `pain_activity`, Float32 in 0..1.

    Eyes that stay closed for ASLEEP_S are those of a sleeper: the terms of the eyes count as 0, those of brows, nose
    and upper lip stay. NULL where one of the scores is, and in all rows if the bundle lacks one of the units.

    Args:
        frames: rows in order of time with `pts_s` and the score columns. Without times (`pts_s` NULL), as of pictures,
            nobody is asleep.
    """
    import polars as pl

    if not {*PAIN_COLUMNS, SMILING} <= set(frames.columns):
        return frames.with_columns(pain_activity=pl.lit(None, pl.Float32))
    scores = {column: pl.col(column) for column in (*PAIN_COLUMNS, SMILING)}
    sleeping = asleep(frames)
    scores |= {column: pl.when(sleeping).then(scores[column] * 0).otherwise(scores[column]) for column in OF_THE_EYES}
    missing = pl.any_horizontal(pl.col(column).is_null() for column in scores)
    activity = pain_activity(scores, pl.max_horizontal).cast(pl.Float32)
    return frames.with_columns(pain_activity=pl.when(~missing).then(activity))


def asleep(frames: "pl.DataFrame") -> "pl.Series":
    """Whether each frame lies in a time of closed eyes that lasts ASLEEP_S or longer, a boolean per row.

    Args:
        frames: rows of one session in order of time, with `pts_s` and `au43`.
    """
    import polars as pl

    closed = frames.with_row_index().filter(pl.col(EYES_CLOSED) >= CLOSED, pl.col("pts_s").is_not_null())
    times = closed.group_by((pl.col("pts_s").diff() > BLINK_S).fill_null(True).cum_sum().alias("time")).agg(
        pl.col("index"), lasts=pl.col("pts_s").max() - pl.col("pts_s").min()
    )
    sleeping = times.filter(pl.col("lasts") >= ASLEEP_S)["index"].explode()
    return pl.Series(range(len(frames)), dtype=pl.UInt32).is_in(sleeping.implode())
