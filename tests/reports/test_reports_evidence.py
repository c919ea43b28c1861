"""What helps to understand a finding: moments, leading phrases and care events."""

from dataclasses import replace
from datetime import timedelta

import duckdb
import polars as pl

from reports.charts.weeks import care_strip
from reports.data import ReportReader
from reports.evidence import CareEvents, LeadingPhrase, care_events_of, leading_phrases, shared_moments
from reports.patient import PatientReport
from reports.words.language import NBSP, Language
from reports.words.patient_sentences import care_days, care_line, clip_command
from tools.report_samples import read_report
from tools.sample_ward import HURTING, SCORING, STEADY, TODAY, SampleWard

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
            assert 0 <= moment.session_time_s < 60


def test_a_moment_of_pain_related_activity_shows_its_units(patients: dict[str, PatientReport]) -> None:
    moment = patients["pain_rising"].evidence[0].moments[0]
    assert moment.value > 0.45
    assert [phrase.column for phrase in moment.phrases] == ["au04", "au07"]


def test_three_flags_share_the_rows_of_the_page(writer: duckdb.DuckDBPyConnection) -> None:
    ward = SampleWard(writer)
    ward.history("p01", STEADY, days=10)
    ward.record("p01", TODAY, *[HURTING] * 5)
    report = read_report(ReportReader(writer, SCORING), "p01", TODAY)
    assert len(report.changes) == 3
    assert [len(evidence.moments) for evidence in report.evidence] == [1, 1, 1]  # five rows have no room for more


def test_a_day_without_flags_needs_no_evidence(patients: dict[str, PatientReport]) -> None:
    assert patients["stable"].evidence == ()
    assert patients["stable"].leading == ()


def test_what_stands_out_leads_and_what_is_always_high_does_not() -> None:
    usual: dict[str, tuple[float, float] | None] = {"au04": (0.7, 0.8), "au12": (0.05, 0.1), "au25": None}
    leading = leading_phrases({"au04": 0.82, "au12": 0.3, "au25": 0.9}, usual, 3)
    assert leading == (LeadingPhrase("au25", 0.9, None), LeadingPhrase("au12", 0.3, (0.05, 0.1)))


def test_a_phrase_has_one_usual_range_on_the_page(patients: dict[str, PatientReport]) -> None:
    for name in ("pain_rising", "everything_changed", "hostile"):
        report = patients[name]
        usual = {finding.key: finding.usual for finding in report.phrases}
        moments = [moment for evidence in report.evidence for moment in evidence.moments]
        leading = [*report.leading, *(phrase for moment in moments for phrase in moment.phrases)]
        assert leading
        assert all(phrase.usual == usual[phrase.column] for phrase in leading if phrase.column in usual)


def test_a_moment_that_several_flags_share_stands_there_once(patients: dict[str, PatientReport]) -> None:
    report = patients["pain_rising"]
    shared = shared_moments(report.evidence)
    assert [moment.keys for moment in shared] == [("pain_activity",), ("expressivity", "smiling")]
    assert len({(each.moment.session_id, each.moment.session_time_s) for each in shared}) == len(shared)


def test_the_command_cuts_ten_seconds_around_a_moment_out_of_its_file(patients: dict[str, PatientReport]) -> None:
    moment = patients["pain_rising"].evidence[0].moments[0]
    assert moment.file == f"{moment.session_id}.mp4"
    at = replace(moment, session_time_s=3725.5)
    assert at.clip == (3720.5, 3730.5)
    command = clip_command(at, 1)
    assert command == f"ffmpeg -ss 01:02:00 -to 01:02:10 -i {moment.file} -c copy clip-1.mp4"
    assert "-ss 00:00 -to 00:07 " in clip_command(replace(moment, session_time_s=2.5), 1)
    assert "-i 'a b.mp4; rm x' " in clip_command(replace(moment, file="a b.mp4; rm x"), 2)


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
    before, changed = events.lines
    assert (changed.letter, changed.amount, changed.begins) == ("B", 200.0, (TODAY - timedelta(days=5),))
    assert (before.letter, before.amount, before.begins) == ("A", 400.0, ())  # it began before the weeks drawn
    assert (len(changed.days), len(before.days)) == (6, 22)


def test_every_transfer_gets_a_line_through_the_charts(say: Language) -> None:
    events = care_events_of(event_rows(*(("transfer", "ward 3", None, back) for back in (35, 20, 3))), FIRST, TODAY)
    assert [(TODAY - day).days for day in events.lines[0].begins] == [20, 3]
    strip = care_strip(say, events, FIRST, TODAY)
    assert strip is not None
    assert [tick.label for tick in strip.care] == ["A", "A"]
    assert strip.text == f"A: Transfer: ward 3, on 1{NBSP}Mar, 18{NBSP}Mar."


def test_letters_run_from_left_to_right() -> None:
    rows = [("therapy", "late", None, 2), ("therapy", "early", None, 20), ("transfer", "ward 3", None, 9)]
    lines = care_events_of(event_rows(*rows), FIRST, TODAY).lines
    assert [(line.letter, line.item) for line in lines] == [("A", "early"), ("B", "ward 3"), ("C", "late")]


def test_more_items_than_are_drawn_are_counted() -> None:
    events = care_events_of(event_rows(*(("therapy", f"item {n}", None, n) for n in range(7))), FIRST, TODAY)
    assert [line.letter for line in events.lines] == list("ABCDE")
    assert events.left_out == 2


def test_an_item_is_named_with_its_amount_and_days(say: Language) -> None:
    events = care_events_of(event_rows(*(("medication", "ibuprofen", 400.0, back) for back in (1, 0))), FIRST, TODAY)
    assert care_line(say, events.lines[0]).replace(NBSP, " ") == "Medication: ibuprofen 400 mg"
    assert care_days(say, events.lines[0]).replace(NBSP, " ") == "2 days, last on 21 Mar."


def test_no_care_events_draw_nothing(say: Language) -> None:
    assert care_strip(say, CareEvents(), FIRST, TODAY) is None
