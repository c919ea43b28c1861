"""What can cover a face: a blanket pulled up, a hand, an oxygen mask or a nasal tube.

Blanket and hand are painted over the frame. Mask and tube are layers that are painted once and move with the head; a
hose runs down from them.
"""

import numpy as np
from PIL import Image

from simulator.appearance import Appearance
from simulator.camera import to_image
from simulator.fields import Canvas, Field, Window, cloud, curve, ink, smoothstep
from simulator.hair import Layer
from simulator.pose import Pose, frame_canvas
from simulator.scene import Cover

_COVER_SEED = 9
_FINGERS = (  # of a right hand, palm on the nose: knuckle and tip (x, y) and half width, cm
    ((-3.4, -1.8), (-4.3, -7.0), 0.95),
    ((-1.2, -2.6), (-1.6, -8.8), 1.02),
    ((1.1, -2.6), (1.2, -9.0), 1.02),
    ((3.3, -1.8), (3.9, -7.8), 0.98),
    ((3.8, 4.4), (7.4, -0.6), 1.15),
)
_SHELL, _RIM, _STRAP, _TUBE = (0.50, 0.72, 0.62), (0.62, 0.82, 0.72), (0.66, 0.74, 0.66), (0.62, 0.80, 0.72)
_METAL = (0.55, 0.57, 0.60)


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


def worn_layer(cover: Cover, appearance: Appearance, canvas: Canvas) -> Layer | None:
    """A mask or tube on the canvas of the head; None for covers that do not move with the head."""
    if cover is Cover.OXYGEN_MASK:
        return _oxygen_mask(appearance, canvas)
    if cover is Cover.NASAL_TUBE:
        return _nasal_tube(appearance, canvas)
    return None


def paint_hose(cover: Cover, appearance: Appearance, pose: Pose, size: tuple[int, int]) -> Image.Image | None:
    """The hose of a mask or tube over neck and chest, RGBA of `size` (width, height), below a head at `pose`."""
    whole = frame_canvas(pose, size).whole
    chin = appearance.shape.chin_y
    if cover is Cover.OXYGEN_MASK:
        course = curve([chin - 2, chin + 4, 22, 40], [0.0, 0.5, 3.5, 9.0], whole.y)
        inside = np.minimum(0.55 - np.abs(whole.x - course), whole.y - (chin - 2))
        tone = 0.85 + 0.25 * np.sin(9.0 * whole.y)  # a ribbed hose
        colour = tone * smoothstep(-0.1, 0.5, inside + 0.1) * ink(_TUBE)
    elif cover is Cover.NASAL_TUBE:
        half_width = appearance.shape.half_width
        reach = curve(
            [2.5, 7, chin + 1, chin + 6], [half_width + 0.4, 0.97 * half_width, 0.55 * half_width, 0.1], whole.y
        )
        both = np.minimum(_line(np.abs(whole.x) - reach, whole, 0.20), np.minimum(whole.y - 2.5, chin + 6 - whole.y))
        one = np.minimum(0.26 - np.abs(whole.x - 0.02 * (whole.y - chin - 6) ** 2), whole.y - chin - 5.8)
        inside = np.maximum(both, one)
        colour = (0.6 + 1.6 * np.clip(inside, 0, 0.25)) * ink(_TUBE)
    else:
        return None
    return to_image(colour * appearance.camera.exposure, 0.9 * whole.coverage(inside))


def _line(across: Field, window: Window, half_width: float) -> Field:
    """Distance inside a line that runs where `across` (cm along x) is 0, however it slopes."""
    slope = np.gradient(across, axis=0) * window.px_per_cm
    return np.asarray(half_width - np.abs(across) / np.sqrt(1.0 + slope**2), np.float32)


