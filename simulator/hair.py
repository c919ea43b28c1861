"""Hair, ears and glasses: layers painted once per person, since no action unit moves them."""

from dataclasses import dataclass

import numpy as np

from simulator.appearance import Appearance, HairStyle, Shape
from simulator.fields import Canvas, Field, cloud, curve, ink, smoothstep, soften
from simulator.relief import CRANIUM_Y, edge_distance

_HAIR_SEED = 3


@dataclass(frozen=True)
class Layer:
    """A picture with holes: `colour` in linear RGB [3, H, W], `cover` 0..1 [H, W]."""

    colour: Field
    cover: Field


@dataclass(frozen=True)
class _Cut:
    """A hair style: the opening for the face and how far the hair stands out and hangs down."""

    volume: float  # thickness over the skull, share of the head's radius
    ends_y: float  # where hanging hair ends, cm
    opening: tuple[tuple[float, float], ...]  # (y in cm, half width of the bare part as a share of the face's)
    thinning: float  # over how many cm it thins out towards the bare face


def _cut(style: HairStyle, hairline: float) -> _Cut:
    opening: tuple[tuple[float, float], ...]
    sideburns = ((-2.2, 0.93), (0.6, 0.955), (1.2, 1.3))
    beside = ((-4.0, 0.75), (-1.0, 0.87), (4.0, 0.915))
    match style:
        case HairStyle.SHORT:
            opening = ((hairline, 0.0), (hairline + 0.35, 0.5), (hairline + 1.6, 0.8), *sideburns)
            return _Cut(0.07, 2.0, opening, 0.7)
        case HairStyle.FRINGE:
            opening = ((-3.5, 0.0), (-3.3, 0.6), (-2.9, 0.82), (-1.2, 0.93), (1.4, 0.96), (2.0, 1.3))
            return _Cut(0.10, 2.4, opening, 0.3)
        case HairStyle.RECEDING:
            return _Cut(0.035, 1.8, ((-9.6, 0.0), (-9.2, 0.25), (-8.4, 0.62), (-6.0, 0.84), *sideburns), 1.0)
        case HairStyle.BALD:
            return _Cut(0.02, 1.4, ((-11.5, 1.3), (-6.5, 1.1), (-4.6, 0.955), (0.4, 0.965), (1.0, 1.3)), 0.8)
        case HairStyle.TIED:
            opening = ((hairline, 0.0), (hairline + 0.3, 0.5), (-4.8, 0.83), (-2.0, 0.96), (0.2, 1.3))
            return _Cut(0.05, 1.0, opening, 0.7)
        case HairStyle.BOB:
            return _Cut(0.15, 8.6, ((hairline, 0.0), (hairline + 0.8, 0.4), *beside, (9.0, 0.86)), 0.35)
        case HairStyle.LONG:
            return _Cut(0.12, 15.5, ((hairline, 0.0), (hairline + 1.0, 0.4), *beside, (16.0, 0.9)), 0.35)


def hair_layers(appearance: Appearance, canvas: Canvas) -> tuple[Layer, Layer]:
    """The layer behind the face (hanging hair and ears) and the one before it (hair over skull, brow and temples)."""
    rng = np.random.default_rng([appearance.seed, _HAIR_SEED])
    shape, hangs = appearance.shape, appearance.hair.style.hangs
    cut = _cut(appearance.hair.style, shape.hairline_y)
    _, reach = edge_distance(shape, canvas)
    strands = _strands(rng, appearance.hair.parting, canvas)
    outline = _inside_outline(cut, shape, hangs, canvas, reach, strands)
    outside_face = _outside_opening(cut, appearance, canvas) + 0.2 * strands
    colour = _hair_tone(appearance, canvas, strands, reach) * (ink(appearance.hair.colour) + 0.012)
    soft_outline = smoothstep(-0.2, 0.2, outline)
    front = Layer(colour, soft_outline * smoothstep(-0.2, cut.thinning, np.minimum(outline, outside_face)))
    behind = soft_outline * (1.0 - _neck(shape, canvas)) if hangs else canvas.zeros()
    return _with_ears(Layer(0.45 * colour, behind), appearance, canvas), front


def _inside_outline(cut: _Cut, shape: Shape, hangs: bool, canvas: Canvas, reach: Field, strands: Field) -> Field:
    """Distance inside the outer edge of the hair, cm: over the skull above, straight down or cropped below."""
    whole = canvas.whole
    skull = (1.0 + cut.volume - reach) * 7.0
    ends = cut.ends_y - whole.y
    if hangs:
        fall = shape.half_width * (1.0 + cut.volume) * curve([-12, -2, 3, 9, 16], [0.9, 1.0, 1.03, 0.98, 0.95], whole.y)
        below = np.minimum(fall - np.abs(whole.x), ends + 0.6 * strands)
    else:
        below = np.minimum(skull, ends)
    inside: Field = np.where(whole.y < -2.0, skull, below) + 0.05 * strands
    return inside


def _outside_opening(cut: _Cut, appearance: Appearance, canvas: Canvas) -> Field:
    """Distance outside the bare face, cm; the opening leans towards the parting."""
    whole, shape = canvas.whole, appearance.shape
    heights, widths = zip(*cut.opening, strict=True)
    bare = shape.half_width * np.interp(whole.y, heights, widths).astype(np.float32)
    above = -1.5 if widths[0] == 0.0 else 99.0  # above the opening everything is hair, or nothing on a bald head
    shift = 0.35 * appearance.hair.parting * smoothstep(-3.0, shape.hairline_y, whole.y)
    return np.abs(whole.x - shift) - np.where(whole.y < heights[0], above, bare)


