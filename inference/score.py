"""Score a video: decode, find faces, follow them, choose the subject, and run the model on the subject's crops.

A picture that belongs to no video is scored on its own: its main face is the subject.

A video is read once, in stages that run concurrently. Only a few batches of frames are in memory at a time. What is
kept until the end of the session is a row of numbers and a small crop for each sighting.
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from inference.crop import CropStore, crop_face, measure_quality, why_unreadable
from inference.detect import find_faces, main_face, open_detector
from inference.faces import Faces, Picture, estimate_pose, shows_eyes_and_mouth, sizes
from inference.frame import Frame, sample
from inference.lean import QUARTERS, find_faces_any_way_up
from inference.model import ExpressionModel, remove_covered
from inference.options import BATCH_SIZE, ScoringOptions, VideoLimits
from inference.prefetch import prefetch
from inference.scored import Progress, ScoredVideo, VideoSummary
from inference.sightings import SessionLog, Sighting
from inference.subject import Subject, choose_subject
from inference.track import BATCH_BYTES, BRIDGED_STEPS, Locator, Tracker
from inference.video import Video, open_video
from pmfer.bundle import Bundle, load_bundle
from pmfer.errors import BundleError, FrameReason
from pmfer.pain import with_pain_activity

RIVAL_WARNING_SHARE = 0.7  # of the subject's prominence: if a rival exceeds it, the choice of subject is doubtful
PREFETCHED_FRAMES = 48  # decoded while the detector is busy: more than a batch, or it would have to wait for them
PREFETCHED_BYTES = 2 * BATCH_BYTES  # most memory for them
CROPS_PER_REQUEST = 256  # to the model, which splits them among its threads
SUBJECT, OTHERS = 0, 1  # track numbers given to the faces of a single picture


class Scorer:
    """A loaded model and face detector. Scores any number of videos, one after the other or several at once."""

    def __init__(
        self,
        bundle: Bundle | None = None,
        options: ScoringOptions | None = None,
        *,
        batch_size: int = BATCH_SIZE,
        threads: int = 2,
        limits: VideoLimits | None = None,
    ) -> None:
        """Load the networks.

        Args:
            bundle: the verified bundle to score with; None: the default bundle.
            options: everything that changes results; None: the defaults.
            batch_size: frames per batch for face detection. About five batches of decoded frames are in memory at once,
                each of at most `track.BATCH_BYTES`, and up to PREFETCHED_BYTES of frames that wait for detection.
            threads: CPU threads of the decoder and of each network.
            limits: largest picture and longest video to accept; None: no limits.

        Raises:
            BundleError: the bundle's model does not load, or the bundle has no crop geometry for the detector.
            ConfigurationError: the detector's file is missing or of the wrong kind.
        """
        bundle = bundle or load_bundle()
        options = options or ScoringOptions()
        if options.detector_name not in bundle.card.crop:
            known = ", ".join(sorted(bundle.card.crop))
            raise BundleError(
                f"bundle {bundle.path}: no crop geometry for detector {options.detector_name}; use one of {known}"
            )
        self._bundle = bundle
        self._options = options
        self._batch_size = batch_size
        self._threads = threads
        self._limits = limits
        self._geometry = bundle.card.crop[options.detector_name]
        self._detector = open_detector(options, threads)
        self._locator = Locator(self._detector, options, batch_size)
        self._model = ExpressionModel(bundle, threads, int8=options.int8)

    def score(
        self, video: Path | str, session_id: str | None = None, on_progress: Progress | None = None
    ) -> ScoredVideo:
        """Score one video.

        Args:
            video: the file.
            session_id: written to every row; None: the file's name without its suffix.
            on_progress: called after every batch of frames.

        Raises:
            VideoError: the video cannot be used; its `reason` says why.
        """
        started = time.monotonic()
        video = Path(video)
        opening = open_video(video, self._threads, self._limits, self._prominence)
        with opening as opened, CropStore(self._model.crop_shape) as crops:
            log = self._watch(opened, crops, on_progress)
            jumps_s = [jump.at_s for jump in opened.jumps]
            relink_gap_s = max(self._options.relink_gap_s, BRIDGED_STEPS * log.usual_step_s)
            subject = choose_subject(log.sightings, relink_gap_s, jumps_s)
            frames = self._score_subject(log, subject.tracks, crops, session_id or video.stem)
            summary = self._summarise(opened, frames, subject, time.monotonic() - started)
        return ScoredVideo(frames, summary)

    def score_pictures(self, pictures: Iterable[tuple[str, Picture]]) -> pl.DataFrame:
        """Score pictures that belong to no video, each on its own.

        The subject of a picture is its main face: the largest one or, if several are about equally large, the one
        nearest to the middle.

        Args:
            pictures: a name, which becomes the row's session_id, and the picture itself, uint8 [H, W, 3] RGB.

        Returns:
            One row per picture, in order, with the columns of a score batch. `frame_index` counts the pictures from 0;
            `pts_s` and `track_id` are NULL, because a picture has no time.
        """
        names = []
        log = SessionLog()
        with CropStore(self._model.crop_shape) as crops:
            for index, (name, picture) in enumerate(pictures):
                names.append(name)
                frame = Frame.of_picture(picture, index)
                (faces,) = find_faces_any_way_up(self._detector, [picture], self._options.detector_size_px)
                main = main_face(faces, frame.size_px)
                tracks = [SUBJECT if face == main else OTHERS for face in range(len(faces))]
                log.add(index, 0.0, self._sightings(frame, faces, tracks, crops))
            frames = self._score_subject(log, [SUBJECT], crops, "")
        return frames.with_columns(
            session_id=pl.Series(names, dtype=pl.String),
            pts_s=pl.lit(None, pl.Float64),
            track_id=pl.lit(None, pl.Int32),
        )

    def _prominence(self, frame: Frame) -> float:
        """The largest product of face size in pixels and detection score in a frame; 0 without a face."""
        (faces,) = find_faces(self._detector, [frame], self._options.detector_size_px, QUARTERS)
        return float((sizes(faces.boxes) * faces.scores).max(initial=0.0))

    def _watch(self, video: Video, crops: CropStore, on_progress: Progress | None) -> SessionLog:
        """Find, follow and crop every face of the sampled frames. Decoding, detection and the rest run concurrently."""
        log = SessionLog()
        tracker = Tracker(self._options.track_gap_s)
        sampled = sample(video.frames(), self._options.frames_per_second)
        ahead = min(PREFETCHED_FRAMES, PREFETCHED_BYTES // max(1, video.picture_bytes) + 1)
        with prefetch(sampled, ahead) as frames, prefetch(self._locator.locate(frames), 1) as batches:
            for batch in batches:
                for frame, faces in batch:
                    numbers = tracker.follow(frame.time_s, faces.boxes)
                    log.add(frame.index, frame.time_s, self._sightings(frame, faces, numbers, crops))
                if on_progress:
                    on_progress(batch[-1][0].time_s, video.announced_s)
        return log

    def _sightings(self, frame: Frame, faces: Faces, tracks: list[int], crops: CropStore) -> list[Sighting]:
        """Measure the quality of every face in a frame, and store the crops of the readable ones."""
        if not len(faces):
            return []
        picture, levels = frame.levelled(self._bundle.card.input.channels)
        sightings = []
        for number, size, box, score, landmarks in zip(
            tracks, sizes(faces.boxes), faces.boxes, faces.scores, faces.landmarks, strict=True
        ):
            pose = estimate_pose(landmarks)
            crop = levels[crop_face(picture, box, self._geometry, self._bundle.card.input.size_px, pose.roll_deg)]
            quality = measure_quality(crop)
            reason = why_unreadable(float(size), quality, self._options)
            if not shows_eyes_and_mouth(landmarks, frame.size_px):
                reason = reason or FrameReason.COVERED
            sightings.append(
                Sighting(
                    track_id=number,
                    box=box,
                    picture_px=frame.size_px,
                    detection_score=float(score),
                    quality=quality,
                    pose=pose,
                    reason=reason,
                    crop=None if reason else crops.add(crop),
                )
            )
        return sightings

    def _score_subject(self, log: SessionLog, tracks: Sequence[int], crops: CropStore, session_id: str) -> pl.DataFrame:
        """Run the model on the crops of the subject's tracks, batched across frames, and return the score batch."""
        numbers = log.crops_of(tracks)
        card = self._bundle.card
        scores = np.empty((len(numbers), len(self._bundle.score_columns)), np.float32)
        occlusion = np.full(len(numbers), np.nan, np.float32)
        refused = np.zeros(len(numbers), bool)
        starts = range(0, len(numbers), CROPS_PER_REQUEST)
        for start, batch in zip(starts, crops.batches(numbers, CROPS_PER_REQUEST), strict=True):
            rows = slice(start, start + len(batch))
            scores[rows], visible = self._model.score_visible(batch)
            if visible is not None:
                scores[rows], occlusion[rows], refused[rows] = remove_covered(card, scores[rows], visible)
        scored = pl.DataFrame(scores, dict.fromkeys(self._bundle.score_columns, pl.Float32), orient="row").with_columns(
            crop=pl.Series(numbers, dtype=pl.Int64), occlusion=occlusion, refused=refused
        )
        return with_pain_activity(log.rows(session_id, tracks, scored.fill_nan(None)))

    def _summarise(self, video: Video, frames: pl.DataFrame, subject: Subject, wall_s: float) -> VideoSummary:
        expressions = list(self._bundle.card.expressions)
        scored = frames.filter(pl.col("reason").is_null()).select(expressions)
        leading = scored.to_numpy().argmax(axis=1).tolist() if len(scored) else []
        counts = [leading.count(column) for column in range(len(expressions))]
        warnings = [video.warning()]
        if subject.rival_share > RIVAL_WARNING_SHARE:
            warnings.append(f"another face is nearly as prominent as the subject's ({subject.rival_share:.0%})")
        return VideoSummary(
            duration_s=video.duration_s,
            frames_decoded=video.frames_decoded,
            frames_sampled=len(frames),
            frames_with_face=frames.filter(pl.col("face_count") > 0).height,
            frames_scored=len(scored),
            leading_expression=expressions[counts.index(max(counts))] if leading else None,
            warning="; ".join(warning for warning in warnings if warning) or None,
            wall_s=wall_s,
        )
