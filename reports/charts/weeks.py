"""Drawings of the weeks up to the day: trends of measures, the strip of care events, heat strips of phrases.

A trend shows the usual range, the alarm limits, the start of each care item and a change of the model; a small chart of
three months stands beside it. The strip of care events has a lane for each item and a mark for each day. A heat strip
has one cell per day, darker where the face matched the phrase more closely.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from reports.charts.layout import Days, Size, Tick, axis_top
from reports.evidence import CareEvents
from reports.findings import Finding, State
from reports.measures import MEASURE_BY_KEY, Concern
from reports.patient import Glance
from reports.trends import Trend
from reports.words.finding_sentences import day_value
from reports.words.language import Language, figure, month_name, short_date
from reports.words.pictures import care_text, glance_text, heat_text, trend_text

TICK_DAYS = 7
GLANCE_GAP_DAYS = 7  # the small chart connects two values that are at most this many days apart
# The charts of one column share their left and right margins, so that a day has the same x in every row of a page.
FULL = Size(width=334, height=86, left=36, right=50, top=13, bottom=19)
COMPACT = Size(width=334, height=34, left=36, right=50, top=6, bottom=5, axes=False)
GLANCE = Size(width=108, height=86, left=2, right=4, top=13, bottom=19)
COMPACT_GLANCE = Size(width=108, height=34, left=2, right=4, top=6, bottom=5, axes=False)
SPARK = Size(width=180, height=40, left=2, right=46, top=6, bottom=6, axes=False)
LANE_HEIGHT = 13.0  # per item of care
LANE_MARGIN = 3.0  # above and below the lanes
HEAT = Size(width=176, height=17, left=2, right=2, top=2, bottom=2, axes=False)
SHADES = 6  # steps from pale to dark, distinct in grey print as well; charts.svg.j2 has a fill for each
MONTH_ROOM = 22.0  # width needed for the name of a month to the right of its tick
LABEL_ROOM = 70.0  # width needed for the label to the left of its line


@dataclass(frozen=True)
class Dot:
    """A day's value."""

    x: float
    y: float
    in_baseline: bool


@dataclass(frozen=True)
class Step:
    """The usual range and limits of one day, if days are compared like with like."""

    x: float  # left edge
    band: tuple[float, float]  # y of the upper and lower end of the usual range
    limits: tuple[float, ...]  # y of the alarm limits that can raise a flag


@dataclass(frozen=True)
class ModelChange:
    """Where a new model began."""

    x: float
    label: str  # empty if there is no room for it


@dataclass(frozen=True)
class TrendChart:
    """One measure over the last weeks."""

    size: Size
    text: str
    # The same for all days; None and empty if each day has its own, see `steps`
    band: tuple[float, float] | None  # y of the upper and lower end of the usual range
    limits: tuple[float, ...]  # y of the alarm limits that can raise a flag
    steps: tuple[Step, ...]  # days with their own usual range and limits
    step_width: float
    lines: tuple[str, ...]  # an SVG path per run of consecutive days with data; a missing day interrupts the line
    dots: tuple[Dot, ...]  # all days but the reported one
    crosses: tuple[float, ...]  # x of the days on which too little was seen
    today: Dot | None
    interval: tuple[float, float] | None  # y of the ends of today's interval, upper first
    today_label: str
    state: State
    care: tuple[Tick, ...]  # start of each care item, labelled with its letter
    model: ModelChange | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class GlanceChart:
    """Three months of one measure, small."""

    size: Size
    text: str
    band: tuple[float, float] | None  # also None if each day has its own usual range
    lines: tuple[str, ...]  # an SVG path per run of values; a gap of more than a week interrupts the line
    dots: tuple[Dot, ...]  # values that no line connects
    today: Dot | None
    weeks_from: float | None  # x where the four weeks of the chart beside it begin
    x_ticks: tuple[Tick, ...]  # the first of each month; without its name if there is no room for it


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
    care: tuple[Tick, ...]  # start of each item, as lines through the charts above


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
    cells: tuple[Cell, ...]  # none for a day without a value
    today: Cell | None  # the one of `cells` that gets a frame


def trend_chart(
    say: Language,
    trend: Trend,
    size: Size = FULL,
    care_events: CareEvents = CareEvents(),  # noqa: B008  (frozen)
    model_since: date | None = None,
) -> TrendChart:
    """Lay out the trend of one measure."""
    finding = trend.finding
    unit, usual = MEASURE_BY_KEY[finding.key].unit, usual_of(finding)
    days = Days(size, trend.first_day, trend.last_day)
    top = axis_top(_heights(trend))

    def y(value: float) -> float:
        return round(size.y_end - (size.y_end - size.top) * value / top, 2)

    placed = [
        (point.day, Dot(days.x(point.day), y(point.value), point.in_baseline))
        for point in trend.points
        if point.value is not None
    ]
    back = range(days.count - 1, -1, -TICK_DAYS)
    steps = tuple(
        Step(
            x=round(days.x(point.day) - days.width / 2, 2),
            band=(y(point.usual[1]), y(point.usual[0])),
            limits=tuple(y(limit) for limit in alarm_limits(finding, point.limits)),
        )
        for point in trend.points
        if point.usual is not None
    )
    return TrendChart(
        size=size,
        text=trend_text(say, trend),
        band=None if usual is None or steps else (y(usual[1]), y(usual[0])),
        limits=() if steps else tuple(y(limit) for limit in alarm_limits(finding)),
        steps=steps,
        step_width=round(days.width, 2),
        lines=_paths(_runs(placed, 1)),
        dots=tuple(dot for day, dot in placed if day != trend.last_day),
        crosses=tuple(days.x(point.day) for point in trend.points if point.value is None),
        today=dict(placed).get(trend.last_day),
        interval=None if finding.interval is None else (y(finding.interval[1]), y(finding.interval[0])),
        today_label=day_value(say, finding),
        state=finding.state,
        care=care_ticks(days, care_events),
        model=_model_change(say, days, model_since),
        x_ticks=tuple(Tick(days.x(day), short_date(say, day)) for day in (days.first + timedelta(i) for i in back)),
        y_ticks=tuple(Tick(y(value), figure(say, value, unit)) for value in (0.0, top / 2, top)),
    )


