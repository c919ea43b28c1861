"""Reports of sample patients from a real warehouse; what they must say follows from how the samples were made."""

from dataclasses import replace
from datetime import date, timedelta

import duckdb
import polars as pl
import pytest

from pmfer.errors import FrameReason, QuarantineReason, ReportError
from reports.data import ReportReader
from reports.findings import Finding, Lack, Stage, State, common_lack
from reports.measures import DEFAULT_THRESHOLDS, HEADLINE_MEASURES
from reports.pages import listed_sessions
from reports.patient import PatientReport, valid_days_before
from reports.ward import WardRow, compare_ward
from reports.words import ward_sentences
from reports.words.language import NBSP, Language
from reports.words.patient_lead import ask_carried, lead
from tools.report_samples import LONG_ID, compare_alone, many_sessions, read_overview, read_report, stable
from tools.sample_ward import CALM, SCORING, STEADY, TODAY, SampleWard

Reports = dict[str, PatientReport]


def states(report: PatientReport) -> dict[str, State]:
    return {finding.key: finding.state for finding in report.findings}


def build(connection: duckdb.DuckDBPyConnection, patient_id: str, day: date = TODAY, **scoring: str) -> PatientReport:
    return read_report(ReportReader(connection, replace(SCORING, **scoring)), patient_id, day)


def test_a_stable_patient_has_no_changes(patients: Reports, say: Language) -> None:
    report = patients["stable"]
    assert set(states(report).values()) == {State.USUAL}
    assert lead(say, report).headline == "Like this patient\N{RIGHT SINGLE QUOTATION MARK}s usual days."
    assert report.baseline_sizes == (56, 56)  # of 62; the baseline takes no more


def test_rising_pain_activity_is_the_first_change(patients: Reports) -> None:
    report = patients["pain_rising"]
    assert (report.changes[0].key, report.changes[0].state) == ("pain_activity", State.HIGHER)
    assert states(report)["smiling"] is State.LOWER
    assert [finding.stage for finding in report.changes] == [Stage.OPEN] * 3
    assert {finding.key for finding in report.phrases if finding.state is State.HIGHER} == {
        *("au04", "au06", "au07", "au09", "au10", "au43")
    }


def test_a_flattening_face_smiles_and_moves_less(patients: Reports) -> None:
    found = states(patients["flattening"])
    assert (found["smiling"], found["expressivity"]) == (State.LOWER, State.LOWER)
    assert found["pain_activity"] is State.USUAL


def test_a_change_that_stays_is_told_until_it_is_over(patients: Reports, say: Language) -> None:
    """Two weeks after the face flattened, nothing of it has come back, and the page says so."""
    report = patients["flattening"]
    words = lead(say, report)
    assert words.headline == "Two ongoing changes."
    assert all("not back to usual yet" in sentence for _, sentence in words.changes)
    smiling = next(finding for finding in report.changes if finding.key == "smiling")
    assert smiling.episode is not None
    assert abs((smiling.episode.onset - (TODAY - timedelta(days=13))).days) <= 2  # the first lower day


def test_a_flag_that_closed_is_told_for_a_week(patients: Reports, say: Language) -> None:
    report = patients["coming_back"]
    assert [finding.key for finding in report.back] == ["pain_activity"]
    words = lead(say, report)
    assert (words.headline, words.ask) == ("One measure is back to usual.", "")
    assert words.notes[0].startswith("Pain-related facial activity has been back to usual since ")


def test_an_accepted_level_is_told_with_its_note(patients: Reports, say: Language) -> None:
    report = patients["new_level"]
    assert [finding.key for finding in report.accepted] == ["expressivity", "smiling"]
    assert not report.changes
    note = lead(say, report).notes[0].replace("\N{NO-BREAK SPACE}", " ")
    assert note == (
        "A new usual level was accepted for facial expressivity and smiling from 7 March (new medication, see the "
        "round of 9 March)."
    )


def test_a_flag_of_the_earlier_model_is_carried_over(patients: Reports, say: Language) -> None:
    report = patients["carried_over"]
    assert report.lack is Lack.NO_BASELINE
    words = lead(say, report)
    assert words.headline == "Not compared yet: the computer model is new."
    assert words.ask == "Please keep looking in on the patient."
    assert (
        words.notes[0]
        .replace("\N{NO-BREAK SPACE}", " ")
        .startswith(
            "The earlier computer model found smiling lower than usual from about 13 March, and not back to usual by "
            "17 March."
        )
    )


