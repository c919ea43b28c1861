"""The rules that a score batch must keep before it is stored. Its columns are declared in `pmfer.frame_row`.

If a bundle has phrases beyond the action units, the batch has an extra score column for each; these become rows of
`frame_extra_scores`.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pmfer.errors import FrameReason, WarehouseError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.frame_row import FACE_COLUMNS, FRAME_COLUMNS, SCORE_COLUMNS, FrameColumn, score_column


@dataclass(frozen=True)
class BatchRule:
    """A rule that every row of a batch must keep."""

    column: str
    text: str  # what must hold
    broken: pl.Expr  # true in the rows that break the rule; NULL does not break it


def checked_frames(batches: Mapping[str, pl.DataFrame], extra_columns: Collection[str] = ()) -> pl.DataFrame:
    """Check score batches and join them as they are stored.

    Each batch has the columns and types of `pmfer.frame_row` and the `extra_columns`, in any order. It has at least one
    row, and all rows belong to its session. `frame_index` strictly increases. `pts_s` never decreases; equal times are
    accepted, because some video files have them. A row without a reason has every score, except that phrases may be
    missing if the face is partly covered (`occlusion`); a row with a reason has no score. Values are finite and in
    range: a missing value is NULL, not NaN. Rows without the subject do not describe a face.

    Args:
        batches: score batches by session_id; at least one.
        extra_columns: score columns of phrases beyond the action units.

    Returns:
        All rows in their order, with values rounded to the decimals of their column, and one more column: `batch`,
        UInt32, the position in `batches` of the batch that the row comes from, counted from 0.

    Raises:
        WarehouseError: names the first rule that is broken, with its session, column and row.
    """
    columns = (*FRAME_COLUMNS, *(score_column(name) for name in extra_columns))
    for session_id, frames in batches.items():
        _check_columns(frames, session_id, columns)
    names = [column.name for column in columns]
    heights = [frames.height for frames in batches.values()]
    joined = pl.concat([frames[names] for frames in batches.values()], rechunk=True).with_columns(
        batch=pl.Series(np.repeat(np.arange(len(heights), dtype=np.uint32), heights))
    )
    _check_rules(joined, list(batches), tuple(_rules(list(batches), columns, (*SCORE_COLUMNS, *extra_columns))))
    return joined.with_columns(
        pl.col(column.name).round(column.decimals) for column in columns if column.decimals is not None
    )


def extra_scores(frames: pl.DataFrame, extra_columns: Collection[str]) -> pl.DataFrame:
    """Extra scores as rows: scoring_id, session_id, frame_index, phrase_key, score; scored frames only.

    Args:
        frames: checked frames with a column scoring_id.
        extra_columns: score columns of phrases beyond the action units.
    """
    return frames.filter(pl.col("reason").is_null()).unpivot(
        on=list(extra_columns),
        index=["scoring_id", "session_id", "frame_index"],
        variable_name="phrase_key",
        value_name="score",
    )


def _check_columns(frames: pl.DataFrame, session_id: str, columns: Sequence[FrameColumn]) -> None:
    expected = {column.name: column.dtype for column in columns}
    found = dict(zip(frames.columns, frames.dtypes, strict=True))  # five times as fast as frames.schema
    for name in found:
        if name not in expected:
            raise _refusal(session_id, f"column {name}: unexpected")
    for name, dtype in expected.items():
        if name not in found:
            raise _refusal(session_id, f"column {name}: missing")
        if found[name] != dtype:
            raise _refusal(session_id, f"column {name}: must be {dtype.__name__}, is {found[name]}")
    if frames.is_empty():
        raise _refusal(session_id, "no rows: a session without frames belongs in quarantine")


def _check_rules(joined: pl.DataFrame, session_ids: Sequence[str], rules: Sequence[BatchRule]) -> None:
    broken = joined.select(rule.broken.fill_null(False).any().alias(str(i)) for i, rule in enumerate(rules)).row(0)
    for rule, is_broken in zip(rules, broken, strict=True):
        if is_broken:
            row = joined.select(rule.broken.fill_null(False).arg_true().first()).item()
            number = joined["batch"][row]
            row -= joined["batch"].index_of(number)
            raise _refusal(session_ids[number], f"column {rule.column}, row {row}: {rule.text}")


def _refusal(session_id: str, what: str) -> WarehouseError:
    return WarehouseError(f"score batch of session {session_id}: {what}; nothing was stored, report this as a bug")


def _rules(session_ids: Sequence[str], columns: Sequence[FrameColumn], scores: Sequence[str]) -> Iterator[BatchRule]:
    for column in columns:
        yield from _value_rules(column)
    of_batch = pl.lit(pl.Series(session_ids)).gather(pl.col("batch"))
    yield BatchRule("session_id", "must be that of the session", pl.col("session_id") != of_batch)
    follows = pl.col("batch") == pl.col("batch").shift()
    yield BatchRule("frame_index", "must increase from row to row", follows & (pl.col("frame_index").diff() <= 0))
    yield BatchRule("pts_s", "must not decrease from row to row", follows & (pl.col("pts_s").diff() < 0))
    yield from _reason_rules(scores)
    for name in FACE_COLUMNS:
        # The product promises that other people are only counted, and that nothing else about them is stored.
        yield BatchRule(
            name, "must be NULL in a frame without the subject", ~pl.col("is_subject") & pl.col(name).is_not_null()
        )


def _value_rules(column: FrameColumn) -> Iterator[BatchRule]:
    values = pl.col(column.name)
    if column.required:
        yield BatchRule(column.name, "must not be NULL", values.is_null())
    if column.dtype in (pl.Float32, pl.Float64):
        yield BatchRule(column.name, "must be a finite number or NULL", ~values.is_finite())
    if (column.low, column.high) != (-math.inf, math.inf):
        outside = ~values.is_between(column.low, column.high)
        yield BatchRule(column.name, f"must lie within {column.low:g}..{column.high:g}", outside)


def _reason_rules(scores: Sequence[str]) -> Iterator[BatchRule]:
    reason, faces = pl.col("reason"), pl.col("face_count")
    known = [str(value) for value in FrameReason]
    yield BatchRule("reason", f"must be NULL or one of {', '.join(known)}", ~reason.is_in(known))
    yield BatchRule(
        "face_count", "must be 0 exactly when the reason is no_face", reason.eq_missing("no_face") != (faces == 0)
    )
    yield BatchRule("is_subject", "must be true in a scored frame", reason.is_null() & ~pl.col("is_subject"))
    for name in scores:
        missing = reason.is_null() & pl.col(name).is_null()
        if name not in EXPRESSION_NAMES:
            missing &= pl.col("occlusion").is_null()
        yield BatchRule(name, "must not be NULL in a frame without a reason", missing)
    for name in (*scores, "pain_activity"):
        yield BatchRule(
            name, "must be NULL in a frame with a reason", reason.is_not_null() & pl.col(name).is_not_null()
        )
