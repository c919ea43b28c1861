"""The face as a relief: how far the skin stands out towards the viewer, at rest and moved, and how light falls on it.

Heights are in cm. Creases are in a second field, the dents; see `simulator.skin`. The light is one soft lamp and
ambient light; gloss and the shade of folds and hollows are added.
"""

import numpy as np

from simulator.appearance import Appearance, Light, Shape
from simulator.fields import Canvas, Field, crease, curve
from simulator.geometry import LEFT, RIGHT, FaceGeometry, HalfFace

CRANIUM_Y = -11.0  # top of the skull
_CENTRE_Y = 0.4  # the outline is a radius around this point of the middle line
_DENT_DEPTH_CM = 0.16  # of a crease of strength 1
_WRAP = 0.35  # how far the lamp, because it is large, reaches beyond the edge of its shadow


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
    philtrum = 0.5 * (shape.nose_length + shape.mouth_y)
    paired = (  # (outward, down), (spread across, spread down), height: all cm
        ((shape.eye_x, -0.15), (1.4, 0.85), -0.95),  # eye socket
        ((1.45, -0.25), (0.55, 0.75), -0.45),  # its inner corner
        ((shape.eye_x, 0.05), (0.95, 0.62), 0.55),  # eyeball under the lids
        ((5.6, -2.5), (0.9, 1.6), -0.25),  # temple
        ((4.4, 2.4), (1.6, 1.1), 0.30 + 0.25 * shape.cheek),  # cheekbone
        ((4.5, 5.6), (1.2, 1.6), 0.45 * shape.cheek - 0.38 - 0.1 * old),  # hollow or round cheek
        ((0.32, philtrum), (0.16, 0.5), 0.07),  # ridge of the philtrum
        ((3.1, 1.15), (1.1, 0.3), 0.16 * old),  # bag under the eye
        ((4.0, 8.2), (0.9, 1.0), 0.3 * old),  # jowl
    )
    single = (
        ((0.0, shape.mouth_y - 0.2), (2.7, 1.8), 0.5),  # the teeth's arch under the lips
        ((0.0, philtrum), (0.2, 0.5), -0.12),
        ((0.0, -4.6), (3.2, 1.8), 0.25),  # forehead
    )
    for (x, y), spread, height in paired:
        for side in (LEFT, RIGHT):
            canvas.add_bump(relief, (side * x, y), spread, height)
    for centre, spread, height in single:
        canvas.add_bump(relief, centre, spread, height)
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


def add_moving_relief(
    relief: Field, dents: Field, face: FaceGeometry, shape: Shape, canvas: Canvas, old: float
) -> None:
    """Add the bulges and folds of one instant's geometry to `relief` and `dents`, in place."""
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


def lamp_direction(light: Light, yaw_deg: float = 0.0, pitch_deg: float = 0.0) -> tuple[float, float, float]:
    """Unit vector from the face towards the lamp (right, down, viewer), seen from a head that is turned."""
    azimuth = np.radians(light.azimuth_deg - yaw_deg)
    elevation = np.radians(light.elevation_deg - pitch_deg)
    across, up = np.sin(azimuth) * np.cos(elevation), np.sin(elevation)
    return float(across), float(-up), float(np.sqrt(max(1.0 - across**2 - up**2, 0.05)))


def shade(
    relief: Field, dents: Field, px_per_cm: float, lamp: tuple[float, float, float], light: Light, shine: float
) -> Field:
    """Brightness of a white surface, about 0.1 in the deepest shade to 1 facing the lamp.

    Args:
        relief: Height in cm, float32 [H, W].
        dents: Crease depth, float32 [H, W].
        px_per_cm: Scale of the raster.
        lamp: Unit vector from `lamp_direction`.
        light: Share of ambient light.
        shine: Gloss of the skin, 0..1.
    """
    height = relief - _DENT_DEPTH_CM * dents
    across, down = np.zeros_like(height), np.zeros_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=across[:, 1:-1])
    np.subtract(height[2:], height[:-2], out=down[1:-1])
    across *= 0.5 * px_per_cm
    down *= 0.5 * px_per_cm
    facing = 1.0 / np.sqrt(across * across + down * down + 1.0)
    lit = (lamp[2] - lamp[0] * across - lamp[1] * down) * facing
    diffuse = np.maximum((lit + _WRAP) / (1.0 + _WRAP), 0.0)
    diffuse *= 0.35 + 0.65 * diffuse
    room = (0.80 + 0.25 * down * facing) * (0.55 + 0.45 * facing)  # brighter from above, darker towards the rim
    tone = light.ambient * room + (1.15 - 0.75 * light.ambient) * diffuse
    tone /= 1.0 + 0.75 * np.maximum(dents, 0.0)
    if shine:
        gloss = np.maximum(lit * facing - 0.55, 0.0)
        tone += (0.55 * shine) * gloss * gloss
    result: Field = tone
    return result
