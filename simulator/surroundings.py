"""What surrounds the head and stays still: wall and pillow, neck and shoulders, and the bed of somebody who lies in it.

A bed has sheet, pillow and head board behind the head, and a blanket over the body.
"""

from dataclasses import replace

import numpy as np
from PIL import Image

from simulator.appearance import Appearance
from simulator.camera import to_image
from simulator.fields import Canvas, Field, cloud, curve, ink, smoothstep
from simulator.pose import Pose, frame_canvas
from simulator.scene import Scene, View

_ROOM_SEED, _CLOTH_SEED = 7, 8
_BED_SEED, _BLANKET_SEED = 11, 12
_SHEET, _PILLOW, _BLANKET, _BOARD = (0.52, 0.60, 0.66), (0.84, 0.85, 0.84), (0.30, 0.38, 0.46), (0.30, 0.20, 0.12)
_PILLOW_CM = {View.ABOVE: (21.0, 15.0), View.FOOT: (23.0, 12.5)}  # half its width and height
_PILLOW_Y = {View.ABOVE: -2.5, View.FOOT: 1.0}
_HEM_Y = {View.ABOVE: 18.0, View.SIDE: 15.0, View.FOOT: 14.5}  # of the blanket, in the middle
_MATTRESS_X = 13.0  # its upper side, below the head of somebody who lies on the side


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


def paint_bed(appearance: Appearance, scene: Scene, pose: Pose, size: tuple[int, int]) -> Image.Image:
    """The bed without anybody in it, RGB of `size` (width, height), below a head at `pose`."""
    canvas = frame_canvas(pose, size)
    rng = np.random.default_rng([appearance.seed, _BED_SEED])
    crumple = cloud(rng, *size, (size[0] / 9, size[1] / 9)) + 0.5 * cloud(rng, *size, (size[0] / 30, size[1] / 22))
    linen = 1.0 + 0.05 * crumple
    if scene.view is View.ABOVE:
        picture = 0.8 * linen * ink(_SHEET)
    else:
        room = paint_room(replace(appearance, room=replace(appearance.room, pillow=False)), pose, size)
        picture = np.square(np.asarray(room, np.float32).transpose(2, 0, 1) / 255) / appearance.camera.exposure
    if scene.view is View.FOOT:
        _lay(picture, canvas, *_head_board(canvas))
    if scene.view is View.SIDE:
        _lay(picture, canvas, *_mattress(canvas, scene, linen))
        inside, tone = _pillow_beside(canvas, scene)
    else:
        inside, tone = _pillow_behind(canvas, scene.view)
    _lay(picture, canvas, inside, tone * linen * ink(_PILLOW))
    return to_image(picture * appearance.camera.exposure)


def paint_blanket(appearance: Appearance, scene: Scene, pose: Pose, size: tuple[int, int]) -> Image.Image:
    """The blanket over chest and shoulders, RGBA of `size` (width, height), below a head at `pose`."""
    canvas = frame_canvas(pose, size)
    whole = canvas.whole
    rng = np.random.default_rng([appearance.seed, _BLANKET_SEED])
    drape = {View.ABOVE: 0.004, View.SIDE: 0.006, View.FOOT: 0.010}[scene.view]
    wave = 0.5 * np.sin(0.35 * whole.x + float(rng.uniform(0, 6)))
    below = whole.y - _HEM_Y[scene.view] - drape * whole.x**2 - wave
    folds = cloud(rng, *size, (size[0] / 8, size[1] / 4))
    weave = cloud(rng, *size, (2, 2))
    tone = 0.62 + 0.10 * folds + 0.02 * weave
    tone += 0.16 * smoothstep(5.0, 4.2, below) * smoothstep(-0.2, 0.6, below)  # the sheet is turned back over it
    tone -= 0.25 * np.exp(-0.5 * ((below - 5.0) / 0.35) ** 2)
    if scene.view is View.FOOT:
        body = np.exp(-0.5 * ((np.abs(whole.x) - 7.0) / 5.0) ** 2) * smoothstep(16.0, 30.0, whole.y)
        tone += 0.14 * body - 0.10 * np.exp(-0.5 * (whole.x / 2.5) ** 2) * smoothstep(20.0, 30.0, whole.y)
    colour = tone * ink(_BLANKET)
    turned_back = smoothstep(5.1, 4.9, below)
    colour += turned_back * (1.15 * tone * ink(_SHEET) - colour)
    return to_image(colour * appearance.camera.exposure, whole.coverage(below))


def _lay(picture: Field, canvas: Canvas, inside: Field, colour: Field) -> None:
    """Paint a thing over `picture` (linear RGB [3, H, W]), in place, with a soft shade around its edge."""
    picture *= 1.0 - 0.35 * np.exp(-0.5 * (np.minimum(inside, 0.0) / 1.2) ** 2)
    picture += canvas.whole.coverage(inside) * (colour - picture)


def _pillow_behind(canvas: Canvas, view: View) -> tuple[Field, Field]:
    """Distance inside the pillow (cm) and its brightness, seen from above or from the foot; the head has sunk in."""
    whole, (half_width, half_height) = canvas.whole, _PILLOW_CM[view]
    outline = np.abs(whole.x / half_width) ** 3.5 + np.abs((whole.y - _PILLOW_Y[view]) / half_height) ** 3.5
    outline = outline ** (1 / 3.5)
    dent = np.exp(-0.5 * ((whole.x / 8.5) ** 2 + ((whole.y + 1.0) / 10.0) ** 2) ** 2)
    return (1.0 - outline) * half_height, 0.88 - 0.25 * outline**5 - 0.22 * dent


def _pillow_beside(canvas: Canvas, scene: Scene) -> tuple[Field, Field]:
    """The same of a pillow below the cheek of somebody who lies on the side."""
    whole = canvas.whole
    down = whole.x * np.sign(scene.turn_deg)
    along = np.abs(whole.y + 1.0)
    top = 4.6 - 1.2 * smoothstep(6.0, 13.0, along) + 7.0 * smoothstep(11.5, 18.0, along) ** 2
    inside = np.minimum(down - top, _MATTRESS_X + 1.0 - down)
    inside = np.minimum(inside, 17.0 - along)
    return inside, 0.92 - 0.45 * smoothstep(0.0, 10.0, down - top)


def _mattress(canvas: Canvas, scene: Scene, linen: Field) -> tuple[Field, Field]:
    down = canvas.whole.x * np.sign(scene.turn_deg) + 0.0 * canvas.whole.y
    inside = down - _MATTRESS_X
    return inside, (0.75 - 0.25 * smoothstep(0.0, 7.0, inside)) * linen * ink(_SHEET)


def _head_board(canvas: Canvas) -> tuple[Field, Field]:
    whole = canvas.whole
    inside = np.minimum(whole.y + 15.5 - 0.004 * whole.x**2, 34.0 - np.abs(whole.x))
    grain = 0.9 + 0.08 * np.sin(9.0 * whole.y + np.sin(0.4 * whole.x))
    return inside, (0.75 + 0.3 * smoothstep(0.9, 0.2, inside)) * grain * ink(_BOARD)
