"""A score batch is stored as the contract says, or refused with the column and the rule that it breaks."""

import duckdb
import polars as pl
import pytest
from warehouse_samples import BUNDLE, content, sample_frames, sample_scoring, sample_session

from pmfer.errors import WarehouseError
from warehouse.frames import BOX_COLUMNS, SCORE_COLUMNS, check_frames
from warehouse.store import store_session

FRAMES = sample_frames("s1")
SCORED = 0  # a row with scores
EMPTY = FRAMES.height - 1  # a row without a face


def changed(column: str, row: int, value: object) -> pl.DataFrame:
    values = FRAMES[column].to_list()
    values[row] = value
    return FRAMES.with_columns(pl.Series(column, values, dtype=FRAMES.schema[column]))


def test_a_whole_batch_is_accepted_in_any_order_of_columns() -> None:
    check_frames(FRAMES, "s1")
    check_frames(FRAMES.select(reversed(FRAMES.columns)), "s1")


@pytest.mark.parametrize(
    ("batch", "complaint"),
    [
        (FRAMES.drop("au12"), "column au12: missing"),
        (FRAMES.with_columns(au13=0.5), "column au13: unexpected"),
        (FRAMES.cast({"pts_s": pl.Float32}), "column pts_s: must be Float64, is Float32"),
        (FRAMES.clear(), "no rows"),
    ],
)
def test_a_batch_of_another_form_is_refused(batch: pl.DataFrame, complaint: str) -> None:
    with pytest.raises(WarehouseError, match=f"score batch of session s1: {complaint}"):
        check_frames(batch, "s1")


@pytest.mark.parametrize(
    ("column", "row", "value", "rule"),
    [
        ("session_id", SCORED, "s2", "must be s1"),
        ("session_id", SCORED, None, "must not be NULL"),
        ("frame_index", SCORED, -1, r"must lie within 0\.\.inf"),
        ("frame_index", 3, 12, "must increase from row to row"),
        ("pts_s", 3, 0.0, "must not decrease from row to row"),
        ("pts_s", SCORED, float("nan"), "must be a finite number or NULL"),
        ("face_count", EMPTY, 1, "must be 0 exactly when the reason is no_face"),
        ("face_count", SCORED, 0, "must be 0 exactly when the reason is no_face"),
        ("is_subject", SCORED, False, "must be true in a scored frame"),
        ("brightness", SCORED, 255.0, r"must lie within 0\.\.1"),
        ("yaw_deg", SCORED, float("inf"), "must be a finite number or NULL"),
        ("reason", EMPTY, "asleep", "must be NULL or one of no_face"),
        ("happiness", SCORED, 1.5, r"must lie within 0\.\.1"),
        ("au04", SCORED, -0.1, r"must lie within 0\.\.1"),
        ("au04", SCORED, float("nan"), "must be a finite number or NULL"),
        ("au43", SCORED, None, "must not be NULL in a frame without a reason"),
        ("neutral", EMPTY, 0.0, "must be NULL in a frame with a reason"),
    ],
)
def test_a_value_that_breaks_a_rule_is_named_and_nothing_is_stored(
    writer: duckdb.DuckDBPyConnection, column: str, row: int, value: object, rule: str
) -> None:
    before, batch = content(writer), changed(column, row, value)
    with pytest.raises(WarehouseError, match=f"column {column}, row {row}: {rule}") as error:
        store_session(writer, sample_session("s1"), sample_scoring(FRAMES), BUNDLE, batch)
    assert "\n" not in str(error.value)
    assert content(writer) == before


def test_another_persons_box_is_refused() -> None:
    unscored = dict.fromkeys(SCORE_COLUMNS)
    visitor = FRAMES.with_columns(
        reason=pl.lit("not_subject"), face_count=pl.lit(1, pl.Int32), is_subject=False, **unscored
    ).cast(FRAMES.schema)
    with pytest.raises(WarehouseError, match="column box_x_px, row 0: must be NULL unless it is the subject's"):
        check_frames(visitor, "s1")
    check_frames(visitor.with_columns(**dict.fromkeys(BOX_COLUMNS)).cast(FRAMES.schema), "s1")


def test_equal_times_are_let_pass() -> None:
    check_frames(changed("pts_s", 1, FRAMES["pts_s"][0]), "s1")


def test_counts_that_differ_from_the_batch_are_refused(writer: duckdb.DuckDBPyConnection) -> None:
    fewer = sample_scoring(FRAMES.head(35))
    with pytest.raises(WarehouseError, match="frames_sampled is stated as 35, the batch has 40"):
        store_session(writer, sample_session("s1"), fewer, BUNDLE, FRAMES)
