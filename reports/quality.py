"""How much of the recordings could be analysed, and why the rest could not."""

from dataclasses import dataclass

import polars as pl

from pmfer.errors import FrameReason
from reports.daily import enough_frames, facing
from reports.thresholds import Thresholds
from reports.trend import Lack


@dataclass(frozen=True)
class Quality:
    """Frame counts over the sessions of a day. All of them count sampled frames."""

    sessions: int  # sessions recorded and stored
    sessions_used: int  # of them, with enough scored frames to count
    frames_sampled: int
    frames_scored: int
    unscored: tuple[tuple[FrameReason, int], ...]  # most frequent first, without zeros
    frames_several_faces: int  # more than one face in view; the others were counted, never scored
    sessions_with_warning: int  # the decoder complained, such as about a truncated end

    @property
    def scored_share(self) -> float | None:
        """Scored over sampled frames, 0..1; None if nothing was sampled."""
        return self.frames_scored / self.frames_sampled if self.frames_sampled else None


def quality_of(summary: pl.DataFrame, usable: pl.Expr) -> Quality:
    """Add up the frame counts of rows of session_summary.

    Args:
        summary: the sessions of a day, of one patient or of a ward.
        usable: a boolean expression over them, see `reports.trend.usable_session`.
    """

    def total(column: str) -> int:
        return int(summary[column].sum())

    counts = ((reason, total(f"frames_{reason.value}")) for reason in FrameReason)
    unscored = sorted((pair for pair in counts if pair[1]), key=lambda pair: -pair[1])
    return Quality(
        sessions=summary.height,
        sessions_used=summary.filter(usable).height,
        frames_sampled=total("frames_sampled"),
        frames_scored=total("frames_scored"),
        unscored=tuple(unscored),
        frames_several_faces=total("frames_several_faces"),
        sessions_with_warning=summary["warning"].count(),
    )


def missing_reason(today: pl.DataFrame, set_aside: int, thresholds: Thresholds) -> Lack:
    """Why a day has no values, if it has none.

    Light is named where it took most of the frames that were not scored, a turned face where the frames would have been
    enough; for anything else, or a mixture, the face was seen too little.

    Args:
        today: the day's rows of session_summary of one patient.
        set_aside: number of sessions of the day in quarantine.
        thresholds: which sessions count, and when one reason is named.
    """
    if today.is_empty():
        return Lack.ALL_SET_ASIDE if set_aside else Lack.NO_SESSION
    with_frames = today.filter(enough_frames(thresholds))
    towards = with_frames.filter(facing(thresholds))
    if towards["frames_scored"].sum() >= thresholds.min_frames_per_day:
        return Lack.TOO_FEW_SESSIONS  # enough frames, or the day would not lack anything else
    if with_frames["frames_scored"].sum() >= thresholds.min_frames_per_day:
        return Lack.TURNED_AWAY
    unscored = int(today["frames_sampled"].sum()) - int(today["frames_scored"].sum())
    for column, lack in (("frames_too_dark", Lack.TOO_DARK), ("frames_too_bright", Lack.TOO_BRIGHT)):
        if today[column].sum() > thresholds.dominant_share * unscored:
            return lack
    return Lack.TOO_LITTLE_SEEN
