"""The skin's own colour, blotches and beard: what is painted on the relief before light falls on it."""

import numpy as np

from simulator.appearance import Appearance, Beard
from simulator.fields import Canvas, Field, cloud, ink, smoothstep

_SKIN_SEED, _BEARD_SEED = 4, 6


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


def soften(field: Field, radius_px: int) -> Field:
    """Blur by two passes of a running mean along both axes."""
    size = 2 * radius_px + 1
    for axis in (0, 1, 0, 1):
        pad = [(radius_px + 1, radius_px) if k == axis else (0, 0) for k in (0, 1)]
        total = np.cumsum(np.pad(field, pad, mode="edge"), axis=axis, dtype=np.float64)
        count = field.shape[axis]
        field = ((total.take(range(size, size + count), axis) - total.take(range(count), axis)) / size).astype(
            np.float32
        )
    return field
