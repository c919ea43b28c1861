"""A lake: many writers, one at a time; nothing is stored twice; files are merged, and history can be deleted."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from threading import Thread
from unittest import mock

import duckdb
import pytest
from next_release import NEXT
from other_processes import python_path
from postgres_server import PASSWORD, PostgresServer, running_server
from warehouse_places import SQLITE, lake_in
from warehouse_samples import content, sample_session, store_sample

from pmfer.errors import WarehouseError
from warehouse import migrate
from warehouse.address import Address, LakeAddress
from warehouse.connection import open_reader, open_writer
from warehouse.lake import forget_history, tidy
from warehouse.migrate import shipped_migrations
from warehouse.publish import standstill
from warehouse.sql import load_extension
from warehouse.transaction import _guards, night_lock

CHILD = Path(__file__).with_name("store_sessions.py")
ENVIRONMENT = {"PYTHONPATH": python_path()}
LAKES = pytest.mark.parametrize("address", [SQLITE, "postgres"], indirect=True)


def start_storing(folder: Path, text: str, sessions: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), text, str(sessions), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


@pytest.fixture(params=[SQLITE, "postgres"])
def new_lake(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a lake that does not exist yet, as a user writes it."""
    if request.param == "sqlite":
        return f"ducklake:sqlite:{tmp_path / 'catalogue.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return f"ducklake:postgres:{server.create_database(f'new_{tmp_path.name}')}"


@pytest.mark.slow
def test_processes_that_make_a_lake_and_store_the_same_sessions_at_once_store_each_once(
    new_lake: str, tmp_path: Path
) -> None:
    children = [start_storing(tmp_path, new_lake, sessions=3) for _ in range(3)]
    for child in children:
        _, errors = child.communicate()
        assert child.returncode == 0, errors
    with open_writer(lake_in(tmp_path, new_lake)) as connection:
        rows = content(connection)
        counts = {name: len(rows[name]) for name in ("sessions", "scorings", "patients", "bundles")}
        assert counts == {"sessions": 3, "scorings": 3, "patients": 3, "bundles": 1}
        assert len(rows["schema_migrations"]) == len(shipped_migrations())
        assert len(rows["stored_frames"]) == 3 * 400


@LAKES
def test_what_a_writer_stores_a_reader_sees_once_it_is_opened_anew(address: Address) -> None:
    sessions = "SELECT session_id FROM sessions ORDER BY session_id"
    with open_writer(address) as writer:
        store_sample(writer, sample_session("s1"))
        with open_reader(address) as early:
            store_sample(writer, sample_session("s2"))
            with open_reader(address) as late:
                assert early.execute(sessions).fetchall() == [("s1",)]
                assert late.execute(sessions).fetchall() == [("s1",), ("s2",)]
                with pytest.raises(duckdb.Error, match="read-only"):
                    late.execute("DELETE FROM sessions")


@LAKES
def test_tidying_merges_small_files_and_changes_no_row(address: LakeAddress) -> None:
    with open_writer(address) as writer:
        for number in range(4):
            store_sample(writer, sample_session(f"s{number}"))
        before, files = content(writer), parquet_files(address)
        with open_reader(address) as reader:
            tidy(writer)
            assert content(reader) == before
        tidy(writer, keep=timedelta(0))
        assert content(writer) == before
        assert len(parquet_files(address)) < len(files)
        assert store_sample(writer, sample_session("s4"))


@pytest.mark.parametrize("address", [SQLITE], indirect=True)
def test_nobody_commits_to_an_sqlite_catalogue_in_the_middle_of_a_query(address: LakeAddress) -> None:
    with closing(sqlite3.connect(address.connection)) as catalogue:
        catalogue.execute("PRAGMA journal_mode = WAL")  # as earlier releases made it
    with open_writer(address) as writer, open_reader(address) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM sessions").fetchall() == [(0,)]
        storing = Thread(target=store_sample, args=(writer, sample_session("s1")))
        storing.start()
        storing.join(timeout=1)
        assert storing.is_alive()
        reader.execute("COMMIT")
        storing.join()
        assert writer.execute("SELECT count(*) FROM sessions").fetchall() == [(1,)]


