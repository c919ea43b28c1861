"""Where to look: moments, leading phrases, care events, and the drawn face that marks them."""

from datetime import date, timedelta
from itertools import pairwise

import duckdb
import polars as pl
import pytest

from pmfer.facs import ACTION_UNITS, REGION_BOXES, ActionUnit
from reports.care_events import CareEvents, care_events_of
from reports.charts.care import care_strip
from reports.charts.face import NUMBER_GAP, PLACES, face_drawing, places_of
from reports.charts.heat import SHADES, heat_strips
from reports.charts.trend import trend_chart
from reports.evidence import LeadingPhrase, leading_phrases
from reports.patient import PatientReport, build_patient_report
from reports.words.formats import NBSP
from reports.words.language import Language
from reports.words.sentences import care_days, care_line
from tools.report_samples import BUNDLE, HURTING, OPTIONS_SHA256, STEADY, TODAY, SampleWard
from warehouse.care_events import CareEventKind

FIRST = TODAY - timedelta(days=27)


def test_a_flag_has_moments_of_its_sessions_at_the_times_they_were_recorded(
    patients: dict[str, PatientReport],
) -> None:
    report = patients["pain_rising"]
    assert [evidence.key for evidence in report.evidence] == [finding.key for finding in report.changes]
    starts = {line.session_id: line.minute_of_day for line in report.sessions}
    for evidence in report.evidence:
        for moment in evidence.moments:
            assert moment.minute_of_day == starts[moment.session_id]
            assert 0 <= moment.session_time_s < 30


def test_a_moment_of_pain_related_activity_shows_its_units(patients: dict[str, PatientReport]) -> None:
    moment = patients["pain_rising"].evidence[0].moments[0]
    assert moment.value > 0.45
    assert [phrase.column for phrase in moment.phrases] == ["au04", "au07"]


def test_three_flags_share_the_rows_of_the_page(writer: duckdb.DuckDBPyConnection) -> None:
    ward = SampleWard(writer)
    ward.history("p01", STEADY, days=10)
    ward.record("p01", TODAY, *[HURTING] * 5)
    report = build_patient_report(writer, "p01", TODAY, BUNDLE.bundle_id, OPTIONS_SHA256)
    assert len(report.changes) == 3
    assert [len(evidence.moments) for evidence in report.evidence] == [1, 1, 1]  # five rows have room for no more


def test_a_day_without_flags_needs_no_evidence(patients: dict[str, PatientReport]) -> None:
    assert patients["stable"].evidence == ()
    assert patients["stable"].leading == ()


def test_what_stands_out_leads_and_what_is_always_high_does_not() -> None:
    usual: dict[str, float | None] = {"au04": 0.8, "au12": 0.1, "au25": None}
    leading = leading_phrases({"au04": 0.82, "au12": 0.3, "au25": 0.9}, usual, 3)
    assert leading == (LeadingPhrase("au25", 0.9, None), LeadingPhrase("au12", 0.3, 0.1))


def event_rows(*rows: tuple[str, str, float | None, int]) -> pl.DataFrame:
    """Care events by kind, item, amount and days back."""
    return pl.DataFrame(
        [
            {"kind": kind, "item": item, "amount": amount, "unit": "mg" if amount else None, "note": None}
            | {"event_date": TODAY - timedelta(days=back)}
            for kind, item, amount, back in rows
        ],
        schema_overrides={"unit": pl.String, "note": pl.String, "amount": pl.Float64},
    )


def test_a_daily_dose_is_one_line_and_a_change_of_its_amount_begins_another() -> None:
    doses = [("medication", "ibuprofen", 400.0, back) for back in range(40, 5, -1)]
    doses += [("medication", "ibuprofen", 200.0, back) for back in range(5, -1, -1)]
    events = care_events_of(event_rows(*doses), FIRST, TODAY)
    changed, before = events.lines
    assert (changed.letter, changed.amount, changed.begins) == ("A", 200.0, (TODAY - timedelta(days=5),))
    assert (before.letter, before.amount, before.begins) == ("B", 400.0, ())  # it went on from before the weeks drawn
    assert (len(changed.days), len(before.days)) == (6, 22)


def test_every_transfer_gets_a_line_through_the_charts(say: Language) -> None:
    events = care_events_of(event_rows(*(("transfer", "ward 3", None, back) for back in (35, 20, 3))), FIRST, TODAY)
    assert [(TODAY - day).days for day in events.lines[0].begins] == [20, 3]
    strip = care_strip(say, events, FIRST, TODAY)
    assert strip is not None
    assert [tick.label for tick in strip.care] == ["A", "A"]
    assert strip.text == f"A: Transfer: ward 3, on 1{NBSP}Mar, 18{NBSP}Mar."


def test_more_items_than_are_drawn_are_counted() -> None:
    events = care_events_of(event_rows(*(("therapy", f"item {n}", None, n) for n in range(7))), FIRST, TODAY)
    assert [line.letter for line in events.lines] == list("ABCDE")
    assert events.left_out == 2


def test_an_item_is_named_with_its_amount_and_days(say: Language) -> None:
    events = care_events_of(event_rows(*(("medication", "ibuprofen", 400.0, back) for back in (1, 0))), FIRST, TODAY)
    assert care_line(say, events.lines[0]).replace(NBSP, " ") == "Medication: ibuprofen 400 mg"
    assert care_days(say, events.lines[0]).replace(NBSP, " ") == "2 days, last on 21 Mar"


def test_no_care_events_draw_nothing(say: Language) -> None:
    assert care_strip(say, CareEvents(), FIRST, TODAY) is None


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
