"""Synthetic covers for training faces: draw what hides faces in bed, and compute how visible each region remains.

Hands, masks, tubes, blankets, glasses and hair are drawn onto faces. The face mesh says where the regions of the face
are, so the visible share of each region is known and the model can learn it. A few kinds are held out of training
(HELD_OUT), to measure whether the model notices covers that it has never seen. Training with synthetic occluders is a
common idea; the kinds, shapes and textures are ours.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from pmfer.brush import Brush, Face, Floats, Rng
from pmfer.cover_kinds import HELD_OUT, TRAINED
from pmfer.facs import Region
from pmfer.landmarks import POINTS

REGIONS: tuple[Region, ...] = tuple(Region)  # the order of all visibility values
# Points of the face mesh that represent each region.
REGION_POINTS: dict[Region, tuple[int, ...]] = {
    Region.BROW: (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276, 8, 9),
    Region.EYE: (33, 160, 159, 158, 133, 153, 144, 145, 263, 387, 386, 385, 362, 380, 373, 374),
    Region.CHEEK: (50, 280, 118, 347, 101, 330, 205, 425, 117, 346, 187, 411),
    Region.NOSE: (6, 197, 195, 5, 4, 1, 2, 98, 327, 48, 278),
    Region.MOUTH: (61, 291, 0, 17, 13, 14, 40, 270, 91, 321, 84, 314, 37, 267),
    Region.JAW: (152, 148, 377, 176, 400, 149, 378, 150, 379, 136, 365, 18, 200, 199, 175, 32, 262),
}
FULLY_HIDES = 0.2  # opacity at which a point counts as fully hidden, see `visibility`


@dataclass(frozen=True)
class Cover:
    """alpha: float32 [S, S] in 0..1, opacity of each pixel. texture: float32 [S, S] in 0..1, its brightness."""

    alpha: Floats
    texture: Floats


SKIN = ("hand", "block", "arm")  # kinds that often have the face's own brightness
# Relative frequency of each kind; 1 for the kinds that are not listed.
FREQUENT = {"hand": 3.0, "oxygen_mask": 3.0, "surgical_mask": 2.0, "blanket": 2.0, "pillow": 2.0, "block": 1.5}


def draw_cover(kind: str, picture: Floats, placed: Floats, rng: Rng) -> Cover:
    """Draw one cover for a face.

    Args:
        kind: a key of TRAINED or HELD_OUT.
        picture: the face, float32 [S, S] in 0..1; only its brightness is used.
        placed: positions of the points of the face mesh, float32 [468, 2], fractions of the side.
        rng: random generator for shape and texture.
    """
    brush = Brush()
    opacity = (TRAINED | HELD_OUT)[kind](Face(placed, float(np.median(picture))), brush, rng)
    alpha = _small(brush.alpha, picture.shape[0]) * np.float32(1.0 if opacity is None else opacity)
    if brush.shades is None:
        return Cover(alpha, _texture(picture, kind in SKIN and rng.random() < 0.75, rng))
    soft = brush.shades.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    shades = _small(soft, picture.shape[0])
    return Cover(alpha, _grained(shades + _ramp(picture.shape[0], rng) * rng.normal(0, 0.15), 0.02, rng))


def _small(canvas: Image.Image, side: int) -> Floats:
    """The canvas resized to `side`, float32 [side, side] in 0..1."""
    return np.asarray(canvas.resize((side, side), Image.Resampling.BILINEAR), np.float32) / np.float32(255)


def _texture(picture: Floats, skin: bool, rng: Rng) -> Floats:
    """A plain, shaded, striped or blotchy texture, of about the face's own brightness (`skin`) or any other."""
    side = picture.shape[0]
    level = float(np.median(picture)) + rng.normal(0, 0.08) if skin else rng.uniform(0, 1)
    ramp = _ramp(side, rng)
    texture = level + ramp * rng.normal(0, 0.3)
    pattern = rng.random()
    if pattern < 0.3:  # folds, pleats, stripes
        texture = texture + rng.uniform(0.02, 0.2) * np.sin(ramp * rng.uniform(15, 80) + rng.uniform(0, 6))
    elif pattern < 0.75:  # blotches, knuckles, print
        coarse = rng.normal(0, 1, (int(rng.integers(3, 13)),) * 2).astype(np.float32)
        blown = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        texture = texture + rng.uniform(0.02, 0.18) * np.asarray(blown)
    return _grained(texture, 0.04, rng)


def _ramp(side: int, rng: Rng) -> Floats:
    """A linear brightness gradient in a random direction, [side, side], from about -0.7 to 0.7."""
    y, x = _grid(side)
    angle = rng.uniform(0, 2 * np.pi)
    return np.asarray(np.cos(angle) * x + np.sin(angle) * y)


def _grained(texture: Floats, most: float, rng: Rng) -> Floats:
    """The texture with camera noise of a standard deviation of up to `most`, clipped to 0..1."""
    grain = rng.standard_normal(texture.shape, np.float32) * np.float32(rng.uniform(0, most))
    return np.asarray(texture + grain, np.float32).clip(0, 1)


def visibility(cover: Cover, placed: Floats) -> Floats:
    """Visible share of each region, float32 [R] in 0..1, in the order of REGIONS.

    A point under an opacity of FULLY_HIDES or more counts as hidden, however much shines through: the rim, glare and
    fog of a clear mask change the scores of a mouth, and nobody can tell by how much. A lower opacity, as at the edge
    of a cover, counts in proportion.
    """
    side = cover.alpha.shape[0]
    x, y = np.clip((placed * side).astype(int), 0, side - 1).T
    hidden = np.minimum(cover.alpha[y, x] / np.float32(FULLY_HIDES), 1)
    return np.asarray(1 - _region_weights() @ hidden, np.float32)


@cache
def _region_weights() -> Floats:
    """Weight of each point of the mesh in the mean over each region, float32 [R, 468]."""
    weights = np.zeros((len(REGIONS), POINTS), np.float32)
    for row, region in zip(weights, REGIONS, strict=True):
        row[list(REGION_POINTS[region])] = 1 / len(REGION_POINTS[region])
    return weights


@cache
def _grid(side: int) -> Floats:
    """Row and column coordinates of a picture, float32 [2, side, side] from -0.5 to 0.5."""
    return np.asarray(np.mgrid[0:side, 0:side] / side - 0.5, np.float32)


def cover_faces(pictures: Floats, placed: Floats, share: float, rng: Rng) -> tuple[Floats, Floats]:
    """Cover some of the faces of a batch with covers of TRAINED; those in FREQUENT are drawn more often.

    Args:
        pictures: float32 [N, S, S] in 0..1; not modified.
        placed: float32 [N, 468, 2], see `draw_cover`.
        share: probability that a face is covered, 0..1; one covered face in ten gets a second cover.
        rng: random generator.

    Returns:
        The pictures, and the visible share of every region, float32 [N, R].
    """
    kinds = tuple(TRAINED)
    weights = np.array([FREQUENT.get(kind, 1.0) for kind in kinds])
    covered, visible = pictures.copy(), np.ones((len(pictures), len(REGIONS)), np.float32)
    for row in np.nonzero(rng.random(len(pictures)) < share)[0]:
        for _ in range(2 if rng.random() < 0.1 else 1):
            kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
            cover = draw_cover(kind, pictures[row], placed[row], rng)
            covered[row] += cover.alpha * (cover.texture - covered[row])
            visible[row] = np.minimum(visible[row], visibility(cover, placed[row]))
    return covered, visible
