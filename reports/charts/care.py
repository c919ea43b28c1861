"""The strip of care events under the trends: a lane for each item, a mark for each day."""

from dataclasses import dataclass
from datetime import date

from reports.care_events import CareEvents
from reports.charts.layout import Days, Size, Tick
from reports.charts.trend import FULL, care_ticks
from reports.words.language import Language
from reports.words.pictures import care_text

LANE_HEIGHT = 13.0
MARGIN = 3.0  # above and below the lanes


@dataclass(frozen=True)
class CareLane:
    """One item over the days."""

    letter: str
    y: float  # middle of the lane
    marks: tuple[float, ...]  # x of its days


@dataclass(frozen=True)
class CareStrip:
    """All items over the days."""

    size: Size
    text: str
    lanes: tuple[CareLane, ...]
    care: tuple[Tick, ...]  # the lines that go through the charts above


def care_strip(say: Language, events: CareEvents, first_day: date, last_day: date) -> CareStrip | None:
    """Lay out the care events of the weeks drawn; None if there are none."""
    if not events.lines:
        return None
    height = LANE_HEIGHT * len(events.lines) + 2 * MARGIN
    size = Size(FULL.width, height, FULL.left, FULL.right, top=MARGIN, bottom=MARGIN)
    days = Days(size, first_day, last_day)
    lanes = tuple(
        CareLane(line.letter, MARGIN + LANE_HEIGHT * (number + 0.5), tuple(days.x(day) for day in line.days))
        for number, line in enumerate(events.lines)
    )
    return CareStrip(size, care_text(say, events), lanes, care_ticks(days, events))
