"""Nothing is stored about an erased patient without a new consent; an erasure has exclusive use of the warehouse."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from postgres_server import PostgresServer
from warehouse_places import ON_EACH
from warehouse_samples import sample_session, store_sample

from pmfer.errors import QuarantineReason, SessionError, WarehouseError
from warehouse import erasure, quarantine, runs, store
from warehouse.address import Address, FileAddress, LakeAddress
from warehouse.care_events import CareEvent, CareEventKind, store_care_events
from warehouse.connection import open_writer
from warehouse.consent import ERASED, Consent, record_consents
from warehouse.publish import rewrite, standstill, storage_files
from warehouse.records import QuarantineRecord, ReportRecord
from warehouse.transaction import at_work

OLD = Consent("p01", date(2026, 5, 1), None, None, "form 12")
DAY = date(2026, 6, 1)
ASIDE = QuarantineRecord(DAY, "2026-06-01/x.mp4", None, "x", "p01", QuarantineReason.EMPTY_FILE, "empty", "run-1")


def erase(connection: duckdb.DuckDBPyConnection, patient_id: str) -> None:
    begun = erasure.begin_erasure(connection, patient_id, {})
    erasure.erase_rows(connection, patient_id, begun, {})


def stored(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables that have anything about the patient."""
    return list(erasure.holdings(connection, "p01").rows)


@ON_EACH
def test_nothing_of_a_patient_is_stored_again_without_a_new_consent(writer: duckdb.DuckDBPyConnection) -> None:
    event = CareEvent("p01", CareEventKind.CARE, "washing", datetime(2026, 6, 1, tzinfo=UTC))
    record_consents(writer, [OLD, replace(OLD, patient_id="p02")])
    store_sample(writer, sample_session("s1"))
    erase(writer, "p01")
    # A shard that scored a session before the erasure, and everything else that later names the patient.
    for name in ("s1", "s2"):
        with pytest.raises(SessionError, match=ERASED) as error:
            store_sample(writer, sample_session(name))
        assert error.value.reason is QuarantineReason.NO_CONSENT
    assert not quarantine.add_quarantine(writer, ASIDE)
    assert store_care_events(writer, [event], "a.csv").added == 0
    with pytest.raises(WarehouseError, match="was erased"):
        runs.record_report(writer, ReportRecord("patient", "p01", DAY, "a.pdf", "a" * 64, "b" * 64))
    # The file of consents is imported every week, and withdrawing an old consent is not a new consent.
    assert record_consents(writer, [OLD]) == (0, 1)
    assert record_consents(writer, [replace(OLD, withdrawn_on=DAY)]) == (0, 1)
    assert stored(writer) == []
    assert store_sample(writer, sample_session("s3", patient_id="p02"))
    ((marks,),) = writer.execute("SELECT string_agg(mark, ' ') FROM tombstones").fetchall()
    assert "p01" not in marks
    assert record_consents(writer, [replace(OLD, source="form 99"), OLD]) == (1, 1)
    assert store_sample(writer, sample_session("s1"))
    assert quarantine.add_quarantine(writer, ASIDE)


@pytest.mark.parametrize("address", ["file"], indirect=True)
def test_where_a_record_is_required_storing_asks_for_it_too(writer: duckdb.DuckDBPyConnection) -> None:
    session = sample_session("s1")
    (refusal,) = store.refusals(writer, [session], consent_required=True)
    assert refusal is not None
    with pytest.raises(SessionError, match="one is required"):
        store_sample(writer, session, consent_required=True)
    record_consents(writer, [OLD])
    assert store_sample(writer, session, consent_required=True)


def test_an_erasure_has_a_lake_alone(address: Address) -> None:
    if isinstance(address, FileAddress):
        pytest.skip("a file has one writer anyway")
    with open_writer(address) as night, open_writer(address) as shard:
        with at_work(night), at_work(shard), pytest.raises(WarehouseError, match="is running"), standstill(address):
            pytest.fail("a night and a shard are at work")
        with standstill(address):
            pass
        with at_work(night):
            pass


def test_a_rewritten_lake_leaves_nothing_in_the_files_of_its_catalogue(
    postgres: PostgresServer, new_warehouse: Callable[[str, Path], Address], tmp_path: Path
) -> None:
    address = new_warehouse("postgres", tmp_path / "data")
    assert isinstance(address, LakeAddress)
    with open_writer(address) as writer:
        store_sample(writer, sample_session("s1", patient_id="birch-rare-77"))
        store_sample(writer, sample_session("s2", patient_id="elm-2"))
    postgres.execute("postgres", "CHECKPOINT")  # write what is in memory to the files
    files = [path for path in postgres.folder.rglob("base/*/*") if path.is_file()]
    assert any(b"birch-rare-77" in path.read_bytes() for path in files)
    with standstill(address):
        with open_writer(address) as writer:
            erase(writer, "birch-rare-77")
        rewrite(address)
    postgres.execute("postgres", "CHECKPOINT")
    files = [path for path in postgres.folder.rglob("base/*/*") if path.is_file()]
    assert [path for path in [*files, *storage_files(address)] if b"birch-rare-77" in path.read_bytes()] == []
