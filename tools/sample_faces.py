"""What the sample sessions of sample_ward.py show, and score batches that show exactly that."""

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS
from pmfer.frame_row import FRAME_SCHEMA
from pmfer.pain import with_pain_activity

FRAME_SECONDS = 1.0  # from one sampled frame to the next
# Share of the level of pain-related activity in its units; their PSPI-like mean is the level itself.
PAIN_UNITS = {"au04": 1.6, "au06": 0.8, "au07": 1.0, "au09": 0.6, "au10": 1.0, "au43": 0.4}  # the eyes stay open
SWING = 0.15  # relative, of the units of pain within a session, so that it has moments


@dataclass(frozen=True)
class Face:
    """What a session shows: shares of the scored frames, and the level of the units of pain."""

    smiling: float = 0.15
    sadness: float = 0.02
    fear: float = 0.0
    anger: float = 0.01
    pain: float = 0.15  # mean score of the units of pain, 0..1
    spread: float = 0.01  # standard deviation of all of these from session to session
    frames: int = 60
    reasons: tuple[str | None, ...] = (None,) * 9 + ("no_face",)  # repeated over the frames
    warning: str | None = None  # of the decoder

    def varied(self, rng: np.random.Generator) -> "Face":
        """The same face on another day."""

        def near(value: float) -> float:
            return float(np.clip(value + rng.normal(0, self.spread), 0, 1))

        return replace(
            self,
            smiling=near(self.smiling),
            sadness=near(self.sadness),
            fear=near(self.fear),
            anger=near(self.anger),
            pain=near(self.pain),
        )


def frames_of(session_id: str, face: Face) -> pl.DataFrame:
    """A score batch in which the leading expressions have exactly the face's shares, rounded to whole frames."""
    reasons = [face.reasons[i % len(face.reasons)] for i in range(face.frames)]
    scored = [i for i, reason in enumerate(reasons) if reason is None]
    phase = sum(map(ord, session_id))
    leading = ["neutral"] * len(scored)
    at = 0
    for name in ("happiness", "sadness", "fear", "anger"):
        share = face.smiling if name == "happiness" else getattr(face, name)
        end = min(at + round(share * len(scored)), len(scored))
        leading[at:end] = [name] * (end - at)
        at = end
    later = phase % (
        leading.count("neutral") + 1
    )  # neutral at first, so that sessions differ; what is shown stays in one
    leading = leading[len(leading) - later :] + leading[: len(leading) - later]
    swings = [1 + SWING * math.sin(2 * math.pi * 3 * ((i + phase) % face.frames) / face.frames) for i in scored]
    shown = {name: [0.86 if name == first else 0.02 for first in leading] for name in EXPRESSION_NAMES}
    shown |= {name: [_unit_score(name, swing, face) for swing in swings] for name in AU_COLUMNS}
    columns: dict[str, list[float | None]] = {name: [None] * face.frames for name in shown}
    for name, scores in shown.items():
        for i, score in zip(scored, scores, strict=True):
            columns[name][i] = score
    subject = [reason not in ("no_face", "not_subject") for reason in reasons]
    frames = pl.DataFrame({**columns, "reason": reasons, "is_subject": subject}).with_columns(
        session_id=pl.lit(session_id),
        frame_index=pl.int_range(pl.len()) * 6,
        pts_s=pl.int_range(pl.len()) * FRAME_SECONDS,
    )
    nobody, visited = pl.col("reason") == "no_face", pl.col("frame_index") % 42 == 0
    frames = frames.with_columns(face_count=pl.when(nobody).then(0).when(visited).then(2).otherwise(1))
    frames = with_pain_activity(frames)
    missing = [name for name in FRAME_SCHEMA if name not in frames.columns]
    frames = frames.with_columns(pl.lit(None).alias(name) for name in missing)
    return frames.select(pl.col(name).cast(dtype) for name, dtype in FRAME_SCHEMA.items())


def _unit_score(name: str, swing: float, face: Face) -> float:
    """Score of one unit in one frame; the units of pain swing around their level, together."""
    return min(1.0, face.pain * PAIN_UNITS[name] * swing) if name in PAIN_UNITS else 0.1
