"""A score batch is stored if it keeps all rules, or refused with the column and the rule that it breaks."""

from dataclasses import replace

import duckdb
import polars as pl
import pytest
from stored import store_session
from warehouse_samples import BUNDLE, content, sample_frames, sample_scoring, sample_session

from pmfer.errors import WarehouseError
from pmfer.frame_row import FACE_COLUMNS, SCORE_COLUMNS
from warehouse.contracts import broken_contracts
from warehouse.frames import checked_frames

FRAMES = sample_frames("s1")
SCORED = 0  # a row with scores
EMPTY = FRAMES.height - 1  # a row without a face


def changed(column: str, row: int, value: object) -> pl.DataFrame:
    values = FRAMES[column].to_list()
    values[row] = value
    return FRAMES.with_columns(pl.Series(column, values, dtype=FRAMES.schema[column]))


def test_a_whole_batch_is_accepted_in_any_order_of_columns() -> None:
    checked_frames({"s1": FRAMES})
    checked_frames({"s1": FRAMES.select(reversed(FRAMES.columns))})


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
        checked_frames({"s1": batch})


# column, row, value -> the rule that it breaks
BREACHES = (
    ("session_id", SCORED, "s2", "must be that of the session"),
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
)


@pytest.mark.parametrize(("column", "row", "value", "rule"), BREACHES)
def test_a_value_that_breaks_a_rule_is_named(column: str, row: int, value: object, rule: str) -> None:
    with pytest.raises(WarehouseError, match=f"column {column}, row {row}: {rule}") as error:
        checked_frames({"s1": changed(column, row, value)})
    assert "\n" not in str(error.value)


def test_nothing_is_stored_of_a_batch_in_which_any_value_breaks_a_rule(writer: duckdb.DuckDBPyConnection) -> None:
    before = content(writer)
    for column, row, value, rule in BREACHES:
        with pytest.raises(WarehouseError, match=f"column {column}, row {row}: {rule}"):
            store_session(writer, sample_session("s1"), sample_scoring(FRAMES), BUNDLE, changed(column, row, value))
    assert content(writer) == before


def test_what_describes_another_persons_face_is_refused() -> None:
    unscored = dict.fromkeys((*SCORE_COLUMNS, "pain_activity"))
    visitor = FRAMES.with_columns(
        reason=pl.lit("not_subject"), face_count=pl.lit(1, pl.Int32), is_subject=False, **unscored
    ).cast(FRAMES.schema)
    with pytest.raises(WarehouseError, match="column box_x_px, row 0: must be NULL in a frame without the subject"):
        checked_frames({"s1": visitor})
    angles = visitor.with_columns(pl.lit(None).alias(name) for name in FACE_COLUMNS if name != "yaw_deg")
    with pytest.raises(WarehouseError, match="column yaw_deg, row 0: must be NULL in a frame without the subject"):
        checked_frames({"s1": angles.cast(FRAMES.schema)})
    checked_frames({"s1": visitor.with_columns(**dict.fromkeys(FACE_COLUMNS)).cast(FRAMES.schema)})


def test_values_are_stored_with_the_decimals_of_their_column(writer: duckdb.DuckDBPyConnection) -> None:
    raw = FRAMES.with_columns(pl.col("au04") * 0.98765432, pl.col("box_x_px") + 0.123456, pl.col("yaw_deg") / 3)
    assert store_session(writer, sample_session("s1"), sample_scoring(raw), BUNDLE, raw)
    stored = writer.execute("SELECT au04, box_x_px, yaw_deg FROM frame_scores ORDER BY frame_index").pl()
    for name, decimals in (("au04", 3), ("box_x_px", 1), ("yaw_deg", 1)):
        expected = [None if value is None else round(value, decimals) for value in raw[name].to_list()]
        assert stored[name].to_list() == pytest.approx(expected, abs=1e-5)
        assert stored[name].to_list() != pytest.approx(raw[name].to_list(), abs=1e-5)


def test_equal_times_are_let_pass() -> None:
    checked_frames({"s1": changed("pts_s", 1, FRAMES["pts_s"][0])})


