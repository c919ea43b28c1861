"""Words: every code has some, numbers read well, and what must not be said is not said."""

from dataclasses import replace
from datetime import date

import pytest

from pmfer.errors import FrameReason, QuarantineReason
from reports.measures import HEADLINE_MEASURES, MEASURES
from reports.patient import PatientReport
from reports.render import patient_html, ward_html
from reports.trend import Baseline, Finding, Lack, Rule, Signal, State
from reports.ward import WardReport
from reports.words import formats, labels
from reports.words.sentences import finding_sentence, lead, result, trend_text


def smiling(value: float, low: float, high: float, state: State = State.LOWER) -> Finding:
    return Finding("smiling", state, value, Baseline((low + high) / 2, low, high, (high - low) / 2), None)


def test_a_finding_is_one_plain_sentence() -> None:
    sentence = finding_sentence(smiling(0.04, 0.11, 0.19)).replace(formats.NBSP, " ")
    assert sentence == "Smiled less than usual today: 4 % of the observed time, usually 11 to 19 %."


def test_a_change_of_the_last_days_is_told_by_their_mean_and_not_by_today() -> None:
    moved = replace(
        smiling(0.12, 0.11, 0.19), recent=0.118, signals=(Signal(Rule.EWMA, State.LOWER, date(2026, 3, 18)),)
    )
    sentence = finding_sentence(moved).replace(formats.NBSP, " ")
    assert sentence == (
        "Smiled less than usual over the last days: 12 % of the observed time on average, usually around 15 %."
    )


def test_a_change_that_asks_for_no_look_is_told_without_a_flag() -> None:
    more = replace(
        smiling(0.3, 0.11, 0.19, State.USUAL),
        told=(Signal(Rule.BEYOND_LIMITS, State.HIGHER, date(2026, 3, 21), 1.5),),
    )
    assert result(more) == "higher than usual, no flag"


def test_a_range_from_nothing_is_said_by_its_end() -> None:
    sentence = finding_sentence(smiling(0.12, 0.0, 0.04, State.HIGHER)).replace(formats.NBSP, " ")
    assert sentence == "Smiled more than usual today: 12 % of the observed time, usually up to 4 %."


def test_a_value_beyond_its_limit_never_reads_the_same_as_the_limit() -> None:
    assert formats.today(smiling(0.1062, 0.1108, 0.19)).replace(formats.NBSP, " ") == "10.6 %"
    assert formats.usual(smiling(0.1062, 0.1108, 0.19)).replace(formats.NBSP, " ") == "11.1 to 19.0 %"
    assert formats.today(smiling(0.1062, 0.1108, 0.19, State.USUAL)).replace(formats.NBSP, " ") == "11 %"


def test_dates_lengths_and_names() -> None:
    assert formats.full_date(date(2026, 3, 1)).replace(formats.NBSP, " ") == "Sunday, 1 March 2026"
    assert (formats.length(125.4), formats.length(None), formats.clock(545)) == ("2:05", "unknown", "09:05")
    assert formats.short_id("p01-2026-03-01-am") == "p01-2026-03-01-am"
    assert len(formats.short_id("x" * 64)) == formats.LONGEST_ID


def test_every_code_has_words() -> None:
    assert set(labels.FRAME_WORDS) == set(FrameReason)
    assert set(labels.QUARANTINE_WORDS) == set(QuarantineReason)
    assert set(labels.LACK_WORDS) == set(Lack)
    assert set(labels.STATE_WORDS) == set(labels.STATE_SHORT) == set(labels.STATE_SYMBOLS) == set(State)
    assert set(labels.MEASURE_WORDS) == {measure.key for measure in HEADLINE_MEASURES}
    assert all(labels.measure_name(measure.key) for measure in MEASURES)


def test_symbols_differ_in_shape_so_that_grey_print_keeps_them_apart() -> None:
    assert len(set(labels.STATE_SYMBOLS.values())) == len(State)


@pytest.mark.parametrize("forbidden", ["pain score", "score of pain", "patient is in pain", "suffers", "depress"])
def test_what_must_not_be_said_is_not_said(
    forbidden: str, patients: dict[str, PatientReport], ward: WardReport
) -> None:
    pages = [patient_html(report) for report in patients.values()] + [ward_html(ward)]
    assert all(forbidden not in page.lower() for page in pages)


def test_a_report_asks_for_a_look_only_where_something_changed(patients: dict[str, PatientReport]) -> None:
    for report in patients.values():
        assert (labels.ASK in lead(report).notes) == bool(report.changes)


def test_a_picture_is_told_with_its_numbers(patients: dict[str, PatientReport]) -> None:
    text = trend_text(patients["pain_rising"].trends[0]).replace(formats.NBSP, " ")
    assert text == (
        "Pain-related facial activity over the 28 days up to Saturday, 21 March 2026: today 47, usually 12 to 18, "
        "higher than usual. Days with enough data: 21 of 28."
    )


def test_more_changes_than_are_told_are_announced(patients: dict[str, PatientReport]) -> None:
    words = lead(patients["everything_changed"])
    assert words.headline == "Four things are different today."
    assert len(words.changes) == 3
    assert words.notes[0] == "One more change is marked below."


def test_a_single_session_of_a_day_is_mentioned(patients: dict[str, PatientReport]) -> None:
    report = patients["stable"]
    single = replace(report, quality=replace(report.quality, sessions_used=1))
    assert "Today rests on a single session." in lead(single).notes
