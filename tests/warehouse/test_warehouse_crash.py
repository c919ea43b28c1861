"""Killed, or out of disk space: what was stored is kept, whole sessions only, and a rerun finishes the rest."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from other_processes import python_path
from warehouse_samples import content, sample_session, store_sample

from pmfer.errors import WarehouseError
from warehouse.address import Address, FileAddress
from warehouse.connection import open_reader, open_writer
from warehouse.publish import publish

SESSIONS = 6
CHILD = Path(__file__).with_name("store_sessions.py")
# The child process imports the code and the samples from the same places as this process.
ENVIRONMENT = {"PYTHONPATH": python_path()}


@pytest.fixture
def address(new_warehouse: Callable[[str, Path], Address], tmp_path: Path) -> Address:
    """Only a file, because the tests of this module are about files."""
    return new_warehouse("file", tmp_path / "data")


def store_until_killed(path: Path, kill_at: int) -> None:
    """Kill the storing process with SIGKILL as soon as it prints that it begins with session `kill_at`."""
    command = [sys.executable, str(CHILD), str(path), str(SESSIONS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == kill_at:
                child.kill()
                break
        else:
            pytest.fail("the child ended before it was killed")


def whole_sessions(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of sessions, after checking that each has everything that belongs to it."""
    rows = connection.execute("""
        SELECT session_id, frames_sampled, count(frame_index) AS frames, count(DISTINCT patients.patient_id) AS patients
        FROM sessions FULL JOIN scorings USING (session_id) FULL JOIN frame_scores USING (scoring_id, session_id)
        LEFT JOIN patients USING (patient_id) GROUP BY ALL
    """).fetchall()
    assert all((sampled, frames, patients) == (400, 400, 1) for _, sampled, frames, patients in rows)
    return len(rows)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Simulate a full disk for this process: no file may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_killed_again_and_again_then_finished_gives_the_undisturbed_content(
    empty_file: FileAddress, tmp_path: Path
) -> None:
    disturbed, undisturbed = tmp_path / "disturbed.duckdb", tmp_path / "undisturbed.duckdb"
    shutil.copy(empty_file.path, undisturbed)
    for kill_at in (0, 3):
        store_until_killed(disturbed, kill_at)
        with open_writer(disturbed) as connection:
            # The session that was being stored may have been committed before the signal arrived, but no other.
            assert whole_sessions(connection) in (kill_at, kill_at + 1)
    for path in (disturbed, undisturbed):
        with open_writer(path) as connection:
            for number in range(SESSIONS):
                store_sample(connection, sample_session(f"s{number:02d}", patient_id=f"p{number % 3}"), count=400)
            assert whole_sessions(connection) == SESSIONS
    with open_writer(disturbed) as one, open_writer(undisturbed) as other:
        assert content(one) == content(other)


@pytest.mark.parametrize("room", [0, pytest.param(5_000, marks=pytest.mark.slow), 13_000, 300_000])
def test_a_disk_that_is_full_from_the_start_leaves_nothing_that_bars_the_next_run(path: Path, room: int) -> None:
    with largest_file(room), pytest.raises(WarehouseError, match="File too large"):
        open_writer(path)
    with open_writer(path) as connection:
        assert store_sample(connection, sample_session("s1"))
    assert not list(path.parent.glob(".*"))


def test_a_full_disk_refuses_the_session_and_keeps_the_others(made_file: Path) -> None:
    with open_writer(made_file) as connection:
        store_sample(connection, sample_session("s1"))
        before = content(connection)
        used = max(file.stat().st_size for file in made_file.parent.iterdir())
        with largest_file(used + 20_000), pytest.raises(WarehouseError, match="File too large") as error:
            store_sample(connection, sample_session("s2"), count=5000)
        assert f"warehouse {made_file}: " in str(error.value)
        assert "run again, what was stored before is intact" in str(error.value)
        assert "\n" not in str(error.value)
        assert content(connection) == before
        assert store_sample(connection, sample_session("s2"), count=5000)  # there is space again
    with open_writer(made_file) as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchall() == [(2,)]


def test_a_database_that_breaks_down_says_so_and_keeps_what_was_stored(made_file: Path) -> None:
    with open_writer(made_file) as connection:
        store_sample(connection, sample_session("s1"), count=5000)
        before = content(connection)
        with largest_file(100_000):
            with pytest.raises(duckdb.Error):
                connection.execute("CHECKPOINT")
            with pytest.raises(WarehouseError, match=r"warehouse\.duckdb.*File too large; .*intact") as error:
                store_sample(connection, sample_session("s2"))
        assert "\n" not in str(error.value)
    with open_writer(made_file) as connection:
        assert content(connection) == before


def test_a_full_disk_leaves_the_published_snapshot_and_the_writer_in_order(
    writer: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    snapshot = tmp_path / "published" / "snapshot.duckdb"
    store_sample(writer, sample_session("s1"))
    publish(writer, snapshot)
    store_sample(writer, sample_session("s2"), count=5000)
    writer.execute("CHECKPOINT")  # so that the snapshot does not fit, rather than the write-ahead log
    with largest_file(400_000), pytest.raises(WarehouseError, match=r"snapshot\.duckdb.*File too large") as error:
        publish(writer, snapshot)
    assert "\n" not in str(error.value)
    with open_reader(snapshot) as reader:
        assert reader.execute("SELECT session_id FROM sessions").fetchall() == [("s1",)]
    assert [file.name for file in snapshot.parent.iterdir()] == ["snapshot.duckdb"]
    assert store_sample(writer, sample_session("s3"))
    assert publish(writer, snapshot)
