"""Every contract holds for what the code stores, and detects what somebody breaks by hand."""

import math
from datetime import date
from unittest import mock

import duckdb
import polars as pl
import pytest
from warehouse_samples import BUNDLE, COMPLETED, sample_frames, sample_run, sample_scoring, sample_session

from pmfer.errors import FrameReason, QuarantineReason, WarehouseError
from pmfer.frame_row import FRAME_COLUMNS, SCORE_COLUMNS
from warehouse import sql
from warehouse.contracts import broken_contracts, contract_rules, require_contracts
from warehouse.records import SessionResult, Situation
from warehouse.retention import Retention, expire_rows
from warehouse.runs import finish_run, start_run
from warehouse.store import store_sessions

FIRST = "(SELECT min(scoring_id) FROM scorings)"
SCORED = f"scoring_id = {FIRST} AND frame_index = 6"

# contract -> what somebody does to a warehouse
BREAKS = {
    "codes_known": "INSERT INTO reports VALUES "
    "('r', 'patient', NULL, '2026-06-01', 'p', 'x', 'x', NULL, now(), NULL, NULL, NULL)",
    "consents_plausible": "INSERT INTO consents VALUES ('p01', '2026-06-02', '2026-06-01', NULL, 'form', now())",
    "episodes_plausible": f"INSERT INTO episodes VALUES ({FIRST}, 'smile', 2, 1, 2, 0.9, 0.8)",
    "expressions_sum_to_one": f"UPDATE stored_frames SET happiness = happiness / 2 + 0.25, fear = 0.5 WHERE {SCORED}",
    "extra_scores_of_scored_frames": f"INSERT INTO frame_extra_scores VALUES ({FIRST}, 's1', 9999, 'wince', 0.5)",
    "findings_plausible": "INSERT INTO accepted_levels VALUES ('p01', 'sadness', '2026-06-01', '', 'x', now(), NULL)",
    "frames_complete": f"DELETE FROM stored_frames WHERE {SCORED}",
    "frames_in_order": f"UPDATE stored_frames SET pts_s = 99 WHERE {SCORED}",
    "keys_unique": "INSERT INTO consents SELECT 'p01', '2026-06-02', NULL, NULL, 'form', now() FROM range(2)",
    "measures_in_range": f"UPDATE stored_frames SET yaw_deg = 300 WHERE {SCORED}",
    "missing_scores_have_a_reason": f"UPDATE stored_frames SET au12 = NULL WHERE {SCORED}",
    "nothing_of_other_faces": "UPDATE stored_frames SET face_size_px = 80 WHERE reason = 'no_face'",
    "nothing_without_owner": f"DELETE FROM session_rollups WHERE scoring_id = {FIRST}",
    "one_active_bundle": "UPDATE active_bundle SET bundle_id = 'another'",
    "quantiles_in_order": f"UPDATE phrase_quantiles SET p10 = 0.99 WHERE scoring_id = {FIRST} AND phrase_key = 'au12'",
    "rollups_agree_with_frames": f"UPDATE session_rollups SET au12_mean = 0.5 WHERE scoring_id = {FIRST}",
    "runs_ended": "UPDATE runs SET finished_at = NULL",
    "scores_in_range": f"UPDATE stored_frames SET au12 = 1.001 WHERE {SCORED}",
    "sessions_allowed_and_dated": "UPDATE sessions SET session_date = '2026-06-02' WHERE session_id = 's1'",
}