@pytest.mark.parametrize("address", [SQLITE], indirect=True)
def test_a_reader_comes_after_a_writer_that_was_killed_in_the_middle_of_a_commit(
    address: LakeAddress, tmp_path: Path
) -> None:
    with open_writer(address) as writer:
        store_sample(writer, sample_session("s1"))
    here = Path(address.connection)
    left = tmp_path / "left" / here.name
    left.parent.mkdir()
    with closing(sqlite3.connect(here, isolation_level=None)) as killed:
        killed.execute("PRAGMA cache_size = 1")  # pages are written before the commit
        killed.execute("BEGIN IMMEDIATE")
        killed.execute("UPDATE ducklake_column SET column_name = column_name || hex(randomblob(200))")
        for path in (here, here.with_name(f"{here.name}-journal")):
            shutil.copy(path, left.with_name(path.name))
    assert left.with_name(f"{left.name}-journal").stat().st_size > 0
    with open_reader(LakeAddress("sqlite", str(left), address.data)) as reader:
        assert reader.execute("SELECT session_id FROM sessions").fetchall() == [("s1",)]


@LAKES
def test_what_was_deleted_is_in_no_byte_once_history_is_forgotten(address: LakeAddress) -> None:
    with open_writer(address) as writer:
        for number, patient in enumerate(["aa-gone", "kept", "zz-gone"]):
            store_sample(writer, sample_session(f"session-of-{patient}", patient, day=number + 1))
        for path in parquet_files(address):  # as a transaction leaves them that is killed
            shutil.copy(path, path.with_name(f"unknown-{path.name}"))
        tables = "duckdb_columns() JOIN duckdb_tables() USING (database_name, table_name)"
        ids = "column_name IN ('patient_id', 'session_id') AND database_name = current_database()"
        for table, column in writer.execute(f"SELECT table_name, column_name FROM {tables} WHERE {ids}").fetchall():
            writer.execute(f"DELETE FROM {table} WHERE {column} LIKE '%gone'")
        before = content(writer)
    forget_history(address)
    below = [path for path in Path(address.data).parent.rglob("*") if path.is_file()]
    assert below
    assert [path for path in below if b"gone" in path.read_bytes()] == []
    with open_writer(address) as writer:
        assert content(writer) == before
        assert store_sample(writer, sample_session("later", "aa"))
        assert writer.execute("SELECT patient_id FROM patients ORDER BY 1").fetchall() == [("aa",), ("kept",)]
        # DuckLake skips files and tables by the smallest and largest values that it remembers.
        assert writer.execute("SELECT count(*) FROM sessions WHERE patient_id = 'kept'").fetchall() == [(1,)]
        assert writer.execute("SELECT count(*) FROM sessions WHERE patient_id = 'aa'").fetchall() == [(1,)]
        assert writer.execute("SELECT min(patient_id), max(patient_id) FROM patients").fetchall() == [("aa", "kept")]


@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_a_session_left_open_is_named_and_does_not_keep_an_erasure_waiting(
    address: LakeAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.lake.PATIENCE_S", 1.0)
    monkeypatch.setenv("PGPASSWORD", address.password or "")
    with duckdb.connect() as other:
        load_extension(other, "postgres_scanner")
        other.execute(f"ATTACH '{address.connection}' AS catalogue (TYPE postgres)")
        other.execute("BEGIN")
        other.execute("FROM catalogue.ducklake_table").fetchall()
        with open_writer(address) as writer:
            store_sample(writer, sample_session("s1"))
        with pytest.raises(WarehouseError, match="lock timeout; another session keeps the catalogue locked") as error:
            forget_history(address)
        assert "\n" not in str(error.value)
    forget_history(address)


def test_a_slip_in_the_address_reads_nothing_and_makes_nothing(new_lake: str, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"does not exist.*check the address") as error:
        open_reader(lake_in(tmp_path, new_lake))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "catalogue.sqlite").exists()


@LAKES
def test_another_data_folder_than_the_lakes_is_refused(address: LakeAddress, tmp_path: Path) -> None:
    moved = LakeAddress(address.catalogue, address.connection, str(tmp_path / "other"), address.password)
    with pytest.raises(
        WarehouseError, match=r"does not match existing data path.*the folder that it was created with"
    ) as error:
        open_writer(moved)
    assert "\n" not in str(error.value)


def parquet_files(address: LakeAddress) -> set[Path]:
    return set(Path(address.data).rglob("*.parquet"))


