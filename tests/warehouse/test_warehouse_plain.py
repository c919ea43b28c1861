"""The three views of the schema `plain`: few columns, in local time, and NULL if nothing was seen."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from warehouse_samples import BUNDLE, COMPLETED, sample_frames, sample_run, sample_scoring, sample_session

from pmfer.expressions import EXPRESSION_NAMES
from pmfer.frame_row import SCORE_COLUMNS
from pmfer.pain import pain_activity
from warehouse.address import Address, FileAddress
from warehouse.connection import find_plain_views, open_reader, open_writer
from warehouse.dictionary import COLUMNS
from warehouse.personal import personal_tables
from warehouse.publish import publish
from warehouse.reach import relations_read
from warehouse.records import SessionResult
from warehouse.runs import finish_run, start_run
from warehouse.store import store_sessions

VIEWS = ("plain.days", "plain.sessions", "plain.frames")


@pytest.fixture(scope="module", params=["file", "sqlite"])
def address(
    request: pytest.FixtureRequest,
    new_warehouse: Callable[[str, Path], Address],
    tmp_path_factory: pytest.TempPathFactory,
) -> Address:
    """A file and a lake: the views are the same at either."""
    return new_warehouse(request.param, tmp_path_factory.mktemp("plain") / "data")


@pytest.fixture(scope="module")
def writer(address: Address) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open for all tests of this module, none of which writes."""
    with open_writer(address) as connection:
        yield connection


def nobody(frames: pl.DataFrame) -> pl.DataFrame:
    """The same frames with nobody in them."""
    keep = ("session_id", "frame_index", "pts_s")
    empty = [pl.lit(None, frames.schema[name]).alias(name) for name in frames.columns if name not in keep]
    return frames.with_columns(empty).with_columns(
        face_count=pl.lit(0, pl.Int32), is_subject=False, reason=pl.lit("no_face")
    )


