"""Situations in reports: the parts of a day, a day of care among days at rest, and what the page says about it."""

import json
from dataclasses import replace
from datetime import timedelta

import duckdb
import polars as pl
import pytest
from session_rows import DAY, SMILING, session, smiling_of_last_day

from reports.charts.weeks import glance_chart, trend_chart
from reports.control_charts import charts_of
from reports.daily import by_patient, daily_values
from reports.data import ReportData, ReportReader
from reports.document import report_json
from reports.fhir import patient_fhir
from reports.findings import Lack, Stage, State
from reports.measures import DEFAULT_THRESHOLDS
from reports.patient import PatientReport
from reports.situations import UNSTATED, daily_parts
from reports.trends import Trend, trends_of
from reports.ward import compare_ward
from reports.words.language import Language, language
from reports.words.patient_lead import lead
from tools.report_samples import compare_alone, filmed_during_care
from tools.sample_ward import SCORING, TODAY

NOTHING_KEPT = pl.DataFrame(
    schema={
        **{"patient_id": pl.String, "session_date": pl.Date, "sessions": pl.Int64, "measure": pl.String},
        **{"situation": pl.String, "value": pl.Float64, "frames": pl.Int64},
    }
)


def recorded(back: int, smiling: float, situation: str | None, scored: int = 60) -> dict[str, object]:
    return session(back, smiling, scored, scored) | {"situation": situation}


def smiling_of(rows: list[dict[str, object]], back: int = 0) -> Trend:
    summary = pl.DataFrame(rows, schema_overrides={"situation": pl.String})
    parts = daily_parts(summary, NOTHING_KEPT, DEFAULT_THRESHOLDS)
    daily = daily_values(summary, DEFAULT_THRESHOLDS)
    day = DAY - timedelta(days=back)
    return smiling_of_last_day(daily, day, parts=parts)


def rest_and_meals(days: int = 30) -> list[dict[str, object]]:
    """30 % at rest and 10 % at meals, which are every third day; each value a little different."""
    return [
        recorded(
            back, (0.1 if back % 3 == 0 else 0.3) + 0.01 * (back * 7 % 5 - 2), "meal" if back % 3 == 0 else "at_rest"
        )
        for back in range(days, 0, -1)
    ]


def test_a_day_has_a_part_for_each_situation_weighted_by_frames() -> None:
    rows = [
        *(recorded(0, 0.2, "meal", 60), recorded(0, 0.5, "meal", 30), recorded(0, 0.4, None)),
        recorded(0, 0.9, "therapy", 10),  # too few frames to count
    ]
    parts = daily_parts(pl.DataFrame(rows), NOTHING_KEPT, DEFAULT_THRESHOLDS).filter(pl.col("measure") == "smiling")
    assert parts.select("situation", "frames").rows() == [("meal", 90.0), (UNSTATED, 60.0)]
    assert parts["value"].to_list() == pytest.approx([0.3, 0.4])


@pytest.mark.parametrize("situation", [None, "meal"])
def test_days_of_one_situation_have_no_parts(situation: str | None) -> None:
    rows = [recorded(back, 0.2, situation) for back in range(3)]
    summary = pl.DataFrame(rows, schema_overrides={"situation": pl.String})
    assert daily_parts(summary, NOTHING_KEPT, DEFAULT_THRESHOLDS).is_empty()


def test_a_meal_is_held_against_earlier_meals_and_not_against_rest() -> None:
    finding = smiling_of([*rest_and_meals(), recorded(0, 0.1, "meal")]).finding
    assert (finding.state, finding.stage, finding.situations) == (State.USUAL, Stage.USUAL, ("meal",))
    assert finding.value == pytest.approx(0.1)  # the page prints the value that was seen
    assert finding.usual is not None
    assert finding.usual == pytest.approx((0.08, 0.12), abs=0.02)
    as_they_are = [row | {"situation": None} for row in [*rest_and_meals(), recorded(0, 0.1, "meal")]]
    assert smiling_of(as_they_are).finding.usual == pytest.approx((0.09, 0.31), abs=0.02)


def test_patients_with_other_situations_are_compared_as_each_would_be_alone() -> None:
    care = [recorded(back, 0.5 + 0.01 * (back % 4), "during_care") for back in range(40, 0, -2)]
    rows = {
        "p01": [*rest_and_meals(), recorded(0, 0.1, "meal")],
        "p02": [*rest_and_meals(45), *care, recorded(0, 0.1, "at_rest")],
        "p03": [*([row | {"situation": None} for row in rest_and_meals(50)]), recorded(0, 0.3, None)],
    }
    summary = pl.DataFrame(
        [row | {"patient_id": patient_id} for patient_id, own in rows.items() for row in own],
        schema_overrides={"situation": pl.String},
    )
    daily, parts = (
        by_patient(table, list(rows))
        for table in (
            daily_values(summary, DEFAULT_THRESHOLDS),
            daily_parts(summary, NOTHING_KEPT, DEFAULT_THRESHOLDS),
        )
    )
    charted = charts_of([SMILING], daily, DAY, DEFAULT_THRESHOLDS, {}, parts)
    for patient_id in rows:
        (trend,) = trends_of([SMILING], charted[patient_id], DAY, Lack.NO_SESSION, DEFAULT_THRESHOLDS)
        alone = smiling_of_last_day(daily[patient_id], parts=parts[patient_id])
        assert repr(trend) == repr(alone)  # identical to the last digit
        assert (trend.finding.stage is Stage.NEW) == (patient_id == "p02")


