"""Crop a face, upright and framed like the training faces, measure the quality of the crop, and store it.

A face's quality is measured on the crop that the model would see.
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

# A face more than twice as large as the target is first reduced by averaging blocks of pixels, to no less than this
# factor times the target; the Lanczos filter does the rest. On the test clips this changes 99 % of the scores by less
# than 0.03.
REDUCING_GAP = 2.0
# A face that leans by less than this is not turned: the model was trained on faces rolled by up to twice as much, the
# estimate of the roll is off by some degrees, and a crop that is not resampled twice is sharper.
LEANING_DEG = 8.0
TURNED_AT = 2  # a leaning face is turned at this factor times the target's resolution
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
WHITE = 250  # of 255; brighter pixels show no shades
SHARPNESS_PX = 48  # side at which sharpness is measured: that of the faces on which its limit was chosen
SHARPNESS_MARGIN = 8  # an eighth of the side is left out at each edge: hair may be sharp if the face is not
MEMORY_BYTES = 2 * 1024 * 1024  # of crops held in memory; beyond this they go to a temporary file


def crop_window(box: Floats, geometry: CropGeometry, roll_deg: float = 0.0) -> tuple[float, float, float]:
    """Left, top and side in pixels of the square that frames a face.

    If the face leans, the square frames it after the picture is turned upright about the square's centre.

    Args:
        box: [4] left, top, width, height.
        geometry: position and size of the square relative to the box of an upright face.
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
    """Crop the face as an upright square picture, [size_px, size_px] or [size_px, size_px, 3].

    Beyond the picture's edge the outermost pixels are repeated: a black border would look like an edge of the face.
    The Lanczos filter covers the area of each target pixel, so a large face does not alias. Of Pillow's filters it
    comes closest to the sharpness of the training faces (docs/inference.md). A face that leans is first cut out with a
    margin, and turned at up to twice the target's resolution.

    Args:
        picture: [H, W] or [H, W, 3].
        box: [4] left, top, width, height, pixels.
        geometry: position and size of the square relative to the box of an upright face.
        size_px: side of the result.
        roll_deg: how far the face leans clockwise; below LEANING_DEG it is not turned.
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
    """Cut a square (left, top, side) out of a picture and resample it to `size_px`."""
    left, top, side = square
    first = np.floor([left, top]).astype(int)
    last = np.ceil([left + side, top + side]).astype(int)
    window = Image.fromarray(_window(picture, first, last))
    x, y = left - first[0], top - first[1]
    box = (x, y, x + side, y + side)
    return np.asarray(window.resize((size_px, size_px), Image.Resampling.LANCZOS, box=box, reducing_gap=REDUCING_GAP))


def _window(picture: Picture, first: NDArray[np.int_], last: NDArray[np.int_]) -> Picture:
    """The part of a picture from `first` to before `last` (x, y). Beyond the picture, its edge pixels are repeated."""
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
    washed_out: float  # share of the pixels that are white or nearly so, 0..1
    sharpness: float  # standard deviation of the Laplacian over that of the luma, 0 (flat) to about 4 (noise)
    evenness: float  # sharpness in the least sharp direction over that in the sharpest, 0 (smeared) to 1


def measure_quality(crop: NDArray[np.uint8]) -> Quality:
    """Measure brightness and sharpness of a crop, [S, S] grey or [S, S, 3] RGB.

    A pale face is readable as long as its shades differ, so what counts as too bright is the share of white pixels.

    Sharpness is the standard deviation of the Laplacian (four-neighbour kernel; Pech-Pacheco et al., ICPR 2000) divided
    by that of the luma itself, both in the middle of the crop. The division removes the effect of contrast, so a pale
    but sharp face does not count as blurred. Noise counts as sharpness. The measure depends on the picture's size in
    pixels, so a larger crop is reduced first: otherwise a bundle with large crops would call every face blurred that is
    smaller than its crops in the video.

    Motion smears a face in one direction and leaves the edges along it sharp, so the Laplacian hardly falls. Evenness
    compares the second differences along rows, columns and both diagonals.
    """
    luma = np.asarray(crop @ LUMA if crop.ndim == 3 else crop, np.float64)
    brightness, washed_out = float(luma.mean()) / 255, float((luma >= WHITE).mean())
    if len(luma) > SHARPNESS_PX:
        reduced = Image.fromarray(luma.astype(np.float32)).resize((SHARPNESS_PX,) * 2, Image.Resampling.LANCZOS)
        luma = np.asarray(reduced, np.float64)
    inside = slice(len(luma) // SHARPNESS_MARGIN, len(luma) - len(luma) // SHARPNESS_MARGIN)
    middle = luma[inside, inside]
    twice = 2 * middle[1:-1, 1:-1]
    along_rows = middle[1:-1, :-2] + middle[1:-1, 2:] - twice
    along_columns = middle[:-2, 1:-1] + middle[2:, 1:-1] - twice
    # Diagonal neighbours are farther away by the root of 2, which doubles a second difference.
    falling = (middle[:-2, :-2] + middle[2:, 2:] - twice) / 2
    rising = (middle[2:, :-2] + middle[:-2, 2:] - twice) / 2
    directions = [float(differences.std()) for differences in (along_rows, along_columns, falling, rising)]
    contrast = float(middle.std())
    return Quality(
        brightness=brightness,
        washed_out=washed_out,
        sharpness=float((along_rows + along_columns).std()) / contrast if contrast > 0 else 0.0,
        evenness=min(directions) / max(directions) if max(directions) > 0 else 0.0,
    )


def why_unreadable(face_size_px: float, quality: Quality, options: ScoringOptions) -> FrameReason | None:
    """The first reason not to score a face; None if it is readable."""
    if face_size_px < options.min_face_px:
        return FrameReason.TOO_SMALL
    if quality.brightness < options.min_brightness:
        return FrameReason.TOO_DARK
    if quality.washed_out > options.max_washed_out:
        return FrameReason.TOO_BRIGHT
    if quality.sharpness < options.min_sharpness or quality.evenness < options.min_evenness:
        return FrameReason.TOO_BLURRED
    return None


class CropStore:
    """Stores numbered crops of one shape until the subject is known. Leaving the context deletes them all.

    The subject is known only at the end of the session, and nobody else may be scored, so the crops have to wait.
    Decoding the video a second time would need no store, but decoding is the most expensive step for a long
    high-resolution recording. So the crops are stored: up to MEMORY_BYTES in memory, which holds about three minutes of
    one face at five 48-pixel crops a second, and beyond that in a temporary file without a name, which nobody else can
    open and which the system deletes even if the process is killed.
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
        """Store a crop of the store's shape and return its number; numbers count from 0."""
        self._file.seek(self._count * self._bytes_each)
        self._file.write(crop.tobytes())
        self._count += 1
        return self._count - 1

    def batches(self, numbers: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.uint8]]:
        """Yield the crops with these numbers, in the order given, in batches [up to batch_size, *shape]."""
        for start in range(0, len(numbers), batch_size):
            yield np.stack([self._read(int(number)) for number in numbers[start : start + batch_size]])

    def _read(self, number: int) -> NDArray[np.uint8]:
        self._file.seek(number * self._bytes_each)
        return np.frombuffer(self._file.read(self._bytes_each), np.uint8).reshape(self._shape)
