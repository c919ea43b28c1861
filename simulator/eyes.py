"""Eyes and brows, painted onto lit skin in linear light."""

from dataclasses import dataclass

import numpy as np

from simulator.appearance import Appearance
from simulator.fields import Canvas, Field, Window, cloud, curve, ink, smoothstep
from simulator.geometry import HalfFace

_IRIS_CM, _PUPIL_CM = 0.60, 0.25
_SCLERA = (0.50, 0.46, 0.43)
_CARUNCLE = (0.34, 0.16, 0.13)
_LASH = (0.012, 0.009, 0.008)
_BROW_HAIRS_SEED = 2


@dataclass(frozen=True)
class _Lids:
    """The lids over one eye, for the columns of a window: heights in cm [1, w], and where along the eye they are."""

    along: Field  # -1 at the inner corner .. 1 at the outer
    axis: Field
    upper: Field
    lower: Field
    rest_upper: Field  # the upper lid if it were open, from which its fold hangs


def _lids(window: Window, half: HalfFace, appearance: Appearance) -> _Lids:
    shape = appearance.shape
    along = (half.side * window.x - shape.eye_x) / (1.52 * shape.eye_size)
    axis = 0.08 - 0.5 * shape.eye_tilt * (along + 1.0)
    inside = np.clip(along, -1, 1)
    arch = np.clip(1 - np.abs(inside + 0.12 * (1 - inside**2)) ** 2.3, 0, 1) ** 0.85
    bowl = np.clip(1 - np.abs(inside - 0.18 * (1 - inside**2)) ** 2.3, 0, 1) ** 0.9
    lower = axis + half.lid_lower * bowl
    opened = axis - half.lid_upper * arch
    upper = opened + (lower - 0.015 - opened) * half.closing
    return _Lids(along, axis, upper, lower, opened)


def paint_eye(
    picture: Field, half: HalfFace, appearance: Appearance, canvas: Canvas, gaze: tuple[float, float]
) -> None:
    """Paint one eye into `picture` (linear RGB [3, H, W]), in place: fold, eyeball, iris, lashes."""
    shape = appearance.shape
    window = canvas.window(half.side * shape.eye_x - 2.3, -1.9, half.side * shape.eye_x + 2.3, 1.5)
    patch = picture[:, *window.at]
    lids = _lids(window, half, appearance)
    _paint_lid_fold(patch, window, lids, half, appearance)
    ball = _eyeball(window, half, appearance, lids, gaze)
    ball *= 0.25 + 0.75 * _light_on(patch)
    open_part = window.coverage(np.minimum(window.y - lids.upper, lids.lower - window.y))
    open_part = open_part * (np.abs(lids.along) < 1)
    patch += open_part * (ball - patch)
    _paint_lashes(patch, window, lids, half, appearance)


def _light_on(patch: Field) -> float:
    """How much light falls around the eye, relative to bright skin: eyes in shade are dark too."""
    return float(np.clip(patch[0].mean() / 0.42, 0.2, 1.15))


def _paint_lid_fold(patch: Field, window: Window, lids: _Lids, half: HalfFace, appearance: Appearance) -> None:
    """The fold over the upper lid, and the shade of the brow's bone above it."""
    hooding = appearance.shape.hooding
    raised = float(np.clip(half.brow[2, 1] - appearance.shape.brow_y, -0.8, 0.8))
    gap = 0.34 - 0.16 * hooding - 0.12 * raised
    fold = lids.rest_upper - gap * np.clip(1.25 - lids.along**2, 0.25, 1) + 0.12 * half.closing
    ends = smoothstep(-1.15, -0.8, lids.along) * smoothstep(1.4, 0.95, lids.along)
    line = np.exp(-0.5 * ((window.y - fold) / 0.09) ** 2) * ends
    above = smoothstep(0.75, 0.0, fold - window.y) * (window.y < fold) * ends
    below = ((window.y >= fold) & (window.y < lids.upper)) * ends
    # A closed lid is stretched: its fold nearly disappears, and towards the lashes it turns away from the light.
    down = np.clip((window.y - fold) / np.maximum(lids.upper - fold, 0.1), 0, 1)
    lid = -0.10 + half.closing * (0.36 + 0.30 * down**2)
    shade = 0.45 * (1 - 0.65 * half.closing) * line + (0.16 + 0.18 * hooding) * above + lid * below
    patch *= 1.0 - shade * ink((0.9, 1.0, 1.05))


