"""Synthetic covers for training faces: what hides faces in beds, drawn where the face mesh says, with what they hide.

Hands, masks, tubes, blankets, glasses and hair are drawn onto faces whose regions are known, so that the model can be
told how visible each region still is. A few kinds are kept out of training (HELD_OUT): on them it is measured whether
the model notices covers that it has never seen. The idea of training with synthetic occluders is common; kinds, shapes
and textures are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

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
JAW_LINE = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
EYE_CORNERS = (33, 133, 263, 362)
CANVAS_PX = 96  # side on which covers are drawn; edges are then as soft as those of real things on a small picture

Floats = npt.NDArray[np.float32]
Dice = np.random.Generator
Painter = Callable[["_Face", ImageDraw.ImageDraw, Dice], float | None]


@dataclass(frozen=True)
class Cover:
    """alpha: float32 [S, S] in 0..1, how much of the face each pixel hides. texture: float32 [S, S] in 0..1."""

    alpha: Floats
    texture: Floats


class _Face:
    """Points of one face on the canvas, and lengths to draw by."""

    def __init__(self, placed: Floats) -> None:
        self.points = placed * CANVAS_PX
        right, left = self.at(33, 133), self.at(263, 362)
        self.across = left - right
        self.span = float(np.hypot(*self.across)) or 1.0  # between the eyes' centres
        self.across /= self.span
        self.down = np.array([-self.across[1], self.across[0]])
        self.mouth, self.nose, self.chin = self.points[13], self.points[4], self.points[152]
        self.eyes = (right, left)

    def at(self, *chosen: int) -> Floats:
        """Mean of the points chosen, [2]."""
        return np.asarray(self.points[list(chosen)].sum(0) / len(chosen))

    def place(self, origin: Floats, across: float, down: float) -> tuple[float, float]:
        """The point so many eye distances across and down the face from `origin`."""
        x, y = origin + self.span * (across * self.across + down * self.down)
        return float(x), float(y)


def _disc(draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, fill: int = 255) -> None:
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _hand(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> None:
    """A palm and two to four fingers, from any side, over any part of the face."""
    targets = (face.mouth, face.chin, face.nose, *face.eyes, face.at(50), face.at(280), face.at(9))
    goal = targets[dice.integers(len(targets))] + dice.normal(0, 0.2 * face.span, 2)
    angle = dice.uniform(0, 2 * np.pi)
    away, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    width = face.span * dice.uniform(0.16, 0.28)
    for finger in range(dice.integers(2, 5)):
        tip = goal + side * (finger - 1.5) * width * dice.uniform(0.9, 1.15) - away * dice.uniform(0, 0.3) * face.span
        root = goal + side * (finger - 1.5) * width + away * face.span * dice.uniform(0.7, 1.1)
        draw.line([tuple(tip), tuple(root)], fill=255, width=max(2, int(width)))
        _disc(draw, (float(tip[0]), float(tip[1])), width / 2)
    palm = goal + away * face.span * dice.uniform(1.0, 1.4)
    _disc(draw, (float(palm[0]), float(palm[1])), face.span * dice.uniform(0.5, 0.8))


def _surgical_mask(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> None:
    """From the bridge of the nose, or slipped below it, to under the chin, with loops to the ears."""
    ridge = face.points[6] + (face.nose - face.points[6]) * dice.uniform(0.1, 1.25)
    first = int(dice.integers(0, 3))
    jaw = face.points[list(JAW_LINE[first : len(JAW_LINE) - first])] + face.down * face.span * dice.uniform(0, 0.12)
    upper = [face.points[118] + face.down * dice.uniform(-0.1, 0.3) * face.span, ridge]
    upper.append(face.points[347] + face.down * dice.uniform(-0.1, 0.3) * face.span)
    draw.polygon([tuple(p) for p in (*jaw, upper[2], upper[1], upper[0])], fill=255)


def _oxygen_mask(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> float:
    """A clear cone over nose and mouth with its straps: what lies below shows through."""
    top = face.place(face.nose, dice.uniform(-0.08, 0.08), dice.uniform(-0.55, -0.2))
    wide, low = dice.uniform(0.45, 0.7), dice.uniform(0.35, 0.65)
    left, right = face.place(face.mouth, -wide, 0.1), face.place(face.mouth, wide, 0.1)
    lower = [face.place(face.mouth, 0.6 * wide * side, low) for side in (1, -1)]
    draw.polygon([top, right, *lower, left], fill=255)
    for corner, ear in ((left, 234), (right, 454)):
        draw.line([corner, tuple(face.points[ear])], fill=255, width=2)
    return float(dice.uniform(0.35, 0.85))


def _tube(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> None:
    """One or two thin tubes from nose or mouth to a cheek and beyond, held by tape."""
    origin = (face.nose, face.mouth)[dice.integers(2)]
    for side in ((-1.0, 1.0), (-1.0,), (1.0,))[dice.integers(3)]:
        middle = face.place(origin, side * dice.uniform(0.4, 0.7), dice.uniform(-0.1, 0.3))
        end = face.place(origin, side * dice.uniform(1.0, 1.6), dice.uniform(-0.5, 0.5))
        draw.line([tuple(origin), middle, end], fill=255, width=int(dice.integers(2, 7)), joint="curve")
        if dice.random() < 0.5:
            _patch(draw, middle, face.span * dice.uniform(0.12, 0.3), dice)
    if dice.random() < 0.4:
        _patch(draw, face.place(origin, 0, dice.uniform(-0.2, 0.2)), face.span * dice.uniform(0.12, 0.35), dice)


def _patch(draw: ImageDraw.ImageDraw, centre: tuple[float, float], half: float, dice: Dice) -> None:
    angle = dice.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -0.6], [1, -0.6], [1, 0.6], [-1, 0.6]]) * half @ turn.T + centre
    draw.polygon([tuple(corner) for corner in corners], fill=255)


def _half_plane(draw: ImageDraw.ImageDraw, edge: Floats, inward: Floats, dice: Dice, wave: float) -> None:
    """All that lies beyond a wavy line through `edge`, on the side that `inward` [2] points to."""
    along = np.array([-inward[1], inward[0]])
    steps = np.linspace(-2 * CANVAS_PX, 2 * CANVAS_PX, 25)
    heights = np.cumsum(dice.normal(0, wave, len(steps)))
    rim = [tuple(edge + along * s + inward * (h - heights[12])) for s, h in zip(steps, heights, strict=True)]
    far = inward * 4 * CANVAS_PX
    draw.polygon([*rim, tuple(np.array(rim[-1]) + far), tuple(np.array(rim[0]) + far)], fill=255)


def _blanket(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> None:
    """Cloth drawn up over the chin, the mouth or the nose, slanted."""
    edge = face.chin + (face.nose - face.chin) * dice.uniform(0.0, 1.1)
    slant = dice.normal(0, 0.25)
    inward = face.down + slant * face.across
    _half_plane(draw, edge, inward / np.hypot(*inward), dice, 1.5)


def _hair(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> None:
    """A fringe over the brows or the eyes, or strands at one side."""
    edge = face.at(9) + (face.at(*EYE_CORNERS) - face.at(9)) * dice.uniform(-0.6, 1.3)
    inward = -face.down + dice.normal(0, 0.6) * face.across
    _half_plane(draw, edge, inward / np.hypot(*inward), dice, 2.5)


def _glasses(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> float | None:
    """Rims around both eyes, or dark lenses."""
    radius, width = face.span * dice.uniform(0.32, 0.48), int(dice.integers(1, 5))
    dark = dice.random() < 0.45
    for x, y in face.eyes:
        box = (x - radius, y - radius * 0.8, x + radius, y + radius * 0.8)
        draw.ellipse(box, fill=255 if dark else None, outline=255, width=width)
    draw.line([tuple(face.eyes[0]), tuple(face.eyes[1])] if dark else [tuple(face.at(6)), tuple(face.at(6))], fill=255)
    return float(dice.uniform(0.6, 1.0)) if dark else None


def _block(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> None:
    """A rectangle anywhere on the face, turned (after random erasing, Zhong et al., 2020)."""
    across, down = dice.uniform(-0.9, 0.9), dice.uniform(-0.9, 1.3)
    _patch(draw, face.place(face.at(*EYE_CORNERS), across, down), face.span * dice.uniform(0.25, 0.8), dice)


def _cup(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> None:
    """A cup held to the mouth."""
    half = face.span * dice.uniform(0.4, 0.6)
    top, low = dice.uniform(-0.45, -0.1), dice.uniform(0.5, 0.9)
    rim = [face.place(face.mouth, side * half / face.span, top) for side in (-1, 1)]
    foot = [face.place(face.mouth, side * 0.8 * half / face.span, low) for side in (1, -1)]
    draw.polygon([*rim, *foot], fill=255)


def _pillow(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> None:
    """A pillow that swallows one side of the face."""
    side = (-1.0, 1.0)[dice.integers(2)]
    edge = face.nose + face.across * side * face.span * dice.uniform(-0.1, 0.45)
    inward = face.across * side + dice.normal(0, 0.25) * face.down
    _half_plane(draw, edge, inward / np.hypot(*inward), dice, 2.0)


def _bandage(face: _Face, draw: ImageDraw.ImageDraw, dice: Dice) -> None:
    """A band over forehead and brows, or over one eye or both."""
    middle = face.at(9) + (face.at(*EYE_CORNERS) - face.at(9)) * dice.uniform(0.2, 1.1)
    half = face.span * dice.uniform(0.25, 0.4)
    slant = dice.normal(0, 0.15)
    ends = [face.place(middle, side * 1.6, side * slant) for side in (-1.0, 1.0)]
    draw.line(ends, fill=255, width=int(2 * half))


TRAINED: dict[str, Painter] = {
    "hand": _hand,
    "surgical_mask": _surgical_mask,
    "oxygen_mask": _oxygen_mask,
    "tube": _tube,
    "blanket": _blanket,
    "hair": _hair,
    "glasses": _glasses,
    "block": _block,
}
HELD_OUT: dict[str, Painter] = {"cup": _cup, "pillow": _pillow, "bandage": _bandage}
SKIN = ("hand", "block")  # often of the face's own brightness
FREQUENT = {"hand": 3.0, "surgical_mask": 2.5, "oxygen_mask": 2.0, "block": 1.5, "blanket": 1.5}  # the others: 1


def draw_cover(kind: str, picture: Floats, placed: Floats, dice: Dice) -> Cover:
    """One cover of `kind` for a face.

    Args:
        kind: of TRAINED or HELD_OUT.
        picture: the face, float32 [S, S] in 0..1; only its brightness is used.
        placed: where the points of the face mesh lie, float32 [468, 2], fractions of the side.
        dice: source of shape and texture.
    """
    canvas = Image.new("L", (CANVAS_PX, CANVAS_PX), 0)
    opacity = (TRAINED | HELD_OUT)[kind](_Face(placed), ImageDraw.Draw(canvas), dice)
    side = picture.shape[0]
    small = canvas.resize((side, side), Image.Resampling.BILINEAR)
    alpha = np.asarray(small, np.float32) * np.float32((1.0 if opacity is None else opacity) / 255)
    return Cover(alpha, _texture(picture, kind in SKIN and dice.random() < 0.75, dice))


def _texture(picture: Floats, skin: bool, dice: Dice) -> Floats:
    """Plain, shaded, striped or blotchy, of the face's own brightness (`skin`) or any other."""
    side = picture.shape[0]
    level = float(np.median(picture)) + dice.normal(0, 0.08) if skin else dice.uniform(0, 1)
    y, x = _grid(side)
    angle = dice.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * x + np.sin(angle) * y
    texture = level + ramp * dice.normal(0, 0.3)
    pattern = dice.random()
    if pattern < 0.3:  # folds, pleats, stripes
        texture = texture + dice.uniform(0.02, 0.2) * np.sin(ramp * dice.uniform(15, 80) + dice.uniform(0, 6))
    elif pattern < 0.75:  # blotches, knuckles, print
        coarse = dice.normal(0, 1, (int(dice.integers(3, 13)),) * 2).astype(np.float32)
        blown = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        texture = texture + dice.uniform(0.02, 0.18) * np.asarray(blown)
    grain = dice.standard_normal(texture.shape, np.float32) * np.float32(dice.uniform(0, 0.04))
    return np.asarray(texture + grain, np.float32).clip(0, 1)


def visibility(cover: Cover, placed: Floats) -> Floats:
    """How much of each region still shows, float32 [R] in 0..1, in the order of REGIONS."""
    side = cover.alpha.shape[0]
    x, y = np.clip((placed * side).astype(int), 0, side - 1).T
    hidden = cover.alpha[y, x]
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
