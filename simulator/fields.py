"""Fields over the face: a raster in centimetres, and the few soft shapes that everything is painted with.

Coordinates are centimetres on the face seen from the front: x to the right of the picture, y down, z towards the
viewer, origin midway between the pupils. Fields are float32 [height, width]; unfinished pictures are linear light,
float32 [3, height, width].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Field = NDArray[np.floating[Any]]  # float32, except for small temporary arrays


@dataclass(frozen=True)
class Window:
    """A rectangle of a canvas: `at` indexes its pixels, `x` [1, w] and `y` [h, 1] are their centres in cm."""

    at: tuple[slice, slice]
    x: Field
    y: Field
    px_per_cm: float

    def coverage(self, distance: Field) -> Field:
        """Part of each pixel (0..1) inside a shape, from the signed distance to its edge in cm, positive inside."""
        covered: Field = np.minimum(np.maximum(distance * self.px_per_cm + 0.5, 0.0), 1.0)
        return covered

    def bump(self, centre: tuple[float, float], spread: tuple[float, float]) -> Field:
        """A Gaussian of height 1: `centre` (x, y) and `spread` (standard deviations along x and y) in cm."""
        across: Field = np.exp(-0.5 * ((self.x - centre[0]) / spread[0]) ** 2)
        down: Field = np.exp(-0.5 * ((self.y - centre[1]) / spread[1]) ** 2)
        return across * down


@dataclass(frozen=True)
class Canvas:
    """A raster over part of the face plane."""

    left: float  # cm
    top: float  # cm
    width: int  # px
    height: int  # px
    px_per_cm: float

    @property
    def whole(self) -> Window:
        """The window of the whole canvas."""
        return self._cut(0, 0, self.width, self.height)

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """The pixels within the given bounds (cm), clipped to the canvas."""
        x0, x1 = (round((x - self.left) * self.px_per_cm) for x in (left, right))
        y0, y1 = (round((y - self.top) * self.px_per_cm) for y in (top, bottom))
        return self._cut(max(x0, 0), max(y0, 0), min(x1, self.width), min(y1, self.height))

    def around(self, centre: tuple[float, float], spread: tuple[float, float]) -> Window:
        """The window in which a Gaussian of this centre and spread (cm) is worth computing."""
        dx, dy = 3.3 * spread[0], 3.3 * spread[1]
        return self.window(centre[0] - dx, centre[1] - dy, centre[0] + dx, centre[1] + dy)

    def add_bump(self, field: Field, centre: tuple[float, float], spread: tuple[float, float], height: float) -> None:
        """Add a Gaussian to `field` in place: `centre` and `spread` in cm, `height` in the field's unit."""
        window = self.around(centre, spread)
        field[window.at] += height * window.bump(centre, spread)

    def zeros(self) -> Field:
        """A field of zeros over the canvas."""
        return np.zeros((self.height, self.width), np.float32)

    def _cut(self, x0: int, y0: int, x1: int, y1: int) -> Window:
        x = self.left + (np.arange(x0, x1, dtype=np.float32) + 0.5) / self.px_per_cm
        y = self.top + (np.arange(y0, y1, dtype=np.float32) + 0.5) / self.px_per_cm
        return Window((slice(y0, y1), slice(x0, x1)), x[None, :], y[:, None], self.px_per_cm)


def smoothstep(low: float, high: float, value: ArrayLike) -> Field:
    """0 below `low`, 1 above `high`, and a smooth rise between (falls when `low` > `high`)."""
    t = np.minimum(np.maximum((np.asarray(value, np.float32) - low) / (high - low), 0.0), 1.0)
    rise: Field = t * t * (3.0 - 2.0 * t)
    return rise


def curve(xs: ArrayLike, ys: ArrayLike, at: ArrayLike) -> Field:
    """A smooth curve through at least three points (`xs` rising): cubic Hermite, finite differences, flat outside."""
    x, y = np.asarray(xs, np.float32), np.asarray(ys, np.float32)
    q = np.minimum(np.maximum(np.asarray(at, np.float32), x[0]), x[-1])
    steps = x[1:] - x[:-1]
    rise = (y[1:] - y[:-1]) / steps
    inner = (rise[1:] * steps[:-1] + rise[:-1] * steps[1:]) / (steps[1:] + steps[:-1])
    slope = np.concatenate([rise[:1], inner, rise[-1:]])
    k = np.minimum(np.searchsorted(x, q, side="right") - 1, len(x) - 2)
    step = steps[k]
    t = (q - x[k]) / step
    left = (1 + 2 * t) * (1 - t) ** 2 * y[k] + t * (1 - t) ** 2 * step * slope[k]
    right = t * t * (3 - 2 * t) * y[k + 1] + t * t * (t - 1) * step * slope[k + 1]
    return np.asarray(left + right, np.float32)


def crease(canvas: Canvas, points: ArrayLike, spread: float) -> tuple[Window, Field]:
    """A soft line of height 1 along `points` [N, 2] (cm), `spread` wide (standard deviation, cm), fading at its ends.

    The line is a function of the axis along which it is longer, so it must not turn back on that axis.
    """
    p = np.asarray(points, np.float32)
    along = int(np.ptp(p[:, 1]) > np.ptp(p[:, 0]))
    p = p[np.argsort(p[:, along])]
    low, high = p.min(axis=0) - 3 * spread, p.max(axis=0) + 3 * spread
    window = canvas.window(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    main, cross = (window.y, window.x) if along else (window.x, window.y)
    course = curve(p[:, along], p[:, 1 - along], main)
    slope = np.diff(course.ravel(), append=course.ravel()[-1:]) * canvas.px_per_cm
    tilt = np.sqrt(1 + slope**2).reshape(course.shape)
    start, end = float(p[0, along]), float(p[-1, along])
    fade = 0.25 * (end - start)
    ends = smoothstep(start - spread, start + fade, main) * smoothstep(end + spread, end - fade, main)
    return window, (np.exp(-0.5 * ((cross - course) / (tilt * spread)) ** 2) * ends).astype(np.float32)


def ink(colour: ArrayLike) -> Field:
    """A colour (red, green, blue) as [3, 1, 1], to mix into pictures [3, height, width]."""
    return np.asarray(colour, np.float32)[:, None, None]


def cloud(rng: np.random.Generator, width: int, height: int, grain: tuple[float, float]) -> Field:
    """Smooth noise [height, width] of mean 0 and deviation 1; `grain` is the size of a blotch along x and y in px."""
    cells = (max(2, round(height / grain[1])), max(2, round(width / grain[0])))
    rough = Image.fromarray(rng.standard_normal(cells).astype(np.float32))
    smooth = np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC))
    return np.asarray((smooth - smooth.mean()) / (smooth.std() + 1e-6), np.float32)


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
