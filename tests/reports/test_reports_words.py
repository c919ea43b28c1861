"""Words: every code has a text, numbers read well, and nothing is said that must not be said."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import pytest

from pmfer.errors import FrameReason, QuarantineReason
from reports import Printed
from reports.findings import Baseline, Episode, Finding, Lack, Signal, Stage, State
from reports.measures import HEADLINE_MEASURES, MEASURES, Rule, Unit
from reports.pages import patient_html, ward_html
from reports.patient import PatientReport
from reports.ward import WardReport
from reports.words import labels
from reports.words import language as spoken
from reports.words.finding_sentences import numbers, symbol, symbol_of_day, usual_span
from reports.words.flag_sentences import flag_sentence, standing, told_sentences
from reports.words.language import Language, language
from reports.words.patient_lead import ask, ask_carried, lead
from reports.words.patient_sentences import legend
from reports.words.pictures import trend_text
from warehouse.care_events import CareEventKind

DAY = date(2026, 3, 21)


def smiling(
    value: float,
    usual_range: tuple[float, float] = (0.12, 0.18),
    state: State = State.LOWER,
    *rules: Rule,
    recent: float | None = None,
    opened: date = DAY,
) -> Finding:
    """A finding with an open flag and limits one point beyond the usual range; without a flag if USUAL."""
    low, high = usual_range
    signals = tuple(Signal(rule, state, DAY) for rule in rules or (Rule.BEYOND_LIMITS,))
    baseline = Baseline((low + high) / 2, low - 0.01, high + 0.01, (high - low) / 2 + 0.01)
    stage = Stage.NEW if opened == DAY else Stage.OPEN
    onset = opened - timedelta(days=2)
    episode = Episode(state, opened, onset, onset, onset, None, (DAY - opened).days + 1)
    found = Finding("smiling", state, value, baseline, None, signals, recent=recent, stage=stage, episode=episode)
    found = replace(found, usual=usual_range)
    return replace(found, signals=(), stage=Stage.USUAL, episode=None) if state is State.USUAL else found


def plain(text: str) -> str:
    return text.replace(spoken.NBSP, " ")


def test_a_new_flag_says_what_how_much_and_since_when(say: Language) -> None:
    new = smiling(0.04)
    told = plain(flag_sentence(say, new, DAY))
    assert told == "Less smiling than usual: 4%, usually 12 to 18%. New on 21 March; it probably began about 19 March."
    assert new.episode is not None
    at_once = replace(new, episode=replace(new.episode, onset=DAY, onset_from=DAY, onset_to=DAY))
    assert plain(flag_sentence(say, at_once, DAY)).endswith("18%. New on 21 March.")


def test_an_open_flag_says_its_day_and_the_interval_of_its_onset(say: Language) -> None:
    lasting = smiling(0.04, opened=date(2026, 3, 17))
    assert lasting.episode is not None
    uncertain = replace(lasting.episode, onset_from=date(2026, 3, 14), onset_to=date(2026, 3, 16))
    told = plain(flag_sentence(say, replace(lasting, episode=uncertain), DAY))
    dash = "\N{EN DASH}"
    assert told == (
        f"Less smiling than usual: 4%, usually 12 to 18%. Since about 15 March (14{dash}16 Mar); "
        "day 5 of the flag, not back to usual yet."
    )
    assert standing(say, lasting, DAY) == "lower, day\N{NO-BREAK SPACE}5"


def test_a_flag_says_if_it_could_be_measured_on_few_of_its_days(say: Language) -> None:
    """Otherwise day 33 of a flag sounds like a month of pain, although the patient was away for most of it."""
    lasting = smiling(0.04, opened=date(2026, 2, 17))
    assert lasting.episode is not None
    assert plain(flag_sentence(say, lasting, DAY)).endswith("; day 33 of the flag, not back to usual yet.")
    away = replace(lasting, episode=replace(lasting.episode, days_open=12))
    assert plain(flag_sentence(say, away, DAY)).endswith(
        "; day 33 of the flag, not back to usual yet. It could be measured on only twelve of these days."
    )


def test_an_open_flag_on_a_quiet_day_says_what_it_takes_to_be_back(say: Language) -> None:
    quiet = replace(smiling(0.15, opened=date(2026, 3, 17)), signals=())
    assert plain(flag_sentence(say, quiet, DAY)).endswith(
        "On 21 March it was 15%, usually 12 to 18%; it counts as back to usual after a few days like this."
    )
    still_low = replace(smiling(0.10, opened=date(2026, 3, 17)), signals=())
    assert plain(flag_sentence(say, still_low, DAY)).endswith("On 21 March it was 10%, usually 12 to 18%.")


def test_where_the_mean_of_the_last_days_speaks_it_is_the_number_that_is_told(say: Language) -> None:
    beyond = smiling(0.13, (0.12, 0.18), State.LOWER, Rule.EWMA, recent=0.11)
    told = plain(flag_sentence(say, beyond, DAY))
    assert told.startswith("Less smiling than usual: 11% on average over the last few days, usually 12 to 18%.")
    assert plain(numbers(say, beyond)) == "13%; average of the last few days: 11%, usually 12 to 18%"
    within = smiling(0.13, (0.12, 0.18), State.LOWER, Rule.EWMA, recent=0.13)
    told = plain(flag_sentence(say, within, DAY))
    assert told.startswith("Less smiling than usual: 13% on average over the last few days, usually about 15%.")


def test_a_row_never_contradicts_itself(say: Language) -> None:
    """Without decimals, 2.4 % beyond a usual range that ends at 2.2 % would read `2%, usually up to 2%, higher`."""
    close = smiling(0.034, (0.0, 0.022), State.HIGHER)
    assert plain(numbers(say, close)) == "3%, usually up to 2%"
    closer = smiling(0.024, (0.0, 0.022), State.HIGHER)
    assert plain(numbers(say, closer)) == "2.4%, usually up to 2.2%"
    like_usual = smiling(0.024, (0.0, 0.022), State.USUAL)
    assert plain(numbers(say, like_usual)) == "2%, usually up to 2%"
    assert standing(say, like_usual, DAY) == "as usual"
    outside = smiling(0.19, (0.12, 0.18), State.USUAL)
    assert standing(say, outside, DAY) == "above usual, within the limit"
    ended = replace(smiling(0.19, opened=date(2026, 3, 10)).episode, closed=date(2026, 3, 17))
    back = replace(outside, stage=Stage.BACK, episode=ended)
    assert plain(standing(say, back, DAY)) == "back since 17 March; above usual, within the limit"
    assert plain(standing(say, replace(back, value=0.15), DAY)) == "back since 17 March"


def test_a_change_that_asks_for_no_look_is_told_without_a_flag(
    say: Language, patients: dict[str, PatientReport]
) -> None:
    more = replace(smiling(0.3, state=State.USUAL), told=(Signal(Rule.BEYOND_LIMITS, State.HIGHER, DAY, 1.5),))
    assert (symbol(more), standing(say, more, DAY)) == ("(▲)", "higher, no flag")
    report = patients["stable"]
    trends = tuple(replace(trend, finding=more) if trend.finding.key == "smiling" else trend for trend in report.trends)
    words = lead(say, replace(report, trends=trends))
    assert words.headline == "One thing was different, but it does not raise a flag."
    assert plain(words.notes[0]) == "More smiling than usual: 30%, usually 12 to 18%."
    assert words.notes[1] == "This does not raise a flag."


def test_a_difference_that_may_become_a_flag_is_not_said_to_raise_none(say: Language) -> None:
    """A single day with far less smiling is not enough for a flag, but a second one would raise it."""
    less, more = (
        replace(smiling(value, state=State.USUAL), told=(Signal(Rule.BEYOND_LIMITS, state, DAY, 1.5),))
        for value, state in ((0.04, State.LOWER), (0.3, State.HIGHER))
    )
    assert [plain(sentence) for sentence in told_sentences(say, (more, less))] == [
        "Less smiling than usual: 4%, usually 12 to 18%.",
        "This is not enough for a flag.",
        "More smiling than usual: 30%, usually 12 to 18%.",
        "This does not raise a flag.",
    ]


def test_a_flag_that_came_back_does_not_contradict_the_page_of_the_day_before(say: Language) -> None:
    """The page of the day before said that it was back to usual."""
    finding = smiling(0.04, opened=DAY - timedelta(days=4))
    assert finding.episode is not None
    again = replace(finding, episode=replace(finding.episode, reopened=DAY))
    told = plain(flag_sentence(say, again, DAY))
    assert told.endswith("day 5 of the flag. It had been back to usual, but returned on 21 March.")


def test_a_movement_has_the_mark_of_the_number_beside_it(say: Language) -> None:
    """The table of movements prints the day's value, while a flag may rest on an average of several days."""
    values = {0.04: "▼", 0.15: "=", 0.3: "(▲)"}
    assert {value: symbol_of_day(smiling(value, (0.12, 0.18), State.LOWER, Rule.EWMA)) for value in values} == values
    assert symbol_of_day(smiling(0.19, state=State.USUAL)) == "(▲)"
    assert symbol_of_day(Finding("au12", State.INSUFFICIENT, 0.2, None, Lack.NO_BASELINE)) == "◊"
    unseen = replace(smiling(0.04, opened=date(2026, 3, 17)), value=None, lack=Lack.COVERED, signals=())
    assert symbol_of_day(unseen) == "◊"  # there is no number to be lower than usual, although the flag is open