def _oxygen_mask(appearance: Appearance, canvas: Canvas) -> Layer:
    """A clear green shell from the bridge of the nose to the chin, on an elastic strap around the head."""
    whole, shape = canvas.whole, appearance.shape
    top, bottom = 0.22 * shape.nose_length, shape.chin_y - 0.5
    share = (whole.y - top) / (bottom - top)
    width = curve([0.0, 0.08, 0.3, 0.62, 0.85, 1.0], np.array([0.4, 1.7, 2.9, 4.1, 3.8, 1.8]), share)
    inside = np.minimum(0.85 * (width - np.abs(whole.x)), np.minimum(whole.y - top, bottom - whole.y))
    dome = np.sqrt(np.clip(1.0 - (whole.x / (width + 0.3)) ** 2, 0.02, 1.0)) * curve(
        [0.0, 0.3, 0.7, 1.0], [0.4, 1.6, 2.6, 0.6], share
    )
    down, across = (np.gradient(dome, axis=axis) * canvas.px_per_cm for axis in (0, 1))
    lamp = np.radians(appearance.light.azimuth_deg)
    lit = (1.0 + 0.9 * np.sin(lamp) * -across - 0.5 * down) / np.sqrt(1.0 + across**2 + down**2)
    rim = smoothstep(0.55, 0.30, inside)
    glare = np.exp(-0.5 * (((whole.x - 1.6 * np.sign(lamp or 1.0)) / 0.35) ** 2 + ((share - 0.5) / 0.17) ** 2))
    port = 1.25 - np.hypot(whole.x, (whole.y - bottom + 2.1) / 0.9)
    holes = np.maximum(*(_holes(whole, side * 2.1, bottom - 3.4) for side in (-1, 1)))
    clip = np.minimum(0.9 - np.abs(whole.x), 0.16 - np.abs(whole.y - top - 0.75 - 0.25 * whole.x**2))
    strap = _strap(appearance, whole)
    colour = (0.42 + 0.42 * np.clip(lit, 0, 1.3)) * (ink(_SHELL) + rim * (ink(_RIM) - ink(_SHELL)))
    colour = colour + 0.55 * glare
    opacity = np.clip(0.42 + 0.3 * rim + 0.35 * glare, 0, 0.9) * whole.coverage(inside)
    for thing, tint, solid in ((port, _TUBE, 0.88), (holes, (0.06, 0.09, 0.08), 0.6), (clip, _METAL, 0.95)):
        cover = whole.coverage(thing)
        shade = 0.55 + 0.45 * smoothstep(0.0, 0.6, thing) if thing is port else 1.0
        colour = colour + cover * (shade * ink(tint) - colour)
        opacity = np.maximum(opacity, solid * cover)
    under = whole.coverage(strap) * (1.0 - whole.coverage(inside))
    colour = colour + under * (0.75 * ink(_STRAP) - colour)
    exposed = colour * appearance.camera.exposure
    return Layer(np.asarray(exposed, np.float32), np.asarray(np.maximum(opacity, 0.85 * under), np.float32))


def _strap(appearance: Appearance, whole: Window) -> Field:
    """From both sides of the mask above the ears and behind the head."""
    half_width = appearance.shape.half_width
    out = np.abs(whole.x)
    height = curve([2.0, 3.4, half_width, half_width + 1.5], [5.6, 5.0, 1.4, 0.4], out)
    return np.minimum(0.22 - np.abs(whole.y - height) * 0.75, np.minimum(out - 2.0, half_width + 0.05 - out))


def _holes(whole: Window, x: float, y: float) -> Field:
    """A ring of vents in the shell."""
    found = np.full((whole.y.size, whole.x.size), -9.0, np.float32)
    for angle in np.arange(6) * np.pi / 3:
        centre = (x + 0.5 * np.cos(angle), y + 0.55 * np.sin(angle))
        found = np.maximum(found, 0.14 - np.hypot(whole.x - centre[0], whole.y - centre[1]))
    return found


def _nasal_tube(appearance: Appearance, canvas: Canvas) -> Layer:
    """A thin tube below the nose and over both cheeks to the ears, with two prongs into the nostrils."""
    whole, shape = canvas.whole, appearance.shape
    below = shape.nose_length + 0.45
    out = np.abs(whole.x)
    height = curve([0.0, 1.2, 3.2, shape.half_width, shape.half_width + 1], [below, below, 4.0, 0.9, 0.2], out)
    slope = np.gradient(height, axis=1) * canvas.px_per_cm
    tube = np.minimum(0.17 - np.abs(whole.y - height) / np.sqrt(1.0 + slope**2), shape.half_width - out)
    thick = np.minimum(0.27 - np.abs(whole.y - below), 1.1 - out)
    prongs = np.minimum(0.15 - np.abs(out - 0.62), np.minimum(below - whole.y, whole.y - below + 0.75))
    inside = np.maximum(np.maximum(tube, thick), prongs)
    tone = 0.55 + 2.4 * np.clip(inside, 0.0, 0.2)
    shadow = 0.3 * np.exp(-0.5 * (np.minimum(inside + 0.1, 0.0) / 0.15) ** 2) * (out < shape.half_width)
    cover = whole.coverage(inside)
    colour = cover * tone * ink(_TUBE) * appearance.camera.exposure
    return Layer(np.asarray(colour, np.float32), np.asarray(np.maximum(0.85 * cover, shadow), np.float32))
