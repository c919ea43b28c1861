"""Rollups agree with the frames of their scoring, are stored with them, outlast them, and are added to old files."""

from dataclasses import replace
from pathlib import Path
from unittest import mock

import duckdb
import numpy as np
import polars as pl
import pytest
from stored import store_session
from warehouse_places import ON_EACH
from warehouse_samples import (
    BUNDLE,
    COMPLETED,
    sample_frames,
    sample_run,
    sample_scoring,
    sample_session,
    session_summaries,
    sha256,
    store_sample,
)

from pmfer.errors import WarehouseError
from pmfer.facs import AU_COLUMNS
from pmfer.frame_row import SCORE_COLUMNS
from pmfer.pain import CLOSED, with_pain_activity
from warehouse import migrate, store
from warehouse.connection import open_writer
from warehouse.migrate import shipped_migrations
from warehouse.personal import Keys, delete_rows, personal_tables
from warehouse.records import SessionResult
from warehouse.runs import finish_run, start_run
from warehouse.store import scoring_id, store_sessions

ROLLUPS = ("session_rollups", "phrase_quantiles", "episodes")
EXTRA_BUNDLE = replace(BUNDLE, bundle_id=sha256("extra"), card={"au_phrases": [{"column": "wince", "phrase": "wince"}]})


def rows(connection: duckdb.DuckDBPyConnection, query: str, **values: object) -> list[tuple[object, ...]]:
    return connection.execute(query, values).fetchall()


def store_rising_and_falling(connection: duckdb.DuckDBPyConnection, happiness: list[float | None]) -> None:
    """A session at five frames per second in which one expression has the given scores, and all others are low."""
    frames = sample_frames("s1", 4 * len(happiness)).head(len(happiness))
    quiet = dict.fromkeys((*SCORE_COLUMNS, "happiness", "neutral"), pl.lit(0.0))
    smile = pl.Series(happiness, dtype=pl.Float32)
    frames = frames.with_columns(**quiet).with_columns(happiness=smile, neutral=1 - smile)
    missing = pl.col("happiness").is_null()
    blank = [pl.when(~missing).then(pl.col(name)).alias(name) for name in SCORE_COLUMNS]
    frames = frames.with_columns(*blank, reason=pl.when(missing).then(pl.lit("too_dark"))).cast(
        frames.schema | dict.fromkeys(SCORE_COLUMNS, pl.Float32) | {"reason": pl.String}
    )
    frames = with_pain_activity(frames)
    assert store_session(connection, sample_session("s1"), sample_scoring(frames), BUNDLE, frames)


@ON_EACH
def test_what_is_stored_with_a_scoring_is_what_its_frames_say(writer: duckdb.DuckDBPyConnection) -> None:
    store_sample(writer, sample_session("s1"), count=200)
    store_sample(writer, sample_session("s2"), count=120)
    for table, macro in zip(ROLLUPS, ("session_rollups_of", "au_quantiles_of", "episodes_of"), strict=True):
        stored = writer.execute(f"FROM {table} ORDER BY ALL").pl()
        assert stored.height
        assert writer.execute(f"FROM {macro}('frame_scores') ORDER BY ALL").pl().equals(stored)
    scored = sample_frames("s1", 200).drop_nulls("au12")["au12"]
    identity = scoring_id(sha256("s1"), BUNDLE.bundle_id, sha256("options"))
    (quantiles,) = rows(
        writer,
        "SELECT frames_scored, p10, p50, p90 FROM phrase_quantiles WHERE scoring_id = $id AND phrase_key = 'au12'",
        id=identity,
    )
    expected = [scored.quantile(share, "linear") for share in (0.1, 0.5, 0.9)]
    assert quantiles == (150, *(pytest.approx(value, abs=1e-6) for value in expected))
    assert rows(writer, "SELECT count(DISTINCT phrase_key) FROM phrase_quantiles") == [(len(AU_COLUMNS),)]


def test_what_python_computes_is_to_the_bit_what_the_database_would(writer: duckdb.DuckDBPyConnection) -> None:
    """A night with covered phrases, ties, times between two microseconds, few frames, and no scored frames."""
    rng = np.random.default_rng(3)
    results = []
    for number, count in enumerate((400, 1, 19, 250, 8, 300, 90)):
        frames = sample_frames(f"s{number}", 2 * count).head(count)
        steps = rng.integers(0, 12_000, count)
        hidden = 0.8 if number == 6 else 0.2  # mostly covered in the last one
        tied, covered = (pl.Series(rng.random(count) < share) for share in (0.3, hidden))
        frames = frames.with_columns(
            pts_s=pl.Series(np.cumsum(steps) / 12_800),
            neutral=pl.when(tied).then("happiness").otherwise("neutral"),
            occlusion=pl.when(covered).then(pl.lit(0.5, pl.Float32)),
            au12=pl.when(~covered).then("au12"),
            au43=pl.when(~covered).then("au43"),
        )
        if number == 2:  # a nineteenth of 0.584 is another double when it is not rounded from more digits
            frames = frames.with_columns(
                au01=pl.when(pl.col("frame_index") == 0).then(0.584).otherwise(0).cast(pl.Float32)
            )
        if number == 4:
            blank = {name: pl.lit(None, pl.Float32) for name in (*SCORE_COLUMNS, "occlusion")}
            frames = frames.with_columns(reason=pl.lit("too_dark"), **blank)
        frames = with_pain_activity(frames).with_columns(pl.col("pain_activity").round(3))
        results.append(SessionResult(sample_session(f"s{number}", hour=number), sample_scoring(frames), frames))
    assert store_sessions(writer, BUNDLE, results) == len(results)
    for table, macro in zip(ROLLUPS, ("session_rollups_of", "au_quantiles_of", "episodes_of"), strict=True):
        stored = writer.execute(f"FROM {table} ORDER BY ALL").pl()
        assert writer.execute(f"FROM {macro}('frame_scores') ORDER BY ALL").pl().equals(stored), table
    assert rows(writer, "SELECT count(*) > 200 FROM episodes") == [(True,)]


