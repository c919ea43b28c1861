"""The columns of a score batch, declared once. A row describes one sampled frame of a session.

`inference` builds its tables from these columns, and the warehouse its checks. The warehouse's schema and the data
dictionary come from its migrations, which are never changed. tests/warehouse/test_warehouse_schema.py compares them
with this declaration, so a new column must be declared here and added by a migration. A missing value is NULL, never 0
or NaN.
"""

import math
from dataclasses import dataclass

import polars as pl

from pmfer.errors import FrameReason
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import ACTION_UNITS, AU_COLUMNS


@dataclass(frozen=True)
class FrameColumn:
    """One column of a score batch."""

    name: str  # `_s` is seconds, `_px` pixels, `_deg` degrees; a name without a unit is a count, a score or a share
    dtype: type[pl.DataType]
    meaning: str  # as in the data dictionary, with unit, range and when it is NULL
    required: bool = False  # never NULL
    low: float = -math.inf  # smallest allowed value, in the column's unit
    high: float = math.inf  # largest allowed value, in the column's unit
    decimals: int | None = None  # decimals to store, as further ones are noise; None: all
    of_face: bool = False  # describes the subject's face. NULL without the subject: nothing is stored of other faces


def score_column(name: str, meaning: str = "") -> FrameColumn:
    """A column of scores in 0..1. A bundle may have score columns that the warehouse does not have."""
    return FrameColumn(name, pl.Float32, meaning, low=0, high=1, decimals=3)


def _face_px(name: str, meaning: str, low: float = 0) -> FrameColumn:
    return FrameColumn(name, pl.Float32, meaning, low=low, decimals=1, of_face=True)


def _face_share(name: str, meaning: str) -> FrameColumn:
    return FrameColumn(name, pl.Float32, meaning, low=0, high=1, decimals=3, of_face=True)


def _face_deg(name: str, meaning: str) -> FrameColumn:
    return FrameColumn(name, pl.Float32, meaning, low=-180, high=180, decimals=1, of_face=True)


ROW_COLUMNS: tuple[FrameColumn, ...] = (  # the columns before the scores, in the order of frame_scores
    FrameColumn("session_id", pl.String, "The session, as in sessions.", required=True),
    FrameColumn(
        "frame_index",
        pl.Int32,
        "Number of the frame in decode order, from 0; unique and increasing within a scoring.",
        required=True,
        low=0,
    ),
    FrameColumn(
        "pts_s",
        pl.Float64,
        "Presentation time from the container, seconds; right for variable frame rates. Never decreases within a "
        "scoring.",
        required=True,
    ),
    FrameColumn(
        "face_count",
        pl.Int32,
        "Faces found in the frame, count, those of other people included.",
        required=True,
        low=0,
    ),
    FrameColumn("track_id", pl.Int32, "Track of the subject's face within the session; NULL without the subject."),
    FrameColumn(
        "is_subject",
        pl.Boolean,
        "True when the box in this row is that of the session's subject; false when the frame has no face of the "
        "subject.",
        required=True,
    ),
    _face_px(
        "box_x_px",
        "Left edge of the subject's face box, pixels of the decoded frame; may lie outside. NULL without the subject.",
        low=-math.inf,
    ),
    _face_px(
        "box_y_px",
        "Top edge of the subject's face box, pixels of the decoded frame; may lie outside. NULL without the subject.",
        low=-math.inf,
    ),
    _face_px("box_w_px", "Width of the subject's face box, pixels. NULL without the subject."),
    _face_px("box_h_px", "Height of the subject's face box, pixels. NULL without the subject."),
    _face_share(
        "detection_score",
        "Confidence of the face detector, 0..1; detectors differ in scale. NULL without the subject.",
    ),
    FrameColumn(
        "sharpness",
        pl.Float32,
        "Sharpness of the subject's face, from 0, larger is sharper; comparable within one set of scoring options. "
        "NULL if not measured.",
        low=0,
        decimals=3,
        of_face=True,
    ),
    _face_share("brightness", "Mean brightness of the subject's face, 0 black to 1 white. NULL if not measured."),
    _face_px("face_size_px", "Square root of box width times height, pixels. NULL without the subject."),
    _face_deg(
        "yaw_deg",
        "Head turned sideways, degrees, -180..180, 0 facing the camera, positive when the nose points to the right of "
        "the picture; a rough estimate from landmarks. NULL if not estimated.",
    ),
    _face_deg(
        "pitch_deg",
        "Head tilted up or down, degrees, -180..180, 0 facing the camera, positive when the chin is raised; a rough "
        "estimate from landmarks. NULL if not estimated.",
    ),
    _face_deg(
        "roll_deg",
        "Head leaning to a shoulder, degrees, -180..180, 0 upright, positive clockwise in the picture; an estimate "
        "from landmarks. NULL if not estimated.",
    ),
    _face_share(
        "occlusion",
        "Share of the subject's face that is covered, 0..1, as the model estimates it. NULL if not scored, or by a "
        "bundle that cannot tell.",
    ),
    FrameColumn(
        "reason",
        pl.String,
        f"Why the frame has no scores: {', '.join(list(FrameReason)[:-1])} or {list(FrameReason)[-1]}. NULL when "
        "scored.",
    ),
)

