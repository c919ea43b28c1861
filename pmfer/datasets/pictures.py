"""Read pictures from files, bytes or arrays."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pmfer.errors import TrainingError
from pmfer.picture_file import READ_ERRORS, read_error, upright_picture

Picture = npt.NDArray[np.uint8]  # [H, W] grey (ITU-R BT.601 luma) or [H, W, 3] RGB


class PictureError(TrainingError):
    """One picture is missing or broken."""


@dataclass(frozen=True)
class PictureSource:
    """A picture that has not been read yet, with the box of the face if the data set states it."""

    content: Path | bytes | Picture  # a file, an encoded picture, or a grey array
    box: tuple[int, int, int, int] | None = None  # left, top, width, height of the face, pixels; None: whole picture


def read_picture(source: PictureSource, channels: int, box: bool = True) -> Picture:
    """Decode a picture, upright, in grey (`channels` 1) or RGB (3). With `box`, crop it to the face box if it has one.

    Raises:
        PictureError: it is missing, not a picture, or damaged.
    """
    try:
        with _open(source.content) as opened:
            picture = upright_picture(opened, "L" if channels == 1 else "RGB")
            if box and source.box:
                picture = picture.crop(_inside(source.box, picture.size))
            return np.asarray(picture)
    except READ_ERRORS as error:
        raise PictureError(read_error(error)) from None


def resize(picture: Picture, size_px: int) -> Picture:
    """Resize a picture to a square of `size_px` with Pillow's Lanczos filter, over the area of each target pixel."""
    if picture.shape[:2] == (size_px, size_px):
        return picture
    return np.asarray(Image.fromarray(picture).resize((size_px, size_px), Image.Resampling.LANCZOS))


def read_pictures(
    sources: Sequence[PictureSource], read: Callable[[PictureSource], Picture], chunk: int = 64
) -> Iterator[list[Picture | PictureError]]:
    """Yield the pictures in order, in lists of up to `chunk`, read by a few threads; an error in place of a broken one.

    Only one chunk is in memory at a time, so a data set may be larger than the memory.
    """

    def attempt(source: PictureSource) -> Picture | PictureError:
        try:
            return read(source)
        except PictureError as error:
            return error

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for begin in range(0, len(sources), chunk):
            yield list(pool.map(attempt, sources[begin : begin + chunk]))


def _open(content: Path | bytes | Picture) -> Image.Image:
    if isinstance(content, np.ndarray):
        return Image.fromarray(content)
    return Image.open(content if isinstance(content, Path) else io.BytesIO(content))


def _inside(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top = max(0, box[0]), max(0, box[1])
    right, bottom = min(size[0], box[0] + box[2]), min(size[1], box[1] + box[3])
    if right <= left or bottom <= top:
        raise ValueError(f"its face box {box} is outside the picture of {size[0]} x {size[1]} px")
    return left, top, right, bottom