def _eyeball(window: Window, half: HalfFace, appearance: Appearance, lids: _Lids, gaze: tuple[float, float]) -> Field:
    shape = appearance.shape
    x, y = half.side * shape.eye_x + gaze[0], 0.0 + gaze[1]
    radius = np.hypot(window.x - x, window.y - y)
    shading = (1.0 - 0.38 * lids.along**2) * (0.55 + 0.45 * smoothstep(0.0, 0.35, window.y - lids.upper))
    ball = shading * ink(_SCLERA)
    iris = window.coverage(_IRIS_CM - radius)
    ring = 0.45 + 0.55 * smoothstep(_IRIS_CM, _IRIS_CM - 0.16, radius)
    glow = 0.8 + 0.7 * smoothstep(-0.3, 0.5, window.y - y)
    colour = ring * glow * ink(appearance.iris)
    ball += iris * (colour * (0.5 + 0.5 * shading) - ball)
    ball *= 1.0 - 0.94 * window.coverage(_PUPIL_CM - radius)
    lamp = np.sign(appearance.light.azimuth_deg or 1.0)
    glint = window.coverage(0.11 - np.hypot(window.x - x - 0.2 * lamp, window.y - y + 0.2))
    ball += 0.8 * glint
    ball += smoothstep(-0.82, -0.98, lids.along) * (ink(_CARUNCLE) - ball)
    return ball


def _paint_lashes(patch: Field, window: Window, lids: _Lids, half: HalfFace, appearance: Appearance) -> None:
    weight = 0.085 + 0.05 * (appearance.shape.brow_weight < 0.62)  # thinner brows go with stronger lashes
    reach = smoothstep(-1.1, -0.7, lids.along) * smoothstep(1.22, 0.95, lids.along)
    heavier = 0.65 + 0.35 * lids.along
    weight *= 1 + 0.8 * half.closing  # lashes that hang down are seen in their full length
    middle = lids.upper - 0.03 + 0.10 * half.closing
    upper = reach * np.exp(-0.5 * ((window.y - middle) / (weight * np.clip(heavier, 0.4, 1.1))) ** 2)
    below = 0.45 * reach * np.exp(-0.5 * ((window.y - lids.lower) / 0.06) ** 2)
    patch += np.minimum(0.88 * upper + below, 0.92) * (ink(_LASH) - 0.88 * patch)


class Brows:
    """Both brows of one person; their hairs are drawn once."""

    def __init__(self, appearance: Appearance, canvas: Canvas) -> None:
        rng = np.random.default_rng([appearance.seed, _BROW_HAIRS_SEED])
        grain = (0.35 * canvas.px_per_cm, 0.12 * canvas.px_per_cm)
        self._hairs = cloud(rng, canvas.width, canvas.height, grain)
        self._weight = appearance.shape.brow_weight
        self._colour = ink(appearance.hair.brow_colour)
        self._canvas = canvas

    def paint(self, picture: Field, half: HalfFace) -> None:
        """Paint one brow into `picture` (linear RGB [3, H, W]), in place."""
        outward, height = half.brow[:, 0], half.brow[:, 1]
        x0, x1 = sorted((half.side * (float(outward[0]) - 0.5), half.side * (float(outward[-1]) + 0.3)))
        window = self._canvas.window(x0, float(height.min()) - 0.9, x1, float(height.max()) + 0.9)
        along = half.side * window.x
        middle = curve(outward, height, along)
        share = (along - outward[0]) / (outward[-1] - outward[0])
        thickness = self._weight * curve([-0.1, 0.0, 0.2, 0.5, 0.8, 1.0], [0.3, 0.85, 1.05, 0.95, 0.6, 0.12], share)
        inside = 0.5 * thickness - np.abs(window.y - middle)
        ends = smoothstep(-0.12, 0.06, share) * smoothstep(1.06, 0.9, share)
        cover = smoothstep(-0.14, 0.22, inside + 0.08 * self._hairs[window.at]) * ends
        patch = picture[:, *window.at]
        tone = 0.35 + 0.65 * np.minimum(patch[0] / 0.5, 1.2)
        patch += 0.86 * cover * (self._colour * tone - patch)