def test_the_number_of_a_room_stays_with_its_word(say: Language) -> None:
    assert labels.place(say, "2 B", "12") == "Ward 2 B, room\N{NO-BREAK SPACE}12"


def test_a_value_comes_with_its_interval_where_there_is_one(say: Language) -> None:
    finding = replace(smiling(0.04), interval=(0.02, 0.07))
    assert plain(numbers(say, finding)) == "4% (2 to 7%), usually 12 to 18%"


def test_a_range_from_nothing_or_without_width_is_said_by_its_end(say: Language) -> None:
    ranges = ((0.0, 0.04), (0.12, 0.124), (0.0, 0.002), (0.12, 0.18))
    told = [plain(usual_span(say, ends, Unit.TIME_SHARE)) for ends in ranges]
    assert told == ["up to 4%", "about 12%", "0%", "12 to 18%"]


def test_dates_lengths_and_names(say: Language) -> None:
    assert plain(spoken.full_date(say, date(2026, 3, 1))) == "Sunday, 1 March 2026"
    shown = (spoken.length(say, None), spoken.clock(say, 545), spoken.player_time(125.9), spoken.player_time(3725.0))
    assert shown == ("unknown", "09:05", "02:05", "01:02:05")
    assert [plain(spoken.length(say, seconds)) for seconds in (6, 60, 125.4, 725)] == [
        "6 s",
        "1 min",
        "2 min 5 s",
        "12 min",
    ]
    assert [plain(spoken.length_in_words(say, seconds)) for seconds in (6, 60, 125.4, 725)] == [
        "6 seconds",
        "1 minute",
        "2 minutes 5 seconds",
        "12 minutes",
    ]
    assert spoken.whole_id("x" * 64) == "x" * 64  # half of its name is not enough to find a recording
    printed = datetime(2026, 3, 22, 6, 15, tzinfo=UTC)
    assert plain(spoken.day_and_time(say, printed)) == "22 March 2026, 06:15"


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


