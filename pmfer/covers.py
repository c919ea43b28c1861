"""Synthetic covers for training faces: what hides faces in beds, drawn where the face mesh says, with what they hide.

Hands, masks, tubes, blankets, glasses and hair are drawn onto faces whose regions are known, so that the model can be
told how visible each region still is. A few kinds are kept out of training (HELD_OUT): on them it is measured whether
the model notices covers that it has never seen. The idea of training with synthetic occluders is common; kinds, shapes
and textures are ours.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from pmfer.brush import Brush, Dice, Face, Floats
from pmfer.cover_kinds import HELD_OUT, TRAINED
from pmfer.facs import Region
from pmfer.landmarks import POINTS

REGIONS: tuple[Region, ...] = tuple(Region)  # the order of every visibility
# Points of the face mesh that stand for a region.
REGION_POINTS: dict[Region, tuple[int, ...]] = {
    Region.BROW: (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276, 8, 9),
    Region.EYE: (33, 160, 159, 158, 133, 153, 144, 145, 263, 387, 386, 385, 362, 380, 373, 374),
    Region.CHEEK: (50, 280, 118, 347, 101, 330, 205, 425, 117, 346, 187, 411),
    Region.NOSE: (6, 197, 195, 5, 4, 1, 2, 98, 327, 48, 278),
    Region.MOUTH: (61, 291, 0, 17, 13, 14, 40, 270, 91, 321, 84, 314, 37, 267),
    Region.JAW: (152, 148, 377, 176, 400, 149, 378, 150, 379, 136, 365, 18, 200, 199, 175, 32, 262),
}
FULLY_HIDES = 0.2  # opacity from which on a point counts as hidden, see `visibility`


@dataclass(frozen=True)
class Cover:
    """alpha: float32 [S, S] in 0..1, how much of the face's light each pixel takes. texture: float32 [S, S] in 0..1."""

    alpha: Floats
    texture: Floats


SKIN = ("hand", "block", "arm")  # often of the face's own brightness
# The others: 1
FREQUENT = {"hand": 3.0, "oxygen_mask": 3.0, "surgical_mask": 2.0, "blanket": 2.0, "pillow": 2.0, "block": 1.5}


def draw_cover(kind: str, picture: Floats, placed: Floats, dice: Dice) -> Cover:
    """One cover of `kind` for a face.

    Args:
        kind: of TRAINED or HELD_OUT.
        picture: the face, float32 [S, S] in 0..1; only its brightness is used.
        placed: where the points of the face mesh lie, float32 [468, 2], fractions of the side.
        dice: source of shape and texture.
    """
    brush = Brush()
    opacity = (TRAINED | HELD_OUT)[kind](Face(placed, float(np.median(picture))), brush, dice)
    alpha = _small(brush.alpha, picture.shape[0]) * np.float32(1.0 if opacity is None else opacity)
    if brush.shades is None:
        return Cover(alpha, _texture(picture, kind in SKIN and dice.random() < 0.75, dice))
    soft = brush.shades.filter(ImageFilter.GaussianBlur(dice.uniform(0.3, 1.2)))
    shades = _small(soft, picture.shape[0])
    return Cover(alpha, _grained(shades + _ramp(picture.shape[0], dice) * dice.normal(0, 0.15), 0.02, dice))


def _small(canvas: Image.Image, side: int) -> Floats:
    """The canvas at another side, 0..1."""
    return np.asarray(canvas.resize((side, side), Image.Resampling.BILINEAR), np.float32) / np.float32(255)


