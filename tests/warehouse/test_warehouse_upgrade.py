"""A warehouse of every earlier schema can be upgraded: it loses nothing, keeps every contract, and can be written."""

from pathlib import Path

import duckdb
import polars as pl
import pytest
from old_warehouses import FRAMES, ROUNDED, fill_old_warehouse, release_of
from warehouse_places import lake_in
from warehouse_samples import COMPLETED, sample_run, sample_session, store_sample, table_names

from warehouse import reach, runs
from warehouse.address import Address
from warehouse.connection import open_reader, open_writer
from warehouse.contracts import broken_contracts
from warehouse.migrate import shipped_migrations
from warehouse.publish import publish

COMPUTED = {"session_rollups", "phrase_quantiles", "episodes"}
BOOKKEEPING = {"schema_migrations", "schema_comments", "lake_keys"}
VERSIONS = range(1, len(shipped_migrations()))
PAIN = "pain_activity_mean"
# `make test` upgrades the first schema, those around the largest change and the latest; `make test-slow` all of them.
OFTEN = {1, ROUNDED - 1, ROUNDED, VERSIONS[-1]}
STARTS = [version if version in OFTEN else pytest.param(version, marks=pytest.mark.slow) for version in VERSIONS]


@pytest.fixture(params=[*STARTS, pytest.param("lake", marks=pytest.mark.slow)])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Address, int]:
    """An older warehouse, and how many migrations it had. Lakes behave like files here, but take longer."""
    if request.param == "lake":
        address, version = lake_in(tmp_path, f"ducklake:sqlite:{tmp_path / 'catalogue.sqlite'}"), ROUNDED - 1
    else:
        address, version = lake_in(tmp_path, f"file:{tmp_path / 'warehouse.duckdb'}"), request.param
    fill_old_warehouse(address, version)
    return address, version


def rows_of(connection: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    """Rows of every table, without those that migrations write, in the order of their text; times are UTC."""
    names = set(table_names(connection)) - BOOKKEEPING - {"stored_frames"} | {"frame_scores"}
    return {name: connection.execute(f"FROM {name} ORDER BY ALL").pl() for name in sorted(names)}


def rounded(rows: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """What migration 7 makes of stored frames: as many decimals as the columns of stored_frames have."""
    columns = [
        pl.col(name).cast(pl.Float64).round(1 if name.endswith(("_px", "_deg")) else 3).cast(pl.Float32)
        for name, dtype in rows["frame_scores"].schema.items()
        if dtype == pl.Float32
    ]
    return rows | {"frame_scores": rows["frame_scores"].with_columns(columns)}


def _but_changed(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows without what migrations change: 15 rounds pain-related activity; 18 detects closed eyes by another
    score, and drops the shares of expressions kept for days without sessions.
    """
    if name == "episodes":
        return rows.filter(~pl.col("kind").is_in(["pain_activity", "eyes_closed"]))
    return rows.filter(pl.col("measure") == "au04") if name == "daily_values" else rows.drop(PAIN, strict=False)


def test_a_warehouse_of_every_schema_is_brought_up_to_date(old: tuple[Address, int]) -> None:
    address, version = old
    with release_of(version), open_writer(address) as connection:
        before = rows_of(connection)
    with open_writer(address) as connection:
        after = rows_of(connection)
        breaches = [breach.sentence for breach in broken_contracts(connection)]
        views = [name for name, *_ in connection.execute(reach.RELATION_NAMES).fetchall()]
        answers = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in views}
        assert breaches == []
        assert len(before["frame_scores"]) == 6 * FRAMES == len(after["frame_scores"])

        # Nothing is lost: every row, and every column of it, is there as it was.
        for name, rows in rounded(before).items():
            if name in COMPUTED and version < ROUNDED:
                assert len(after[name]) or not len(rows), name
            else:
                kept, said = (_but_changed(name, table) for table in (after[name].select(rows.columns), rows))
                assert kept.sort(kept.columns).equals(said.sort(said.columns)), name
        if "session_rollups" in before and version >= ROUNDED:
            pain = [rows["session_rollups"].sort("scoring_id")["pain_activity_mean"] for rows in (before, after)]
            assert pain[1].to_list() == pytest.approx(pain[0].to_list(), abs=5e-4)

        # Views answer, and what they say follows from the frames.
        assert answers["frames"] == (6 * FRAMES,)
        assert answers["session_summary"] == (6,)
        assert answers["patient_days"] == (5,)
        assert answers["night_quality"] == (3,)
        means = connection.execute("SELECT session_id, au12_mean FROM session_summary ORDER BY ALL").pl()
        frames = after["frame_scores"].with_columns(pl.col("au12").cast(pl.Float64))
        expected = frames.group_by("session_id").agg(au12_mean=pl.col("au12").mean()).sort("session_id")
        assert means["session_id"].to_list() == expected["session_id"].to_list()
        assert means["au12_mean"].to_list() == pytest.approx(expected["au12_mean"].to_list(), abs=1e-8)

        # New sessions can be stored.
        runs.start_run(connection, sample_run())
        assert store_sample(connection, sample_session("new"))
        runs.finish_run(connection, "run-1", COMPLETED)
        assert broken_contracts(connection) == []
        publish(connection, address)
    with open_reader(address) as reader:
        assert reader.execute("SELECT count(*) FROM frames").fetchall() == [(6 * FRAMES + 40,)]