def test_a_report_asks_for_a_look_only_where_a_flag_is_open_or_was_when_the_model_changed(
    patients: dict[str, PatientReport], say: Language
) -> None:
    for report in patients.values():
        earlier = ask_carried(say) if report.carried or report.changes else ""
        assert lead(say, report).ask == (ask(say) if report.changes and report.lack is None else earlier)


@pytest.mark.parametrize("code", ["en", "de"])
def test_no_page_calls_the_day_it_reports_today(
    code: str, patients: dict[str, PatientReport], ward: WardReport
) -> None:
    pages = [patient_html(report, language=code) for report in patients.values()] + [ward_html(ward, language=code)]
    words = ("today",) if code == "en" else ("heute", "heutige", "heutigen")
    visible = [re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).lower() for page in pages]
    assert [word for page in visible for word in words if re.search(rf"\b{word}\b", page)] == []


def test_the_page_says_whom_to_ask_and_when_it_was_printed(
    patients: dict[str, PatientReport], ward: WardReport
) -> None:
    given = {"contact": "nurse in charge, extension 4711", "printed": Printed(datetime(2026, 3, 22, 6, 15, tzinfo=UTC))}
    for page in (patient_html(patients["stable"], **given), ward_html(ward, **given)):
        assert "For questions, ask: nurse in charge, extension 4711" in page
        assert "printed 22\N{NO-BREAK SPACE}March 2026, 06:15" in page
        assert "replaces every earlier print" not in page
    assert "For questions, ask" not in patient_html(patients["stable"])


def test_a_picture_is_told_with_its_numbers(patients: dict[str, PatientReport], say: Language) -> None:
    assert plain(trend_text(say, patients["pain_rising"].trends[0])) == (
        "Pain-related facial activity over the 28 days up to Saturday, 21 March 2026. 43 (41 to 46), usually 13 to 14. "
        "Higher, day 6. Beyond the alarm limit. Days with enough data: 21 of 28."
    )


def test_more_changes_than_are_told_are_announced(patients: dict[str, PatientReport], say: Language) -> None:
    words = lead(say, patients["everything_changed"])
    assert words.headline == "Four new changes."
    assert len(words.changes) == 3
    assert words.notes[0] == "One more change is marked below."


def test_a_single_session_of_a_day_is_mentioned(patients: dict[str, PatientReport], say: Language) -> None:
    report = patients["stable"]
    single = replace(report, quality=replace(report.quality, sessions_used=1))
    assert "The values come from a single recording." in lead(say, single).notes


def test_a_new_model_is_mentioned_with_the_days_it_has_read(patients: dict[str, PatientReport], say: Language) -> None:
    """While earlier days are scored again, it has not read every day since its first one."""
    note = (
        "A new computer model is in use. The first day that it has read is 11 March 2026; days that it has not read "
        "cannot be compared."
    )
    assert note in [plain(text) for text in lead(say, patients["new_model"]).notes]
    gaps = {name: legend(say, patients[name]).rpartition(". ")[2] for name in ("new_model", "stable")}
    assert gaps == {"new_model": "Gap: nothing read by the new model.", "stable": "Gap: no recording."}
