"""One decoded frame, and the pictures that are made of it: upright, with square pixels."""

from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from inference.orientation import UPRIGHT, Orientation

BYTE_LUMA = frozenset({"gray", *(f"yuv{j}{kind}p" for j in ("", "j") for kind in (420, 422, 440, 444)), "nv12", "nv21"})
FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG: luma of 0 to 255, not 16 to 235
SAME_LEVELS = np.arange(256, dtype=np.uint8)
STUDIO_LEVELS = np.clip((np.arange(256) - 16) * 255 / 219, 0, 255).round().astype(np.uint8)  # ITU-R BT.601, 2.5.3


@dataclass(frozen=True)
class Frame:
    """One decoded frame, still in the decoder's format. Pictures are made on demand, upright and with square pixels."""

    index: int  # in decode order, from 0
    time_s: float  # since the start of the recording
    decoded: av.VideoFrame
    pixel_aspect: float = 1.0  # width of a stored pixel by its height
    orientation: Orientation = UPRIGHT

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as displayed: turned as the recording says, with square pixels."""
        width, height = self._stored_px
        return (height, width) if self.orientation.transposed else (width, height)

    @property
    def bytes(self) -> int:
        """What the decoded frame takes in memory."""
        return sum(plane.buffer_size for plane in self.decoded.planes)

    @property
    def _stored_px(self) -> tuple[int, int]:
        """Width and height with square pixels, before turning."""
        return max(1, round(self.decoded.width * self.pixel_aspect)), self.decoded.height

    def luma(self) -> NDArray[np.uint8]:
        """The displayed picture in grey, [H, W], in whatever range the video has."""
        return self.levelled(1)[0]

    def levelled(self, channels: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The displayed picture as `picture` gives it, before its levels are brought to the full range; and the levels.

        A crop of the luma that the decoder left in memory costs nothing beyond the crop: `levels[crop]`, with levels
        [256], is the crop in the full range. Where there is no such luma, the levels change nothing.
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

        Grey is the luma that the video carries, so it is not computed from colours.

        Args:
            channels: 1 or 3.
            size_px: width and height to scale to; the displayed size if None.
        """
        width, height = size_px or self.size_px
        if self.orientation.transposed:
            width, height = height, width
        pixel_format = "gray" if channels == 1 else "rgb24"
        # Threads of libswscale's own would be started for every frame, and cost as much as they save.
        stored = self.decoded.to_ndarray(format=pixel_format, width=width, height=height, threads=1)
        return self.orientation.displayed(np.asarray(stored, np.uint8))
