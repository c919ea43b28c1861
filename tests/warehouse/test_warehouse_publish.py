"""A snapshot is a complete copy including comments, replaced atomically, and only if there is something new."""

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from analyst import Notebook
from warehouse_samples import fingerprint, sample_session, store_sample, table_names

from pmfer.errors import WarehouseError
from warehouse import dictionary
from warehouse.address import Address
from warehouse.connection import is_written_by_others, open_reader, open_writer
from warehouse.publish import publish


@pytest.fixture
def address(new_warehouse: Callable[[str, Path], Address], tmp_path: Path) -> Address:
    """Only a file, because the tests of this module are about files."""
    return new_warehouse("file", tmp_path / "data")


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    return tmp_path / "published" / "snapshot.duckdb"


def test_a_snapshot_has_everything_that_the_warehouse_has(writer: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    store_sample(writer, sample_session("s1"))
    assert publish(writer, snapshot)
    with open_reader(snapshot) as reader:
        assert fingerprint(reader) == fingerprint(writer)
        for text in (dictionary.ENTRIES, dictionary.COLUMNS):
            assert reader.execute(text).fetchall() == writer.execute(text).fetchall()
        constraints = (
            "SELECT table_name, constraint_text FROM duckdb_constraints() "
            "WHERE database_name = current_database() ORDER BY ALL"
        )
        assert reader.execute(constraints).fetchall() == writer.execute(constraints).fetchall()
        assert reader.execute("SELECT session_id FROM session_summary").fetchall() == [("s1",)]


def test_a_snapshot_is_private_and_alone_in_its_folder(writer: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    publish(writer, snapshot)
    assert stat.S_IMODE(snapshot.stat().st_mode) == 0o600
    assert stat.S_IMODE(snapshot.parent.stat().st_mode) == 0o700
    assert list(snapshot.parent.iterdir()) == [snapshot]


def test_a_score_fills_the_blocks_of_the_file_and_of_its_snapshot(
    writer: duckdb.DuckDBPyConnection, snapshot: Path
) -> None:
    query = """
        SELECT row_group_id, sum(count), count(DISTINCT block_id)
        FROM pragma_storage_info('stored_frames')
        WHERE column_name = 'au12' AND segment_type <> 'VALIDITY'
        GROUP BY row_group_id
        ORDER BY row_group_id
    """
    store_sample(writer, sample_session("s1"), 110_000)
    publish(writer, snapshot)
    with open_reader(snapshot) as reader:
        groups = reader.execute(query).fetchall()
    assert groups[:2] == [(0, 51_200, 1), (1, 51_200, 1)]
    assert writer.execute(query).fetchall()[:2] == groups[:2]


def test_an_unchanged_warehouse_is_not_published_again(writer: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    store_sample(writer, sample_session("s1"))
    assert publish(writer, snapshot)
    before = snapshot.stat()
    assert not publish(writer, snapshot)
    after = snapshot.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    store_sample(writer, sample_session("s2"))
    assert publish(writer, snapshot)


def test_a_snapshot_that_another_program_changed_and_closed_is_replaced(
    writer: duckdb.DuckDBPyConnection, snapshot: Path
) -> None:
    store_sample(writer, sample_session("s1"))
    publish(writer, snapshot)
    with duckdb.connect(snapshot) as notebook:
        notebook.execute("DELETE FROM sessions")
    assert publish(writer, snapshot)
    with open_reader(snapshot) as reader:
        assert reader.execute("SELECT session_id FROM sessions").fetchall() == [("s1",)]


def test_who_holds_the_old_snapshot_reads_on_and_who_comes_later_reads_the_new(
    writer: duckdb.DuckDBPyConnection, snapshot: Path
) -> None:
    sessions = "SELECT session_id FROM sessions ORDER BY session_id"
    store_sample(writer, sample_session("s1"))
    publish(writer, snapshot)
    with open_reader(snapshot) as early:
        store_sample(writer, sample_session("s2"))
        assert publish(writer, snapshot)
        with open_reader(snapshot) as late:
            assert early.execute(sessions).fetchall() == [("s1",)]
            assert late.execute(sessions).fetchall() == [("s1",), ("s2",)]


def test_what_a_killed_publication_or_another_program_left_is_replaced(
    writer: duckdb.DuckDBPyConnection, snapshot: Path
) -> None:
    snapshot.parent.mkdir()
    snapshot.write_text("not a database")
    snapshot.with_name(".snapshot.duckdb.draft").write_text("half a database")
    assert publish(writer, snapshot)
    assert list(snapshot.parent.iterdir()) == [snapshot]
    with open_reader(snapshot) as reader:
        assert fingerprint(reader) == fingerprint(writer)


def test_a_snapshot_in_the_place_of_a_lost_warehouse_goes_on_as_one(
    writer: duckdb.DuckDBPyConnection, snapshot: Path, tmp_path: Path
) -> None:
    store_sample(writer, sample_session("s1"))
    publish(writer, snapshot)
    restored = tmp_path / "restored.duckdb"
    shutil.copyfile(snapshot, restored)
    with open_writer(restored) as connection:
        assert not store_sample(connection, sample_session("s1"))
        assert store_sample(connection, sample_session("s2"))


def test_the_warehouse_is_not_published_onto_itself(writer: duckdb.DuckDBPyConnection, path: Path) -> None:
    with pytest.raises(WarehouseError, match="cannot be published over itself"):
        publish(writer, path.parent / ".." / "data" / path.name)


def test_a_folder_in_the_place_of_the_snapshot_is_named(writer: duckdb.DuckDBPyConnection, snapshot: Path) -> None:
    snapshot.mkdir(parents=True)
    with pytest.raises(WarehouseError, match=r"snapshot\.duckdb.*Is a directory") as error:
        publish(writer, snapshot)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("killed", [False, True])
def test_what_an_analyst_writes_into_the_snapshot_stops_nobody_and_goes(
    writer: duckdb.DuckDBPyConnection, snapshot: Path, *, killed: bool
) -> None:
    def sessions(reader: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
        return reader.execute("SELECT session_id FROM sessions ORDER BY 1").fetchall()

    store_sample(writer, sample_session("s1"))
    publish(writer, snapshot)
    with Notebook(snapshot) as notebook:
        with open_reader(snapshot) as reader:  # although it is locked
            assert sessions(reader) == [("s1",)]
        notebook.run("CREATE TABLE my_notes (a INTEGER)")
        with open_reader(snapshot) as reader:  # as it was published
            assert "my_notes" not in table_names(reader)
        assert is_written_by_others(snapshot)
        if killed:
            notebook.kill()
            notebook.wait()
        store_sample(writer, sample_session("s2"))
        assert publish(writer, snapshot)
        assert list(snapshot.parent.iterdir()) == [snapshot]
        assert not is_written_by_others(snapshot)
        if not killed:
            notebook.run("CHECKPOINT")
            notebook.run("INSERT INTO my_notes VALUES (1)")
            assert len(list(snapshot.parent.iterdir())) == 2  # a log of the old snapshot, beside the new one
        with open_reader(snapshot) as reader:
            assert sessions(reader) == [("s1",), ("s2",)]
        assert publish(writer, snapshot) is not killed  # for readers of other programs, which do not ignore the log
        with duckdb.connect(snapshot, read_only=True) as reader:
            assert sessions(reader) == [("s1",), ("s2",)]