@ON_EACH
def test_a_mean_stands_for_the_session_only_if_half_of_its_frames_have_it(writer: duckdb.DuckDBPyConnection) -> None:
    """A bandage over the brow that slips for a moment must not leave a figure of that moment."""
    for session, share in (("s1", 0.49), ("s2", 0.5), ("s3", 0.0)):
        frames = sample_frames(session, 200).filter(pl.col("reason").is_null()).head(100)
        seen = pl.int_range(pl.len()) < share * 100
        frames = with_pain_activity(
            frames.with_columns(occlusion=pl.lit(0.2, pl.Float32), au04=pl.when(seen).then(pl.lit(0.9, pl.Float32)))
        )
        assert store_session(writer, sample_session(session), sample_scoring(frames), BUNDLE, frames)
    found = rows(
        writer,
        "SELECT au04_mean, pain_activity_mean IS NULL, au12_mean IS NULL FROM session_rollups ORDER BY session_id",
    )
    assert found == [(None, True, False), (pytest.approx(0.9), False, False), (None, True, False)]


def test_quantiles_are_of_the_frames_in_which_a_phrase_was_seen(writer: duckdb.DuckDBPyConnection) -> None:
    scored = pl.col("reason").is_null()
    lower_half, some = pl.lit(None, pl.Float32), pl.when(pl.col("frame_index") % 4 > 0).then(pl.col("au12"))
    frames = sample_frames("s1", 200).with_columns(occlusion=pl.when(scored).then(pl.lit(0.4, pl.Float32)), au12=some)
    frames = with_pain_activity(frames.with_columns(au26=lower_half, au43=lower_half))
    assert store_session(writer, sample_session("s1"), sample_scoring(frames), BUNDLE, frames)
    one = sample_frames("s2", 200).filter(scored).head(1)
    assert store_session(writer, sample_session("s2"), sample_scoring(one), BUNDLE, one)
    stored = writer.execute("FROM phrase_quantiles ORDER BY ALL").pl()
    assert writer.execute("FROM au_quantiles_of('frame_scores') ORDER BY ALL").pl().equals(stored)
    assert set(AU_COLUMNS) - set(stored.filter(frames_scored=150)["phrase_key"]) == {"au26", "au43"}
    assert stored.filter(frames_scored=1).select("p10").equals(stored.filter(frames_scored=1).select(p10="p90"))


def test_an_episode_begins_and_ends_with_the_measure_and_bridges_a_second(writer: duckdb.DuckDBPyConnection) -> None:
    quiet = 0.1
    # 0.2 s apart: up at 0.4 s, unscored for 0.4 s, down at 1.4 s; a single frame at 3.4 s; up again from 5.0 to 5.2 s.
    course = [quiet] * 2 + [0.6, 0.9, None, None, 0.75, *[quiet] * 10, 0.8, *[quiet] * 7, 0.5, 0.7, quiet]
    store_rising_and_falling(writer, course)
    found = rows(writer, "SELECT kind, start_s, end_s, frames, peak, mean FROM episodes ORDER BY start_s")
    assert found == [
        ("smile", pytest.approx(0.4), pytest.approx(1.2), 3, pytest.approx(0.9), pytest.approx(0.75)),
        ("smile", pytest.approx(5.0), pytest.approx(5.2), 2, pytest.approx(0.7), pytest.approx(0.6)),
    ]


def test_eyes_are_closed_from_where_a_sleeper_is_told(writer: duckdb.DuckDBPyConnection) -> None:
    frames = sample_frames("s1", 40).filter(pl.col("reason").is_null())
    quiet = {name: pl.lit(0.0, pl.Float32) for name in SCORE_COLUMNS} | {"neutral": pl.lit(1.0, pl.Float32)}
    lids = pl.Series([0.0, CLOSED, CLOSED, CLOSED - 0.001] + [0.0] * (len(frames) - 4), dtype=pl.Float32)
    frames = with_pain_activity(frames.with_columns(**quiet).with_columns(au43=lids))
    assert store_session(writer, sample_session("s1"), sample_scoring(frames), BUNDLE, frames)
    assert rows(writer, "SELECT kind, frames FROM episodes") == [("eyes_closed", 2)]


