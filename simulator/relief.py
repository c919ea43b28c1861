"""The face as a relief: how far the skin stands out towards the viewer, at rest and moved. Light then does the shading.

Heights are cm. A second field, the dents, holds creases (0 smooth .. about 1 deep); they are cut into the relief and
also keep light out, as real folds do.
"""

from dataclasses import dataclass

import numpy as np

from simulator.appearance import Appearance, Shape
from simulator.fields import Canvas, Field, Window, cloud, crease, curve
from simulator.geometry import FaceGeometry, HalfFace

CRANIUM_Y = -11.0  # top of the skull
DENT_DEPTH_CM = 0.16  # of a crease of strength 1
_LEFT_BY_AGE = {1: 0.28, 2: 0.28, 4: 0.30, 6: 0.30, 9: 0.08, 15: 0.55}  # depth at rest of a unit's folds, fully lined
_CENTRE_Y = 0.4  # the outline is a radius around this point of the middle line


@dataclass(frozen=True)
class Fold:
    """A crease that belongs to an action unit: `window` and `shape` (0..1), cut as deep as the unit is strong."""

    unit: int
    side: int  # LEFT, RIGHT or 0 for both
    gain: float
    window: Window
    shape: Field


def edge_distance(shape: Shape, canvas: Canvas) -> tuple[Field, Field]:
    """The head's outline without ears: signed distance to it (cm, positive inside), and 0 at the middle .. 1 at it."""
    whole = canvas.whole
    wide, jaw, chin = shape.half_width, shape.half_width * shape.jaw, shape.chin_y
    outline = np.array(
        [
            (0.0, CRANIUM_Y),
            (0.62 * wide, CRANIUM_Y + 1.3),
            (0.93 * wide, -6.2),
            (1.0 * wide, -2.6),
            (1.0 * wide, 1.2),
            (0.95 * wide, 3.8),
            (jaw, 6.4),
            (0.80 * jaw, 8.6),
            (0.42 * jaw, chin - 0.35),
            (0.0, chin),
        ]
    )
    x, y = outline[:, 0], outline[:, 1] - _CENTRE_Y
    angle = np.arctan2(x, -y)  # 0 at the crown, pi at the chin
    mirrored = np.concatenate([-angle[1:3][::-1], angle, 2 * np.pi - angle[-3:-1][::-1]])
    radii = np.hypot(x, y)
    radii = np.concatenate([radii[1:3][::-1], radii, radii[-3:-1][::-1]])
    down = whole.y - _CENTRE_Y
    at = np.arctan2(np.abs(whole.x) + 0 * down, -down)
    reach = curve(mirrored, radii, at)
    rho = np.hypot(whole.x, down)
    return (reach - rho).astype(np.float32), (rho / reach).astype(np.float32)


def resting_relief(appearance: Appearance, canvas: Canvas) -> Field:
    """The parts of the relief that no action unit changes, apart from the jaw's stretching."""
    shape, old = appearance.shape, appearance.skin.lines
    _, reach = edge_distance(shape, canvas)
    relief: Field = 6.8 * np.sqrt(np.clip(1.0 - np.minimum(reach, 0.995) ** 2.9, 0, None)).astype(np.float32)
    for side in (-1, 1):
        eye = side * shape.eye_x
        canvas.add_bump(relief, (eye, -0.15), (1.4, 0.85), -0.95)
        canvas.add_bump(relief, (side * 1.45, -0.25), (0.55, 0.75), -0.45)
        canvas.add_bump(relief, (eye, 0.05), (0.95, 0.62), 0.55)
        canvas.add_bump(relief, (side * 5.6, -2.5), (0.9, 1.6), -0.25)
        canvas.add_bump(relief, (side * 4.4, 2.4), (1.6, 1.1), 0.30 + 0.25 * shape.cheek)
        canvas.add_bump(relief, (side * 4.5, 5.6), (1.2, 1.6), 0.45 * shape.cheek - 0.38 - 0.1 * old)
        canvas.add_bump(relief, (side * 0.32, 0.5 * (shape.nose_length + shape.mouth_y)), (0.16, 0.5), 0.07)
        canvas.add_bump(relief, (side * 3.1, 1.15), (1.1, 0.3), 0.16 * old)
        canvas.add_bump(relief, (side * 4.0, 8.2), (0.9, 1.0), 0.3 * old)
    canvas.add_bump(relief, (0, shape.mouth_y - 0.2), (2.7, 1.8), 0.5)
    canvas.add_bump(relief, (0, 0.5 * (shape.nose_length + shape.mouth_y)), (0.2, 0.5), -0.12)
    canvas.add_bump(relief, (0, -4.6), (3.2, 1.8), 0.25)
    _add_nose(relief, shape, canvas)
    return relief