def test_rest_that_is_like_a_meal_is_a_change_that_a_mix_would_hide() -> None:
    fallen = [*rest_and_meals(), recorded(0, 0.1, "at_rest")]
    assert smiling_of(fallen).finding.stage is Stage.NEW
    assert smiling_of([row | {"situation": None} for row in fallen]).finding.stage is Stage.USUAL


def test_a_day_of_a_new_situation_only_abstains_with_a_reason_of_its_own() -> None:
    finding = smiling_of([*rest_and_meals(), recorded(0, 0.9, "therapy")]).finding
    assert (finding.state, finding.lack, finding.stage) == (
        State.INSUFFICIENT, Lack.NEW_SITUATION, Stage.NOT_COMPARED,
    )  # fmt: skip
    assert (finding.value, finding.usual, finding.baseline) == (0.9, None, None)
    assert (finding.situations, finding.left_out) == ((), ("therapy",))
    mixed = [*rest_and_meals(), recorded(0, 0.9, "therapy"), recorded(0, 0.3, "at_rest")]
    finding = smiling_of(mixed).finding
    assert (finding.state, finding.situations, finding.left_out) == (State.USUAL, ("at_rest",), ("therapy",))
    assert finding.value == pytest.approx(0.6)


def test_while_any_comparison_is_early_the_reason_is_that() -> None:
    assert smiling_of([*rest_and_meals(6), recorded(0, 0.3, "at_rest")]).finding.lack is Lack.NO_BASELINE
    assert smiling_of([*rest_and_meals(9), recorded(0, 0.3, "at_rest")]).finding.lack is Lack.NEW_SITUATION
    assert smiling_of([*rest_and_meals(11), recorded(0, 0.3, "at_rest")]).finding.lack is None


def test_an_open_flag_stays_open_over_a_day_that_cannot_be_compared() -> None:
    fallen = [recorded(back, 0.05, "at_rest") for back in (3, 2, 1)]
    rows = [row for row in rest_and_meals(33) if row["session_date"] < DAY - timedelta(days=3)]
    finding = smiling_of([*rows, *fallen, recorded(0, 0.9, "therapy")]).finding
    assert (finding.stage, finding.lack) == (Stage.OPEN, Lack.NEW_SITUATION)


def test_each_day_is_drawn_against_what_is_usual_in_its_situation(say: Language, filmed: PatientReport) -> None:
    trend = filmed.trends[0]
    chart = trend_chart(say, trend)
    assert (chart.band, chart.limits) == (None, ())
    assert len(chart.steps) == len(trend.points) == 28
    for point in trend.points:
        assert point.usual is not None
        assert point.value == pytest.approx(sum(point.usual) / 2, abs=0.03)
    rest, care = trend.points[-2].usual, trend.points[-1].usual
    assert rest is not None
    assert care == pytest.approx(filmed.findings[0].usual)
    assert care is not None
    assert care[0] - rest[1] > 0.2
    assert glance_chart(say, filmed.glances[0], trend).band is None


@pytest.fixture(scope="module")
def calm(stored: duckdb.DuckDBPyConnection) -> ReportData:
    return ReportReader(stored, SCORING).patient("p01", TODAY, DEFAULT_THRESHOLDS.trend_days)


@pytest.fixture(scope="module")
def filmed(calm: ReportData) -> PatientReport:
    """Recorded during care on every third day and today."""
    return compare_alone(filmed_during_care(calm, "during_care"), "p01")


def test_the_page_says_that_days_of_one_kind_were_compared(filmed: PatientReport, say: Language) -> None:
    words = lead(say, filmed)
    assert "Compared with earlier recordings of the same kind (during care)." in words.notes
    german = lead(language("de"), filmed)
    assert "Verglichen mit früheren Aufnahmen derselben Art (bei der Pflege)." in german.notes


def test_the_page_says_why_a_first_meal_is_not_compared(calm: ReportData, say: Language) -> None:
    data = filmed_during_care(calm, "meal")
    report = compare_alone(data, "p01")
    assert report.lack is Lack.NEW_SITUATION
    words, german = lead(say, report), lead(language("de"), report)
    assert words.headline == "Not compared: too few earlier recordings of this kind."
    assert words.notes == (
        "So far there are too few earlier days with recordings of this kind (meal): a comparison needs seven.",
    )
    assert german.headline == "Nicht verglichen: zu wenige frühere Aufnahmen dieser Art."
    assert german.notes[0].startswith("Es gibt noch zu wenige frühere Tage mit solchen Aufnahmen (Mahlzeit)")
    (row,) = compare_ward(data, TODAY, DEFAULT_THRESHOLDS).not_compared
    assert row.lack is Lack.NEW_SITUATION
    document = json.loads(report_json(report))["report"]["trends"][0]["finding"]
    assert (document["lack"], document["left_out"]) == ("new_situation", ["meal"])
    assert b"insufficient data (new situation)" in patient_fhir(report, b"%PDF-1.7")


def test_fhir_and_json_name_the_situations_compared(filmed: PatientReport) -> None:
    document = json.loads(report_json(filmed))["report"]["trends"][0]
    assert document["finding"]["situations"] == ["during_care"]
    assert document["points"][-1]["usual"] == pytest.approx(document["finding"]["usual"])
    assert b'"valueString": "during care"' in patient_fhir(filmed, b"%PDF-1.7")


def test_what_stands_out_on_the_face_is_held_against_the_same_situations(calm: ReportData) -> None:
    data = filmed_during_care(calm, "during_care")
    assert compare_alone(data, "p01").leading == ()
    unknown = replace(data, summary=data.summary.with_columns(situation=pl.lit(None, pl.String)))
    assert compare_alone(unknown, "p01").leading != ()
