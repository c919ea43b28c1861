"""`pmfer warehouse verify` says that both logs are whole, or names the first bad entry and fails.

`pmfer warehouse check` tells of every contract, and fails with the names of those that do not hold.
"""

import json
from pathlib import Path

import duckdb
import pytest
from command import exit_code
from privacy_folder import access_to, copy_ward, new_house

from flows.data_folder import DataFolder
from warehouse import audit
from warehouse.address import FileAddress
from warehouse.contracts import contract_rules
from warehouse.read_log import head_of
from warehouse.transaction import transaction


@pytest.fixture
def data(empty_file: FileAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """A warehouse with three entries in its audit log and two in its read log."""
    monkeypatch.setenv("PMFER_ACTOR", "ward office")
    folder = new_house(empty_file, tmp_path / "data")
    for _ in range(3):
        with access_to(folder).writing(publishes=False) as writer, transaction(writer.connection):
            audit.record(writer.connection, "something_done")
    for _ in range(2):
        access_to(folder).record_reading("sql")
    return folder


def verify(data: DataFolder) -> int:
    return exit_code("warehouse", "verify", "--data-dir", data.root)


def test_whole_logs_are_whole(data: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(data) == 0
    log, reads = capsys.readouterr().out.splitlines()
    assert log.startswith("audit log: whole, 3 entries, head ")
    assert log.split()[-1] == json.loads(data.audit_head.read_text())["sha256"]
    assert reads.startswith("read log: whole, 2 entries, head ")
    with duckdb.connect(data.warehouse) as connection:
        assert connection.execute("SELECT DISTINCT actor FROM audit_log").fetchall() == [("ward office",)]
    assert {json.loads(line)["actor"] for line in data.read_log.read_text().splitlines()} == {"ward office"}


def forge(data: DataFolder, *statements: str) -> None:
    with duckdb.connect(data.warehouse) as connection:
        for statement in statements:
            connection.execute(statement)


def complaint(data: DataFolder, capsys: pytest.CaptureFixture[str]) -> str:
    assert verify(data) == 1
    text = capsys.readouterr().err.strip()
    assert "\n" not in text
    return text


def test_an_edit_by_any_duckdb_client_is_found(data: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    forge(data, "UPDATE audit_log SET actor = 'nobody' WHERE entry = 2")
    assert "audit log is not whole: entry 2: altered" in complaint(data, capsys)


def test_a_cut_that_the_database_hides_is_found_by_the_note_outside_and_stays_found(
    data: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    forge(
        data,
        "DELETE FROM audit_log WHERE entry = 3",
        "UPDATE audit_head SET entries = 2, sha256 = (SELECT sha256 FROM audit_log WHERE entry = 2)",
    )
    assert "entry 3: missing; head.json ends with entry 3" in complaint(data, capsys)
    for _ in range(2):
        with access_to(data).writing(publishes=False) as writer, transaction(writer.connection):
            audit.record(writer.connection, "something_done")
    assert "entry 3: not the one in head.json" in complaint(data, capsys)


def test_a_missing_note_is_found(data: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    data.audit_head.unlink()
    assert "head.json is missing" in complaint(data, capsys)


def test_an_edit_of_the_log_of_reads_is_found(data: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    data.read_log.write_text(data.read_log.read_text().replace("ward office", "somebody", 1))
    assert "read log is not whole: entry 1: altered" in complaint(data, capsys)


def test_a_log_of_reads_that_was_removed_with_its_head_is_found_by_the_audit_log(
    data: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with access_to(data).writing():
        pass
    for path in (data.read_log, head_of(data.read_log)):
        path.unlink()
    assert "entry 1: missing; the audit log ends with entry 2" in complaint(data, capsys)
    for _ in range(3):
        access_to(data).record_reading("sql")
    assert "entry 2: not the one in the audit log" in complaint(data, capsys)


def test_a_data_folder_without_a_warehouse_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no warehouse there" in complaint(DataFolder(tmp_path), capsys)
    assert list(tmp_path.iterdir()) == []


def check(data: DataFolder) -> int:
    return exit_code("warehouse", "check", "--data-dir", data.root)


def test_every_contract_is_told_of_and_the_broken_ones_are_named(
    ward: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = copy_ward(ward, tmp_path / "data")
    assert check(data) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["holds"] * len(contract_rules())

    with duckdb.connect(data.warehouse) as connection:
        connection.execute("UPDATE stored_frames SET au12 = 1.001 WHERE frame_index = 6")
    assert check(data) == 1
    told = capsys.readouterr()
    broken = [line.split()[1].rstrip(":") for line in told.out.splitlines() if line.startswith("BROKEN")]
    assert "scores_in_range" in broken
    assert len(told.err.strip().splitlines()) == 1
    assert all(name in told.err for name in broken)


def test_a_missing_warehouse_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(DataFolder(tmp_path)) == 1
    assert "no warehouse there" in capsys.readouterr().err