def test_recordings_that_are_empty_or_cut_short_are_the_reason_and_not_the_face(
    patients: Reports, say: Language
) -> None:
    report = patients["cut_short"]
    assert report.lack is Lack.TOO_SHORT
    words = lead(say, report)
    assert words.headline == "Not compared: too little recorded."
    assert words.notes == (
        "Two recordings could not be used: empty file (1), recording cut short (1).",
        "To be compared, a day needs 30 pictures in which the face can be read; there were 22.",
    )


def test_a_page_that_rests_on_little_says_so_in_its_first_lines(patients: Reports, say: Language) -> None:
    seen = lead(say, patients["little_seen"]).seen.replace("\N{NO-BREAK SPACE}", " ")
    assert seen == (
        "Seen in one recording: 36 seconds of the face, which could be read in 90% of the pictures. That is not "
        "much: with less than 1 minute of the face, read this page with caution."
    )


def test_a_day_without_a_face_does_not_tell_of_seconds_of_it(patients: Reports, say: Language) -> None:
    report = patients["little_seen"]
    unseen = replace(report, quality=replace(report.quality, seen_s=0.0, frames_scored=0))
    assert lead(say, unseen).seen == "In one recording, the face could be read in 0% of the pictures."
    assert not patients["pain_rising"].little_seen
    assert "That is little" not in lead(say, patients["pain_rising"]).seen


def test_a_quiet_day_against_few_days_is_not_called_usual(patients: Reports, say: Language) -> None:
    report = patients["little_seen"]
    assert report.tentative
    words = lead(say, report)
    assert words.headline == "No change seen so far."
    assert "The usual range is based on only 16 days, so even a large change may not show yet." in words.notes
    assert not patients["stable"].tentative


def test_a_quiet_day_with_a_value_outside_its_usual_range_is_not_called_usual(patients: Reports, say: Language) -> None:
    report = patients["stable"]
    first, *others = report.trends
    assert first.finding.usual
    above = replace(first.finding, value=first.finding.usual[1] + 0.02)
    words = lead(say, replace(report, trends=(replace(first, finding=above), *others)))
    assert words.headline == "No change beyond the alarm limits."


def test_a_quiet_day_is_not_called_usual_while_one_measure_has_few_days(patients: Reports, say: Language) -> None:
    report = patients["stable"]
    first, *others = report.trends
    assert first.finding.baseline
    young = replace(first.finding, tentative=True, baseline=replace(first.finding.baseline, days=14))
    words = lead(say, replace(report, trends=(replace(first, finding=young), *others)))
    assert words.headline == "No change seen so far."
    assert "Some usual ranges are based on only 14 days, so even a large change may not show there." in words.notes


def test_a_difference_without_a_flag_is_not_called_usual(patients: Reports, say: Language) -> None:
    report = patients["livelier"]
    assert not report.changes
    words = lead(say, report)
    assert words.headline == "Two things were different, but they do not raise a flag."
    assert any(note.startswith("More smiling than usual: 38%, usually ") for note in words.notes)