@pytest.fixture
def loaded(writer: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A night of two sessions, one of them with other people in view."""
    start_run(writer, sample_run())
    results = []
    for name in ("s1", "s2"):
        frames = sample_frames(name)
        if name == "s2":
            crowd = pl.col("reason") == "no_face"
            frames = frames.with_columns(
                reason=pl.when(crowd).then(pl.lit("not_subject")), face_count=pl.lit(2, pl.Int32)
            )
        results.append(SessionResult(sample_session(name), sample_scoring(frames), frames))
    assert store_sessions(writer, BUNDLE, results) == 2
    finish_run(writer, "run-1", COMPLETED)
    return writer


def names(connection: duckdb.DuckDBPyConnection, *, everything: bool = True) -> set[str]:
    return {breach.name for breach in broken_contracts(connection, everything=everything)}


def test_what_is_stored_keeps_every_contract(loaded: duckdb.DuckDBPyConnection) -> None:
    assert broken_contracts(loaded) == []
    require_contracts(loaded)


def test_every_contract_finds_what_breaks_it(loaded: duckdb.DuckDBPyConnection) -> None:
    contracts = sql.contracts()
    assert set(BREAKS) == set(contracts)
    for name, statement in BREAKS.items():
        loaded.begin()
        loaded.execute(statement)
        with mock.patch.object(sql, "contracts", return_value={name: contracts[name]}):
            assert names(loaded) == {name}
        loaded.rollback()
    assert names(loaded) == set()


def test_contracts_hold_every_column_to_its_declaration() -> None:
    """The contracts list the same columns as pmfer.frame_row: no column is missing from its contract."""
    scored, nobody = pl.col("frame_index") == 6, pl.col("reason") == "no_face"
    breaks: list[tuple[str, str, pl.Expr, float | None]] = []  # contract, column, where it is changed, to what
    for column in FRAME_COLUMNS:
        in_range = "scores_in_range" if column.name in SCORE_COLUMNS else "measures_in_range"
        beyond = [bound for bound in (column.low - 1, column.high + 0.5) if math.isfinite(bound)]
        breaks += [(in_range, column.name, scored, value) for value in beyond]
        if column.of_face:
            breaks.append(("nothing_of_other_faces", column.name, nobody, 0))
        if column.name in SCORE_COLUMNS:
            breaks.append(("missing_scores_have_a_reason", column.name, scored, None))
            breaks.append(("missing_scores_have_a_reason", column.name, nobody, 0))
    assert len(breaks) > 4 * len(SCORE_COLUMNS)
    whole = sample_frames("s1")
    for contract in {name for name, *_ in breaks}:
        changed = [
            whole.with_columns(pl.when(where).then(value).otherwise(name).cast(whole.schema[name]).alias(name))
            for broken, name, where, value in breaks
            if broken == contract
        ]
        scorings = [frames.with_columns(scoring_id=pl.lit(n)) for n, frames in enumerate([whole, *changed])]
        with duckdb.connect() as connection:
            connection.register("frames_to_check", pl.concat(scorings))
            connection.execute("CREATE TABLE extra_scores_to_check (scoring_id INT, frame_index INT, score FLOAT)")
            found = {scoring_id for scoring_id, *_ in connection.execute(sql.contracts()[contract]).fetchall()}
        assert found == set(range(1, len(scorings))), contract


def test_a_breach_is_named_with_its_rows_in_one_line(loaded: duckdb.DuckDBPyConnection) -> None:
    loaded.execute("UPDATE stored_frames SET roll_deg = 181 WHERE frame_index IN (0, 6) AND session_id = 's1'")
    with pytest.raises(WarehouseError, match=r"1 of its contracts do not hold: measures_in_range \(2 rows") as error:
        require_contracts(loaded)
    assert "\n" not in str(error.value)
    assert contract_rules()["measures_in_range"].startswith("Counts, positions, sizes and angles")


def test_a_night_looks_at_its_own_frames_and_at_those_of_runs_that_failed(loaded: duckdb.DuckDBPyConnection) -> None:
    loaded.execute("UPDATE stored_frames SET roll_deg = 181 WHERE session_id = 's1'")
    assert names(loaded, everything=False) == set()
    loaded.execute("UPDATE runs SET status = 'failed', message = 'killed'")
    assert "measures_in_range" in names(loaded, everything=False)


def test_frames_that_are_too_old_are_not_missed(loaded: duckdb.DuckDBPyConnection) -> None:
    expire_rows(loaded, Retention(frames=30), date(2026, 8, 1))
    assert loaded.execute("SELECT count(*) FROM frame_scores").fetchall() == [(0,)]
    assert broken_contracts(loaded) == []
    loaded.execute("UPDATE audit_log SET details = '{}'")
    assert names(loaded) == {"frames_complete"}


def test_the_lists_in_contracts_are_those_of_the_vocabulary() -> None:
    contracts = sql.contracts()
    assert all(f"'{reason}'" in contracts["missing_scores_have_a_reason"] for reason in FrameReason)
    assert all(f"'{reason}'" in contracts["codes_known"] for reason in (*QuarantineReason, *Situation))
