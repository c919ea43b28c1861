"""The strip of the day: every session by the clock."""

from dataclasses import dataclass

from reports.charts.layout import Size, Tick, axis_top
from reports.measures import MEASURE_BY_KEY
from reports.patient import SessionLine
from reports.words.formats import clock, figure
from reports.words.labels import measure_name
from reports.words.language import Language
from reports.words.pictures import strip_text

HOURS = (6, 22)  # the strip covers at least these
LANE_GAP = 12.0
MEASURES = ("pain_activity", "smiling")
SIZE = Size(width=658, height=84, left=190, right=18, top=4, bottom=18)


@dataclass(frozen=True)
class Stem:
    """One session in a lane of the strip."""

    x: float
    y: float  # upper end


@dataclass(frozen=True)
class Lane:
    """One measure over the hours of the day."""

    label: str
    top_label: str  # value at the lane's upper edge
    y_top: float
    y_base: float
    stems: tuple[Stem, ...]
    uncounted: tuple[float, ...]  # x of sessions without enough data


@dataclass(frozen=True)
class DayStrip:
    """The day's sessions by the clock."""

    size: Size
    text: str
    lanes: tuple[Lane, ...]
    hours: tuple[Tick, ...]


def day_strip(say: Language, sessions: tuple[SessionLine, ...], size: Size = SIZE) -> DayStrip:
    """Lay out at least one session by the clock, over the hours from 6 to 22 or more where sessions lie outside."""
    minutes = [line.minute_of_day for line in sessions]
    first, last = min(HOURS[0], min(minutes) // 60), max(HOURS[1], max(minutes) // 60 + 1)

    def x(minute: int) -> float:
        return round(size.left + (size.x_end - size.left) * (minute / 60 - first) / (last - first), 2)

    height = (size.y_end - size.top - LANE_GAP) / 2
    tops = (size.top, size.top + height + LANE_GAP)
    values = ([line.pain_activity for line in sessions], [line.smiling for line in sessions])
    return DayStrip(
        size=size,
        text=strip_text(say, sessions),
        lanes=tuple(
            _lane(say, key, [x(minute) for minute in minutes], shown, (top, top + height))
            for key, shown, top in zip(MEASURES, values, tops, strict=True)
        ),
        hours=tuple(Tick(x(60 * hour), clock(say, 60 * (hour % 24))) for hour in range(first, last + 1, 2)),
    )


def _lane(say: Language, key: str, places: list[float], values: list[float | None], edges: tuple[float, float]) -> Lane:
    y_top, y_base = edges
    top = axis_top(value for value in values if value is not None)
    return Lane(
        label=measure_name(say, key),
        top_label=figure(say, top, MEASURE_BY_KEY[key].unit),
        y_top=y_top,
        y_base=y_base,
        stems=tuple(
            Stem(x, round(y_base - (y_base - y_top) * value / top, 2))
            for x, value in zip(places, values, strict=True)
            if value is not None
        ),
        uncounted=tuple(x for x, value in zip(places, values, strict=True) if value is None),
    )
