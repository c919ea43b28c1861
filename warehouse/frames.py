"""The score batch: the columns of `frame_scores` that inference delivers, and the rules that a batch must keep.

A bundle with phrases beside the action units delivers a further score column for each; they become rows of
`frame_extra_scores`.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pmfer.errors import FrameReason, WarehouseError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS

SCORE_COLUMNS: tuple[str, ...] = (*EXPRESSION_NAMES, *AU_COLUMNS)
BOX_COLUMNS: tuple[str, ...] = ("box_x_px", "box_y_px", "box_w_px", "box_h_px")


@dataclass(frozen=True)
class FrameColumn:
    """One column of a batch; units and meaning are in the data dictionary."""

    name: str
    dtype: type[pl.DataType]
    required: bool = False  # never NULL
    low: float = -math.inf  # smallest value allowed, in the column's unit
    high: float = math.inf  # largest value allowed, in the column's unit
    decimals: int | None = None  # decimals that are stored; None: all. What lies beyond them is noise


def _score_column(name: str) -> FrameColumn:
    return FrameColumn(name, pl.Float32, low=0, high=1, decimals=3)


FRAME_COLUMNS: tuple[FrameColumn, ...] = (
    FrameColumn("session_id", pl.String, required=True),
    FrameColumn("frame_index", pl.Int32, required=True, low=0),
    FrameColumn("pts_s", pl.Float64, required=True),
    FrameColumn("face_count", pl.Int32, required=True, low=0),
    FrameColumn("track_id", pl.Int32),
    FrameColumn("is_subject", pl.Boolean, required=True),
    FrameColumn("box_x_px", pl.Float32, decimals=1),
    FrameColumn("box_y_px", pl.Float32, decimals=1),
    FrameColumn("box_w_px", pl.Float32, low=0, decimals=1),
    FrameColumn("box_h_px", pl.Float32, low=0, decimals=1),
    FrameColumn("detection_score", pl.Float32, low=0, high=1, decimals=3),
    FrameColumn("sharpness", pl.Float32, low=0, decimals=3),
    FrameColumn("brightness", pl.Float32, low=0, high=1, decimals=3),
    FrameColumn("face_size_px", pl.Float32, low=0, decimals=1),
    FrameColumn("yaw_deg", pl.Float32, low=-180, high=180, decimals=1),
    FrameColumn("pitch_deg", pl.Float32, low=-180, high=180, decimals=1),
    FrameColumn("roll_deg", pl.Float32, low=-180, high=180, decimals=1),
    FrameColumn("occlusion", pl.Float32, low=0, high=1, decimals=3),
    FrameColumn("reason", pl.String),
    *(_score_column(name) for name in SCORE_COLUMNS),
)


@dataclass(frozen=True)
class Rule:
    """Something that no row of a batch may do."""

    column: str
    text: str  # what must hold
    broken: pl.Expr  # true in the rows that break it; NULL counts as kept


def checked_frames(batches: Mapping[str, pl.DataFrame], extra_columns: Collection[str] = ()) -> pl.DataFrame:
    """Check score batches and join them, as they are stored.

    Columns and types of each are those of FRAME_COLUMNS and, as further scores, `extra_columns`, in any order. There
    is at least one row, and all belong to the session. `frame_index` increases strictly; `pts_s` never decreases, and
    equal times are let pass, as containers do hold them. A row without a reason has every score, a row with one has
    none. Values are in range and finite: missing is NULL, not NaN. Rows that are not the subject's have no box.

    Args:
        batches: score batches by session_id, one at least.
        extra_columns: score columns of phrases beside the action units.

    Returns:
        All rows in their order, values rounded to the decimals of their column, with a column more: `batch`, UInt32,
        the number of the batch that a row comes from, from 0.

    Raises:
        WarehouseError: names the first session, column, row and rule that are broken.
    """
    columns = (*FRAME_COLUMNS, *(_score_column(name) for name in extra_columns))
    for session_id, frames in batches.items():
        _check_columns(frames, session_id, columns)
    names = [column.name for column in columns]
    heights = [frames.height for frames in batches.values()]
    joined = pl.concat([frames.select(names) for frames in batches.values()], rechunk=True).with_columns(
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
        extra_columns: their score columns beside those of the action units.
    """
    return frames.filter(pl.col("reason").is_null()).unpivot(
        on=list(extra_columns),
        index=["scoring_id", "session_id", "frame_index"],
        variable_name="phrase_key",
        value_name="score",
    )