def test_a_flag_stays_open_on_a_day_that_cannot_be_compared(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    ward = SampleWard(writer)
    ward.history("p01", CALM, days=20, end=TODAY - timedelta(days=2))
    for back in (2, 1):
        ward.record("p01", TODAY - timedelta(days=back), replace(CALM, pain=0.4))
    ward.quarantine("p01", "p01-am", QuarantineReason.EMPTY_FILE)
    report = build(writer, "p01")
    assert (report.lack, report.changes[0].stage) == (Lack.ALL_SET_ASIDE, Stage.OPEN)
    words = lead(say, report)
    assert words.headline == "One ongoing change."
    told = words.changes[0][1].replace("\N{NO-BREAK SPACE}", " ")
    assert told.endswith("On 21 March it could not be compared: no recording could be used.")
    assert "One recording could not be used: empty file (1)." in words.notes
    assert words.ask == ask_carried(say)  # nobody saw how the face moves that day
    (row,) = read_overview(ReportReader(writer, SCORING)).still_open
    assert ward_sentences.seen(say, row) == "One recording, not usable"


def test_where_a_session_was_recorded_and_in_which_situation_is_kept(stored: duckdb.DuckDBPyConnection) -> None:
    data = ReportReader(stored, SCORING).patient("p02", TODAY, 28)
    placed = data.summary.with_columns(ward=pl.lit("3"), room=pl.lit("12"), situation=pl.lit("meal"))
    report = compare_alone(replace(data, summary=placed), "p02")
    assert (report.ward, report.room, {line.situation for line in report.sessions}) == ("3", "12", {"meal"})
    without = compare_alone(data, "p02")
    assert (without.room, {line.situation for line in without.sessions}) == (None, {None})


def test_one_session_is_no_trend_and_the_report_says_so(patients: Reports, say: Language) -> None:
    report = patients["first_session"]
    assert report.lack is Lack.NO_BASELINE
    assert report.findings[2].value == pytest.approx((8 * 0.86 + 46 * 0.02) / 54)  # the value seen is still shown
    words = lead(say, report)
    assert words.headline == "Not compared yet: this is the first recording."
    assert words.notes[0].startswith("A comparison needs seven earlier days; so far there are none.")


def test_one_earlier_day_is_said_in_the_singular(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    ward = SampleWard(writer)
    ward.history("p01", CALM, days=1)
    ward.record("p01", TODAY, CALM)
    assert (
        lead(say, build(writer, "p01"))
        .notes[0]
        .startswith("A comparison needs seven earlier days; so far there is one.")
    )


def test_a_day_of_which_everything_is_quarantined_has_reasons_and_no_values(patients: Reports, say: Language) -> None:
    report = patients["all_set_aside"]
    assert report.lack is Lack.ALL_SET_ASIDE
    assert all(finding.value is None for finding in (*report.findings, *report.phrases))
    assert [line.reason for line in report.quarantined] == [
        QuarantineReason.TRUNCATED,
        QuarantineReason.EMPTY_FILE,
        QuarantineReason.NO_CONSENT,
    ]
    assert lead(say, report).headline == "Not compared: no recording could be used."
    assert lead(say, report).notes[0].startswith("Three recordings could not be used: ")


def test_a_day_that_cannot_be_compared_says_when_the_face_was_last_seen(
    writer: duckdb.DuckDBPyConnection, say: Language
) -> None:
    dark = replace(CALM, reasons=("too_dark",) * 9 + (None,))
    ward = SampleWard(writer)
    ward.history("a", CALM, days=20, end=TODAY - timedelta(days=4))
    for back in range(4, -1, -1):
        ward.record("a", TODAY - timedelta(days=back), dark)
    words = lead(say, build(writer, "a"))
    assert words.headline == "Not compared: too dark to see the face."
    assert words.notes[-1].replace(NBSP, " ") == "The last day with enough of the face was 16 March."
    (titled,) = ward_sentences.everybody_else(say, read_overview(ReportReader(writer, SCORING)))
    assert titled[1][0].replace(NBSP, " ") == "a (last seen on 16 March)"
    ward.history("b", dark, days=20)
    ward.record("b", TODAY, dark)
    assert lead(say, build(writer, "b")).notes[-1].startswith("In the weeks drawn there is no other day")


def test_a_measure_that_a_mask_hides_does_not_speak_for_the_others() -> None:
    hidden = Finding("pain_activity", State.INSUFFICIENT, None, None, Lack.NOT_MEASURED)
    young = Finding("smiling", State.INSUFFICIENT, 0.2, None, Lack.NO_BASELINE)
    assert common_lack((hidden, young)) is Lack.NO_BASELINE
    assert common_lack((hidden, hidden)) is Lack.NOT_MEASURED
    assert common_lack((hidden, Finding("smiling", State.USUAL, 0.2, None, None))) is None
    days = [TODAY - timedelta(days=back) for back in (3, 2, 1, 0)]
    columns = {measure.key: [None] * 4 for measure in HEADLINE_MEASURES} | {"smiling": [0.2, None, 0.2, 0.2]}
    daily = pl.DataFrame({"session_date": days} | columns, strict=False)
    assert valid_days_before(daily, TODAY) == 2


def test_a_measure_that_was_hidden_is_named(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    """Under an oxygen mask, pain-related activity is not measured. Neither page may leave that to the reader."""
    ward = SampleWard(writer)
    for patient_id, smiles, pain in (("p01", CALM.smiling, CALM.pain), ("p02", 0.0, 0.5), ("p03", CALM.smiling, 0.5)):
        ward.history(patient_id, replace(CALM, smiling=0.3) if smiles == 0 else CALM, days=60)
        ward.record(patient_id, TODAY, *[replace(CALM, smiling=smiles, pain=pain)] * 2)
    columns = ("au09_mean", "au10_mean", "pain_activity_mean")  # brows and eyes can be seen
    under_mask = [pl.when(pl.col("session_date") < TODAY).then(pl.col(column)).alias(column) for column in columns]
    reader = ReportReader(writer, SCORING)
    house = reader.house(TODAY, 28)
    house = replace(house, summary=house.summary.with_columns(under_mask))
    each = {name: reader.patient(name, TODAY, 28) for name in house.patients}
    reports = [
        compare_alone(replace(read, summary=read.summary.with_columns(under_mask)), name) for name, read in each.items()
    ]
    pages = [lead(say, report) for report in reports]
    quiet, changed, brows = pages
    assert quiet.headline == "No change in what could be compared."
    assert changed.changes
    for words in pages:
        assert "Not compared: pain-related facial activity (not measured)." in words.notes
    told = "Pain-related movements stronger than usual: brows lowered and drawn together."
    assert [told in words.notes for words in pages] == [False, True, True]
    assert brows.headline == "One thing was different, but it does not raise a flag."
    overview = compare_ward(house, TODAY, DEFAULT_THRESHOLDS)
    assert told in ward_sentences.others(say, overview.changed[0])
    assert dict(ward_sentences.everybody_else(say, overview)) == {
        "Different, but no flag": (
            "p03 (stronger than usual: brows lowered and drawn together; not compared: pain-related facial activity)",
        ),
        "No change in what could be compared": ("p01 (not compared: pain-related facial activity)",),
    }
    known = {report.patient_id: WardRow.of_page(report) for report in reports}
    assert compare_ward(house, TODAY, DEFAULT_THRESHOLDS, known) == overview


def test_a_patient_who_was_away_is_said_to_be_back(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    """A flag from before a stay in hospital is still open on the first day after it."""
    ward = SampleWard(writer)
    ward.history("p01", CALM, days=30, end=TODAY - timedelta(days=18))
    ward.history("p01", replace(CALM, pain=0.4), days=3, end=TODAY - timedelta(days=15))
    ward.record("p01", TODAY, replace(CALM, pain=0.4))
    ward.history("p02", CALM, days=30, end=TODAY - timedelta(days=40))
    ward.record("p02", TODAY, CALM)
    ward.history("p03", CALM, days=30, end=TODAY - timedelta(days=6))
    ward.record("p03", TODAY, CALM)
    notes = [lead(say, build(writer, name)).notes for name in ("p01", "p02", "p03")]
    away, long_away, short_away = (" ".join(each).replace(NBSP, " ") for each in notes)
    assert "This is the first day with enough of the face since 5 March." in away
    assert "This is the first day with enough of the face in the weeks drawn." in long_away
    assert "first day" not in short_away


def test_a_face_that_is_read_far_less_often_than_usual_asks_to_check_the_camera(
    writer: duckdb.DuckDBPyConnection, say: Language
) -> None:
    """A camera that was moved changes the values as well, so whoever reads the page must know."""
    ward = SampleWard(writer)
    half = replace(CALM, frames=120, reasons=(None, "no_face"))
    for patient_id, days in (("p01", 20), ("p02", 5)):
        ward.history(patient_id, CALM, days=days)  # nine of ten pictures can be read
        ward.record(patient_id, TODAY, half, half)
    moved, new = (" ".join(lead(say, build(writer, name)).notes).replace(NBSP, " ") for name in ("p01", "p02"))
    assert "on most days the face could be read in 90% of the pictures. Please check the camera\u2019s view." in moved
    assert "on most days" not in new


def test_a_change_that_came_with_other_times_of_day_says_so(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    """A tired face in the evening is no change of a patient who was recorded in the mornings until then."""
    ward = SampleWard(writer)
    tired = replace(CALM, pain=0.4)
    hours = {"evening": (18.0,), "both": (8.5, 18.0), "night": (0.5,)}
    for patient_id, times in hours.items():
        for back in range(30, 3, -1):
            usual = 23.5 if patient_id == "night" else 8.0  # half past midnight is near to it
            ward.record(patient_id, TODAY - timedelta(days=back), CALM.varied(ward.dice(patient_id)), hours=(usual,))
        for back in range(3, -1, -1):
            ward.record(patient_id, TODAY - timedelta(days=back), *[tired] * len(times), hours=times)
    reports = {name: build(writer, name) for name in hours}
    assert all(report.changes for report in reports.values())
    told = "Less reliable: since 18 March, most recordings were made at other times of day than before."
    notes = {name: [note.replace(NBSP, " ") for note in lead(say, report).notes] for name, report in reports.items()}
    assert {name: told in said for name, said in notes.items()} == {"evening": True, "both": False, "night": False}


def test_a_week_away_stays_a_gap(patients: Reports) -> None:
    days = [(TODAY - point.day).days for point in patients["week_away"].trends[0].points]
    assert days == [*range(25, 11, -1), 3, 2, 1, 0]
    assert patients["week_away"].trends[0].points[-2].value is None  # the day that was too dark


def test_a_dark_session_is_listed_but_not_counted(patients: Reports) -> None:
    report = patients["crowded"]
    dark = report.sessions[3]
    assert (dark.usable, dark.smiling, dark.pain_activity) == (False, None, None)
    assert (report.quality.sessions, report.quality.sessions_used) == (12, 11)
    assert dict(report.quality.unscored) == {FrameReason.NO_FACE: 66, FrameReason.TOO_DARK: 54}


def test_times_are_those_of_the_clock_on_the_wall(patients: Reports) -> None:
    assert patients["first_session"].sessions[0].minute_of_day == 9 * 60 + 30


def test_on_a_crowded_day_the_table_keeps_the_strongest_sessions_in_order(stored: duckdb.DuckDBPyConnection) -> None:
    data = ReportReader(stored, SCORING).patient("p01", TODAY, 28)
    report = compare_alone(many_sessions(data, 60), "p01")
    strong = replace(report.sessions[40], pain_activity=0.9)
    report = replace(report, sessions=(*report.sessions[:40], strong, *report.sessions[41:]))
    listed = listed_sessions(report, 6)
    assert len(listed) == 6
    assert listed[-1] == strong
    assert list(listed) == sorted(listed, key=lambda line: line.minute_of_day)


def test_new_options_start_a_new_baseline(stored: duckdb.DuckDBPyConnection, writer: duckdb.DuckDBPyConnection) -> None:
    ward = SampleWard(writer)
    stable(ward, "p01")
    ward.use_options("other options")
    for hour in (7, 20):
        ward.record("p01", TODAY, STEADY, hours=[hour], session_id=f"other-{hour}")
    report = build(writer, "p01", options_sha256=ward.options_sha256)
    assert (report.lack, report.sessions_on_record) == (Lack.NO_BASELINE, 2)
    assert build(writer, "p01").lack is None


def test_a_first_night_in_quarantine_is_reported_before_any_bundle_scored(writer: duckdb.DuckDBPyConnection) -> None:
    SampleWard(writer).quarantine("p09", "p09-am", QuarantineReason.NOT_A_VIDEO)
    report = build(writer, "p09")
    assert (report.lack, report.origin.bundle_name) == (Lack.ALL_SET_ASIDE, None)


def test_a_bundle_that_never_ran_is_an_error_with_advice(stored: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ReportError, match=r"no run with bundle ffffffffffff .* run the night"):
        build(stored, "p01", bundle_id="f" * 64)


def test_a_report_of_an_earlier_day_knows_nothing_of_later_ones(stored: duckdb.DuckDBPyConnection) -> None:
    earlier = build(stored, "p02", day=TODAY - timedelta(days=7))
    assert set(states(earlier).values()) == {State.USUAL}
    assert earlier.trends[0].points[-1].day == TODAY - timedelta(days=7)


def test_the_longest_id_is_kept_whole(stored: duckdb.DuckDBPyConnection) -> None:
    assert build(stored, LONG_ID).patient_id == LONG_ID


def test_the_page_says_for_how_long_the_eyes_stayed_closed(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    """Only long stretches count as sleep: eight seconds, each ended by two seconds without a face, do not."""
    ward = SampleWard(writer)
    pressed = replace(STEADY, pain=0.9)
    ward.record("p01", TODAY, replace(pressed, reasons=(None,)), pressed)
    ward.record("p02", TODAY, pressed)
    asleep, awake = (build(writer, patient_id) for patient_id in ("p01", "p02"))
    assert (asleep.quality.closed_s, awake.quality.closed_s) == (59, 0)
    assert lead(say, asleep).seen.replace("\N{NO-BREAK SPACE}", " ") == (
        "Seen in two recordings: 1 minute 54 seconds of the face, which could be read in 95% of the pictures. The "
        "eyes stayed closed for 59 seconds of that time."
    )
    assert "closed" not in lead(say, awake).seen


def test_smiles_are_counted_per_observed_minute_and_never_flagged(writer: duckdb.DuckDBPyConnection) -> None:
    ward = SampleWard(writer)
    ward.history("p01", STEADY, days=8)
    smiling, empty = replace(STEADY, smiling=0.5), replace(STEADY, reasons=("no_face",))
    ward.record("p01", TODAY, smiling, empty)
    report = build(writer, "p01")
    smiles = report.context[0]
    # Half of the 54 scored frames in a row show happiness. Three times the face is out of view for two seconds, which
    # ends an episode.
    assert (smiles.key, smiles.value) == ("smile_episodes", pytest.approx(4 / (54 / 60)))
    assert not any(finding.flagged for finding in report.context)
    shares = {finding.key: finding.value or 0.0 for finding in report.findings + report.context}
    eight = ("neutral", "smiling", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
    assert sum(shares[key] for key in eight) == pytest.approx(1)