def glance_chart(say: Language, glance: Glance, trend: Trend, size: Size = GLANCE) -> GlanceChart:
    """Lay out three months of one measure beside its trend, on the same scale of values."""
    days = Days(size, glance.first_day, glance.last_day)
    top = axis_top([*_heights(trend), *(value for _, value in glance.points)])

    def y(value: float) -> float:
        return round(size.y_end - (size.y_end - size.top) * value / top, 2)

    placed = [(day, Dot(days.x(day), y(value), in_baseline=False)) for day, value in glance.points]
    runs = _runs(placed, GLANCE_GAP_DAYS)
    one_kind = all(point.usual is None for point in trend.points)
    usual = usual_of(trend.finding) if one_kind else None
    firsts = [day for number in range(days.count) if (day := days.first + timedelta(number)).day == 1]
    names = [month_name(say, day) if size.width - days.x(day) >= MONTH_ROOM else "" for day in firsts]
    return GlanceChart(
        size=size,
        text=glance_text(say, glance),
        band=None if usual is None else (y(usual[1]), y(usual[0])),
        lines=_paths(runs),
        dots=tuple(run[0] for run in runs if len(run) == 1),
        today=dict(placed).get(glance.last_day),
        weeks_from=days.x(trend.first_day) - days.width / 2 if trend.first_day > days.first else None,
        x_ticks=tuple(Tick(days.x(day), name) for day, name in zip(firsts, names, strict=True)),
    )


def usual_of(finding: Finding) -> tuple[float, float] | None:
    """The usual range that is drawn and printed; None if there is no baseline."""
    return finding.usual if finding.baseline is not None else None


def alarm_limits(finding: Finding, ends: tuple[float, float] | None = None) -> tuple[float, ...]:
    """The alarm limits in the directions that can raise a flag: the upper one, the lower one, both, or none.

    Args:
        finding: of the reported day.
        ends: the lower and upper limit of another day; None: those of the finding.
    """
    if finding.baseline is None:
        return ()
    concern = MEASURE_BY_KEY[finding.key].concern
    lower, upper = ends or (finding.baseline.low, finding.baseline.high)
    high = (upper,) if concern in (Concern.HIGHER, Concern.EITHER) else ()
    low = (lower,) if concern in (Concern.LOWER, Concern.EITHER) else ()
    return (*high, *low)


def care_ticks(days: Days, events: CareEvents) -> tuple[Tick, ...]:
    """Ticks where care items begin; items that begin on the same day share one tick."""
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


def heat_strips(say: Language, trends: Sequence[Trend]) -> tuple[HeatStrip, ...]:
    """Lay out the phrases on a common scale of shades."""
    top = axis_top(point.value for trend in trends for point in trend.points if point.value is not None)
    return tuple(_heat_strip(say, trend, top) for trend in trends)


def _heat_strip(say: Language, trend: Trend, top: float) -> HeatStrip:
    days = Days(HEAT, trend.first_day, trend.last_day)
    cells = {
        point.day: Cell(round(days.x(point.day) - days.width / 2, 2), min(SHADES - 1, int(SHADES * point.value / top)))
        for point in trend.points
        if point.value is not None
    }
    return HeatStrip(
        HEAT, heat_text(say, trend), round(days.width, 2), tuple(cells.values()), cells.get(trend.last_day)
    )


def _heights(trend: Trend) -> list[float]:
    """All values that the value axis must cover."""
    values = [point.value for point in trend.points if point.value is not None]
    values += alarm_limits(trend.finding)
    values += usual_of(trend.finding) or ()
    for point in trend.points:
        values += (*(point.usual or ()), *(alarm_limits(trend.finding, point.limits) if point.limits else ()))
    if trend.finding.interval is not None:
        values.append(trend.finding.interval[1])
    return values


def _model_change(say: Language, days: Days, since: date | None) -> ModelChange | None:
    if since is None or not days.first < since <= days.last:
        return None
    x = days.x(since) - days.width / 2
    has_room = days.size.axes and x - days.size.left > LABEL_ROOM
    return ModelChange(round(x, 2), say("new model") if has_room else "")


def _runs(placed: Sequence[tuple[date, Dot]], most_days: int) -> list[list[Dot]]:
    """The values in order, divided wherever two of them are more than this many days apart."""
    runs: list[list[Dot]] = []
    for number, (day, dot) in enumerate(placed):
        if number and (day - placed[number - 1][0]).days <= most_days:
            runs[-1].append(dot)
        else:
            runs.append([dot])
    return runs


def _paths(runs: Sequence[Sequence[Dot]]) -> tuple[str, ...]:
    """An SVG path for each run; a lone value makes none."""
    return tuple("M" + " L".join(f"{dot.x:g} {dot.y:g}" for dot in run) for run in runs if len(run) > 1)
