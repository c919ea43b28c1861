"""What cameras at a bedside do to a face: a closed list of corruptions of face crops, for calibration and measurement.

A crop is what the bundle takes, upright and framed; a corruption changes the picture and not its label. Nothing here is
used as it stands in training, whose changes are drawn at random (pmfer/augment.py).
"""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from pmfer.cover_kinds import Floats
from pmfer.covers import draw_cover, visibility

Images = npt.NDArray[np.uint8]
Dice = np.random.Generator
Corruption = Callable[[Image.Image, Dice], Image.Image]


def _noise(picture: Image.Image, dice: Dice, deviation: float) -> Image.Image:
    values = np.asarray(picture, np.float32) + dice.normal(0, deviation, (picture.height, picture.width))
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def _small(picture: Image.Image, dice: Dice, side_px: int) -> Image.Image:
    small = picture.resize((side_px, side_px), Image.Resampling.LANCZOS)
    return small.resize(picture.size, Image.Resampling.LANCZOS)


def _jpeg(picture: Image.Image, dice: Dice, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("L")


def _bright(picture: Image.Image, dice: Dice, factor: float) -> Image.Image:
    return picture.point([min(255, round(level * factor)) for level in range(256)])


def _rolled(picture: Image.Image, dice: Dice, degrees: float) -> Image.Image:
    """Turned either way; what comes in at the corners repeats the edge."""
    side = picture.width
    padded = Image.fromarray(np.pad(np.asarray(picture), side // 2, mode="edge"))
    turned = padded.rotate(degrees * dice.choice((-1, 1)), Image.Resampling.BICUBIC)
    first = side // 2
    return turned.crop((first, first, first + side, first + side))


CORRUPTIONS: dict[str, Corruption] = {
    "roll 15 degrees": partial(_rolled, degrees=15),
    "roll 30 degrees": partial(_rolled, degrees=30),
    "noise, sd 10": partial(_noise, deviation=10),
    "noise, sd 20": partial(_noise, deviation=20),
    "24 px": partial(_small, side_px=24),
    "16 px": partial(_small, side_px=16),
    "JPEG, quality 20": partial(_jpeg, quality=20),
    "half as bright": partial(_bright, factor=0.5),
    "1.6 times as bright": partial(_bright, factor=1.6),
}


def corrupt(images: Images, name: str, seed: int = 0) -> Images:
    """Grey crops uint8 [N, S, S] with one corruption of CORRUPTIONS; the same for the same seed."""
    dice = np.random.default_rng(seed)
    change = CORRUPTIONS[name]
    return np.stack([np.asarray(change(Image.fromarray(image), dice)) for image in images])


def corrupt_at_random(images: Images, seed: int = 0) -> Images:
    """Each crop uint8 [N, S, S] with a corruption drawn at random."""
    dice = np.random.default_rng(seed)
    changes = list(CORRUPTIONS.values())
    drawn = dice.integers(len(changes), size=len(images))
    return np.stack(
        [np.asarray(changes[k](Image.fromarray(image), dice)) for image, k in zip(images, drawn, strict=True)]
    )


def cover(images: Images, placed: Floats, kind: str, seed: int = 0) -> tuple[Images, Floats]:
    """Grey crops, each with one cover of `kind`.

    Args:
        images: the crops.
        placed: where the points of the face mesh lie, float32 [N, 468, 2], fractions of the side.
        kind: of cover_kinds.TRAINED or HELD_OUT.
        seed: of all draws.

    Returns:
        The crops uint8 [N, S, S], and the visible share of each region [N, R], 0..1.
    """
    dice = np.random.default_rng(seed)
    covered, visible = [], []
    for image, points in zip(images, placed, strict=True):
        face = image.astype(np.float32) / 255
        drawn = draw_cover(kind, face, points, dice)
        covered.append(face + drawn.alpha * (drawn.texture - face))
        visible.append(visibility(drawn, points))
    return np.asarray((np.stack(covered) * 255).round(), np.uint8), np.stack(visible)
