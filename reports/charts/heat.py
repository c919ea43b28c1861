"""The heat strips of the phrases: a cell a day, darker where the face fitted the phrase more closely."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.charts.layout import Days, Size, axis_top
from reports.trend import Trend
from reports.words.language import Language
from reports.words.pictures import heat_text

SHADES = 6  # steps from pale to dark, told apart in grey print as well; charts.css has a class for each
SIZE = Size(width=176, height=17, left=2, right=2, top=2, bottom=2, axes=False)


@dataclass(frozen=True)
class Cell:
    """One day with a value."""

    x: float  # left edge
    shade: int  # 0 pale to SHADES - 1 dark


@dataclass(frozen=True)
class HeatStrip:
    """One phrase over the weeks drawn."""

    size: Size
    text: str
    cell_width: float
    cells: tuple[Cell, ...]  # a day without a value has none
    today: Cell | None  # of `cells`, the one that gets a frame


def heat_strips(say: Language, trends: Sequence[Trend], size: Size = SIZE) -> tuple[HeatStrip, ...]:
    """Lay out the phrases with a common scale of shades."""
    top = axis_top(point.value for trend in trends for point in trend.points if point.value is not None)
    return tuple(_strip(say, trend, top, size) for trend in trends)


def _strip(say: Language, trend: Trend, top: float, size: Size) -> HeatStrip:
    days = Days(size, trend.first_day, trend.last_day)
    cells = {
        point.day: Cell(round(days.x(point.day) - days.width / 2, 2), min(SHADES - 1, int(SHADES * point.value / top)))
        for point in trend.points
        if point.value is not None
    }
    return HeatStrip(
        size, heat_text(say, trend), round(days.width, 2), tuple(cells.values()), cells.get(trend.last_day)
    )
