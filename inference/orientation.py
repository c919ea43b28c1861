"""Which way up a recording is shown: turned by quarters and mirrored, as its display matrix says."""

from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.sidedata.sidedata import SideData, Type
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a picture: transposed or not, then each axis kept or reversed."""

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    def displayed(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture [H, W, ...] as displayed, a view of the stored one."""
        laid = stored.swapaxes(0, 1) if self.transposed else stored
        return laid[:: -1 if self.rows_reversed else 1, :: -1 if self.columns_reversed else 1]


UPRIGHT = Orientation()


class OrientationReader:
    """Reads the orientation of frame after frame. What one frame states holds until another states something else.

    A container states its orientation with every frame, a bitstream (H.264, HEVC) with its first frame or keyframes.
    FFmpeg passes over "upright". So where keyframes repeat their orientation, one without is upright again.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._rotation: int | None = None  # of the frame before; None before the first
        self._repeated = False  # by the last keyframe
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
        # A frame whose side data was read refers to itself and stays in memory until Python collects garbage. So read
        # those of a copy, which has four pixels.
        copy = self._reformatter.reformat(frame, 2, 2, "gray", interpolation=Interpolation.POINT, threads=1)
        try:
            matrices = [bytes(data) for data in _side_data(copy) if data.type is Type.DISPLAYMATRIX]
        except ValueError:  # PyAV 18.1 gives none of them if it does not know the kind of one, such as EXIF
            return _nearest_quarter(frame.rotation) if frame.rotation else None
        return _oriented(np.frombuffer(matrices[0], np.int32)) if matrices else None


def _side_data(frame: av.VideoFrame) -> Iterator[SideData]:
    """What PyAV declares as a mapping, but gives as a sequence: of two display matrices the first one counts."""
    return iter(frame.side_data)  # type: ignore[arg-type]


def _nearest_quarter(rotation_deg: int) -> Orientation:
    """The orientation for a rotation, counter-clockwise, of a picture that is not mirrored."""
    quarters = round(rotation_deg / 90) % 4
    return Orientation(quarters % 2 == 1, quarters in (1, 2), quarters in (2, 3))


def _oriented(matrix: NDArray[np.int32]) -> Orientation | None:
    """The orientation nearest to a display matrix, by rows; None if it shows nothing.

    A stored pixel (x, y) is displayed at (a x + c y, b x + d y), ISO/IEC 14496-12, 6.2.2.
    """
    a, b, _, c, d, *_ = matrix.tolist()
    if a * d == b * c:
        return None
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, rows_reversed=b < 0, columns_reversed=c < 0)
    return Orientation(False, rows_reversed=d < 0, columns_reversed=a < 0)