@pytest.fixture(scope="module")
def stored(writer: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """A session with a smile on the 1st and one that shows nobody on the 2nd; the frames of the first."""
    frames = sample_frames("p01-1")
    smile = pl.col("frame_index").is_between(12, 42)
    frames = frames.with_columns(
        pl.when(smile).then(float(name == "happiness")).otherwise(pl.col(name)).alias(name) for name in EXPRESSION_NAMES
    ).cast(frames.schema)
    unseen = nobody(sample_frames("p01-2"))
    start_run(writer, sample_run("run-1", 2))
    results = [
        SessionResult(sample_session("p01-1", "p01", 1), sample_scoring(frames), frames),
        SessionResult(sample_session("p01-2", "p01", 2), sample_scoring(unseen), unseen),
    ]
    assert store_sessions(writer, BUNDLE, results) == 2
    finish_run(writer, "run-1", COMPLETED)
    return frames


def test_they_have_at_most_fifteen_columns_and_no_hash(writer: duckdb.DuckDBPyConnection) -> None:
    columns = writer.execute(COLUMNS).fetchall()
    for view in VIEWS:
        names = [name for entry, name, *_ in columns if entry == view]
        assert 10 < len(names) <= 15
        assert not {"scoring_id", "bundle_id", "options_sha256"} & set(names)


def test_a_day_on_which_nothing_was_seen_has_no_zeros(writer: duckdb.DuckDBPyConnection, stored: pl.DataFrame) -> None:
    seen, unseen = writer.execute("FROM plain.days").pl().iter_rows(named=True)
    assert (seen["session_date"], seen["sessions"], seen["frames_scored"], seen["scored_percent"]) == (
        *(date(2026, 6, 1), 1, 30, 75),
    )
    assert seen["smiles"] >= 1
    assert seen["smile_s"] >= 1
    scored = stored.filter(pl.col("reason").is_null())
    for name in ("neutral", "happiness", "sadness", "anger"):  # as on the patient's page
        assert seen[f"{name}_percent"] == pytest.approx(100 * scored[name].cast(pl.Float64).mean(), abs=0.051)
    known = {"patient_id": "p01", "session_date": date(2026, 6, 2), "sessions": 1, "minutes": 0.1}
    known |= {"frames_scored": 0, "scored_percent": 0}
    assert unseen == dict.fromkeys(seen) | known
    whole = writer.execute("FROM patient_days WHERE session_date = '2026-06-02'").pl().row(0, named=True)
    assert [whole[name] for name in ("smiles", "smile_s", "pain_activity_episodes")] == [None] * 3


def test_a_session_says_when_it_was_and_what_was_in_the_way(
    writer: duckdb.DuckDBPyConnection, stored: pl.DataFrame
) -> None:
    seen, unseen = writer.execute("FROM plain.sessions").pl().iter_rows(named=True)
    assert seen["local_time"] == datetime(2026, 6, 1, 9)
    assert (seen["most_common_obstacle"], seen["leading_expression"]) == ("no_face", "happiness")
    scored = stored.filter(pl.col("reason").is_null())
    assert seen["happiness_percent"] == pytest.approx(100 * scored["happiness"].cast(pl.Float64).mean(), abs=0.051)
    assert seen["smiles"] >= 1
    assert (unseen["session_id"], unseen["smiles"], unseen["leading_expression"]) == ("p01-2", None, None)


def test_a_frame_says_when_it_was_and_what_it_shows(writer: duckdb.DuckDBPyConnection, stored: pl.DataFrame) -> None:
    rows = writer.execute("FROM plain.frames WHERE session_id = 'p01-1' ORDER BY frame_index").pl()
    assert rows.height == 40
    first = rows.row(0, named=True)
    assert first["local_time"] == datetime(2026, 6, 1, 9, 0, 0, 100_000)
    truth = stored.row(0, named=True)
    assert first["confidence"] == pytest.approx(max(truth[name] for name in EXPRESSION_NAMES), abs=1e-6)
    assert first["pain_activity"] == pytest.approx(pain_activity(truth), abs=0.0005)
    assert rows["leading_expression"].null_count() == 10


def test_they_change_nothing_for_erasure_and_are_named_in_the_log_of_reads(writer: duckdb.DuckDBPyConnection) -> None:
    assert personal_tables(writer)["sessions"] == {"patient_id", "session_id"}
    assert not any(name.startswith("plain") or name in ("days", "frames") for name in personal_tables(writer))
    query = "FROM plain.days JOIN sessions USING (patient_id) JOIN warehouse.plain.frames USING (patient_id)"
    assert relations_read(writer, query) == ["plain.days", "plain.frames", "sessions"]
    assert relations_read(writer, "FROM days JOIN frames USING (patient_id)") == ["frames", "plain.days"]


def test_days_are_found_without_their_schema_and_tables_keep_their_names(
    writer: duckdb.DuckDBPyConnection, stored: pl.DataFrame
) -> None:
    find_plain_views(writer)
    assert writer.execute("FROM days").pl().equals(writer.execute("FROM plain.days").pl())
    assert writer.execute("SELECT content_sha256 FROM sessions").pl().height == 2
    assert writer.execute("SELECT scoring_id FROM frames").pl().height == 80


def test_python_reads_them_and_all_scores_of_the_frames(
    writer: duckdb.DuckDBPyConnection, stored: pl.DataFrame, address: Address
) -> None:
    import pmfer

    if not isinstance(address, FileAddress):
        pytest.skip("the folder of a night has a file")
    publish(writer, address)
    with open_reader(address) as reader:
        days = reader.execute("FROM plain.days").pl()
    with pmfer.open_warehouse(address.published) as warehouse:
        assert warehouse.days().equals(days)
        assert warehouse.sql("FROM days").equals(days)
        assert warehouse.sessions(patient="p01")["session_id"].to_list() == ["p01-1", "p01-2"]
        assert warehouse.sessions(days="2026-06-02")["session_id"].to_list() == ["p01-2"]
        frames = warehouse.frames(patient="p01", days=("2026-06-01", date(2026, 6, 1)))
        assert warehouse.frames(patient="p02").is_empty()
        assert warehouse.sql("SELECT count(*) AS n FROM frames WHERE session_id = $id", id="p01-1").item() == 40
        with pytest.raises(pmfer.errors.WarehouseError, match="days: 'yesterday' is not a day"):
            warehouse.days(days="yesterday")
    assert frames.columns[:9] == [
        *("patient_id", "session_date", "local_time", "session_id", "frame_index", "pts_s"),
        *("leading_expression", "confidence", "pain_activity"),
    ]
    assert frames.select(SCORE_COLUMNS).equals(stored.select(SCORE_COLUMNS))
    with pmfer.open_warehouse(address.published.parents[1]) as warehouse:
        assert warehouse.frames().height == 80
