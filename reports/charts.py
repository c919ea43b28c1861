"""Geometry of the charts: from values to places on a drawing. The SVG itself stands in templates/charts.svg.j2.

Lengths are CSS pixels (96 to the inch), the origin is the upper left corner. Every chart carries the text that says
what it shows, for readers who do not see it.
"""

from dataclasses import dataclass
from datetime import timedelta

from reports.measures import MEASURE_BY_KEY
from reports.patient import SessionLine
from reports.trend import Finding, State, Trend, TrendPoint
from reports.words.formats import clock, figure, short_date, today
from reports.words.labels import measure_name
from reports.words.sentences import bar_text, strip_text, trend_text

AXIS_TOPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # ends of a value axis, 0..1
HEADROOM = 1.08  # the highest mark stays below the end of the axis by this factor
TICK_DAYS = 7
DAY_HOURS = (6, 22)  # the strip of the day covers at least these
LANE_GAP = 14.0  # between the lanes of the strip
STRIP_MEASURES = ("pain_activity", "smiling")


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


TREND_SIZE = Size(width=440, height=92, left=36, right=46, top=7, bottom=20)
SPARK_SIZE = Size(width=180, height=46, left=2, right=42, top=6, bottom=6, axes=False)
STRIP_SIZE = Size(width=658, height=100, left=170, right=18, top=6, bottom=20)
BAR_SIZE = Size(width=170, height=18, left=6, right=6, top=2, bottom=2)


@dataclass(frozen=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    """A day's value."""

    x: float
    y: float
    in_baseline: bool


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
    today_label: str
    state: State
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Bar:
    """Today's value of one phrase on a scale that all phrases of the page share."""

    size: Size
    text: str
    band: tuple[float, float] | None  # x of the usual range's ends
    today: float | None  # x
    state: State


@dataclass(frozen=True)
class Stem:
    """One session in a lane of the strip of the day."""

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


def axis_top(values: list[float]) -> float:
    """The smallest end of an axis (0..1) that leaves headroom above all values."""
    highest = max(values, default=0.0) * HEADROOM
    return next((top for top in AXIS_TOPS if top >= highest), 1.0)


def trend_chart(trend: Trend, size: Size = TREND_SIZE) -> TrendChart:
    """Lay out the trend of one measure."""
    finding = trend.finding
    unit = MEASURE_BY_KEY[finding.key].unit
    values = [point.value for point in trend.points if point.value is not None]
    baseline = finding.baseline
    top = axis_top([*values, baseline.high] if baseline else values)
    days = (trend.last_day - trend.first_day).days

    def x(point_day: int) -> float:
        return round(size.left + (size.x_end - size.left) * (point_day + 0.5) / (days + 1), 2)

    def y(value: float) -> float:
        return round(size.y_end - (size.y_end - size.top) * value / top, 2)

    def dot(point: TrendPoint, value: float) -> Dot:
        return Dot(x((point.day - trend.first_day).days), y(value), point.in_baseline)

    placed = [(point, dot(point, point.value)) for point in trend.points if point.value is not None]
    back = range(days, -1, -TICK_DAYS)
    return TrendChart(
        size=size,
        text=trend_text(trend),
        band=(y(baseline.high), y(baseline.low)) if baseline else None,
        lines=_runs(placed),
        dots=tuple(mark for point, mark in placed if point.day != trend.last_day),
        crosses=tuple(x((point.day - trend.first_day).days) for point in trend.points if point.value is None),
        today=next((mark for point, mark in placed if point.day == trend.last_day), None),
        today_label=today(finding),
        state=finding.state,
        x_ticks=tuple(Tick(x(number), short_date(trend.first_day + timedelta(days=number))) for number in back),
        y_ticks=tuple(Tick(y(value), figure(value, unit)) for value in (0.0, top / 2, top)),
    )


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


def phrase_bars(findings: tuple[Finding, ...], size: Size = BAR_SIZE) -> tuple[Bar, ...]:
    """Lay out the phrases of one day on a common scale."""
    values = [finding.value for finding in findings if finding.value is not None]
    top = axis_top(values + [finding.baseline.high for finding in findings if finding.baseline])

    def x(value: float) -> float:
        return round(size.left + (size.x_end - size.left) * value / top, 2)

    return tuple(
        Bar(
            size=size,
            text=bar_text(finding),
            band=(x(finding.baseline.low), x(finding.baseline.high)) if finding.baseline else None,
            today=None if finding.value is None else x(finding.value),
            state=finding.state,
        )
        for finding in findings
    )


def day_strip(sessions: tuple[SessionLine, ...], size: Size = STRIP_SIZE) -> DayStrip:
    """Lay out at least one session by the clock, over the hours from 6 to 22 or more where sessions lie outside."""
    minutes = [line.minute_of_day for line in sessions]
    first, last = min(DAY_HOURS[0], min(minutes) // 60), max(DAY_HOURS[1], max(minutes) // 60 + 1)

    def x(minute: int) -> float:
        return round(size.left + (size.x_end - size.left) * (minute / 60 - first) / (last - first), 2)

    height = (size.y_end - size.top - LANE_GAP) / 2
    tops = (size.top, size.top + height + LANE_GAP)
    values = ([line.pain_activity for line in sessions], [line.smiling for line in sessions])
    return DayStrip(
        size=size,
        text=strip_text(sessions),
        lanes=tuple(
            _lane(key, [x(minute) for minute in minutes], shown, top, top + height)
            for key, shown, top in zip(STRIP_MEASURES, values, tops, strict=True)
        ),
        hours=tuple(Tick(x(60 * hour), clock(60 * hour)) for hour in range(first, last + 1, 2)),
    )


def _lane(key: str, places: list[float], values: list[float | None], y_top: float, y_base: float) -> Lane:
    top = axis_top([value for value in values if value is not None])
    return Lane(
        label=measure_name(key),
        top_label=figure(top, MEASURE_BY_KEY[key].unit),
        y_top=y_top,
        y_base=y_base,
        stems=tuple(
            Stem(x, round(y_base - (y_base - y_top) * value / top, 2))
            for x, value in zip(places, values, strict=True)
            if value is not None
        ),
        uncounted=tuple(x for x, value in zip(places, values, strict=True) if value is None),
    )
