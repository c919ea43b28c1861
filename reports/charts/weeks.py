"""What is drawn over the weeks up to the day: trends of measures, the strip of care events, heat strips of phrases.

A trend shows the usual range, the beginnings of care and a change of the model. The strip of care events has a lane for
each item and a mark for each day. A heat strip has a cell a day, darker where the face fitted the phrase more closely.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from reports.charts.layout import Days, Size, Tick, axis_top
from reports.evidence import CareEvents
from reports.findings import State
from reports.measures import MEASURE_BY_KEY
from reports.trends import Trend, TrendPoint
from reports.words.finding_sentences import today
from reports.words.language import Language, figure, short_date
from reports.words.pictures import care_text, heat_text, trend_text

TICK_DAYS = 7
# All of them share the left and right margins, so that a day is at the same place in every row of a page.
FULL = Size(width=440, height=88, left=36, right=50, top=13, bottom=19)
COMPACT = Size(width=440, height=36, left=36, right=50, top=6, bottom=5, axes=False)
SPARK = Size(width=180, height=40, left=2, right=46, top=6, bottom=6, axes=False)
LANE_HEIGHT = 13.0  # of an item of care
LANE_MARGIN = 3.0  # above and below the lanes
HEAT = Size(width=176, height=17, left=2, right=2, top=2, bottom=2, axes=False)
SHADES = 6  # steps from pale to dark, told apart in grey print as well; heat.css has a class for each
LABEL_ROOM = 70.0  # a label that ends at a line needs so much room before it


@dataclass(frozen=True)
class Dot:
    """A day's value."""

    x: float
    y: float
    in_baseline: bool


@dataclass(frozen=True)
class ModelChange:
    """Where a new model began."""

    x: float
    label: str  # empty where there is no room for it


@dataclass(frozen=True)
class TrendChart:
    """One measure over the last weeks."""

    size: Size
    text: str
    band: tuple[float, float] | None  # y of the upper and the lower limit of the usual range
    lines: tuple[str, ...]  # an SVG path per run of consecutive days with data: a gap stays a gap
    dots: tuple[Dot, ...]  # without today
    crosses: tuple[float, ...]  # x of the days on which too little was seen
    today: Dot | None
    interval: tuple[float, float] | None  # y of the ends of today's interval, upper first
    today_label: str
    state: State
    care: tuple[Tick, ...]  # beginnings of care, by their letters
    model: ModelChange | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


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


def trend_chart(
    say: Language,
    trend: Trend,
    size: Size = FULL,
    care_events: CareEvents = CareEvents(),  # noqa: B008  (frozen)
    model_since: date | None = None,
) -> TrendChart:
    """Lay out the trend of one measure."""
    finding = trend.finding
    unit = MEASURE_BY_KEY[finding.key].unit
    days = Days(size, trend.first_day, trend.last_day)
    top = axis_top(_heights(trend))

    def y(value: float) -> float:
        return round(size.y_end - (size.y_end - size.top) * value / top, 2)

    placed = [
        (point, Dot(days.x(point.day), y(point.value), point.in_baseline))
        for point in trend.points
        if point.value is not None
    ]
    back = range(days.count - 1, -1, -TICK_DAYS)
    return TrendChart(
        size=size,
        text=trend_text(say, trend),
        band=(y(finding.baseline.high), y(finding.baseline.low)) if finding.baseline else None,
        lines=_runs(placed),
        dots=tuple(mark for point, mark in placed if point.day != trend.last_day),
        crosses=tuple(days.x(point.day) for point in trend.points if point.value is None),
        today=next((mark for point, mark in placed if point.day == trend.last_day), None),
        interval=None if finding.interval is None else (y(finding.interval[1]), y(finding.interval[0])),
        today_label=today(say, finding),
        state=finding.state,
        care=care_ticks(days, care_events),
        model=_model_change(say, days, model_since),
        x_ticks=tuple(Tick(days.x(day), short_date(say, day)) for day in (days.first + timedelta(i) for i in back)),
        y_ticks=tuple(Tick(y(value), figure(say, value, unit)) for value in (0.0, top / 2, top)),
    )


def care_ticks(days: Days, events: CareEvents) -> tuple[Tick, ...]:
    """Where care began, with all letters of one day at one place."""
    letters: dict[date, str] = {}
    for line in events.lines:
        for day in line.begins:
            letters[day] = letters.get(day, "") + line.letter
    return tuple(Tick(days.x(day), letters[day]) for day in sorted(letters))


def care_strip(say: Language, events: CareEvents, first_day: date, last_day: date) -> CareStrip | None:
    """Lay out the care events of the weeks drawn; None if there are none."""
    if not events.lines:
        return None
    height = LANE_HEIGHT * len(events.lines) + 2 * LANE_MARGIN
    size = Size(FULL.width, height, FULL.left, FULL.right, top=LANE_MARGIN, bottom=LANE_MARGIN)
    days = Days(size, first_day, last_day)
    lanes = tuple(
        CareLane(line.letter, LANE_MARGIN + LANE_HEIGHT * (number + 0.5), tuple(days.x(day) for day in line.days))
        for number, line in enumerate(events.lines)
    )
    return CareStrip(size, care_text(say, events), lanes, care_ticks(days, events))


def heat_strips(say: Language, trends: Sequence[Trend], size: Size = HEAT) -> tuple[HeatStrip, ...]:
    """Lay out the phrases with a common scale of shades."""
    top = axis_top(point.value for trend in trends for point in trend.points if point.value is not None)
    return tuple(_heat_strip(say, trend, top, size) for trend in trends)


def _heat_strip(say: Language, trend: Trend, top: float, size: Size) -> HeatStrip:
    days = Days(size, trend.first_day, trend.last_day)
    cells = {
        point.day: Cell(round(days.x(point.day) - days.width / 2, 2), min(SHADES - 1, int(SHADES * point.value / top)))
        for point in trend.points
        if point.value is not None
    }
    return HeatStrip(
        size, heat_text(say, trend), round(days.width, 2), tuple(cells.values()), cells.get(trend.last_day)
    )


def _heights(trend: Trend) -> list[float]:
    """Everything that must fit under the end of the value axis."""
    values = [point.value for point in trend.points if point.value is not None]
    if trend.finding.baseline is not None:
        values.append(trend.finding.baseline.high)
    if trend.finding.interval is not None:
        values.append(trend.finding.interval[1])
    return values


def _model_change(say: Language, days: Days, since: date | None) -> ModelChange | None:
    if since is None or not days.first < since <= days.last:
        return None
    x = days.x(since) - days.width / 2
    has_room = days.size.axes and x - days.size.left > LABEL_ROOM
    return ModelChange(round(x, 2), say("new model") if has_room else "")


def _runs(placed: list[tuple[TrendPoint, Dot]]) -> tuple[str, ...]:
    """SVG paths through values on consecutive days; a lone day makes none."""
    paths: list[list[Dot]] = []
    before: TrendPoint | None = None
    for point, mark in placed:
        if before is not None and point.day - before.day == timedelta(days=1):
            paths[-1].append(mark)
        else:
            paths.append([mark])
        before = point
    return tuple("M" + " L".join(f"{mark.x:g} {mark.y:g}" for mark in run) for run in paths if len(run) > 1)
