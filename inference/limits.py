"""What one video may take: a file from outside can ask for any amount of memory and time."""

from dataclasses import dataclass

from pmfer.errors import QuarantineReason, VideoError


@dataclass(frozen=True)
class VideoLimits:
    """Limits of one video, or of the process that decodes and scores it. Beyond one, the video goes to quarantine."""

    pixels: int = 8192 * 4320  # of a picture
    frames: int = 5_000_000  # decoded
    duration_s: float = 24 * 3600.0  # from the first to the last presentation time, seconds
    wall_s: float = 4 * 3600.0  # decoding and scoring, by the clock on the wall, seconds
    cpu_s: int = 16 * 3600  # decoding and scoring, of all cores together, seconds
    memory_bytes: int = 6 * 1024**3  # of the process, networks included

    def require_picture(self, name: object, width: int, height: int) -> None:
        """Refuse pictures that are too large.

        Raises:
            VideoError: TOO_LARGE.
        """
        if width * height > self.pixels:
            self._refuse(name, f"pictures of {width} x {height} are beyond the limit of {self.pixels} pixels")

    def require_length(self, name: object, frames: int, duration_s: float) -> None:
        """Refuse what goes on and on.

        Raises:
            VideoError: TOO_LARGE.
        """
        if frames > self.frames:
            self._refuse(name, f"has more than {self.frames} frames, the limit")
        if duration_s > self.duration_s:
            self._refuse(name, f"lasts longer than {self.duration_s:g} s, the limit")

    def _refuse(self, name: object, what: str) -> None:
        raise VideoError(QuarantineReason.TOO_LARGE, f"{name}: {what}; see docs/source.md")
