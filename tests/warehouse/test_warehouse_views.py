"""Views and macros answer the questions people ask about the active bundle, and never mix two bundles."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest
from warehouse_places import SQLITE
from warehouse_samples import BUNDLE, COMPLETED, sample_frames, sample_run, sample_scoring, sample_session, sha256

from pmfer.errors import QuarantineReason
from pmfer.expressions import EXPRESSION_NAMES
from warehouse.address import Address
from warehouse.quarantine import add_quarantine
from warehouse.records import BundleRecord, QuarantineRecord, SessionResult, Situation
from warehouse.runs import finish_run, start_run
from warehouse.store import store_sessions

OTHER = replace(BUNDLE, bundle_id=sha256("another card"), name="other")
CALM = "calm"  # frames of the other bundle are those of another name, so that its scores differ


@pytest.fixture(params=["file", SQLITE])
def address(request: pytest.FixtureRequest, new_warehouse: Callable[[str, Path], Address], tmp_path: Path) -> Address:
    """One kind of lake is enough: DuckDB reads the same Parquet files wherever the catalogue is."""
    return new_warehouse(request.param, tmp_path / "data")


def run_night(
    connection: duckdb.DuckDBPyConnection, day: int, bundle: BundleRecord = BUNDLE, status: str = "completed"
) -> None:
    """A night in which two patients have two sessions each; stored by a bundle."""
    name = f"run-{bundle.name}-{day}-{status}"
    start_run(connection, replace(sample_run(name, day), bundle_id=bundle.bundle_id))
    results = []
    for patient in ("p01", "p02"):
        for hour in (9, 15):
            session = sample_session(f"{patient}-{day}-{hour}", patient, day, hour)
            frames = sample_frames(session.session_id + ("" if bundle is BUNDLE else CALM), 40 if hour == 9 else 80)
            frames = frames.with_columns(session_id=pl.lit(session.session_id))
            results.append(SessionResult(session, sample_scoring(frames, run_id=name), frames))
    store_sessions(connection, bundle, results)
    finish_run(connection, name, replace(COMPLETED, status=status))


def frame(connection: duckdb.DuckDBPyConnection, query: str, **values: object) -> pl.DataFrame:
    return connection.execute(query, values).pl()


def bundles_in(connection: duckdb.DuckDBPyConnection, relation: str) -> set[str]:
    return set(frame(connection, f"SELECT DISTINCT bundle_id FROM {relation}")["bundle_id"])


def test_new_scores_live_beside_the_old_ones_and_views_speak_of_the_active_bundle(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    assert frame(writer, "FROM active_scorings").is_empty()
    for day in (1, 2):
        run_night(writer, day)
    old = frame(writer, "FROM patient_days ORDER BY ALL")
    relations = ("active_scorings", "patient_days", "patient_day_phrases", "patient_baseline('p01', '2026-06-20')")
    assert {name: bundles_in(writer, name) for name in relations} == {name: {BUNDLE.bundle_id} for name in relations}
    # While past nights are scored again, readers still see the old results.
    run_night(writer, 1, OTHER)
    assert frame(writer, "FROM patient_days ORDER BY ALL").equals(old)
    run_night(writer, 2, OTHER)
    assert {name: bundles_in(writer, name) for name in relations} == {name: {OTHER.bundle_id} for name in relations}
    new = frame(writer, "FROM patient_days ORDER BY ALL")
    assert new.select("patient_id", "session_date", "sessions").equals(
        old.select("patient_id", "session_date", "sessions")
    )
    assert not new["expressivity_mean"].equals(old["expressivity_mean"])
    # Both are stored, and the old one can still be queried.
    assert frame(writer, "SELECT count(*) AS n FROM scorings")["n"].item() == 16
    assert bundles_in(writer, "session_summary") == {BUNDLE.bundle_id, OTHER.bundle_id}
    asked = frame(writer, "FROM patient_days_by(of_bundle := $bundle) ORDER BY ALL", bundle=BUNDLE.bundle_id)
    assert asked.equals(old)
    scored = frame(writer, "SELECT frames_scored, bundle_id FROM active_scorings")
    long = frame(writer, "SELECT scoring_id, count(*) AS n FROM expression_scores GROUP BY scoring_id")
    assert long["n"].sum() == 8 * scored["frames_scored"].sum()


def test_only_a_completed_run_of_a_night_not_passed_makes_its_bundle_active(writer: duckdb.DuckDBPyConnection) -> None:
    run_night(writer, 2)
    run_night(writer, 3, OTHER, status="failed")
    assert bundles_in(writer, "active_bundle") == {BUNDLE.bundle_id}
    run_night(writer, 3, OTHER)
    run_night(writer, 1)
    assert frame(writer, "SELECT bundle_id, night FROM active_bundle").rows() == [(OTHER.bundle_id, date(2026, 6, 3))]
    told = frame(writer, "SELECT object_id FROM audit_log WHERE action = 'bundle_activated' ORDER BY entry")
    assert told["object_id"].to_list() == [BUNDLE.bundle_id, OTHER.bundle_id]


def test_a_day_is_all_its_sessions_each_weighing_as_much_as_it_has_frames(writer: duckdb.DuckDBPyConnection) -> None:
    run_night(writer, 1)
    row = frame(writer, "FROM patient_days WHERE patient_id = 'p01'").row(0, named=True)
    frames = pl.concat([sample_frames("p01-1-9", 40), sample_frames("p01-1-15", 80)])
    scored = frames.filter(pl.col("reason").is_null())
    assert (row["sessions"], row["frames_sampled"], row["frames_scored"]) == (2, 120, 90)
    assert row["scored_share"] == 0.75
    assert row["au12_mean"] == pytest.approx(scored["au12"].mean())
    assert row["expressivity_mean"] == pytest.approx(1 - scored["neutral"].mean(), rel=1e-5)
    assert sum(row[f"{name}_share"] for name in EXPRESSION_NAMES) == pytest.approx(1)
    smiles = frame(writer, "FROM episodes JOIN active_scorings USING (scoring_id) WHERE kind = 'smile'").filter(
        pl.col("patient_id") == "p01"
    )
    assert row["smiles"] == smiles.height
    assert row["smile_s"] == pytest.approx((smiles["end_s"] - smiles["start_s"]).sum())


def test_a_baseline_is_what_was_before_a_day(writer: duckdb.DuckDBPyConnection) -> None:
    for day in (1, 5, 6, 9):
        run_night(writer, day)
    baseline = frame(writer, "FROM patient_baseline('p01', DATE '2026-06-09', days := 4)")
    past = frame(
        writer, "FROM session_summary WHERE patient_id = 'p01' AND session_date IN ('2026-06-05', '2026-06-06')"
    )
    assert baseline.height == 8 + 20 + 2
    assert set(baseline["sessions"]) == {4}
    assert set(baseline["days"]) == {2}
    row = baseline.filter(measure="pain_activity_mean").row(0, named=True)
    values = past["pain_activity_mean"]
    assert row["median"] == pytest.approx(values.median())
    assert row["mad"] == pytest.approx((values - values.median()).abs().median())
    assert frame(writer, "FROM patient_baseline('p01', '2026-06-01')").is_empty()


def test_a_night_says_how_much_could_be_scored_and_what_was_quarantined(writer: duckdb.DuckDBPyConnection) -> None:
    run_night(writer, 1)
    for day, source in ((1, "a"), (1, "b"), (2, "c")):
        reason = QuarantineReason.VIDEO_MISSING
        add_quarantine(writer, QuarantineRecord(date(2026, 6, day), source, None, None, None, reason, "gone", "run-1"))
    quality = frame(writer, "FROM night_quality ORDER BY night")
    columns = ["sessions", "sessions_set_aside", "patients", "frames_sampled", "frames_no_face", "scored_share"]
    assert quality.select(columns).rows() == [(4, 2, 2, 240, 60, 0.75), (0, 1, None, None, None, None)]


def test_where_a_session_was_is_told_by_session_and_by_day(writer: duckdb.DuckDBPyConnection) -> None:
    start_run(writer, sample_run("run-places", 1))
    results = []
    for hour, place in ((9, {"ward": "3b", "room": "12"}), (12, {"ward": "2a", "situation": Situation.MEAL}), (15, {})):
        session = replace(sample_session(f"s{hour}", hour=hour), **place)
        frames = sample_frames(session.session_id)
        results.append(SessionResult(session, sample_scoring(frames, run_id="run-places"), frames))
    store_sessions(writer, BUNDLE, results)
    finish_run(writer, "run-places", COMPLETED)
    told = frame(writer, "SELECT ward, room, situation FROM session_summary ORDER BY started_at")
    assert told.rows() == [("3b", "12", None), ("2a", None, "meal"), (None, None, None)]
    # A day is on the ward of its last session that states one.
    assert frame(writer, "SELECT sessions, ward, room FROM patient_days").rows() == [(3, "2a", "12")]
    # The same content on another ward is the same session: what was stored first stays.
    moved = SessionResult(replace(results[0].session, ward="9z"), results[0].scoring, results[0].frames)
    assert store_sessions(writer, BUNDLE, [moved]) == 0
    assert frame(writer, "SELECT DISTINCT ward FROM sessions WHERE session_id = 's9'").rows() == [("3b",)]