def _neck(shape: Shape, canvas: Canvas) -> Field:
    """Where the neck hides the hair behind it, 0..1."""
    whole = canvas.whole
    below_chin = smoothstep(shape.chin_y - 2.5, shape.chin_y - 1.0, whole.y)
    return below_chin * smoothstep(0.72, 0.66, np.abs(whole.x) / shape.half_width)


def _strands(rng: np.random.Generator, parting: float, canvas: Canvas) -> Field:
    """Streaks that run from the parting outwards and down, mean 0, deviation 1."""
    whole = canvas.whole
    across, down = whole.x - parting, whole.y - (CRANIUM_Y - 2.0)
    radius = np.hypot(across, down)
    angle = np.arctan2(across, np.abs(down) + 1.5) / np.pi + 0.5
    texture = cloud(rng, 512, 64, (2.2, 20.0)) + 0.8 * cloud(rng, 512, 64, (9.0, 30.0))
    column = np.clip(angle * 511, 0, 511).astype(np.intp)
    row = np.clip(radius / 27.0 * 63, 0, 63).astype(np.intp)
    streaks = texture[row, column]
    return np.asarray(streaks / streaks.std(), np.float32)


def _hair_tone(appearance: Appearance, canvas: Canvas, strands: Field, reach: Field) -> Field:
    whole = canvas.whole
    lamp = np.sin(np.radians(appearance.light.azimuth_deg))
    sheen = np.exp(-0.5 * ((whole.y + 8.0) / 1.6) ** 2) * np.exp(-0.5 * ((whole.x - 2.5 * lamp) / 3.5) ** 2)
    rim = smoothstep(1.18, 0.9, reach)
    side = 1.0 + 0.3 * lamp * whole.x / appearance.shape.half_width
    tone = (0.55 + 0.55 * sheen) * (0.45 + 0.55 * rim) * side * (1.0 + 0.15 * strands)
    return np.asarray(np.clip(tone * appearance.camera.exposure, 0.03, 1.6), np.float32)


def _with_ears(layer: Layer, appearance: Appearance, canvas: Canvas) -> Layer:
    shape = appearance.shape
    colour, cover = layer.colour.copy(), layer.cover.copy()
    for side in (-1, 1):
        x = side * (shape.half_width + 0.25)
        window = canvas.window(x - 1.6, -2.4, x + 1.6, 5.2)
        dx, dy = side * (window.x - x) - 0.12 * (1.2 - window.y), window.y - 1.1
        ring = np.hypot(dx / 0.85, dy / 2.7)
        inside = window.coverage((1.0 - ring) * 1.2)
        lit = 0.62 + 0.25 * side * np.sin(np.radians(appearance.light.azimuth_deg))
        hollow = np.exp(-0.5 * ((dx + 0.25) / 0.3) ** 2 - 0.5 * (dy / 1.3) ** 2)
        tone = lit * (0.72 + 0.28 * smoothstep(0.55, 0.85, ring)) * (1 - 0.45 * hollow)
        patch = colour[:, *window.at]
        patch += inside * (tone * ink(appearance.skin.colour) * ink((1.05, 0.92, 0.9)) - patch)
        cover[window.at] = np.maximum(cover[window.at], inside)
    return Layer(colour, cover)


def hairline_shade(front: Layer, canvas: Canvas) -> Field:
    """How much the hair darkens the skin beside it: 0 far away .. about 0.5 under its edge."""
    reach = max(1, round(0.5 * canvas.px_per_cm))
    return 0.5 * soften(front.cover, reach)


def glasses_layer(shape: Shape, canvas: Canvas, rng: np.random.Generator) -> Layer:
    """Spectacles in front of the eyes."""
    whole = canvas.whole
    rim = float(rng.uniform(0.04, 0.11))
    half_w, half_h = float(rng.uniform(2.15, 2.5)), float(rng.uniform(1.5, 1.9))
    squareness = float(rng.uniform(2.2, 4.0))
    out = np.abs(whole.x) - shape.eye_x - 0.1
    ring = (np.abs(out / half_w) ** squareness + np.abs((whole.y - 0.3) / half_h) ** squareness) ** (1 / squareness)
    frame = rim - np.abs(ring - 1.0) * min(half_w, half_h)
    bridge = np.minimum(
        0.14 - np.abs(whole.y + 0.35 - 0.25 * (whole.x / 0.8) ** 2), shape.eye_x + 0.1 - half_w - np.abs(whole.x)
    )
    temple = np.minimum(0.13 - np.abs(whole.y + 0.3), np.minimum(out - half_w, shape.half_width - np.abs(whole.x)))
    cover = whole.coverage(np.maximum(np.maximum(frame, bridge), temple))
    lens = 0.05 * (ring < 1.0) * smoothstep(0.9, -0.9, whole.y + 0.6 * np.sin(whole.x))
    metal = float(rng.choice([0.02, 0.05, 0.25]))
    tone = np.where(cover > 0.02, metal * (1.0 + 1.2 * smoothstep(0.0, -2.0, whole.y)), 0.9)
    return Layer(tone * ink((1.0, 1.0, 1.0)), np.maximum(cover, lens))
