"""The skin: its colour, blotches and beard, and the creases that action units and age cut into it.

Creases are kept in a field of dents, 0 smooth .. about 1 deep; `simulator.relief` cuts them into the relief and lets
them keep light out, as real folds do.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from simulator.appearance import Appearance, Beard, Shape
from simulator.fields import Canvas, Field, Window, cloud, crease, ink, smoothstep
from simulator.geometry import LEFT, RIGHT, FaceGeometry

_FOLDS_SEED, _SKIN_SEED, _BEARD_SEED = 1, 4, 6
_LEFT_BY_AGE = {1: 0.28, 2: 0.28, 4: 0.30, 6: 0.30, 9: 0.08, 15: 0.55}  # share of a unit's folds in a fully lined face
_WOBBLE_CM = 0.05  # so that no two folds look the same


def skin_colour(appearance: Appearance, canvas: Canvas) -> Field:
    """Reflectance of the skin, linear RGB [3, H, W]."""
    rng = np.random.default_rng([appearance.seed, _SKIN_SEED])
    scale, skin = canvas.px_per_cm, appearance.skin
    blotches = cloud(rng, canvas.width, canvas.height, (1.6 * scale, 1.6 * scale))
    pores = cloud(rng, canvas.width, canvas.height, (0.22 * scale, 0.22 * scale))
    spots = smoothstep(1.5, 2.4, cloud(rng, canvas.width, canvas.height, (0.5 * scale, 0.5 * scale)))
    grain = 1.0 + 0.035 * blotches + 0.03 * pores - 0.28 * skin.spots * spots
    blush = canvas.zeros()
    for side in (-1, 1):
        canvas.add_bump(blush, (side * 4.2, 2.8), (1.5, 1.2), 1.0)
        canvas.add_bump(blush, (side * appearance.shape.eye_x, 0.6), (1.5, 0.7), 0.5)
    canvas.add_bump(blush, (0, appearance.shape.nose_length - 0.8), (1.0, 0.9), 0.8)
    colour: Field = grain * (1.0 + blush * ink((0.02, -0.10, -0.09))) * ink(skin.colour)
    return colour


def beard_density(appearance: Appearance, canvas: Canvas) -> Field:
    """How much of the skin the beard hides, 0..1 [H, W]."""
    shape, kind, whole = appearance.shape, appearance.hair.beard, canvas.whole
    if kind is Beard.NONE:
        return canvas.zeros()
    rng = np.random.default_rng([appearance.seed, _BEARD_SEED])
    hairs = cloud(rng, canvas.width, canvas.height, (0.14 * canvas.px_per_cm, 0.5 * canvas.px_per_cm))
    between = 0.5 * (shape.nose_length + shape.mouth_y) + 0.2
    over_lip = smoothstep(1.15, 0.75, np.hypot(whole.x / (shape.mouth_half_width + 0.5), (whole.y - between) / 0.75))
    cheek_line = shape.mouth_y - 1.5 - 0.9 * np.cos(np.clip(whole.x / shape.half_width, -1, 1) * np.pi)
    off_lips = np.abs(whole.x) + 1.2 * np.maximum(whole.y - shape.mouth_y - 0.6, 0)
    jaw = smoothstep(-0.4, 0.6, whole.y - cheek_line) * smoothstep(1.2, 2.0, off_lips)
    area = over_lip if kind is Beard.MOUSTACHE else np.maximum(over_lip, jaw)
    strength = {Beard.STUBBLE: 0.30, Beard.MOUSTACHE: 0.85, Beard.FULL: 0.82}[kind]
    return np.clip(area * strength * (1.0 + 0.2 * hairs), 0, 0.95)


class _Anchor(Enum):
    """The point of the resting face from which a line is measured."""

    PUPILS = "midway between the pupils"
    BROWS = "between the brows, at their height"
    EYE_CORNER = "outer corner of the eye"
    LIP_CORNER = "corner of the mouth"


@dataclass(frozen=True)
class _Line:
    """One line in cm from its anchor, outward and down; `paired` lines run on both sides of the face."""

    unit: int
    paired: bool
    anchor: _Anchor
    depth: float
    spread_cm: float
    points: tuple[tuple[float, float], ...]


_LINES: tuple[_Line, ...] = (
    # across the forehead: the middle, then the sides
    _Line(1, False, _Anchor.BROWS, 0.85, 0.16, ((-2.6, -1.2), (-1.2, -1.4), (0, -1.27), (1.2, -1.4), (2.6, -1.2))),
    _Line(1, False, _Anchor.BROWS, 0.95, 0.16, ((-2.6, -2.1), (-1.2, -2.3), (0, -2.17), (1.2, -2.3), (2.6, -2.1))),
    _Line(1, False, _Anchor.BROWS, 0.70, 0.16, ((-2.6, -3.0), (-1.2, -3.2), (0, -3.07), (1.2, -3.2), (2.6, -3.0))),
    _Line(2, True, _Anchor.BROWS, 0.85, 0.16, ((1.9, -1.4), (3.4, -1.6), (4.7, -1.4), (5.6, -1.0))),
    _Line(2, True, _Anchor.BROWS, 0.95, 0.16, ((1.9, -2.3), (3.4, -2.5), (4.7, -2.3), (5.6, -1.9))),
    _Line(2, True, _Anchor.BROWS, 0.70, 0.16, ((1.9, -3.2), (3.4, -3.4), (4.7, -3.2), (5.6, -2.8))),
    # the furrow between the brows
    _Line(4, True, _Anchor.PUPILS, 1.0, 0.15, ((0.42, -2.75), (0.5, -1.9), (0.35, -1.15))),
    # crow's feet, then the cheek's crease under the eye
    _Line(6, True, _Anchor.EYE_CORNER, 0.75, 0.12, ((0.0, -0.21), (0.74, -0.64), (1.35, -0.85))),
    _Line(6, True, _Anchor.EYE_CORNER, 0.90, 0.12, ((0.0, -0.02), (0.88, -0.08), (1.6, -0.1))),
    _Line(6, True, _Anchor.EYE_CORNER, 0.80, 0.12, ((0.0, 0.19), (0.74, 0.56), (1.35, 0.75))),
    _Line(6, True, _Anchor.PUPILS, 0.75, 0.15, ((1.9, 0.85), (3.1, 1.12), (4.7, 0.75))),
    # the tense lower lid
    _Line(7, True, _Anchor.PUPILS, 0.55, 0.13, ((1.8, 0.62), (3.1, 0.80), (4.5, 0.60))),
    # across the root of the nose and down its sides
    _Line(9, True, _Anchor.PUPILS, 0.90, 0.14, ((0.0, 0.15), (0.55, 0.08), (1.0, -0.2))),
    _Line(9, True, _Anchor.PUPILS, 0.80, 0.15, ((0.55, 1.35), (1.0, 0.95), (1.6, 0.45))),
    _Line(9, True, _Anchor.PUPILS, 0.60, 0.15, ((0.8, 2.1), (1.3, 1.65), (1.9, 1.2))),
    # below and beside the lip corners
    _Line(15, True, _Anchor.LIP_CORNER, 0.75, 0.20, ((0.05, 0.75), (0.35, 1.5), (0.3, 2.5))),
    _Line(20, True, _Anchor.LIP_CORNER, 0.50, 0.20, ((1.5, -0.8), (1.75, 0.3), (1.5, 1.4))),
)


@dataclass(frozen=True)
class Fold:
    """A crease of one face: `window` and `shape` (0..1); its depth is proportional to the unit's intensity."""

    unit: int
    sides: tuple[int, ...]  # LEFT, RIGHT or both
    depth: float
    window: Window
    shape: Field