def _check_columns(frames: pl.DataFrame, session_id: str, columns: Sequence[FrameColumn]) -> None:
    expected = {column.name: column.dtype for column in columns}
    found = frames.schema  # asked once, as it is made anew at every call
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


def _check_rules(joined: pl.DataFrame, session_ids: Sequence[str], rules: Sequence[Rule]) -> None:
    broken = joined.select(rule.broken.fill_null(False).any().alias(str(i)) for i, rule in enumerate(rules)).row(0)
    for rule, is_broken in zip(rules, broken, strict=True):
        if is_broken:
            row = joined.select(rule.broken.fill_null(False).arg_true().first()).item()
            number = joined["batch"][row]
            row -= joined["batch"].index_of(number)
            raise _refusal(session_ids[number], f"column {rule.column}, row {row}: {rule.text}")


def _refusal(session_id: str, what: str) -> WarehouseError:
    return WarehouseError(f"score batch of session {session_id}: {what}; nothing was stored, report this as a bug")


def _rules(session_ids: Sequence[str], columns: Sequence[FrameColumn], scores: Sequence[str]) -> Iterator[Rule]:
    for column in columns:
        yield from _value_rules(column)
    of_batch = pl.lit(pl.Series(session_ids)).gather(pl.col("batch"))
    yield Rule("session_id", "must be that of the session", pl.col("session_id") != of_batch)
    follows = pl.col("batch") == pl.col("batch").shift()
    yield Rule("frame_index", "must increase from row to row", follows & (pl.col("frame_index").diff() <= 0))
    yield Rule("pts_s", "must not decrease from row to row", follows & (pl.col("pts_s").diff() < 0))
    yield from _reason_rules(scores)
    for name in BOX_COLUMNS:
        # The product's promise: other people are counted, and leave nothing else behind.
        yield Rule(name, "must be NULL unless it is the subject's", ~pl.col("is_subject") & pl.col(name).is_not_null())


def _value_rules(column: FrameColumn) -> Iterator[Rule]:
    values = pl.col(column.name)
    if column.required:
        yield Rule(column.name, "must not be NULL", values.is_null())
    if column.dtype in (pl.Float32, pl.Float64):
        yield Rule(column.name, "must be a finite number or NULL", ~values.is_finite())
    if (column.low, column.high) != (-math.inf, math.inf):
        outside = ~values.is_between(column.low, column.high)
        yield Rule(column.name, f"must lie within {column.low:g}..{column.high:g}", outside)


def _reason_rules(scores: Sequence[str]) -> Iterator[Rule]:
    reason, faces = pl.col("reason"), pl.col("face_count")
    known = [str(value) for value in FrameReason]
    yield Rule("reason", f"must be NULL or one of {', '.join(known)}", ~reason.is_in(known))
    yield Rule(
        "face_count", "must be 0 exactly when the reason is no_face", reason.eq_missing("no_face") != (faces == 0)
    )
    yield Rule("is_subject", "must be true in a scored frame", reason.is_null() & ~pl.col("is_subject"))
    for name in scores:
        yield Rule(name, "must not be NULL in a frame without a reason", reason.is_null() & pl.col(name).is_null())
        yield Rule(name, "must be NULL in a frame with a reason", reason.is_not_null() & pl.col(name).is_not_null())
