"""The result of scoring a video. Importing this module loads neither networks nor decoders."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from pmfer.frame_row import readable

Progress = Callable[[float, float | None], None]  # seconds of video done, seconds announced (None: unknown)


@dataclass(frozen=True)
class VideoSummary:
    """The result for a video as a whole."""

    duration_s: float  # last minus first presentation time
    frames_decoded: int
    frames_sampled: int  # one row each
    frames_with_face: int  # sampled frames with at least one face, whoever it is
    frames_scored: int
    leading_expression: str | None  # the one that is most probable in most frames; None if nothing was scored
    warning: str | None  # what was lost or is doubtful, in one line; None if nothing
    wall_s: float  # elapsed time


@dataclass(frozen=True)
class ScoredVideo:
    """The score batch of a video (one row per sampled frame, see docs/inference.md) and its summary."""

    frames: pl.DataFrame
    summary: VideoSummary

    @property
    def table(self) -> pl.DataFrame:
        """The frames in a form for people, with `leading_expression`, `confidence` and `pain_activity`."""
        return readable(self.frames)
