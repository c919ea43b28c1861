"""Wall, pillow, neck and shoulders: what stays still behind and below the head."""

import numpy as np
from PIL import Image

from simulator.appearance import Appearance
from simulator.camera import to_image
from simulator.fields import Canvas, Field, cloud, curve, ink, smoothstep
from simulator.pose import Pose

_ROOM_SEED, _CLOTH_SEED = 7, 8


def paint_room(appearance: Appearance, pose: Pose, size: tuple[int, int]) -> Image.Image:
    """The room without anybody in it, RGB of `size` (width, height): wall, things on it, a pillow if there is one."""
    width, height = size
    rng = np.random.default_rng([appearance.seed, _ROOM_SEED])
    canvas = frame_canvas(pose, size)
    tone = 0.85 + 0.12 * cloud(rng, width, height, (width / 2, height / 2)) + 0.008 * cloud(rng, width, height, (3, 3))
    for _ in range(int(rng.integers(1, 5))):
        tone *= _thing(rng, width, height)
    wall = np.clip(tone, 0.05, 1.6) * ink(appearance.room.wall)
    if appearance.room.pillow:
        whole = canvas.whole
        outline = (np.abs(whole.x / 19.0) ** 3 + np.abs((whole.y + 2.0) / 15.5) ** 3) ** (1 / 3)
        crumple = 1.0 + 0.06 * cloud(rng, width, height, (width / 9, height / 9))
        linen = 0.62 * crumple * (1.0 - 0.35 * outline**4) * ink((1.0, 0.99, 0.97))
        wall += smoothstep(1.03, 0.97, outline) * (linen - wall)
    return to_image(wall * appearance.camera.exposure)


def _thing(rng: np.random.Generator, width: int, height: int) -> Field:
    """A blurred rectangle, lighter or darker than the wall: a door, a picture, a cupboard."""
    x, y = np.arange(width, dtype=np.float32)[None, :] / width, np.arange(height, dtype=np.float32)[:, None] / height
    x0, y0 = rng.uniform(-0.2, 0.9), rng.uniform(-0.2, 0.9)
    across = smoothstep(0, 0.03, x - x0) * smoothstep(0, 0.03, x0 + rng.uniform(0.1, 0.5) - x)
    down = smoothstep(0, 0.04, y - y0) * smoothstep(0, 0.04, y0 + rng.uniform(0.2, 0.9) - y)
    return np.asarray(1.0 + float(rng.uniform(-0.5, 0.5)) * across * down, np.float32)


def paint_body(appearance: Appearance, pose: Pose, size: tuple[int, int]) -> Image.Image:
    """Neck and clothed shoulders below a head at `pose`, RGBA of `size` (width, height)."""
    canvas = frame_canvas(pose, size)
    whole = canvas.whole
    shape, light = appearance.shape, appearance.light
    lamp = float(np.sin(np.radians(light.azimuth_deg)))
    out = np.abs(whole.x)
    neck_half = (
        shape.half_width * (0.70 + 0.5 * (shape.jaw - 0.8)) * curve([4, 9, 13, 17], [1.02, 0.98, 1.05, 1.5], whole.y)
    )
    shoulder_y = curve([0, 4, 7, 12, 17, 20, 22], [13.6, 13.8, 14.8, 16.6, 18.6, 22.0, 30.0], out)
    neck = np.minimum(neck_half - out, whole.y - 5.0)
    torso = np.minimum(whole.y - shoulder_y, 21.0 - out)
    cover = whole.coverage(np.maximum(neck, torso))
    round_off = np.sqrt(np.clip(1.0 - (whole.x / (neck_half + 0.3)) ** 2, 0.05, 1.0))
    under_chin = 1.0 - 0.55 * smoothstep(shape.chin_y + 4.5, shape.chin_y - 0.5, whole.y)
    skin_tone = (0.25 + 0.5 * round_off + 0.2 * lamp * whole.x / neck_half) * under_chin
    skin = skin_tone * ink(appearance.skin.colour)
    rng = np.random.default_rng([appearance.seed, _CLOTH_SEED])
    folds = cloud(rng, size[0], size[1], (size[0] / 14, size[1] / 4))
    cloth_tone = 0.68 + 0.14 * folds + 0.22 * lamp * whole.x / 18.0
    cloth = cloth_tone * ink(appearance.room.clothing)
    depth = float(rng.uniform(0.5, 5.0))
    neckline = torso - depth * np.exp(-0.5 * (whole.x / 3.4) ** 4) + 0.5 * smoothstep(4.0, 7.0, out)
    picture = skin + whole.coverage(neckline) * (cloth - skin)
    return to_image(picture * appearance.camera.exposure, cover)


def frame_canvas(pose: Pose, size: tuple[int, int]) -> Canvas:
    """The whole frame as a canvas in centimetres of a head at `pose`."""
    scale = pose.px_per_cm(size[1])
    return Canvas(-pose.x * size[0] / scale, -pose.y * size[1] / scale, size[0], size[1], scale)