def _add_nose(relief: Field, shape: Shape, canvas: Canvas) -> None:
    base = shape.nose_length
    window = canvas.window(-4.0, -2.2, 4.0, base + 0.6)
    ridge = curve(
        [-2.2, -1.0, 0.0, 1.2, base - 1.0, base - 0.5, base + 0.05, base + 0.6],
        np.array([0.0, 0.28, 0.45, 0.85, 1.42, 1.46, 0.75, 0.0]) * shape.nose_height,
        window.y,
    )
    spread = curve(
        [-2.2, 0.0, 1.5, base - 0.6, base], np.array([0.95, 0.66, 0.76, 0.98, 0.95]) * shape.nose_width, window.y
    )
    relief[window.at] += ridge * np.exp(-0.5 * (window.x / spread) ** 2)


def resting_dents(appearance: Appearance, canvas: Canvas, folds: tuple[Fold, ...]) -> Field:
    """Lines that age leaves on the resting face."""
    dents = canvas.zeros()
    old = appearance.skin.lines
    for fold in folds:
        dents[fold.window.at] += _LEFT_BY_AGE.get(fold.unit, 0.0) * old * old * fold.shape
    for side in (-1, 1):
        trough = [(side * 1.7, 0.75), (side * 2.4, 1.35), (side * 3.5, 1.75)]
        window, line = crease(canvas, trough, 0.2)
        dents[window.at] += (0.12 + 0.4 * old) * line
    return dents


def folds_of(appearance: Appearance, canvas: Canvas) -> tuple[Fold, ...]:
    """The creases that single action units cut, where this face has them."""
    rng = np.random.default_rng([appearance.seed, 1])
    shape = appearance.shape
    depth = 0.5 + 0.6 * appearance.skin.lines
    found: list[Fold] = []

    def fold(unit: int, side: int, gain: float, points: list[tuple[float, float]], spread: float) -> None:
        wobble = rng.normal(0, 0.05, (len(points), 2))
        window, line = crease(canvas, np.array(points) * ((side or 1), 1) + wobble, spread)
        found.append(Fold(unit, side, gain * depth, window, line))

    brow, mouth_x, mouth_y = shape.brow_y, shape.mouth_half_width, shape.mouth_y
    for k, rise in enumerate((1.35, 2.25, 3.15)):
        y, gain = brow - rise, (0.85, 0.95, 0.7)[k]
        fold(1, 0, gain, [(-2.6, y + 0.15), (-1.2, y - 0.05), (0, y + 0.08), (1.2, y - 0.05), (2.6, y + 0.15)], 0.16)
        for side in (-1, 1):
            fold(2, side, gain, [(1.9, y - 0.05), (3.4, y - 0.25), (4.7, y - 0.05), (5.6, y + 0.35)], 0.16)
    for side in (-1, 1):
        fold(4, side, 1.0, [(0.42, -2.75), (0.5, -1.9), (0.35, -1.15)], 0.15)
        fold(4, side, 0.45, [(0.05, -0.75), (0.6, -0.8), (1.1, -1.05)], 0.14)
        out = shape.eye_x + 1.62 * shape.eye_size
        for end, gain in (((1.35, -0.85), 0.75), ((1.6, -0.1), 0.9), ((1.35, 0.75), 0.8)):
            fold(
                6,
                side,
                gain,
                [(out, 0.25 * end[1]), (out + 0.55 * end[0], 0.75 * end[1]), (out + end[0], end[1])],
                0.12,
            )
        fold(6, side, 0.75, [(1.9, 0.85), (3.1, 1.12), (4.7, 0.75)], 0.15)
        fold(7, side, 0.55, [(1.8, 0.62), (3.1, 0.80), (4.5, 0.60)], 0.13)
        fold(9, side, 0.9, [(0.0, 0.15), (0.55, 0.08), (1.0, -0.2)], 0.14)
        fold(9, side, 0.8, [(0.55, 1.35), (1.0, 0.95), (1.6, 0.45)], 0.15)
        fold(9, side, 0.6, [(0.8, 2.1), (1.3, 1.65), (1.9, 1.2)], 0.15)
        low = [(mouth_x + 0.05, mouth_y + 0.75), (mouth_x + 0.35, mouth_y + 1.5), (mouth_x + 0.3, mouth_y + 2.5)]
        fold(15, side, 0.75, low, 0.2)
        fold(
            20,
            side,
            0.5,
            [(mouth_x + 1.5, mouth_y - 0.8), (mouth_x + 1.75, mouth_y + 0.3), (mouth_x + 1.5, mouth_y + 1.4)],
            0.2,
        )
    found.append(_chin_pits(rng, shape, canvas, depth))
    return tuple(found)


