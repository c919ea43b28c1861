"""Writing through the object logs who acted, notes where the audit log ends, and publishes."""

from pathlib import Path

import pytest
from warehouse_copies import copy_warehouse
from warehouse_samples import sample_session, store_sample

from pmfer.errors import WarehouseError
from warehouse.address import FileAddress
from warehouse.audit import current_head
from warehouse.connection import open_reader
from warehouse.verify import read_head
from warehouse.warehouse import Warehouse


@pytest.fixture
def warehouse(empty_file: FileAddress, tmp_path: Path) -> Warehouse:
    address = FileAddress(tmp_path / "warehouse.duckdb", tmp_path / "published" / "warehouse.duckdb")
    copy_warehouse(empty_file, address)
    return Warehouse(address, tmp_path / "audit" / "head.json", tmp_path / "audit" / "reads.jsonl")


def sessions(warehouse: Warehouse) -> list[str]:
    """What readers see."""
    with open_reader(warehouse.address) as reader:
        rows = reader.execute("SELECT session_id FROM sessions ORDER BY 1").fetchall()
    return [session_id for (session_id,) in rows]


def test_what_a_block_wrote_is_published_and_the_end_of_the_audit_log_is_noted(warehouse: Warehouse) -> None:
    with warehouse.write("night team") as writer:
        store_sample(writer.connection, sample_session("s1"))
        head = current_head(writer.connection)
    assert sessions(warehouse) == ["s1"]
    with open_reader(warehouse.address) as reader:
        rows = reader.execute("SELECT actor, action FROM audit_log ORDER BY entry").fetchall()
    assert rows == [("night team", "session_stored"), ("night team", "snapshot_published")]
    noted = read_head(warehouse.audit_head)
    assert noted is not None
    assert noted.entries == head.entries + 1


def test_readers_see_earlier_what_is_published_within_the_block(warehouse: Warehouse) -> None:
    with warehouse.write() as writer:
        store_sample(writer.connection, sample_session("s1"))
        assert writer.publish()
        assert sessions(warehouse) == ["s1"]
        assert not writer.publish()
        store_sample(writer.connection, sample_session("s2"))
        assert sessions(warehouse) == ["s1"]
    assert sessions(warehouse) == ["s1", "s2"]


def test_a_block_that_fails_publishes_nothing_and_notes_where_the_log_ends(warehouse: Warehouse) -> None:
    def fail() -> None:
        with warehouse.write() as writer:
            store_sample(writer.connection, sample_session("s1"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with pytest.raises(WarehouseError, match="does not exist"):
        sessions(warehouse)
    noted = read_head(warehouse.audit_head)
    assert noted is not None
    assert noted.entries == 1


def test_what_is_not_for_readers_yet_waits_for_the_next_block(warehouse: Warehouse) -> None:
    with warehouse.write(publishes=False) as writer:
        store_sample(writer.connection, sample_session("s1"))
    with pytest.raises(WarehouseError, match="does not exist"):
        sessions(warehouse)
    with warehouse.write() as writer:
        store_sample(writer.connection, sample_session("s2"))
    assert sessions(warehouse) == ["s1", "s2"]


def test_a_block_that_writes_nothing_publishes_nothing(warehouse: Warehouse) -> None:
    with warehouse.write() as writer:
        store_sample(writer.connection, sample_session("s1"))
    assert isinstance(warehouse.address, FileAddress)
    before = warehouse.address.published.stat()
    with warehouse.write():
        pass
    assert warehouse.address.published.stat().st_ino == before.st_ino
