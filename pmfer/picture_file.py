"""Picture files of any kind, as upright 8-bit pictures. Needs numpy and Pillow.

Scoring, evaluation and training read pictures through this module, so that a file looks the same to all of them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
# What Pillow raises for a file that is missing, damaged, not a picture, or too large.
READ_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
WHITE = (0xFF, 0xFFF, 0xFFFF)  # white of 8, 12 and 16 bits, which a deeper picture may hold
FLOAT_WHITE = (1, *WHITE)
NAMED = 5  # number of unreadable pictures that a message names


@dataclass(frozen=True)
class Unreadable:
    """Pictures that are left out because they cannot be read."""

    names: tuple[str, ...]
    total: int  # number of pictures, readable or not
    reason: str = ""  # for the first one

    def __bool__(self) -> bool:
        return bool(self.names)

    def __str__(self) -> str:
        named = ", ".join(self.names[:NAMED]) + (", ..." if len(self.names) > NAMED else "")
        return f"{len(self.names)} of {self.total} pictures cannot be read: {named} ({self.reason})"


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder in order of name, without hidden ones such as the `._a.jpg` of macOS."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    return sorted(file for file in files if not file.name.startswith("."))


def upright_picture(opened: Image.Image, mode: str) -> Image.Image:
    """Turn a picture as its EXIF tag says, and convert it to 8 bits: `mode` "L" (ITU-R BT.601 luma) or "RGB".

    Grey pictures of more than 8 bits do not say which value is white, and Pillow clips them at 255. Here white is the
    smallest of 255, 4095 (12 bits) and 65535 (16 bits) that no pixel exceeds; floating-point pictures may also have 1.

    Raises:
        OSError, ValueError, SyntaxError, DecompressionBombError: it cannot be decoded; see `READ_ERRORS`.
    """
    turned = ImageOps.exif_transpose(opened)
    deep = turned.mode == "F" or turned.mode.startswith("I")
    return (_eight_bits(turned) if deep else turned).convert(mode)


def read_error(error: Exception) -> str:
    """Why a picture cannot be read, in one line, without its path."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture, or damaged"  # Pillow's own words contain the path, or a Python object
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return (str(error).splitlines() or [type(error).__name__])[0]


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scale a grey picture of integers or floating-point numbers to 8 bits; NaN and infinity become black."""
    values = np.nan_to_num(np.asarray(picture, np.float32), posinf=0, neginf=0)
    whites = FLOAT_WHITE if picture.mode == "F" else WHITE
    white = next((white for white in whites if values.max() <= white), WHITE[-1])
    return Image.fromarray(np.rint(values.clip(0, white) * (255 / white)).astype(np.uint8))
