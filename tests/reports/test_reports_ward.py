"""The ward overview: ranking by change, who lacks data, who left."""

from dataclasses import replace
from datetime import timedelta

import duckdb

from pmfer.errors import QuarantineReason
from reports.data import ReportReader
from reports.findings import Lack
from reports.ward import WardReport, build_ward_report
from reports.words import ward_sentences
from reports.words.language import Language
from tools.report_samples import LONG_ID, SCORING, STEADY, TODAY, SampleWard, pain_rising, stable


def build(connection: duckdb.DuckDBPyConnection) -> WardReport:
    return build_ward_report(ReportReader(connection, SCORING), TODAY)


def test_every_patient_is_in_exactly_one_list(ward: WardReport, say: Language) -> None:
    assert [row.patient_id for row in ward.usual] == ["p01", "p06", "p07"]
    assert [row.patient_id for row in ward.insufficient] == ["p04", "p05", "p10"]
    assert {row.patient_id for row in ward.changed} == {"p02", "p03", "p08-a-longer-pseudonym", LONG_ID, "p11"}
    assert ward.patients == 11
    assert ward_sentences.headline(say, ward) == "Five of eleven patients changed."


def test_the_largest_change_comes_first_in_units_of_the_own_usual_range(ward: WardReport) -> None:
    sizes = [row.changes[0].size for row in ward.changed]
    assert sizes == sorted(sizes, reverse=True)
    assert all(row.leading.finding == row.changes[0] for row in ward.changed)


def test_the_alert_budget_puts_the_largest_changes_forward_and_leaves_nobody_out(ward: WardReport) -> None:
    tight = replace(ward, thresholds=replace(ward.thresholds, alert_budget=3))
    assert tight.put_forward == ward.changed[:3]
    assert tight.also_changed == ward.changed[3:]
    assert len(tight.also_changed) == 2
    assert (ward.put_forward, ward.also_changed) == (ward.changed, ())


def test_a_high_level_that_is_usual_for_a_patient_ranks_nowhere(writer: duckdb.DuckDBPyConnection) -> None:
    ward = SampleWard(writer)
    pain_rising(ward, "rising")
    always = replace(STEADY, pain=0.8)
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
    assert [(row.patient_id, row.lack) for row in report.insufficient] == [("away", Lack.NO_SESSION)]
    assert [row.patient_id for row in report.usual] == ["here"]


def test_sessions_of_nobody_known_are_counted_too(ward: WardReport, say: Language) -> None:
    counts = dict(ward.set_aside)
    assert counts[QuarantineReason.SIDECAR_MISSING] == 1
    assert counts[QuarantineReason.DUPLICATE_CONTENT] == 10
    assert "stored under another name (10)" in ward_sentences.set_aside(say, ward)


def test_insufficient_data_says_how_much_is_short(ward: WardReport, say: Language) -> None:
    assert ward_sentences.lacking(say, ward) == (
        ("All sessions of today set aside", ("p05",)),
        ("No usual range yet", ("p04 (0 of 7 days)", "p10 (0 of 7 days)")),
    )


def test_a_night_without_anybody_is_still_a_page(writer: duckdb.DuckDBPyConnection, say: Language) -> None:
    SampleWard(writer)
    report = build(writer)
    assert report.patients == 0
    assert ward_sentences.headline(say, report) == "No patient was recorded in the last 28 days."
