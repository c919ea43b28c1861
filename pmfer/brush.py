"""Drawing tools for covers: a brush that paints opacity and shading, and the geometry of the face to draw on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

CANVAS_PX = 96  # side of the canvas; after scaling down, edges are as soft as those of real objects

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator
Point = tuple[float, float]


class Brush:
    """Paints the opacity of a cover and, if the cover is shaded, its brightness: two pictures of CANVAS_PX px."""

    def __init__(self) -> None:
        self.alpha = Image.new("L", (CANVAS_PX, CANVAS_PX), 0)
        self.draw = ImageDraw.Draw(self.alpha)
        self.shades: Image.Image | None = None

    def begin(self, shade: float) -> ImageDraw.ImageDraw:
        """Start shading, with `shade` in 0..1 as the background. Returns a drawing tool for the shades alone."""
        self.shades = Image.new("L", self.alpha.size, level(shade))
        return ImageDraw.Draw(self.shades)

    def line(self, points: Sequence[Point], width: float, shade: float, opacity: float = 1.0) -> None:
        """Draw a line, `width` in canvas pixels, with round ends."""
        px = max(1, round(width))
        for draw, fill in self._both(shade, opacity):
            draw.line(list(points), fill=fill, width=px, joint="curve")
            for end in (points[0], points[-1]) if px > 3 else ():
                _disc(draw, end, px / 2, fill)

    def polygon(self, points: Sequence[Point], shade: float, opacity: float = 1.0) -> None:
        """Draw a filled polygon."""
        for draw, fill in self._both(shade, opacity):
            draw.polygon(list(points), fill=fill)

    def disc(self, centre: Point, radius: float, shade: float, opacity: float = 1.0) -> None:
        """Draw a filled circle."""
        for draw, fill in self._both(shade, opacity):
            _disc(draw, centre, max(radius, 0.0), fill)

    def _both(self, shade: float, opacity: float) -> list[tuple[ImageDraw.ImageDraw, int]]:
        if self.shades is None:
            return [(self.draw, level(opacity))]
        return [(self.draw, level(opacity)), (ImageDraw.Draw(self.shades), level(shade))]


def level(share: float) -> int:
    """A shade or an opacity in 0..1 as a pixel value, 0..255."""
    return int(min(max(share, 0.0), 1.0) * 255)


class Face:
    """Points, directions and scale of one face on the canvas, and its brightness.

    Args:
        placed: positions of the points of the face mesh, float32 [468, 2], fractions of the side.
        level: brightness of the face, 0..1.
    """

    def __init__(self, placed: Floats, level: float) -> None:
        self.level = level
        self.points = placed * CANVAS_PX
        right, left = self.at(33, 133), self.at(263, 362)
        self.across = left - right
        self.span = float(np.hypot(*self.across)) or 1.0  # distance between the centres of the eyes
        self.across /= self.span
        self.down = np.array([-self.across[1], self.across[0]])
        self.mouth, self.nose, self.chin = self.points[13], self.points[4], self.points[152]
        self.eyes = (right, left)

    def at(self, *chosen: int) -> Floats:
        """Mean of the chosen points, [2]."""
        return np.asarray(self.points[list(chosen)].sum(0) / len(chosen))

    def place(self, origin: Floats, across: float, down: float) -> tuple[float, float]:
        """The point that is `across` and `down` from `origin` on the face, in eye distances."""
        x, y = origin + self.span * (across * self.across + down * self.down)
        return float(x), float(y)


def _disc(draw: ImageDraw.ImageDraw, centre: Point, radius: float, fill: int) -> None:
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def point(place: npt.NDArray[np.floating]) -> Point:
    """A point [2] in the form that Pillow takes."""
    return float(place[0]), float(place[1])


def patch(centre: Point, half: float, rng: Rng) -> list[Point]:
    """Corners of a randomly rotated rectangle, `2 * half` canvas pixels wide and 0.6 times as high."""
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -0.6], [1, -0.6], [1, 0.6], [-1, 0.6]]) * half @ turn.T + centre
    return [point(corner) for corner in corners]


def half_plane(draw: ImageDraw.ImageDraw, edge: Floats, inward: Floats, rng: Rng, wave: float) -> None:
    """Fill everything beyond a wavy line through `edge` [2], on the side that the unit vector `inward` [2] points to.

    The line is a random walk with steps of standard deviation `wave`, in canvas pixels, every sixth of the canvas side.
    """
    along = np.array([-inward[1], inward[0]])
    steps = np.linspace(-2 * CANVAS_PX, 2 * CANVAS_PX, 25)
    heights = np.cumsum(rng.normal(0, wave, len(steps)))
    rim = [tuple(edge + along * s + inward * (h - heights[12])) for s, h in zip(steps, heights, strict=True)]
    far = inward * 4 * CANVAS_PX
    draw.polygon([*rim, tuple(np.array(rim[-1]) + far), tuple(np.array(rim[0]) + far)], fill=255)
