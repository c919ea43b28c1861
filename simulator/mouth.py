"""The mouth: lips as part of the relief, then their colour, and the teeth and tongue behind them."""

from dataclasses import dataclass

import numpy as np

from simulator.appearance import Appearance
from simulator.fields import Canvas, Field, Window, ink, smoothstep
from simulator.geometry import FaceGeometry

_TOOTH = (0.78, 0.72, 0.61)
_CAVITY = (0.030, 0.009, 0.008)
_TONGUE = (0.30, 0.105, 0.095)
_UPPER_GAPS_CM = (0.0, 0.84, 1.48, 2.18)  # between upper teeth, from the middle outwards
_LOWER_GAPS_CM = (0.0, 0.53, 1.1, 1.75)


@dataclass(frozen=True)
class Lips:
    """The four contours of the lips for the columns of `window` [1, w], heights in cm from top to bottom."""

    window: Window
    along: Field  # 0 in the middle, -1 and 1 at the corners
    upper_outer: Field
    upper_inner: Field
    lower_inner: Field
    lower_outer: Field


def lips_of(face: FaceGeometry, canvas: Canvas) -> Lips:
    """Where the lips are."""
    mouth = face.mouth
    (left_x, left_y), (right_x, right_y) = face.left.corner, face.right.corner
    top = min(left_y, right_y, mouth.middle_y - mouth.gap_up) - mouth.upper - 0.5
    bottom = max(left_y, right_y, mouth.middle_y + mouth.gap_down) + mouth.lower + 0.9
    window = canvas.window(-left_x - 0.8, top, right_x + 0.8, bottom)
    along = np.where(window.x < 0, window.x / left_x, window.x / right_x)
    u = np.clip(np.abs(along), 0, 1)
    corner_y = np.where(window.x < 0, left_y, right_y)
    # The corners follow the jaw only in part: the line between them is where closed lips would meet.
    middle = mouth.middle_y + (corner_y - mouth.middle_y) * u**2.1
    round_off = np.clip(1 - u ** (2.0 + 3.0 * mouth.square), 0, 1) ** 0.62
    bow = np.clip(1 - u**1.45, 0, 1) * (1 - 0.20 * np.exp(-0.5 * (u / 0.10) ** 2))
    bowl = np.clip(1 - u**2.3, 0, 1) ** 0.9
    upper_inner = middle - mouth.gap_up * round_off + 0.06 * np.exp(-0.5 * (u / 0.16) ** 2) * (1 - mouth.square)
    lower_inner = np.maximum(middle + mouth.gap_down * round_off, upper_inner)
    return Lips(
        window, along, upper_inner - mouth.upper * bow, upper_inner, lower_inner, lower_inner + mouth.lower * bowl
    )


def add_lip_relief(relief: Field, dents: Field, lips: Lips, face: FaceGeometry, canvas: Canvas) -> None:
    """Raise both lips out of the relief and sink the line between them, in place."""
    y = lips.window.y
    upper = np.clip((y - lips.upper_outer) / np.maximum(lips.upper_inner - lips.upper_outer, 0.05), 0, 1)
    lower = np.clip((y - lips.lower_inner) / np.maximum(lips.lower_outer - lips.lower_inner, 0.05), 0, 1)
    rise = 0.35 * (lips.upper_inner - lips.upper_outer) * np.sin(np.pi * upper)
    rise += 0.36 * (lips.lower_outer - lips.lower_inner) * np.sin(np.pi * lower)
    relief[lips.window.at] += rise
    for half in face.sides:
        corner = (half.side * (half.corner[0] + 0.02), half.corner[1])
        canvas.add_bump(dents, corner, (0.26, 0.2), 0.55)
    press = face.mouth.press
    if press:
        height = face.mouth.upper + 0.3
        canvas.add_bump(relief, (0, face.mouth.middle_y - height), (1.6, 0.35), 0.22 * press)
        canvas.add_bump(relief, (0, face.mouth.middle_y + face.mouth.lower + 0.35), (1.6, 0.35), 0.25 * press)


def paint_mouth(picture: Field, lips: Lips, face: FaceGeometry, appearance: Appearance) -> None:
    """Tint the lips and paint the opening between them into `picture` (linear RGB [3, H, W]), in place."""
    window = lips.window
    patch = picture[:, *window.at]
    within = window.coverage(2.0 * (1.0 - np.abs(lips.along)) - 0.04)
    red = _between(window, lips.upper_outer, lips.lower_outer, softness=0.07) * within
    patch *= 1.0 - red * ink((0.40, 0.64, 0.58)) * appearance.skin.lip_redness
    opening = np.minimum(window.y - lips.upper_inner, lips.lower_inner - window.y)
    inside = window.coverage(opening) * within
    gap = lips.lower_inner - lips.upper_inner
    seam = np.exp(-0.5 * ((window.y - 0.5 * (lips.upper_inner + lips.lower_inner)) / 0.07) ** 2)
    seam = seam * smoothstep(0.25, 0.0, gap) * smoothstep(1.12, 0.85, np.abs(lips.along))
    patch *= 1.0 - (0.72 - 0.15 * face.mouth.press) * seam
    if float(gap.max()) > 0.03:
        level = float(np.clip(patch[0].mean() / 0.4, 0.3, 1.1))
        patch += inside * (level * _oral_cavity(lips, face, appearance) - patch)


def _between(window: Window, top: Field, bottom: Field, softness: float) -> Field:
    return smoothstep(-softness, softness, np.minimum(window.y - top, bottom - window.y))


def _oral_cavity(lips: Lips, face: FaceGeometry, appearance: Appearance) -> Field:
    """What shows between the lips: the cavity, the tongue on the jaw, both rows of teeth."""
    window, mouth_y = lips.window, appearance.shape.mouth_y
    cavity = np.broadcast_to(ink(_CAVITY), (3, window.y.size, window.x.size)).copy()
    tongue = window.coverage(1.0 - np.hypot(window.x / 1.55, (window.y - mouth_y - 0.8 * face.jaw - 0.5) / 0.75))
    tongue = tongue * float(smoothstep(0.5, 1.6, face.jaw))
    cavity += tongue * (ink(_TONGUE) - cavity)
    arch = 0.10 * window.x**2
    upper_edge = mouth_y + 0.12 - 0.5 * arch
    lower_edge = mouth_y + 0.16 + 0.93 * face.jaw - 0.3 * arch
    rows = (
        (window.y - lower_edge, _LOWER_GAPS_CM, 0.62),
        (upper_edge - window.y, _UPPER_GAPS_CM, 1.0),
    )
    for inward, gaps, brightness in rows:
        cover = window.coverage(inward)
        between = sum(np.exp(-0.5 * ((np.abs(window.x) - gap) / 0.045) ** 2) for gap in gaps)
        depth = np.clip(1.0 - 0.75 * lips.along**2, 0.1, 1) * (1 - 0.28 * between)
        shadow = 0.35 + 0.65 * smoothstep(0.0, 0.4, window.y - lips.upper_inner)
        cavity += cover * (brightness * depth * shadow * ink(_TOOTH) - cavity)
    return cavity
