"""The drawings: the face with the leading phrases, heat strips, and what trends show besides their values."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest

from pmfer.facs import ACTION_UNITS, REGION_BOXES, ActionUnit
from reports.charts.day import NUMBER_GAP, PLACES, day_strip, face_drawing, places_of
from reports.charts.weeks import SHADES, glance_chart, heat_strips, trend_chart
from reports.evidence import LeadingPhrase
from reports.patient import PatientReport
from reports.words.language import Language
from warehouse.care_events import CareEventKind


@pytest.mark.parametrize("unit", ACTION_UNITS, ids=lambda unit: unit.column)
def test_the_face_marks_a_unit_inside_its_region(unit: ActionUnit) -> None:
    top, bottom, left, right = REGION_BOXES[unit.region]
    for x, y in places_of(unit.column):
        assert left <= x <= right
        assert top <= y <= bottom
    assert set(PLACES) == {unit.number for unit in ACTION_UNITS}


def test_numbers_beside_the_face_keep_apart_and_in_order(say: Language) -> None:
    leading = tuple(LeadingPhrase(column, 0.5, (0.08, 0.12)) for column in ("au43", "au07", "au05"))
    drawing = face_drawing(say, leading, seen=True)
    heights = sorted(mark.number_y for mark in drawing.marks)
    assert all(b - a >= NUMBER_GAP - 0.01 for a, b in pairwise(heights))
    assert [mark.number for mark in drawing.marks] == [1, 2, 3]
    assert (
        "1: Eyes closed (AU\N{NO-BREAK SPACE}43), 50, usually 8\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}12" in drawing.text
    )


def test_a_face_without_marks_says_why(say: Language) -> None:
    assert face_drawing(say, (), seen=False).text.endswith("The face was not seen enough.")
    assert face_drawing(say, (), seen=True).text.endswith("Nothing stands out.")


def test_heat_strips_share_a_scale_and_leave_gaps(patients: dict[str, PatientReport], say: Language) -> None:
    report = patients["week_away"]
    strips = heat_strips(say, report.phrase_trends)
    values = [point.value for point in report.phrase_trends[0].points if point.value is not None]
    assert len(strips[0].cells) == len(values) == 17
    assert strips[0].today == strips[0].cells[-1]
    darkest = max(
        cell.shade for strip in heat_strips(say, patients["pain_rising"].phrase_trends) for cell in strip.cells
    )
    assert darkest == SHADES - 1


def test_a_new_model_is_drawn_where_it_began(patients: dict[str, PatientReport], say: Language) -> None:
    report = patients["new_model"]
    assert report.model_since == date(2026, 3, 11)
    chart = trend_chart(say, report.trends[0], model_since=report.model_since)
    assert chart.model is not None
    assert chart.model.x < min(dot.x for dot in chart.dots)
    assert trend_chart(say, report.trends[0]).model is None


def test_events_of_care_are_drawn_on_the_trends(patients: dict[str, PatientReport], say: Language) -> None:
    report = patients["pain_rising"]
    kinds = [line.kind for line in report.care_events.lines]
    assert kinds.count(CareEventKind.MEDICATION) == 2
    chart = trend_chart(say, report.trends[0], care_events=report.care_events)
    assert [tick.label for tick in chart.care] == ["B", "C", "D"]  # A began before the weeks drawn, so it gets no line


def test_the_band_is_the_usual_range_and_the_limit_that_raises_a_flag_is_a_line(
    patients: dict[str, PatientReport], say: Language
) -> None:
    pain, expressivity, *_, fear, _ = patients["pain_rising"].trends
    charts = [trend_chart(say, trend) for trend in (pain, expressivity, fear)]
    assert [len(chart.limits) for chart in charts] == [1, 1, 0]  # fear never raises a flag
    above, below, _ = charts
    assert above.band is not None
    assert above.limits[0] < above.band[0] < above.band[1]  # drawn from the top
    assert below.band is not None
    assert below.limits[0] > below.band[1]


def test_three_months_stand_beside_the_four_weeks_on_the_same_scale(
    patients: dict[str, PatientReport], say: Language
) -> None:
    report = patients["flattening"]
    glance = report.glances[2]
    assert (glance.last_day - glance.first_day).days == report.thresholds.glance_days - 1
    assert len(glance.points) == 55  # forty lively days and fifteen fading ones: more than four weeks
    chart = glance_chart(say, glance, report.trends[2])
    assert chart.today is not None
    assert chart.weeks_from is not None
    assert chart.text.startswith("Smiling over 91 days; days with a value: 55; values: ")
    assert [tick.label for tick in chart.x_ticks] == ["Jan", "Feb", "Mar"]


def test_a_month_is_not_named_where_its_name_would_cover_the_one_before(
    patients: dict[str, PatientReport], say: Language
) -> None:
    report = patients["flattening"]
    moved = replace(report.glances[2], first_day=date(2025, 12, 2), last_day=date(2026, 3, 2))
    chart = glance_chart(say, moved, report.trends[2])
    assert [tick.label for tick in chart.x_ticks] == ["Jan", "Feb", ""]


def test_situations_are_told_above_the_day_where_there_is_room(
    patients: dict[str, PatientReport], say: Language
) -> None:
    sessions = patients["pain_rising"].sessions
    assert day_strip(say, sessions).situations == ()
    told = tuple(
        replace(line, situation=name) for line, name in zip(sessions, ("meal", None, "at_rest", "bath"), strict=True)
    )
    strip = day_strip(say, told)
    assert [tick.label for tick in strip.situations] == ["meal", "at rest", "bath"]
    assert strip.size.height > day_strip(say, sessions).size.height
    assert "08:15 meal, 15:45 at rest" in strip.text
