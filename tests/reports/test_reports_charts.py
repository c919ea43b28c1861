"""The drawings: the face that marks what leads, heat strips, and what the trends show beside their values."""

from datetime import date
from itertools import pairwise

import pytest

from pmfer.facs import ACTION_UNITS, REGION_BOXES, ActionUnit
from reports.charts.day import NUMBER_GAP, PLACES, face_drawing, places_of
from reports.charts.weeks import SHADES, heat_strips, trend_chart
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
    leading = tuple(LeadingPhrase(column, 0.5, 0.1) for column in ("au43", "au07", "au05"))
    drawing = face_drawing(say, leading, seen=True)
    heights = sorted(mark.number_y for mark in drawing.marks)
    assert all(b - a >= NUMBER_GAP - 0.01 for a, b in pairwise(heights))
    assert [mark.number for mark in drawing.marks] == [1, 2, 3]
    assert "1: Eyes closed (AU\N{NO-BREAK SPACE}43), 50 today, usually about 10" in drawing.text


def test_a_face_without_marks_says_why(say: Language) -> None:
    assert face_drawing(say, (), seen=False).text.endswith("The face was not seen enough today.")
    assert face_drawing(say, (), seen=True).text.endswith("No phrase stands out today.")


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
    assert [tick.label for tick in chart.care] == ["C", "B", "A"]
