"""What the drawings share: a frame with margins, ticks, scales."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

AXIS_TOPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # ends of a value axis, 0..1
HEADROOM = 1.08  # the axis ends at least this factor above the highest mark


@dataclass(frozen=True)
class Size:
    """A drawing and the margins around its plot."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    axes: bool = True  # draw scales and labels

    @property
    def x_end(self) -> float:
        """Right edge of the plot."""
        return self.width - self.right

    @property
    def y_end(self) -> float:
        """Lower edge of the plot."""
        return self.height - self.bottom


@dataclass(frozen=True)
class Tick:
    """A position on an axis, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Days:
    """A horizontal scale of calendar days of equal width, the same for all drawings of the same weeks."""

    size: Size
    first: date
    last: date

    @property
    def count(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1

    @property
    def width(self) -> float:
        """Width of one day, in pixels."""
        return (self.size.x_end - self.size.left) / self.count

    def x(self, day: date) -> float:
        """The x of the middle of a day."""
        return round(self.size.left + self.width * ((day - self.first).days + 0.5), 2)


def axis_top(values: Iterable[float]) -> float:
    """The lowest of AXIS_TOPS that leaves headroom above all values."""
    highest = max(values, default=0.0) * HEADROOM
    return next((top for top in AXIS_TOPS if top >= highest), 1.0)
