"""The results of the queries agree with what polars computes from the stored batches."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from stored import store_session
from warehouse_places import SQLITE
from warehouse_samples import (
    BUNDLE,
    COMPLETED,
    PROVENANCE,
    sample_frames,
    sample_run,
    sample_scoring,
    sample_session,
    session_summaries,
    sha256,
    store_sample,
)

from pmfer.errors import QuarantineReason, WarehouseError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS
from pmfer.frame_row import SCORE_COLUMNS
from warehouse import quarantine, queries
from warehouse.address import Address
from warehouse.care_events import CareEvent, CareEventKind, store_care_events
from warehouse.quarantine import add_quarantine
from warehouse.records import QuarantineRecord
from warehouse.runs import finish_run, start_run
from warehouse.store import scoring_id

JUNE = date(2026, 6, 30)


@pytest.fixture(params=["file", SQLITE])
def address(request: pytest.FixtureRequest, new_warehouse: Callable[[str, Path], Address], tmp_path: Path) -> Address:
    """One kind of lake is enough: DuckDB reads the same Parquet files wherever the catalogue is."""
    return new_warehouse(request.param, tmp_path / "data")


def sample_id(session_id: str) -> str:
    return scoring_id(sha256(session_id), PROVENANCE.bundle_id, PROVENANCE.options_sha256)


def store_frames(connection: duckdb.DuckDBPyConnection, name: str, frames: pl.DataFrame) -> None:
    assert store_session(connection, sample_session(name), sample_scoring(frames), BUNDLE, frames)


def unscored(frames: pl.DataFrame, reason: str) -> pl.DataFrame:
    """The same frames, none of them scored."""
    blank = frames.with_columns(reason=pl.lit(reason), **dict.fromkeys((*SCORE_COLUMNS, "pain_activity")))
    return blank.with_columns(face_count=2, is_subject=True).cast(frames.schema)


def test_summary_is_what_the_frames_say(writer: duckdb.DuckDBPyConnection) -> None:
    store_sample(writer, sample_session("s1"), count=200)
    row = session_summaries(writer, "p01").row(0, named=True)
    frames = sample_frames("s1", 200)
    scored = frames.filter(pl.col("reason").is_null())
    counts = {"frames_sampled": 200, "frames_scored": 150, "frames_no_face": 50, "frames_several_faces": 0}
    assert {name: row[name] for name in counts} == counts
    leading = [EXPRESSION_NAMES[max(range(8), key=values.__getitem__)] for values in scored[EXPRESSION_NAMES].rows()]
    for name in EXPRESSION_NAMES:
        assert row[f"{name}_share"] == pytest.approx(leading.count(name) / 150)
    for name in (*EXPRESSION_NAMES, *AU_COLUMNS):
        assert row[f"{name}_mean"] == pytest.approx(scored[name].mean())
    assert row["pain_activity_mean"] == pytest.approx(scored["pain_activity"].mean(), rel=1e-5)
    assert row["expressivity_mean"] == pytest.approx(1 - scored["neutral"].mean(), rel=1e-5)
    assert row["brightness_median"] == pytest.approx(frames["brightness"].median())
    assert row["yaw_abs_median_deg"] == pytest.approx(frames["yaw_deg"].abs().median())


def test_nothing_scored_is_null_and_never_zero(writer: duckdb.DuckDBPyConnection) -> None:
    store_frames(writer, "s1", unscored(sample_frames("s1"), "too_dark"))
    row = session_summaries(writer, "p01").row(0, named=True)
    statistics = [name for name in row if name.endswith(("_share", "_mean"))]
    assert len(statistics) == 8 + 8 + 20 + 2
    assert {row[name] for name in statistics} == {None}
    assert (row["frames_scored"], row["frames_too_dark"], row["frames_several_faces"]) == (0, 40, 40)
    assert row["brightness_median"] is not None  # why it was not scored


def test_a_tie_goes_to_the_first_expression(writer: duckdb.DuckDBPyConnection) -> None:
    even = [
        pl.when(pl.col(name).is_not_null()).then(pl.lit(0.125, pl.Float32)).alias(name) for name in EXPRESSION_NAMES
    ]
    store_frames(writer, "s1", sample_frames("s1").with_columns(even))
    row = session_summaries(writer, "p01").row(0, named=True)
    assert [row[f"{name}_share"] for name in EXPRESSION_NAMES] == [1.0] + [0.0] * 7


def test_summaries_of_a_night_are_of_one_day_and_one_scoring(writer: duckdb.DuckDBPyConnection) -> None:
    for name, patient, day, hour in [("d", "p01", 3, 9), ("b", "p01", 1, 15), ("a", "p01", 1, 9), ("x", "p02", 1, 9)]:
        store_sample(writer, sample_session(name, patient, day, hour))
    frames = sample_frames("a")
    store_session(writer, sample_session("a", "p01", 1, 9), sample_scoring(frames, options="others"), BUNDLE, frames)
    night = queries.night_summaries(writer, date(2026, 6, 1), PROVENANCE)
    assert night["session_id"].to_list() == ["a", "b", "x"]


def test_patients_seen_counts_days_with_the_last_one_included(writer: duckdb.DuckDBPyConnection) -> None:
    stored = [("a", "p01", 1, None), ("b", "p02", 7, "3b"), ("c", "p02", 8, None), ("d", "p03", 9, "2a")]
    for name, patient, day, ward in stored:
        store_sample(writer, replace(sample_session(name, patient, day), ward=ward))
    seen = queries.patients_seen(writer, until=date(2026, 6, 8), days=7)
    assert seen.rows() == [("p02", 2, date(2026, 6, 7), date(2026, 6, 8), "3b")]
    assert queries.patients_seen(writer, until=date(2026, 6, 8), days=8)["patient_id"].to_list() == ["p01", "p02"]


def test_the_active_bundle_is_that_of_the_latest_completed_run(writer: duckdb.DuckDBPyConnection) -> None:
    assert queries.active_provenance(writer, JUNE) is None
    for run_id, day, bundle_id in [("one", 1, "old"), ("two", 3, "new")]:
        start_run(writer, replace(sample_run(run_id, day), bundle_id=bundle_id))
        finish_run(writer, run_id, COMPLETED)
    start_run(writer, replace(sample_run("three", 4), bundle_id="newest"))
    finish_run(writer, "three", replace(COMPLETED, status="failed", message="the disk is full"))
    assert queries.active_provenance(writer, date(2026, 6, 2)) == queries.Provenance("old", sha256("options"))
    assert queries.active_provenance(writer, JUNE) == queries.Provenance("new", sha256("options"))


def test_moments_are_the_highest_frames_of_different_windows(writer: duckdb.DuckDBPyConnection) -> None:
    frames = sample_frames("s1", 200)  # 30 s of scored frames
    store_frames(writer, "s1", frames)
    found = queries.moments(writer, [sample_id("s1")], "au04", count=2, window_s=10)
    windows = frames.with_columns(time=pl.col("pts_s") - 0.1).with_columns(window=pl.col("time") // 10)
    best = windows.drop_nulls("au04").sort("au04", descending=True).unique("window", maintain_order=True).head(2)
    assert found["frame_index"].to_list() == best["frame_index"].to_list()
    assert found["value"].to_list() == best["au04"].to_list()
    assert found["session_time_s"].to_list() == pytest.approx(best["time"].to_list())
    assert found.columns[-28:] == list(SCORE_COLUMNS)


def test_the_best_moment_of_every_session_comes_before_the_second_best_of_any(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    for name in ("s1", "s2"):
        store_frames(writer, name, sample_frames(name, 200))
    found = queries.moments(writer, [sample_id("s1"), sample_id("s2")], "au04", count=4)
    assert set(found["session_id"][:2]) == set(found["session_id"][2:]) == {"s1", "s2"}
    assert found["value"][0] >= found["value"][1]
    assert found["value"][2] >= found["value"][3]


def test_care_events_are_of_one_patient_and_by_time(writer: duckdb.DuckDBPyConnection) -> None:
    def event(patient_id: str, day: int, hour: int) -> CareEvent:
        at = datetime(2026, 6, day, hour, tzinfo=UTC)
        return CareEvent(patient_id, CareEventKind.MEDICATION, f"dose {day}-{hour}", at)

    events = [event("p01", 2, 20), event("p01", 2, 8), event("p01", 9, 8), event("p02", 2, 8)]
    store_care_events(writer, events, "events.csv")
    found = queries.care_events(writer, ["p01"], since=date(2026, 6, 1), until=date(2026, 6, 2))
    assert found["item"].to_list() == ["dose 2-8", "dose 2-20"]


def test_earlier_days_of_another_bundle_are_known(writer: duckdb.DuckDBPyConnection) -> None:
    store_sample(writer, sample_session("s1"))
    other = replace(PROVENANCE, bundle_id="f" * 64)
    assert queries.scored_otherwise(writer, ["p01", "p02"], other) == {"p01": date(2026, 6, 1)}
    assert queries.scored_otherwise(writer, ["p02"], other) == {}
    assert queries.scored_otherwise(writer, ["p01"], PROVENANCE) == {}


def test_moments_are_of_scores_only(writer: duckdb.DuckDBPyConnection) -> None:
    store_sample(writer, sample_session("s1"))
    assert queries.moments(writer, [sample_id("s1")], "pain_activity", count=1)["value"].is_between(0, 1).all()
    with pytest.raises(WarehouseError, match="moments by face_count: not a score"):
        queries.moments(writer, [sample_id("s1")], "face_count")


def test_quarantine_is_of_a_night(writer: duckdb.DuckDBPyConnection) -> None:
    reason = QuarantineReason.SIDECAR_INVALID
    for name, patient, day in [("a", "p01", 1), ("b", None, 1), ("c", "p01", 2)]:
        night = date(2026, 6, day)
        add_quarantine(writer, QuarantineRecord(night, name, None, None, patient, reason, "no id; add it", "run-1"))
    night = date(2026, 6, 1)
    assert quarantine.of_night(writer, night)["source_uri"].to_list() == ["a", "b"]


def test_a_query_without_rows_keeps_its_columns_and_types(writer: duckdb.DuckDBPyConnection) -> None:
    empty = session_summaries(writer, "nobody")
    store_sample(writer, sample_session("s1"))
    full = session_summaries(writer, "p01")
    assert empty.is_empty()
    assert empty.schema == full.schema
    assert queries.bundle(writer, BUNDLE.bundle_id)["name"].to_list() == ["sample"]


def test_summaries_do_not_depend_on_the_order_of_the_rows_to_the_last_digit(writer: duckdb.DuckDBPyConnection) -> None:
    frames = sample_frames("s1", 4000)
    # Small probabilities are where the rounding of a floating-point sum shows.
    store_frames(writer, "s1", frames.with_columns(pl.col("fear").pow(8)))
    before = session_summaries(writer, "p01")
    writer.execute("CREATE TABLE shuffled AS FROM frame_scores ORDER BY hash(frame_index)")
    writer.execute("TRUNCATE stored_frames; INSERT INTO stored_frames FROM shuffled")
    assert session_summaries(writer, "p01").equals(before)
