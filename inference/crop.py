"""Cut a face out of a picture, upright and in the framing of the training faces, judge how readable it is, and keep it.

Everything about a face's quality is measured on the crop that the model would see.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.faces import Floats, Picture
from inference.options import ScoringOptions
from pmfer.bundle import CropGeometry
from pmfer.errors import FrameReason

# A face more than twice as large is first reduced by the mean of whole blocks of pixels, to no less than so many times
# the target, and the Lanczos filter does the rest. On the test clips this moves 99 % of the scores by less than 0.03.
REDUCING_GAP = 2.0
# A face that leans by less is left as it is: the model was trained on faces rolled by twice as much, the estimate of
# the roll is off by some degrees, and what is not resampled twice stays sharper.
LEANING_DEG = 8.0
TURNED_AT = 2  # times the target's resolution
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
SHARPNESS_PX = 48  # side at which sharpness is measured: that of the faces its limit was set on
MEMORY_BYTES = 2 * 1024 * 1024  # of crops kept in memory; more go to a temporary file


def crop_window(box: Floats, geometry: CropGeometry, roll_deg: float = 0.0) -> tuple[float, float, float]:
    """Left, top and side in pixels of the square that frames a face, if the picture is turned upright about its middle.

    Args:
        box: [4] left, top, width, height.
        geometry: where the square lies by the box of an upright face.
        roll_deg: how far the face leans clockwise.
    """
    left, top, width, height = (float(edge) for edge in box)
    s = (width * height) ** 0.5
    side = geometry.side * s
    cos, sin = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    x = left + width / 2 + (geometry.dx * cos - geometry.dy * sin) * s
    y = top + height / 2 + (geometry.dx * sin + geometry.dy * cos) * s
    return float(x - side / 2), float(y - side / 2), side


def crop_face(picture: Picture, box: Floats, geometry: CropGeometry, size_px: int, roll_deg: float = 0.0) -> Picture:
    """The face as an upright square picture of `size_px`, [size_px, size_px] or [size_px, size_px, 3].

    Beyond the picture's edge the outermost pixels are repeated: a black border would look like an edge of the face.
    Resampling is Lanczos over the area that a target pixel covers: a large face does not alias, and of Pillow's filters
    it comes nearest to the sharpness of the training faces (docs/inference.md). A face that leans is first cut out
    with what the turn needs around it, and turned at about twice the target's resolution.

    Args:
        picture: [H, W] or [H, W, 3].
        box: [4] left, top, width, height, pixels.
        geometry: where the square lies by the box of an upright face.
        size_px: side of the result.
        roll_deg: how far the face leans clockwise; less than LEANING_DEG is left as it is.
    """
    if abs(roll_deg) < LEANING_DEG:
        return _cut(picture, crop_window(box, geometry), size_px)
    left, top, side = crop_window(box, geometry, roll_deg)
    margin = side * (np.sqrt(2) - 1) / 2
    fine = min(TURNED_AT * size_px, max(size_px, round(side)))  # pixels for `side`
    whole = 2 * round(fine * np.sqrt(2) / 2 + 1)
    around = _cut(picture, (left - margin, top - margin, side + 2 * margin), whole)
    upright = Image.fromarray(around).rotate(roll_deg, Image.Resampling.BICUBIC)
    inner = whole / np.sqrt(2)
    edge = (whole - inner) / 2
    square = (edge, edge, edge + inner, edge + inner)
    return np.asarray(upright.resize((size_px, size_px), Image.Resampling.LANCZOS, box=square))


def _cut(picture: Picture, square: tuple[float, float, float], size_px: int) -> Picture:
    """A square (left, top, side) of a picture, as one of `size_px`."""
    left, top, side = square
    first = np.floor([left, top]).astype(int)
    last = np.ceil([left + side, top + side]).astype(int)
    window = Image.fromarray(_window(picture, first, last))
    x, y = left - first[0], top - first[1]
    box = (x, y, x + side, y + side)
    return np.asarray(window.resize((size_px, size_px), Image.Resampling.LANCZOS, box=box, reducing_gap=REDUCING_GAP))


def _window(picture: Picture, first: NDArray[np.int_], last: NDArray[np.int_]) -> Picture:
    """The part of a picture from `first` to before `last` (x, y), its edge repeated where it reaches beyond."""
    (left, top), (right, bottom) = first, last
    if left >= 0 and top >= 0 and right <= picture.shape[1] and bottom <= picture.shape[0]:
        return np.asarray(picture[top:bottom, left:right])
    columns = np.clip(np.arange(left, right), 0, picture.shape[1] - 1)
    rows = np.clip(np.arange(top, bottom), 0, picture.shape[0] - 1)
    return np.asarray(picture[np.ix_(rows, columns)])


@dataclass(frozen=True)
class Quality:
    """Readability of one crop."""

    brightness: float  # mean luma, 0..1
    sharpness: float  # standard deviation of the Laplacian by that of the luma, 0 (flat) to about 4 (noise)


def measure_quality(crop: NDArray[np.uint8]) -> Quality:
    """Brightness and sharpness of a crop, [S, S] grey or [S, S, 3] RGB.

    Sharpness is the standard deviation of the Laplacian (four-neighbour kernel; Pech-Pacheco et al., ICPR 2000) divided
    by that of the luma itself. The division takes contrast out, so a pale but sharp face is not called blurred; noise
    reads as sharpness. It depends on the picture's size in pixels, so a larger crop is reduced first: otherwise a
    bundle of large crops would call every face blurred that the camera saw smaller than that.
    """
    luma = np.asarray(crop @ LUMA if crop.ndim == 3 else crop, np.float64)
    brightness = float(luma.mean()) / 255
    if len(luma) > SHARPNESS_PX:
        reduced = Image.fromarray(luma.astype(np.float32)).resize((SHARPNESS_PX,) * 2, Image.Resampling.LANCZOS)
        luma = np.asarray(reduced, np.float64)
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    contrast = float(luma.std())
    return Quality(
        brightness=brightness,
        sharpness=float(laplacian.std()) / contrast if contrast > 0 else 0.0,
    )


def why_unreadable(face_size_px: float, quality: Quality, options: ScoringOptions) -> FrameReason | None:
    """The first reason not to score a face, None if it is readable."""
    if face_size_px < options.min_face_px:
        return FrameReason.TOO_SMALL
    if quality.brightness < options.min_brightness:
        return FrameReason.TOO_DARK
    if quality.brightness > options.max_brightness:
        return FrameReason.TOO_BRIGHT
    if quality.sharpness < options.min_sharpness:
        return FrameReason.TOO_BLURRED
    return None


class CropStore:
    """Numbered crops of one shape, kept until it is known whose they are. Leaving the context forgets them all.

    The subject is known only when the session is over, and nobody else may be scored, so the crops have to wait.
    Decoding the video a second time would need no store, but decoding is the dearest step of a long recording in high
    resolution. So the crops are kept: up to MEMORY_BYTES in memory, which holds about three minutes of one face at five
    48-pixel crops a second, and beyond that in a temporary file without a name, which nobody else can open and which
    the system frees even if the process is killed.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._bytes_each = int(np.prod(shape))
        self._file = SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, crop: NDArray[np.uint8]) -> int:
        """Keep a crop of the store's shape and return its number; numbers count from 0."""
        self._file.seek(self._count * self._bytes_each)
        self._file.write(crop.tobytes())
        self._count += 1
        return self._count - 1

    def batches(self, numbers: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.uint8]]:
        """Crops by number, in the order given, in batches [up to batch_size, *shape]."""
        for start in range(0, len(numbers), batch_size):
            yield np.stack([self._read(int(number)) for number in numbers[start : start + batch_size]])

    def _read(self, number: int) -> NDArray[np.uint8]:
        self._file.seek(number * self._bytes_each)
        return np.frombuffer(self._file.read(self._bytes_each), np.uint8).reshape(self._shape)
