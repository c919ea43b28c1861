"""One decoded frame, displayed upright and with square pixels, and the sampling of a recording's frames."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import av
import numpy as np
from av.sidedata.sidedata import SideData, Type
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

BYTE_LUMA = frozenset({"gray", *(f"yuv{j}{kind}p" for j in ("", "j") for kind in (420, 422, 440, 444)), "nv12", "nv21"})
FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG: luma from 0 to 255, not 16 to 235
SAME_LEVELS = np.arange(256, dtype=np.uint8)
STUDIO_LEVELS = np.clip((np.arange(256) - 16) * 255 / 219, 0, 255).round().astype(np.uint8)  # ITU-R BT.601, 2.5.3
# A frame this little before a tick counts as on it. Matroska and Flash round to milliseconds, both a frame's time and
# the start that is subtracted from it, so the difference may be almost a millisecond too small.
ROUNDING_S = 0.0011


@dataclass(frozen=True)
class Orientation:
    """One of the eight orientations of a picture: transposed or not, then each axis kept or reversed."""

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    def displayed(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture [H, W, ...] as displayed, as a view of the stored one."""
        picture = stored.swapaxes(0, 1) if self.transposed else stored
        return picture[:: -1 if self.rows_reversed else 1, :: -1 if self.columns_reversed else 1]


UPRIGHT = Orientation()


