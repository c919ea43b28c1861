"""Words: every code has some, numbers read well, and what must not be said is not said."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum

import pytest

from pmfer.errors import FrameReason, QuarantineReason
from reports.findings import Baseline, Finding, Lack, Signal, Stage, State
from reports.measures import HEADLINE_MEASURES, MEASURES, Rule
from reports.pages import patient_html, ward_html
from reports.patient import PatientReport
from reports.ward import WardReport
from reports.words import labels
from reports.words import language as spoken
from reports.words.finding_sentences import finding_sentence, numbers, result, short_result, symbol, today, usual
from reports.words.language import Language, language
from reports.words.patient_sentences import ask, lead
from reports.words.pictures import trend_text
from warehouse.care_events import CareEventKind

DAY = date(2026, 3, 21)


def smiling(value: float, low: float, high: float, state: State = State.LOWER, *rules: Rule) -> Finding:
    since = {Rule.BEYOND_LIMITS: DAY}
    signals = [Signal(rule, state, since.get(rule, DAY - timedelta(days=6))) for rule in rules or (Rule.BEYOND_LIMITS,)]
    baseline = Baseline((low + high) / 2, low, high, (high - low) / 2)
    stage = Stage.USUAL if state is State.USUAL else Stage.NEW
    return Finding("smiling", state, value, baseline, None, tuple(signals), stage=stage)


def plain(text: str) -> str:
    return text.replace(spoken.NBSP, " ")


def test_a_finding_is_one_plain_sentence(say: Language) -> None:
    assert (
        plain(finding_sentence(say, smiling(0.04, 0.11, 0.19)))
        == "Smiled less than usual: 4% today, usually 11 to 19%."
    )


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule.TREND, "It has fallen from day to day since 15 March."),
        (
            Rule.SHIFT,
            "Every day since 15 March was below the patient\N{RIGHT SINGLE QUOTATION MARK}s usual middle.",
        ),
        (Rule.EWMA, "It has been drifting downwards since 15 March."),
    ],
)
def test_a_rule_over_several_days_says_so_and_since_when(say: Language, rule: Rule, told: str) -> None:
    last_days = replace(smiling(0.12, 0.11, 0.19, State.LOWER, rule), recent=0.118)
    within = plain(finding_sentence(say, last_days))
    assert within == f"Smiled less than usual over the last days: 12% on average, usually around 15%. {told}"
    beyond = plain(finding_sentence(say, smiling(0.04, 0.11, 0.19, State.LOWER, Rule.BEYOND_LIMITS, rule)))
    assert beyond == f"Smiled less than usual: 4% today, usually 11 to 19%. {told}"


def test_a_pattern_that_began_today_adds_nothing(say: Language) -> None:
    finding = smiling(0.04, 0.11, 0.19)
    finding = replace(finding, signals=(*finding.signals, Signal(Rule.EWMA, State.LOWER, DAY)))
    assert plain(finding_sentence(say, finding)) == "Smiled less than usual: 4% today, usually 11 to 19%."


def test_a_change_that_asks_for_no_look_is_told_without_a_flag(
    say: Language, patients: dict[str, PatientReport]
) -> None:
    more = replace(
        smiling(0.3, 0.11, 0.19, State.USUAL), signals=(), told=(Signal(Rule.BEYOND_LIMITS, State.HIGHER, DAY, 1.5),)
    )
    assert result(say, more) == "higher than usual, no flag"
    assert (symbol(more), short_result(say, more)) == ("(▲)", "higher, no flag")
    report = patients["stable"]
    trends = tuple(replace(trend, finding=more) if trend.finding.key == "smiling" else trend for trend in report.trends)
    notes = lead(say, replace(report, trends=trends)).notes
    assert notes[0] == "Noticed all the same, without a flag: smiling higher than usual."


def test_a_value_comes_with_its_interval_where_there_is_one(say: Language) -> None:
    finding = replace(smiling(0.04, 0.11, 0.19), interval=(0.02, 0.07))
    assert plain(numbers(say, finding)) == "Today 4% (2 to 7%), usually 11 to 19%"


def test_a_range_from_nothing_is_said_by_its_end(say: Language) -> None:
    sentence = plain(finding_sentence(say, smiling(0.12, 0.0, 0.04, State.HIGHER)))
    assert sentence == "Smiled more than usual: 12% today, usually up to 4%."


def test_a_value_beyond_its_limit_never_reads_the_same_as_the_limit(say: Language) -> None:
    assert today(say, smiling(0.1062, 0.1108, 0.19)) == "10.6%"
    assert plain(usual(say, smiling(0.1062, 0.1108, 0.19))) == "11.1 to 19.0%"
    assert today(say, smiling(0.1062, 0.1108, 0.19, State.USUAL)) == "11%"


def test_dates_lengths_and_names(say: Language) -> None:
    assert plain(spoken.full_date(say, date(2026, 3, 1))) == "Sunday, 1 March 2026"
    shown = (spoken.length(say, 125.4), spoken.length(say, None), spoken.clock(say, 545), spoken.moment(125.9))
    assert shown == ("2:05", "unknown", "09:05", "02:05")
    assert spoken.short_id("p01-2026-03-01-am") == "p01-2026-03-01-am"
    assert len(spoken.short_id("x" * 64)) == spoken.LONGEST_ID


def test_german_writes_dates_and_numbers_its_own_way() -> None:
    german = language("de")
    assert plain(spoken.full_date(german, DAY)) == "Samstag, 21. März 2026"
    assert plain(spoken.percent(german, 0.125, 1)) == "12,5 %"
    assert (spoken.thousands(german, 36500), plain(spoken.short_date(german, DAY))) == ("36.500", "21. März")


@pytest.mark.parametrize(
    ("word", "codes"),
    [
        (labels.frame_word, FrameReason),
        (labels.quarantine_word, QuarantineReason),
        (labels.lack_word, Lack),
        (labels.state_word, State),
        (labels.state_short, State),
        (labels.care_word, CareEventKind),
    ],
)
def test_every_code_has_a_word_of_its_own(
    say: Language, word: Callable[[Language, StrEnum], str], codes: type[StrEnum]
) -> None:
    assert len({word(say, code) for code in codes}) == len(codes)


def test_every_measure_has_words(say: Language) -> None:
    assert all(labels.measure_words(say, measure.key).higher for measure in HEADLINE_MEASURES)
    assert len({labels.measure_name(say, measure.key) for measure in MEASURES}) == len(MEASURES)


def test_symbols_differ_in_shape_so_that_grey_print_keeps_them_apart() -> None:
    assert set(labels.STATE_SYMBOLS) == set(State)
    assert len(set(labels.STATE_SYMBOLS.values())) == len(State)


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("en", ("pain score", "score of pain", "patient is in pain", "suffers", "depress")),
        ("de", ("schmerzwert", "schmerzscore", "hat schmerzen", "leidet", "depress", "befund")),
    ],
)
def test_what_must_not_be_said_is_not_said(
    code: str, forbidden: tuple[str, ...], patients: dict[str, PatientReport], ward: WardReport
) -> None:
    pages = [patient_html(report, language=code) for report in patients.values()] + [ward_html(ward, language=code)]
    assert [word for word in forbidden for page in pages if word in page.lower()] == []


def test_a_report_asks_for_a_look_only_where_something_changed(
    patients: dict[str, PatientReport], say: Language
) -> None:
    for report in patients.values():
        assert lead(say, report).ask == (ask(say) if report.changes else "")


def test_a_picture_is_told_with_its_numbers(patients: dict[str, PatientReport], say: Language) -> None:
    assert plain(trend_text(say, patients["pain_rising"].trends[0])) == (
        "Pain-related facial activity over the 28 days up to Saturday, 21 March 2026. Today 45 (43 to 47), "
        "usually 12 to 18. Higher than usual. Beyond the usual range today, drifting for several days. "
        "Days with enough data: 21 of 28."
    )


def test_more_changes_than_are_told_are_announced(patients: dict[str, PatientReport], say: Language) -> None:
    words = lead(say, patients["everything_changed"])
    assert words.headline == "Four things are different today."
    assert len(words.changes) == 3
    assert words.notes[0] == "One more change is marked below."


def test_a_single_session_of_a_day_is_mentioned(patients: dict[str, PatientReport], say: Language) -> None:
    report = patients["stable"]
    single = replace(report, quality=replace(report.quality, sessions_used=1))
    assert "Today rests on a single session." in lead(say, single).notes


def test_a_new_model_is_mentioned_and_since_when(patients: dict[str, PatientReport], say: Language) -> None:
    note = "Since 11 March 2026 a new model scores the recordings; earlier days are not compared."
    assert note in [plain(text) for text in lead(say, patients["new_model"]).notes]
