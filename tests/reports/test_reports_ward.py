"""The ward overview: ranking by change, who lacks data, who left."""

from dataclasses import replace
from datetime import timedelta

import duckdb
import polars as pl

from pmfer.errors import QuarantineReason
from reports.data import ReportReader
from reports.findings import Lack
from reports.measures import DEFAULT_THRESHOLDS
from reports.pages import ward_html
from reports.ward import WardReport, WardRow, compare_night, compare_ward
from reports.words import labels, ward_sentences
from reports.words.language import Language
from tools.report_samples import LONG_ID, first_session, livelier, pain_rising, read_overview, stable
from tools.sample_ward import CALM, SCORING, STEADY, TODAY, SampleWard


def build(connection: duckdb.DuckDBPyConnection) -> WardReport:
    return read_overview(ReportReader(connection, SCORING))


def names(rows: tuple[WardRow, ...]) -> list[str]:
    return [row.patient_id for row in rows]


def test_every_patient_is_in_exactly_one_list(ward: WardReport, say: Language) -> None:
    assert set(names(ward.new)) == {"p08-a-longer-pseudonym", LONG_ID, "p11"}
    assert set(names(ward.still_open)) == {"p02", "p03"}
    assert names(ward.back) == ["p12"]
    assert names(ward.usual) == ["p01", "p06", "p07", "p13", "p16", "p17"]
    assert names(ward.not_compared) == ["p04", "p05", "p10", "p14", "p15"]
    assert ward.patients == 17
    assert ward_sentences.headline(say, ward) == "Three patients have new changes. Two more are not back to usual yet."


def test_the_overview_says_how_many_were_compared_and_why_others_were_not(ward: WardReport, say: Language) -> None:
    assert (ward.compared, len(ward.uncompared)) == (12, 5)
    assert ward_sentences.compared(say, ward) == (
        "12 of 17 patients were compared; 5 were not: no recording could be used (1), too little recorded (1), "
        "too few earlier days (3)."
    )


def test_the_overview_of_several_wards_is_not_called_that_of_one(ward: WardReport, say: Language) -> None:
    placed = tuple(replace(row, ward=name) for row, name in zip(ward.new, "ABA", strict=True))
    titles = [ward_sentences.title(say, each) for each in (ward, replace(ward, new=placed), replace(ward, ward="A"))]
    assert titles == ["Ward overview", "All wards", "Ward A"]


