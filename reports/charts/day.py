"""Drawings of the day: its sessions on a time line, and a face that shows where the leading phrases sit.

The face is a schematic drawing of nobody. Positions on it are fractions of the side of an upright face crop, as in
`pmfer.facs.REGION_BOXES`: eyes at 0.40 of the height, tip of the nose at 0.60, corners of the mouth at 0.75.
"""

from dataclasses import dataclass, replace

from pmfer.facs import AU_BY_NUMBER
from reports.charts.layout import Size, Tick, axis_top
from reports.evidence import LeadingPhrase
from reports.measures import MEASURE_BY_KEY
from reports.patient import SessionLine
from reports.words.labels import measure_name, situation_word
from reports.words.language import Language, clock, figure
from reports.words.pictures import face_text, strip_text

HOURS = (6, 22)  # the strip covers at least these hours
LANE_GAP = 12.0
SITUATION_ROOM, SITUATION_WIDTH = 14.0, 62.0  # height of the line of labels, and the width that each label needs
STRIP_MEASURES = ("pain_activity", "smiling")
STRIP = Size(width=658, height=84, left=190, right=18, top=4, bottom=18)
SIDE = 130.0  # of the face crop, in pixels
NUMBER_X = 135.0  # x of the numbers, to the right of the face
NUMBER_GAP = 19.0  # smallest vertical distance between two numbers
FACE = Size(width=146, height=137, left=0, right=0, top=0, bottom=0, axes=False)

# Where each action unit shows, as (across, down) in the left half of the picture; most show on the right as well.
PLACES: dict[int, tuple[float, float]] = {
    **{1: (0.42, 0.28), 2: (0.24, 0.29), 4: (0.50, 0.31), 5: (0.33, 0.36), 6: (0.25, 0.53), 7: (0.33, 0.44)},
    **{9: (0.50, 0.47), 10: (0.50, 0.68), 12: (0.35, 0.72), 14: (0.32, 0.75), 15: (0.36, 0.79), 16: (0.50, 0.80)},
    **{17: (0.50, 0.89), 20: (0.31, 0.76), 23: (0.50, 0.73), 24: (0.50, 0.75), 25: (0.50, 0.76)},
    **{26: (0.50, 0.92), 27: (0.50, 0.84), 43: (0.33, 0.40)},
}


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
    """The day's sessions on a time line."""

    size: Size
    text: str
    lanes: tuple[Lane, ...]
    hours: tuple[Tick, ...]
    situations: tuple[Tick, ...]  # labels above the lanes, left out if there is no room


@dataclass(frozen=True)
class Mark:
    """One leading phrase on the face."""

    number: int
    spots: tuple[tuple[float, float], ...]  # one in the middle, or one on each side
    number_x: float
    number_y: float


@dataclass(frozen=True)
class FaceDrawing:
    """The face with its marks."""

    size: Size
    text: str
    marks: tuple[Mark, ...]
    scale: float = SIDE / 150  # of the outline, which the template draws for a crop of 150 pixels


def day_strip(say: Language, sessions: tuple[SessionLine, ...]) -> DayStrip:
    """Lay out the sessions, at least one, on a time line from 6:00 to 22:00, or longer if a session is outside."""
    minutes = [line.minute_of_day for line in sessions]
    first, last = min(HOURS[0], min(minutes) // 60), max(HOURS[1], max(minutes) // 60 + 1)

    room = SITUATION_ROOM if any(line.situation for line in sessions) else 0
    size = replace(STRIP, height=STRIP.height + room, top=STRIP.top + room)

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
            for key, shown, top in zip(STRIP_MEASURES, values, tops, strict=True)
        ),
        hours=tuple(Tick(x(60 * hour), clock(say, 60 * (hour % 24))) for hour in range(first, last + 1, 2)),
        situations=_situations(say, sessions, [x(minute) for minute in minutes]),
    )


def _situations(say: Language, sessions: tuple[SessionLine, ...], places: list[float]) -> tuple[Tick, ...]:
    ticks: list[Tick] = []
    for line, place in zip(sessions, places, strict=True):
        if line.situation and (not ticks or place - ticks[-1].at >= SITUATION_WIDTH):
            ticks.append(Tick(place, situation_word(say, line.situation)))
    return tuple(ticks)


def face_drawing(say: Language, leading: tuple[LeadingPhrase, ...], *, seen: bool) -> FaceDrawing:
    """Mark and number the leading phrases, most prominent first; `seen`: whether the day has enough data for any."""
    spots = [places_of(phrase.column) for phrase in leading]
    heights: dict[int, float] = {}
    below = 0.0
    for index in sorted(range(len(spots)), key=lambda index: spots[index][-1][1]):
        heights[index] = max(SIDE * spots[index][-1][1], below)
        below = heights[index] + NUMBER_GAP
    marks = tuple(
        Mark(
            number=index + 1,
            spots=tuple((round(SIDE * x, 2), round(SIDE * y, 2)) for x, y in places),
            number_x=NUMBER_X,
            number_y=round(heights[index], 2),
        )
        for index, places in enumerate(spots)
    )
    return FaceDrawing(FACE, face_text(say, leading, seen=seen), marks)


def places_of(column: str) -> tuple[tuple[float, float], ...]:
    """Where the action unit of a column shows, as fractions of the crop; the place on the right comes last."""
    unit = AU_BY_NUMBER[int(column.removeprefix("au"))]
    x, y = PLACES[unit.number]
    return ((x, y),) if x == 0.5 else ((x, y), (round(1 - x, 2), y))


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