@dataclass(frozen=True)
class Frame:
    """One decoded frame in the decoder's format. Pictures are converted on demand, upright and with square pixels."""

    index: int  # in decode order, from 0
    time_s: float  # since the start of the recording
    decoded: av.VideoFrame
    pixel_aspect: float = 1.0  # width of a stored pixel by its height
    orientation: Orientation = UPRIGHT

    @classmethod
    def of_picture(cls, picture: NDArray[np.uint8], index: int = 0) -> Self:
        """A frame at 0 s made from a picture [H, W, 3] RGB that belongs to no video."""
        return cls(index, 0.0, av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as displayed: turned as the recording states, with square pixels."""
        width, height = self._stored_px
        return (height, width) if self.orientation.transposed else (width, height)

    @property
    def bytes(self) -> int:
        """Memory that the decoded frame takes."""
        return sum(plane.buffer_size for plane in self.decoded.planes)

    @property
    def _stored_px(self) -> tuple[int, int]:
        """Width and height with square pixels, before turning."""
        return max(1, round(self.decoded.width * self.pixel_aspect)), self.decoded.height

    def luma(self) -> NDArray[np.uint8]:
        """The displayed picture in grey, [H, W], in the range of the video, which may be 16..235 or 0..255."""
        return self.levelled(1)[0]

    def levelled(self, channels: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The displayed picture in the range of the video, and a table [256] of levels that maps it to the full range.

        `levels[crop]` is a crop of what `picture` returns. This way only the crop has to be converted: its luma is read
        directly from the decoder's memory. If the decoder's format does not allow that, the picture is converted as a
        whole, and the levels change nothing.
        """
        decoded = self.decoded
        if channels != 1 or decoded.format.name not in BYTE_LUMA or self._stored_px != (decoded.width, decoded.height):
            return self.picture(channels), SAME_LEVELS
        plane = decoded.planes[0]
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : decoded.height, : decoded.width
        ]
        full = decoded.format.name.startswith(("gray", "yuvj")) or decoded.color_range == FULL_RANGE
        return self.orientation.displayed(luma), SAME_LEVELS if full else STUDIO_LEVELS

    def picture(self, channels: int, size_px: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The displayed picture, [H, W] grey (1 channel) or [H, W, 3] RGB, full range 0..255.

        Grey is the luma that the video stores, so it is not computed from colours.

        Args:
            channels: 1 or 3.
            size_px: width and height to scale to; the displayed size if None.
        """
        width, height = size_px or self.size_px
        if self.orientation.transposed:
            width, height = height, width
        pixel_format = "gray" if channels == 1 else "rgb24"
        # The frame's own reformatter would crash if two stages, each in its own thread, converted the same frame.
        # libswscale would start its threads anew for every frame, which costs as much as they save.
        scaled = VideoReformatter().reformat(self.decoded, width, height, pixel_format, threads=1)
        return self.orientation.displayed(np.asarray(scaled.to_ndarray(), np.uint8))


class OrientationReader:
    """Reads the orientation of one frame after the other. An orientation holds until another one is stated.

    A container states the orientation with every frame, a bitstream (H.264, HEVC) with the first frame or with
    keyframes. FFmpeg does not report "upright". So if keyframes repeat their orientation, one without is upright again.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._rotation: int | None = None  # of the previous frame; None before the first
        self._repeated = False  # whether the last keyframe, not being the first frame, stated an orientation
        self._orientation = UPRIGHT

    def read(self, frame: av.VideoFrame) -> Orientation:
        """The orientation of the next frame, in the order of display."""
        if frame.key_frame or frame.rotation != self._rotation:
            stated = self._stated(frame)
            if frame.key_frame:
                stated = stated or (UPRIGHT if self._repeated else None)
                self._repeated = stated is not None and self._rotation is not None
            self._orientation = stated or self._orientation
        self._rotation = frame.rotation
        return self._orientation

    def _stated(self, frame: av.VideoFrame) -> Orientation | None:
        # Reading a frame's side data makes the frame refer to itself, so it stays in memory until Python collects
        # garbage. So read the side data of a copy that has four pixels.
        copy = self._reformatter.reformat(frame, 2, 2, "gray", interpolation=Interpolation.POINT, threads=1)
        try:
            matrices = [bytes(data) for data in _side_data(copy) if data.type is Type.DISPLAYMATRIX]
        except ValueError:  # PyAV 18.1 fails on all side data if it does not know the type of one, such as EXIF
            return _nearest_quarter(frame.rotation) if frame.rotation else None
        return _oriented(np.frombuffer(matrices[0], np.int32)) if matrices else None


def _side_data(frame: av.VideoFrame) -> Iterator[SideData]:
    """The side data as a sequence, although PyAV declares a mapping: of two display matrices the first one counts."""
    return iter(frame.side_data)  # type: ignore[arg-type]


def _nearest_quarter(rotation_deg: int) -> Orientation:
    """The orientation for a counter-clockwise rotation of a picture that is not mirrored."""
    quarters = round(rotation_deg / 90) % 4
    return Orientation(quarters % 2 == 1, quarters in (1, 2), quarters in (2, 3))


def _oriented(matrix: NDArray[np.int32]) -> Orientation | None:
    """The orientation nearest to a display matrix, given row by row; None if the matrix is singular.

    A stored pixel (x, y) is displayed at (a x + c y, b x + d y), ISO/IEC 14496-12, 6.2.2.
    """
    a, b, _, c, d, *_ = matrix.tolist()
    if a * d == b * c:
        return None
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, rows_reversed=b < 0, columns_reversed=c < 0)
    return Orientation(False, rows_reversed=d < 0, columns_reversed=a < 0)


class Ticks:
    """Ticks at a fixed rate.

    A tick that passes without a frame (variable frame rate, a pause) is lost, so no frame stands for two ticks.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._last: int | None = None

    def reached(self, time_s: float) -> bool:
        """Whether `time_s` is the first time at or after a tick. Times must be given in order."""
        tick = math.floor((time_s + ROUNDING_S) * self._per_second)
        new = self._last is None or tick > self._last
        if new:
            self._last = tick
        return new


class Timed(Protocol):
    """Anything that happens at a time."""

    @property
    def time_s(self) -> float:
        """Seconds since the start of the recording."""


AnyTimed = TypeVar("AnyTimed", bound=Timed)


def sample(frames: Iterable[AnyTimed], frames_per_second: float | None) -> Iterator[AnyTimed]:
    """Yield the first frame at or after each tick of 1 / `frames_per_second` s; all frames if None.

    `frames` must be in order of time.
    """
    if frames_per_second is None:
        yield from frames
        return
    ticks = Ticks(frames_per_second)
    yield from (frame for frame in frames if ticks.reached(frame.time_s))