def folds_of(appearance: Appearance, canvas: Canvas) -> tuple[Fold, ...]:
    """The creases of single action units, at the places and depths of this face."""
    rng = np.random.default_rng([appearance.seed, _FOLDS_SEED])
    depth = 0.5 + 0.6 * appearance.skin.lines
    found = [_chin_pits(rng, appearance.shape, canvas, depth)]
    for line in _LINES:
        anchor = _anchor_point(line.anchor, appearance.shape)
        for sides in ((LEFT,), (RIGHT,)) if line.paired else ((LEFT, RIGHT),):
            points = np.array(line.points) + anchor + rng.normal(0, _WOBBLE_CM, (len(line.points), 2))
            window, shape = crease(canvas, points * (sides[-1], 1), line.spread_cm)
            found.append(Fold(line.unit, sides, line.depth * depth, window, shape))
    return tuple(found)


def _anchor_point(anchor: _Anchor, shape: Shape) -> tuple[float, float]:
    return {
        _Anchor.PUPILS: (0.0, 0.0),
        _Anchor.BROWS: (0.0, shape.brow_y),
        _Anchor.EYE_CORNER: (shape.eye_x + 1.62 * shape.eye_size, 0.0),
        _Anchor.LIP_CORNER: (shape.mouth_half_width, shape.mouth_y),
    }[anchor]


def _chin_pits(rng: np.random.Generator, shape: Shape, canvas: Canvas, depth: float) -> Fold:
    """The orange-peel skin of a chin pushed up."""
    centre = (0.0, shape.chin_y - 1.6)
    window = canvas.around(centre, (1.25, 0.85))
    grain = 0.5 * canvas.px_per_cm
    pits = cloud(rng, window.x.size, window.y.size, (grain, grain))
    return Fold(17, (LEFT, RIGHT), depth, window, np.clip(0.3 + 0.5 * pits, 0, 1) * window.bump(centre, (1.0, 0.7)))


def resting_dents(appearance: Appearance, canvas: Canvas, folds: tuple[Fold, ...]) -> Field:
    """Lines that age leaves on the resting face, and the trough under each eye."""
    dents = canvas.zeros()
    old = appearance.skin.lines
    for fold in folds:
        dents[fold.window.at] += _LEFT_BY_AGE.get(fold.unit, 0.0) * old * old * fold.shape
    for side in (LEFT, RIGHT):
        window, line = crease(canvas, [(side * 1.7, 0.75), (side * 2.4, 1.35), (side * 3.5, 1.75)], 0.2)
        dents[window.at] += (0.12 + 0.4 * old) * line
    return dents


def cut_folds(dents: Field, folds: tuple[Fold, ...], face: FaceGeometry) -> None:
    """Add the creases of the action units to `dents`, in place."""
    for fold in folds:
        shown = [half.units.get(fold.unit, 0.0) for half in face.sides if half.side in fold.sides]
        strength = fold.depth * sum(shown) / len(shown)
        if strength:
            dents[fold.window.at] += strength * fold.shape
