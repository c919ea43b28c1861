"""All faces found in a session, one sighting per face and frame, and the score batch made from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from inference.crop import Quality
from inference.faces import Floats, Pose
from pmfer.errors import FrameReason
from pmfer.frame_row import FRAME_SCHEMA, ROW_NAMES

NOT_SEEN = ("session_id", "face_count", "is_subject", "occlusion")  # columns that are not known of a single sighting
FRAMES = {name: FRAME_SCHEMA[name] for name in ("frame_index", "pts_s", "face_count")}
SIGHTINGS: dict[str, type[pl.DataType]] = {
    **{name: FRAME_SCHEMA[name] for name in ROW_NAMES if name not in NOT_SEEN},
    "prominence": pl.Float64,  # size in pixels x detection score x visible share
    "crop": pl.Int64,  # number in the crop store; NULL if unreadable
}
PACKED_ROWS = 1024  # rows per table; many smaller tables would take more memory than their content


@dataclass(frozen=True)
class Sighting:
    """One face in one sampled frame."""

    track_id: int
    box: Floats  # [4] left, top, width, height, displayed pixels
    picture_px: tuple[int, int]  # width and height of the frame
    detection_score: float
    quality: Quality
    pose: Pose
    reason: FrameReason | None  # why it cannot be scored; None if it can
    crop: int | None  # number in the crop store; None if it cannot be scored

    @property
    def face_size_px(self) -> float:
        """Side of the square as large as the box."""
        return float(np.sqrt(self.box[2] * self.box[3]))

    @property
    def visible_share(self) -> float:
        """Share of the box that lies inside the picture, 0..1."""
        ends = np.minimum(self.box[:2] + self.box[2:], self.picture_px)
        inside = np.clip(ends - np.maximum(self.box[:2], 0), 0, None)
        return float(np.prod(inside) / np.prod(self.box[2:]))

    def row(self, frame_index: int, pts_s: float) -> tuple[object, ...]:
        """Values in the order of SIGHTINGS."""
        left, top, width, height = self.box.tolist()
        values = {
            "frame_index": frame_index,
            "pts_s": pts_s,
            "track_id": self.track_id,
            "box_x_px": left,
            "box_y_px": top,
            "box_w_px": width,
            "box_h_px": height,
            "detection_score": self.detection_score,
            "sharpness": self.quality.sharpness,
            "brightness": self.quality.brightness,
            "face_size_px": self.face_size_px,
            "yaw_deg": self.pose.yaw_deg,
            "pitch_deg": self.pose.pitch_deg,
            "roll_deg": self.pose.roll_deg,
            "reason": self.reason.value if self.reason else None,
            "prominence": self.face_size_px * self.detection_score * self.visible_share,
            "crop": self.crop,
        }
        return tuple(values[name] for name in SIGHTINGS)


class SessionLog:
    """All frames and sightings of a session. Rows are regularly packed into columns: about 90 bytes per sighting."""

    def __init__(self) -> None:
        self._frames = [pl.DataFrame(schema=FRAMES)]
        self._sightings = [pl.DataFrame(schema=SIGHTINGS)]
        self._new_frames: list[tuple[object, ...]] = []
        self._new_sightings: list[tuple[object, ...]] = []

    def add(self, frame_index: int, pts_s: float, sightings: Sequence[Sighting]) -> None:
        """Add a sampled frame and the faces in it, if any."""
        self._new_frames.append((frame_index, pts_s, len(sightings)))
        self._new_sightings += [sighting.row(frame_index, pts_s) for sighting in sightings]
        if max(len(self._new_frames), len(self._new_sightings)) >= PACKED_ROWS:
            self._pack()

    def _pack(self) -> None:
        """Pack the rows that are left into columns."""
        self._frames.append(pl.DataFrame(self._new_frames, FRAMES, orient="row"))
        self._sightings.append(pl.DataFrame(self._new_sightings, SIGHTINGS, orient="row"))
        self._new_frames, self._new_sightings = [], []

    @property
    def sightings(self) -> pl.DataFrame:
        """All sightings in order of time, with the columns SIGHTINGS."""
        self._pack()
        return pl.concat(self._sightings)

    @property
    def usual_step_s(self) -> float:
        """The median step between sampled frames, in seconds; 0 with fewer than two."""
        self._pack()
        steps_s = pl.concat(self._frames)["pts_s"].diff().drop_nulls().to_numpy()
        return float(np.median(steps_s)) if len(steps_s) else 0.0

    def crops_of(self, tracks: Sequence[int]) -> NDArray[np.int64]:
        """Numbers of the stored crops of some tracks, [crops], in order of time."""
        stored = self.sightings.filter(pl.col("track_id").is_in(tracks) & pl.col("crop").is_not_null())
        return stored["crop"].to_numpy()

    def rows(self, session_id: str, subject_tracks: Sequence[int], scored: pl.DataFrame) -> pl.DataFrame:
        """The score batch: one row per sampled frame, with the subject's face or with a reason.

        Args:
            session_id: written to every row.
            subject_tracks: the subject's tracks. No two of them appear in the same frame.
            scored: a row per scored crop: `crop`, its number; `occlusion`, the share of the face that is covered;
                `refused`, whether too much is covered; and the scores, NULL where there is none.
        """
        self._pack()
        subject = self.sightings.drop("pts_s", "prominence").filter(pl.col("track_id").is_in(subject_tracks))
        rows = (
            pl.concat(self._frames)
            .join(subject, on="frame_index", how="left", maintain_order="left")
            .join(scored, on="crop", how="left", maintain_order="left")
        )
        nobody = pl.when(pl.col("face_count") == 0).then(pl.lit(FrameReason.NO_FACE.value))
        absent = nobody.otherwise(pl.lit(FrameReason.NOT_SUBJECT.value))
        covered = pl.lit(FrameReason.COVERED.value)
        is_subject = pl.col("track_id").is_not_null()
        return rows.with_columns(
            session_id=pl.lit(session_id),
            is_subject=is_subject,
            reason=pl.when(~is_subject).then(absent).when("refused").then(covered).otherwise("reason"),
        ).select(*ROW_NAMES, pl.exclude(*ROW_NAMES, "crop", "refused"))