def _texture(picture: Floats, skin: bool, dice: Dice) -> Floats:
    """Plain, shaded, striped or blotchy, of the face's own brightness (`skin`) or any other."""
    side = picture.shape[0]
    level = float(np.median(picture)) + dice.normal(0, 0.08) if skin else dice.uniform(0, 1)
    ramp = _ramp(side, dice)
    texture = level + ramp * dice.normal(0, 0.3)
    pattern = dice.random()
    if pattern < 0.3:  # folds, pleats, stripes
        texture = texture + dice.uniform(0.02, 0.2) * np.sin(ramp * dice.uniform(15, 80) + dice.uniform(0, 6))
    elif pattern < 0.75:  # blotches, knuckles, print
        coarse = dice.normal(0, 1, (int(dice.integers(3, 13)),) * 2).astype(np.float32)
        blown = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        texture = texture + dice.uniform(0.02, 0.18) * np.asarray(blown)
    return _grained(texture, 0.04, dice)


def _ramp(side: int, dice: Dice) -> Floats:
    """Light that falls off in some direction, [side, side], -0.7 to 0.7."""
    y, x = _grid(side)
    angle = dice.uniform(0, 2 * np.pi)
    return np.asarray(np.cos(angle) * x + np.sin(angle) * y)


def _grained(texture: Floats, most: float, dice: Dice) -> Floats:
    """With a camera's grain of a standard deviation up to `most`, clipped to 0..1."""
    grain = dice.standard_normal(texture.shape, np.float32) * np.float32(dice.uniform(0, most))
    return np.asarray(texture + grain, np.float32).clip(0, 1)


def visibility(cover: Cover, placed: Floats) -> Floats:
    """How much of each region can still be read, float32 [R] in 0..1, in the order of REGIONS.

    A point under a cover that takes FULLY_HIDES of its light is hidden, however much shines through: what a clear mask
    lays over a mouth (rim, glare, fog) changes its scores, and nobody can tell by how much. Where less is taken, as at
    the edge of a cover, it counts in proportion.
    """
    side = cover.alpha.shape[0]
    x, y = np.clip((placed * side).astype(int), 0, side - 1).T
    hidden = np.minimum(cover.alpha[y, x] / np.float32(FULLY_HIDES), 1)
    return np.asarray(1 - _region_weights() @ hidden, np.float32)


@cache
def _region_weights() -> Floats:
    """Share of each point of the mesh in the mean over a region, float32 [R, 468]."""
    weights = np.zeros((len(REGIONS), POINTS), np.float32)
    for row, region in zip(weights, REGIONS, strict=True):
        row[list(REGION_POINTS[region])] = 1 / len(REGION_POINTS[region])
    return weights


@cache
def _grid(side: int) -> Floats:
    """Rows and columns of a picture, float32 [2, side, side] from -0.5 to 0.5."""
    return np.asarray(np.mgrid[0:side, 0:side] / side - 0.5, np.float32)


def cover_faces(
    pictures: Floats, placed: Floats, share: float, dice: Dice, kinds: tuple[str, ...] = tuple(TRAINED)
) -> tuple[Floats, Floats]:
    """Cover a part of a batch.

    Args:
        pictures: float32 [N, S, S] in 0..1; not changed.
        placed: float32 [N, 468, 2], see `draw_cover`.
        share: chance of each face to be covered, 0..1; one in ten of these gets a second cover.
        dice: source of all draws.
        kinds: of TRAINED or HELD_OUT; those of FREQUENT are drawn more often.

    Returns:
        Pictures, and the visibility of every region float32 [N, R].
    """
    weights = np.array([FREQUENT.get(kind, 1.0) for kind in kinds])
    covered, seen = pictures.copy(), np.ones((len(pictures), len(REGIONS)), np.float32)
    for row in np.nonzero(dice.random(len(pictures)) < share)[0]:
        for _ in range(2 if dice.random() < 0.1 else 1):
            kind = kinds[dice.choice(len(kinds), p=weights / weights.sum())]
            cover = draw_cover(kind, pictures[row], placed[row], dice)
            covered[row] += cover.alpha * (cover.texture - covered[row])
            seen[row] = np.minimum(seen[row], visibility(cover, placed[row]))
    return covered, seen