SCORE_COLUMNS: tuple[str, ...] = (*EXPRESSION_NAMES, *AU_COLUMNS)

FRAME_COLUMNS: tuple[FrameColumn, ...] = (
    *ROW_COLUMNS,
    *(
        score_column(
            name,
            f"Probability of {name}, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: "
            "within 0.004. NULL if not scored.",
        )
        for name in EXPRESSION_NAMES
    ),
    *(
        score_column(
            unit.column,
            f"AU {unit.number}, {unit.name}: alignment of the face with the phrase, 0..1, independent of the others; "
            "not a FACS intensity. NULL if not scored or if its region of the face is covered.",
        )
        for unit in ACTION_UNITS
    ),
    score_column(
        "pain_activity",
        "Pain-related facial activity, 0..1: mean of AU 4, the larger of AU 9 and 10, the larger of AU 6 and 7, and "
        "AU 43 as far as AU 4, 9 or 10 is there too. AU 6, 7 and 43 count only as far as the face does not smile, and "
        "not while the eyes stay closed for long. One of AU 6 and 7 and one of AU 9 and 10 may be covered. Not a pain "
        "score. NULL if not scored or if more is covered.",
    ),
)

ROW_NAMES: tuple[str, ...] = tuple(column.name for column in ROW_COLUMNS)
FRAME_SCHEMA: dict[str, type[pl.DataType]] = {column.name: column.dtype for column in FRAME_COLUMNS}
FACE_COLUMNS: tuple[str, ...] = tuple(column.name for column in ROW_COLUMNS if column.of_face)


def readable(frames: pl.DataFrame) -> pl.DataFrame:
    """A score batch in a form for people: the scores come first, the columns about the face and its quality last.

    Two columns are added, NULL where the frame has no scores: `leading_expression`, the name of the most probable
    expression (if tied, the first in the order of the columns), and `confidence`, its probability.

    Args:
        frames: rows with the columns of a score batch, including additional phrases if the bundle has any.
    """
    expressions = [pl.col(name) for name in EXPRESSION_NAMES if name in frames.columns]
    highest = pl.max_horizontal(expressions)
    named = [pl.when(score == highest).then(pl.lit(score.meta.output_name())) for score in expressions]
    scores = [name for name in frames.columns if name not in (*ROW_NAMES, "pain_activity")]
    first = ("session_id", "frame_index", "pts_s")
    return frames.select(
        *first,
        pl.coalesce(named).alias("leading_expression"),
        highest.alias("confidence"),
        "pain_activity",
        *scores,
        "reason",
        *(name for name in ROW_NAMES if name not in (*first, "reason")),
    )