def test_nobody_is_called_unchanged_who_could_not_be_compared(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    ward = SampleWard(writer)
    for patient in ("a", "b"):
        first_session(ward, patient)
    report = build(writer)
    assert ward_sentences.headline(say, report) == "Nobody could be compared."
    assert "<h2>All patients</h2>" in ward_html(report)
    assert ward_sentences.compared(say, report) == (
        "None of the 2 patients could be compared: too few earlier days (2)."
    )
    stable(ward, "c")
    assert ward_sentences.headline(say, build(writer)) == "No change in the one patient compared."
    ward.history("d", CALM, days=20)
    ward.record("d", TODAY, CALM)
    assert ward_sentences.headline(say, build(writer)) == "No change seen so far in the two patients compared."
    livelier(ward, "e")
    assert ward_sentences.headline(say, build(writer)) == "No flag for any of the three patients compared."


def test_a_flag_that_was_open_stays_on_the_list_where_the_day_cannot_be_compared(
    writer: duckdb.DuckDBPyConnection, say: Language
) -> None:
    ward = SampleWard(writer)
    ward.history("away", CALM, days=20, end=TODAY - timedelta(days=2))
    for back in (2, 1):
        ward.record("away", TODAY - timedelta(days=back), replace(CALM, pain=0.4))
    stable(ward, "here")
    report = build(writer)
    assert (names(report.still_open), names(report.not_compared)) == (["away"], [])
    assert [row.lack for row in report.uncompared] == [Lack.NO_SESSION]
    assert ward_sentences.headline(say, report) == "One patient is not back to usual yet."


def test_a_list_of_open_flags_says_who_was_not_seen(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    """A patient who left or died weeks ago must not look like one who was recorded today."""
    ward = SampleWard(writer)
    for patient_id, last in (("gone", 15), ("here", 0)):
        ward.history(patient_id, CALM, days=20, end=TODAY - timedelta(days=last + 3))
        for back in range(last, last + 3):
            ward.record(patient_id, TODAY - timedelta(days=back), replace(CALM, pain=0.4))
    report = build(writer)
    assert names(report.still_open) == ["here", "gone"]
    ((mark, what, told),) = ward_sentences.by_change(say, report.still_open, report)
    assert (mark, what) == ("▲", "Pain-related facial activity higher")
    assert [name.replace("\N{NO-BREAK SPACE}", " ") for name in told] == ["here", "gone (last seen on 6 March)"]


def test_whoever_has_no_line_is_listed_with_what_changed(ward: WardReport, say: Language) -> None:
    """Pain-related activity first, as on every page; within a list, the largest change first."""
    listed = ward_sentences.by_change(say, ward.changed, ward)
    whats = ["Pain-related facial activity higher", "Smiling lower", "Sad expression higher"]
    assert [what for _, what, _ in listed] == whats
    assert sorted(name for _, _, patients in listed for name in patients) == sorted(names(ward.changed))
    page = ward_html(replace(ward, thresholds=replace(ward.thresholds, alert_budget=1)))
    assert all(what in page for _, what, _ in listed)


def test_the_overview_names_the_measures_that_were_hidden(stored: duckdb.DuckDBPyConnection, say: Language) -> None:
    data = ReportReader(stored, SCORING).house(TODAY, DEFAULT_THRESHOLDS.trend_days)
    today = pl.col("session_date") == TODAY
    hidden = pl.when(~today).then(pl.col("pain_activity_mean")).alias("pain_activity_mean")
    report = compare_ward(
        replace(data, patients=("p01",), summary=data.summary.with_columns(hidden)), TODAY, DEFAULT_THRESHOLDS
    )
    assert ward_sentences.everybody_else(say, report) == (
        ("No change in what could be compared", ("p01 (not compared: pain-related facial activity)",)),
    )


def test_new_flags_come_first_and_the_largest_change_on_top(ward: WardReport) -> None:
    assert ward.changed == (*ward.new, *ward.still_open)
    for rows in (ward.new, ward.still_open):
        sizes = [row.changes[0].size for row in rows]
        assert sizes == sorted(sizes, reverse=True)
    assert all(row.leading.finding == row.changes[0] for row in ward.changed)


def test_the_alert_budget_puts_the_largest_changes_forward_and_leaves_nobody_out(ward: WardReport) -> None:
    tight = replace(ward, thresholds=replace(ward.thresholds, alert_budget=3))
    assert tight.put_forward == ward.changed[:3]
    assert tight.changed == ward.changed
    assert len(tight.changed) == 5
    assert ward.put_forward == ward.changed


def test_a_high_level_that_is_usual_for_a_patient_ranks_nowhere(writer: duckdb.DuckDBPyConnection) -> None:
    ward = SampleWard(writer)
    pain_rising(ward, "rising")
    always = replace(CALM, pain=0.5)
    ward.history("always-high", always, days=20)
    ward.record("always-high", TODAY, always)
    report = build(writer)
    assert [row.patient_id for row in report.changed] == ["rising"]
    assert [row.patient_id for row in report.usual] == ["always-high"]


def test_who_has_no_session_today_is_listed_and_who_left_weeks_ago_is_not(writer: duckdb.DuckDBPyConnection) -> None:
    ward = SampleWard(writer)
    stable(ward, "here")
    ward.history("away", STEADY, days=8, end=TODAY - timedelta(days=3))
    ward.history("left", STEADY, days=8, end=TODAY - timedelta(days=27))
    report = build(writer)
    assert [(row.patient_id, row.lack) for row in report.not_compared] == [("away", Lack.NO_SESSION)]
    assert [row.patient_id for row in report.usual] == ["here"]


def test_sessions_of_nobody_known_are_counted_too(ward: WardReport, say: Language) -> None:
    counts = dict(ward.quarantined)
    assert counts[QuarantineReason.SIDECAR_MISSING] == 1
    assert counts[QuarantineReason.DUPLICATE_CONTENT] == 10
    assert "already stored under another name (10)" in labels.unusable_recordings(say, ward.quarantined)


def test_all_others_stand_by_how_they_are_with_what_is_short(ward: WardReport, say: Language) -> None:
    told = {
        title: [name.replace("\N{NO-BREAK SPACE}", " ") for name in names]
        for title, names in (ward_sentences.everybody_else(say, ward))
    }
    assert list(told)[:4] == [
        "Flag open under the earlier model",
        "Back to usual",
        "Different, but no flag",
        "No change",
    ]
    assert told["Flag open under the earlier model"] == ["p14 (smiling lower, from about 13 March)"]
    assert told["Back to usual"][0].startswith("p12 (pain-related facial activity since ")
    assert "p17" in told["Different, but no flag"]
    assert told["Not compared: no recording could be used"] == ["p05"]
    assert told["Not compared: too little recorded"] == ["p15 (22 of 30 pictures)"]
    assert told["Not compared: too few earlier days"] == ["p04 (0 of 7 days)", "p10 (0 of 7 days)"]


def test_a_night_without_anybody_is_still_a_page(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    SampleWard(writer)
    report = build(writer)
    assert report.patients == 0
    assert ward_sentences.headline(say, report) == "Nobody was recorded in the last 28 days."


def test_the_overview_of_a_night_is_the_one_that_is_made_alone(stored: duckdb.DuckDBPyConnection) -> None:
    """In a night, the overview reuses what was computed for the patients' pages."""
    reader = ReportReader(stored, SCORING)
    night = reader.night(TODAY, DEFAULT_THRESHOLDS.trend_days)
    assert night is not None
    pages, (overview,) = compare_night(reader, night, TODAY, DEFAULT_THRESHOLDS, night.recorded, (None,))
    assert len(pages) >= 15
    assert repr(overview) == repr(read_overview(reader))


def test_the_overview_says_once_that_patients_are_compared_only_with_themselves(ward: WardReport) -> None:
    """Said again above every list, it took lines from the patients of a crowded ward."""
    assert ward_html(ward).count("compared only with their own earlier days") == 1