def test_counts_that_differ_from_the_batch_are_refused(writer: duckdb.DuckDBPyConnection) -> None:
    fewer = sample_scoring(FRAMES.head(35))
    with pytest.raises(WarehouseError, match="frames_sampled is given as 35, but the batch has 40"):
        store_session(writer, sample_session("s1"), fewer, BUNDLE, FRAMES)


OWN = replace(
    BUNDLE, bundle_id="own", card={"name": "own", "au_phrases": [{"column": "au12"}, {"column": "jaw_clamped"}]}
)
WITH_OWN = FRAMES.with_columns(
    jaw_clamped=pl.when(pl.col("reason").is_null()).then((pl.col("au12") / 2).round(3)).cast(pl.Float32)
)


def test_additional_phrases_are_stored_as_rows_of_the_scored_frames(writer: duckdb.DuckDBPyConnection) -> None:
    assert store_session(writer, sample_session("s1"), sample_scoring(FRAMES), OWN, WITH_OWN)
    stored = writer.execute("SELECT * EXCLUDE scoring_id FROM frame_extra_scores ORDER BY frame_index").pl()
    expected = WITH_OWN.filter(pl.col("reason").is_null()).select(
        "session_id", "frame_index", phrase_key=pl.lit("jaw_clamped"), score="jaw_clamped"
    )
    assert stored.equals(expected)
    frames = writer.execute("SELECT * EXCLUDE scoring_id FROM frame_scores ORDER BY frame_index").pl()
    assert frames.equals(FRAMES)
    assert not store_session(writer, sample_session("s1"), sample_scoring(FRAMES), OWN, WITH_OWN)
    assert writer.execute("SELECT count(*) FROM frame_extra_scores").fetchall() == [(expected.height,)]


# batch -> what is wrong with its additional phrase
BREACHES_OF_OWN = (
    (FRAMES, "column jaw_clamped: missing"),
    (WITH_OWN.cast({"jaw_clamped": pl.Float64}), "column jaw_clamped: must be Float32"),
    (
        WITH_OWN.with_columns(pl.lit(0.5, pl.Float32).alias("jaw_clamped")),
        "column jaw_clamped, row 30: must be NULL",
    ),
    (WITH_OWN.with_columns(pl.col("jaw_clamped") + 1), r"column jaw_clamped, row 0: must lie within 0\.\.1"),
)


@pytest.mark.parametrize(("batch", "complaint"), BREACHES_OF_OWN)
def test_additional_phrases_keep_the_rules_of_scores(batch: pl.DataFrame, complaint: str) -> None:
    with pytest.raises(WarehouseError, match=complaint):
        checked_frames({"s1": batch}, OWN.extra_columns)


def test_nothing_is_stored_of_a_batch_whose_additional_phrase_breaks_a_rule(writer: duckdb.DuckDBPyConnection) -> None:
    before = content(writer)
    for batch, complaint in BREACHES_OF_OWN:
        with pytest.raises(WarehouseError, match=complaint):
            store_session(writer, sample_session("s1"), sample_scoring(FRAMES), OWN, batch)
    assert content(writer) == before


def test_a_phrase_that_the_bundle_does_not_have_is_refused() -> None:
    with pytest.raises(WarehouseError, match="column jaw_clamped: unexpected"):
        checked_frames({"s1": WITH_OWN}, BUNDLE.extra_columns)


def test_phrases_may_be_missing_where_the_face_is_covered_and_expressions_may_not(
    writer: duckdb.DuckDBPyConnection,
) -> None:
    covered = pl.col("frame_index") == FRAMES["frame_index"][SCORED]
    hidden = [pl.when(~covered).then(name).alias(name) for name in ("au04", "pain_activity")]
    partly = FRAMES.with_columns(*hidden, occlusion=pl.when(covered).then(pl.lit(0.3, pl.Float32)))
    assert store_session(writer, sample_session("s1"), sample_scoring(partly), BUNDLE, partly)
    assert "missing_scores_have_a_reason" not in {breach.name for breach in broken_contracts(writer)}
    with pytest.raises(WarehouseError, match="column happiness, row 0: must not be NULL in a frame without a reason"):
        checked_frames({"s1": partly.with_columns(happiness=pl.when(~covered).then("happiness"))})