def test_nothing_scored_has_counts_and_no_quantiles_or_episodes(writer: duckdb.DuckDBPyConnection) -> None:
    store_rising_and_falling(writer, [None] * 8)
    assert rows(
        writer, "SELECT frames_sampled, frames_scored, frames_too_dark, happiness_mean FROM session_rollups"
    ) == [(8, 0, 8, None)]
    assert rows(writer, "FROM phrase_quantiles") == rows(writer, "FROM episodes") == []


def test_additional_phrases_have_quantiles_and_long_rows_too(writer: duckdb.DuckDBPyConnection) -> None:
    frames = sample_frames("s1").with_columns(wince=(pl.col("au04") / 2).round(3))
    start_run(writer, replace(sample_run(), bundle_id=EXTRA_BUNDLE.bundle_id))
    store_session(writer, sample_session("s1"), sample_scoring(frames), EXTRA_BUNDLE, frames)
    finish_run(writer, "run-1", COMPLETED)
    assert rows(writer, "SELECT p50 FROM phrase_quantiles WHERE phrase_key = 'wince'") == [
        (pytest.approx(frames["wince"].drop_nulls().median()),)
    ]
    long = dict(rows(writer, "SELECT phrase_key, sum(score) FROM au_phrase_scores GROUP BY phrase_key"))
    expected = {name: pytest.approx(frames[name].sum()) for name in (*AU_COLUMNS, "wince")}
    assert long == expected
    assert rows(writer, "SELECT phrase_key, phrase, action_unit FROM bundle_phrases") == [("wince", "wince", None)]


def test_a_session_that_fails_leaves_no_rollup(writer: duckdb.DuckDBPyConnection) -> None:
    wrong = {"episodes": pl.DataFrame({"no_such_column": [1]})}
    with (
        mock.patch.object(store, "derived_rows", return_value=wrong),
        pytest.raises(WarehouseError, match="no_such_column"),
    ):
        store_sample(writer, sample_session("s1"))
    assert [rows(writer, f"FROM {table}") for table in ROLLUPS] == [[], [], []]


def test_summaries_stay_when_frames_are_too_old_and_go_with_their_session(writer: duckdb.DuckDBPyConnection) -> None:
    store_sample(writer, sample_session("s1"))
    before = session_summaries(writer, "p01")
    writer.execute("DELETE FROM stored_frames")
    assert session_summaries(writer, "p01").equals(before)
    identity = scoring_id(sha256("s1"), BUNDLE.bundle_id, sha256("options"))
    delete_rows(writer, personal_tables(writer), Keys(("p01",), ("s1",), (identity,)))
    assert [rows(writer, f"FROM {table}") for table in ROLLUPS] == [[], [], []]


def test_a_warehouse_from_before_the_rollups_is_given_them(made_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made_file.with_name("old.duckdb")
    with open_writer(made_file) as new, monkeypatch.context() as release:
        start_run(new, sample_run())
        for name in ("s1", "s2"):
            store_sample(new, sample_session(name), count=100)
        finish_run(new, "run-1", COMPLETED)
        tables = {name: _without_pain(new, name) for name in (*ROLLUPS, "active_bundle")}
        before = tuple(migration for migration in shipped_migrations() if migration.number < 4)
        release.setattr(migrate, "shipped_migrations", lambda: before)
        with open_writer(path) as old:
            for name in ("patients", "bundles", "runs", "sessions", "scorings", "frame_scores"):
                rows_of_new = new.execute(f"FROM {name}").pl().drop(*ADDED_LATER, strict=False)
                old.register("rows_of_new", rows_of_new)
                old.execute(f"INSERT INTO {name} BY NAME FROM rows_of_new")
    with open_writer(path) as upgraded:
        for name, expected in tables.items():
            assert _without_pain(upgraded, name).equals(expected), name
        (kept,) = rows(upgraded, "SELECT avg(pain_activity) FROM frames")
        (earlier,) = rows(
            upgraded, "SELECT avg((au04 + greatest(au06, au07) + greatest(au09, au10) + au43) / 4) FROM frames"
        )
        assert kept == pytest.approx(earlier, abs=5e-4)  # it was rounded to three decimals
        means = rows(upgraded, "SELECT avg(pain_activity_mean) FROM session_summary")
        assert means == [pytest.approx(kept, abs=1e-6)]
        assert upgraded.execute("FROM session_summary").pl().height == 2


ADDED_LATER = ("pain_activity", "ward", "room", "situation")


def _without_pain(connection: duckdb.DuckDBPyConnection, name: str) -> pl.DataFrame:
    """A table without pain-related activity, which earlier releases computed in another way."""
    table = connection.execute(f"FROM {name} ORDER BY ALL").pl().drop("pain_activity_mean", strict=False)
    return table.filter(pl.col("kind") != "pain_activity") if "kind" in table.columns else table