@LAKES
def test_a_night_of_a_lake_runs_once_at_a_time(address: LakeAddress) -> None:
    night, next_night = date(2026, 3, 2), date(2026, 3, 3)
    with open_writer(address) as one, open_writer(address) as other:
        with night_lock(one, night):
            refused = pytest.raises(WarehouseError, match=r"^night 2026-03-02: another run of it is active")
            with refused, night_lock(other, night):
                pytest.fail("two runs of one night")
            with night_lock(other, next_night):
                assert store_sample(other, sample_session("s1"))  # the lock of a night does not block writers
        with night_lock(other, night):
            pass


@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_who_holds_a_night_for_hours_does_not_keep_postgresql_from_cleaning_up(
    address: LakeAddress, postgres: PostgresServer
) -> None:
    name = address.connection.rpartition("dbname=")[2]
    question = """
        SELECT state, backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    """
    with open_writer(address) as connection, night_lock(connection, date(2026, 3, 2)):
        connection.execute("SELECT count(*) FROM sessions").fetchall()
        held = postgres.execute(name, question)
    assert "idle in transaction|t" in held, "nobody holds the night"
    assert all(row.endswith("|t") for row in held), held


def test_a_catalogue_that_goes_down_in_mid_run_loses_nothing_that_was_stored(
    postgres_programs: Path,
    postgres_lake: Path,
    new_lake_on: Callable[[PostgresServer, Path], LakeAddress],
    tmp_path: Path,
) -> None:
    with running_server(postgres_programs, postgres_lake / "server") as server:
        address = new_lake_on(server, tmp_path)
        with open_writer(address) as connection, night_lock(connection, date(2026, 3, 2)):
            assert store_sample(connection, sample_session("s1"))
            server.stop()
            with pytest.raises(WarehouseError) as error:
                store_sample(connection, sample_session("s2"))
        assert str(error.value).startswith(f"warehouse {address}: ")
        assert str(error.value).endswith("and that PostgreSQL is running")
        assert "DuckLake" not in str(error.value)
        assert "\n" not in str(error.value)
        assert PASSWORD not in str(error.value)
        server.start()
        with open_writer(address) as connection, night_lock(connection, date(2026, 3, 2)):
            assert not store_sample(connection, sample_session("s1"))
            assert store_sample(connection, sample_session("s2"))
            assert connection.execute("SELECT count(*) FROM sessions").fetchall() == [(2,)]


@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_a_run_whose_lock_postgresql_dropped_writes_no_more(address: LakeAddress, postgres: PostgresServer) -> None:
    name, night = address.connection.rpartition("dbname=")[2], date(2026, 3, 2)
    dropped = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """  # as a restart does
    with open_writer(address) as first, open_writer(address) as second:
        with night_lock(first, night):
            assert store_sample(first, sample_session("s1"))
            assert postgres.execute(name, dropped) != ["0"]
            with pytest.raises(WarehouseError, match="the lock of this run is lost; run again"):
                store_sample(first, sample_session("s2"))
        with night_lock(second, night):
            assert store_sample(second, sample_session("s2"))


@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_a_limit_on_idle_transactions_does_not_end_a_lock(address: LakeAddress, postgres: PostgresServer) -> None:
    name = address.connection.rpartition("dbname=")[2]
    postgres.execute(name, f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '10min'")
    with open_writer(address) as connection, night_lock(connection, date(2026, 3, 2)):
        ((guard, attached),) = [pair for pair in _guards if pair[1] != "catalogue"][:1]
        question = "SELECT current_setting(''idle_in_transaction_session_timeout'')"
        setting = f"FROM postgres_query('{attached}', '{question}')"
        assert guard.execute(setting).fetchall() == [("0",)]


@LAKES
def test_a_lake_is_not_updated_while_a_run_of_the_older_release_is_at_work(address: LakeAddress) -> None:
    with open_writer(address) as connection, night_lock(connection, date(2026, 3, 2)):
        newer = mock.patch.object(migrate, "shipped_migrations", return_value=NEXT)
        with newer, pytest.raises(WarehouseError, match=r"a night or shard is running.*wait until it has finished"):
            open_writer(address)
        assert store_sample(connection, sample_session("s1"))
        open_writer(address).close()  # of the same release
    with newer, standstill(address), open_writer(address) as connection:
        assert connection.execute("SELECT room_id FROM rooms").fetchall() == [("r1",)]
