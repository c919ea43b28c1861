"""What hides a face: a blanket pulled up, or a hand laid over it."""

import numpy as np
from PIL import Image

from simulator.appearance import Appearance
from simulator.body import frame_canvas
from simulator.camera import to_image
from simulator.fields import Canvas, Field, cloud, ink, smoothstep
from simulator.pose import Pose

_COVER_SEED = 9
_FINGERS = (  # of a right hand, palm on the nose: knuckle and tip (x, y) and half width, cm
    ((-3.4, -1.8), (-4.3, -7.0), 0.95),
    ((-1.2, -2.6), (-1.6, -8.8), 1.02),
    ((1.1, -2.6), (1.2, -9.0), 1.02),
    ((3.3, -1.8), (3.9, -7.8), 0.98),
    ((3.8, 4.4), (7.4, -0.6), 1.15),
)


def blanket(appearance: Appearance, pose: Pose, size: tuple[int, int]) -> Image.Image:
    """A blanket up to the forehead, RGBA of `size` (width, height), over a head at `pose`."""
    canvas = frame_canvas(pose, size)
    whole = canvas.whole
    rng = np.random.default_rng([appearance.seed, _COVER_SEED])
    hem = -3.4 + 0.02 * whole.x**2 + 0.5 * np.sin(whole.x * 0.7 + float(rng.uniform(0, 6)))
    below = whole.y - hem
    folds = cloud(rng, size[0], size[1], (size[0] / 7, size[1] / 5))
    weave = cloud(rng, size[0], size[1], (2, 2))
    head = np.exp(-0.5 * ((whole.x / 6.5) ** 2 + ((whole.y - 2.0) / 8.0) ** 2))  # the head still bulges under it
    tone = 0.55 + 0.14 * folds + 0.02 * weave + 0.2 * head + 0.12 * smoothstep(1.2, 0.4, below)
    return to_image(tone * appearance.camera.exposure * ink((0.34, 0.40, 0.46)), whole.coverage(below))


def hand(appearance: Appearance, pose: Pose, size: tuple[int, int]) -> Image.Image:
    """The person's own hand over eyes, nose and mouth, RGBA of `size` (width, height), over a head at `pose`."""
    canvas = frame_canvas(pose, size)
    whole = canvas.whole
    inside = 5.0 - np.hypot(whole.x / 0.97, (whole.y - 2.2) / 1.08)
    height = np.clip(inside, 0, 2.0)
    arm = np.minimum(3.1 - np.abs(whole.x + 0.28 * (whole.y - 7.0)), whole.y - 5.0)
    inside, height = np.maximum(inside, arm), np.maximum(height, np.clip(arm, 0, 2.0))
    for knuckle, tip, half_width in _FINGERS:
        finger = half_width - _segment_distance(canvas, knuckle, tip)
        inside = np.maximum(inside, finger)
        height = np.maximum(height, 1.3 * np.sqrt(np.clip(finger, 0, None)))
    across = np.gradient(height, axis=1) * canvas.px_per_cm
    lamp = float(np.sin(np.radians(appearance.light.azimuth_deg)))
    tone = 0.34 + 0.26 * np.clip(height, 0, 1.5) - 0.10 * lamp * np.clip(across, -1.5, 1.5)
    return to_image(tone * appearance.camera.exposure * ink(appearance.skin.colour), whole.coverage(inside))


def _segment_distance(canvas: Canvas, start: tuple[float, float], end: tuple[float, float]) -> Field:
    whole = canvas.whole
    dx, dy = end[0] - start[0], end[1] - start[1]
    share = np.clip(((whole.x - start[0]) * dx + (whole.y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.asarray(np.hypot(whole.x - start[0] - share * dx, whole.y - start[1] - share * dy), np.float32)
