"""Opening: one writer, private files, no network, and one clear line for whatever is wrong."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path

import duckdb
import pytest
from warehouse_samples import PROVENANCE, sample_session, store_sample

from pmfer.errors import WarehouseError
from warehouse import queries
from warehouse.address import Address
from warehouse.connection import open_reader, open_writer
from warehouse.publish import publish
from warehouse.store import refusals

OPEN_ELSEWHERE = """
import sys
from pathlib import Path
from pmfer.errors import WarehouseError
from warehouse.connection import open_writer
try:
    open_writer(Path(sys.argv[1]))
except WarehouseError as error:
    print(error)
"""


@pytest.fixture
def address(new_warehouse: Callable[[str, Path], Address], tmp_path: Path) -> Address:
    """Only a file, because the tests of this module are about files."""
    return new_warehouse("file", tmp_path / "data")


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Become an ordinary user, because root may write anywhere."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield
    if is_root:
        os.seteuid(0)


def one_line(error: pytest.ExceptionInfo[WarehouseError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def open_elsewhere(path: Path) -> str:
    """What another process prints when it opens the warehouse for writing; nothing if it succeeds."""
    run = subprocess.run([sys.executable, "-c", OPEN_ELSEWHERE, path], capture_output=True, text=True, check=True)
    return run.stdout


def test_folders_and_file_are_private(path: Path) -> None:
    with open_writer(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_times_are_utc_and_nothing_may_be_downloaded(writer: duckdb.DuckDBPyConnection) -> None:
    names = ("TimeZone", "autoinstall_known_extensions", "autoload_known_extensions")
    settings = [writer.execute("SELECT current_setting($name)", {"name": name}).fetchall()[0][0] for name in names]
    assert settings == ["UTC", False, False]
    assert str(writer.execute("SELECT now() AS at").pl().schema["at"]) == "Datetime(time_unit='us', time_zone='UTC')"


def test_an_extension_whose_signature_is_not_duckdbs_is_refused(
    new_warehouse: Callable[[str, Path], Address], tmp_path: Path
) -> None:
    with as_file(files("duckdb_extension_httpfs") / "extensions" / f"v{duckdb.__version__}") as folder:
        forged = tmp_path / "httpfs.duckdb_extension"
        signed = (folder / forged.name).read_bytes()
        forged.write_bytes(signed[:-1] + bytes([signed[-1] ^ 1]))
    lake = new_warehouse("sqlite", tmp_path / "lake")
    for opened in (open_writer(lake), open_reader(lake)):
        with opened as connection, pytest.raises(duckdb.IOException, match="signature is either missing or invalid"):
            connection.execute(f"LOAD '{forged}'")


def test_times_come_and_go_without_pytz(writer: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytz", None)  # not a dependency, although DuckDB's row-wise fetching wants it
    session = sample_session("s1")
    store_sample(writer, session)
    assert refusals(writer, [session]) == [None]
    summaries = queries.night_summaries(writer, session.session_date, PROVENANCE)
    assert summaries["started_at"].to_list() == [session.started_at]


def test_a_second_writer_elsewhere_is_refused(path: Path, writer: duckdb.DuckDBPyConnection) -> None:
    assert "another process has it open: wait until it has finished" in open_elsewhere(path)


def test_reading_the_writers_file_in_its_process_is_refused_and_keeps_the_lock(
    path: Path, writer: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(WarehouseError, match="readers open the snapshot") as error:
        open_reader(path)
    one_line(error)
    assert "another process has it open" in open_elsewhere(path)


def test_publishing_keeps_the_lock(path: Path, writer: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    publish(writer, tmp_path / "snapshot.duckdb")
    publish(writer, tmp_path / "snapshot.duckdb")
    assert "another process has it open" in open_elsewhere(path)


def test_a_file_that_is_no_database_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.duckdb"
    path.write_text("not a database\n" * 1000)
    with pytest.raises(WarehouseError, match=r"notes\.duckdb.*not a valid DuckDB database.*another path") as error:
        open_writer(path)
    one_line(error)
    assert path.read_text() == "not a database\n" * 1000


def test_a_file_that_was_cut_short_is_named(made_file: Path) -> None:
    with open_writer(made_file) as connection:
        store_sample(connection, sample_session("s1"), count=2000)
    made_file.write_bytes(made_file.read_bytes()[: made_file.stat().st_size // 2])
    with pytest.raises(WarehouseError, match="restore it from a snapshot") as error:
        open_writer(made_file)
    one_line(error)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(WarehouseError, match=r"data.*choose another path") as error:
        open_writer(tmp_path / "data" / "deeper" / "warehouse.duckdb")
    one_line(error)


@pytest.mark.usefixtures("ordinary_user")
def test_an_unwritable_folder_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o500)
        for path in (Path(folder) / "warehouse.duckdb", Path(folder) / "data" / "warehouse.duckdb"):
            with pytest.raises(WarehouseError, match=r"Permission denied.*permission to write there") as error:
                open_writer(path)
            assert str(path) in one_line(error)


def test_a_missing_snapshot_is_named(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"snapshot\.duckdb.*does not exist") as error:
        open_reader(tmp_path / "snapshot.duckdb")
    one_line(error)


def test_a_reader_cannot_write(writer: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    publish(writer, tmp_path / "it's a snapshot.duckdb")
    with open_reader(tmp_path / "it's a snapshot.duckdb") as reader:
        with pytest.raises(WarehouseError, match="read-only"):
            store_sample(reader, sample_session("s1"))
        assert reader.execute("SELECT count(*) FROM sessions").fetchall() == [(0,)]