def _chin_pits(rng: np.random.Generator, shape: Shape, canvas: Canvas, depth: float) -> Fold:
    """The orange-peel skin of a chin pushed up."""
    centre = (0.0, shape.chin_y - 1.6)
    window = canvas.around(centre, (1.25, 0.85))
    grain = 0.5 * canvas.px_per_cm
    pits = cloud(rng, window.x.size, window.y.size, (grain, grain))
    return Fold(17, 0, depth, window, np.clip(0.3 + 0.5 * pits, 0, 1) * window.bump(centre, (1.0, 0.7)))


def add_moving_relief(
    relief: Field, dents: Field, face: FaceGeometry, shape: Shape, canvas: Canvas, old: float
) -> None:
    """Add to `relief` and `dents`, in place, what this instant's geometry raises, pushes and folds."""
    for half in face.sides:
        _add_upper_half(relief, half, shape, canvas)
        _add_nostril(relief, dents, half, shape, canvas)
        _add_nasolabial(relief, dents, half, face, shape, canvas, old)
    chin_y = shape.chin_y - 1.45 + face.jaw - 0.5 * face.chin
    canvas.add_bump(relief, (0, chin_y), (1.35, 0.85), 0.55 + 0.3 * face.chin)
    groove = 0.5 * (shape.mouth_y + 1.0 + shape.chin_y - 1.5) - 0.15 + 0.95 * face.jaw - 0.3 * face.chin
    canvas.add_bump(relief, (0, groove), (1.35, 0.34), -0.30 - 0.2 * face.chin)


def _add_upper_half(relief: Field, half: HalfFace, shape: Shape, canvas: Canvas) -> None:
    inner, middle = half.brow[0], half.brow[2]
    canvas.add_bump(relief, (half.side * float(middle[0]), float(middle[1]) + 0.15), (1.7, 0.5), 0.36)
    frown = half.units.get(4, 0.0)
    if frown:
        canvas.add_bump(relief, (half.side * (float(inner[0]) - 0.1), float(inner[1])), (0.5, 0.5), 0.32 * frown)
    if half.cheek:
        centre = (half.side * (shape.eye_x + 0.9), 2.5 - 0.7 * half.cheek)
        canvas.add_bump(relief, centre, (1.4, 0.85), 0.55 * half.cheek)
        canvas.add_bump(relief, (centre[0] + 0.1 * half.side, centre[1] + 1.9), (1.3, 0.9), -0.10 * half.cheek)


def _add_nostril(relief: Field, dents: Field, half: HalfFace, shape: Shape, canvas: Canvas) -> None:
    base = shape.nose_length
    x = half.side * (1.18 * shape.nose_width + half.flare)
    y = base - 0.42 - half.nostril
    canvas.add_bump(relief, (x, y), (0.42, 0.40), 0.48)
    rim = [(x + half.side * 0.35, y - 0.55), (x + half.side * 0.52, y - 0.05), (x + half.side * 0.3, y + 0.5)]
    window, line = crease(canvas, rim, 0.13)
    dents[window.at] += 0.55 * line


def _add_nasolabial(
    relief: Field, dents: Field, half: HalfFace, face: FaceGeometry, shape: Shape, canvas: Canvas, old: float
) -> None:
    """The fold from the wing of the nose around the lip corner; deeper and further out with smile, snarl and age."""
    corner_x, corner_y = half.corner
    top = (1.55 * shape.nose_width + half.flare, shape.nose_length - 0.75 - half.nostril)
    end = (corner_x + 0.55, corner_y + 0.55)
    middle = (0.5 * (top[0] + end[0]) + 0.22 + 0.5 * half.fold_out, 0.5 * (top[1] + end[1]) - 0.25)
    strength = 0.08 + 0.30 * old + half.fold * (0.45 + 0.35 * old)
    window, line = crease(canvas, np.array([top, middle, end]) * (half.side, 1), 0.24)
    dents[window.at] += strength * line
    swell = (half.side * (middle[0] + 0.75), middle[1] - 0.3)
    canvas.add_bump(relief, swell, (0.75, 1.0), 0.12 * old + 0.4 * half.fold)
    if half.dimple:
        pit = (half.side * (corner_x + 0.42), corner_y + 0.02)
        canvas.add_bump(dents, pit, (0.2, 0.42), 1.3 * half.dimple)
        canvas.add_bump(relief, (pit[0] + half.side * 0.55, pit[1]), (0.4, 0.6), 0.25 * half.dimple)


def cut_folds(dents: Field, folds: tuple[Fold, ...], face: FaceGeometry) -> None:
    """Add the creases of the action units to `dents`, in place."""
    for fold in folds:
        halves = [half for half in face.sides if fold.side in (0, half.side)]
        strength = fold.gain * sum(half.units.get(fold.unit, 0.0) for half in halves) / len(halves)
        if strength:
            dents[fold.window.at] += strength * fold.shape
