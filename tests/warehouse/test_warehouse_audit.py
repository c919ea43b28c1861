"""Every write leaves an entry, and any later change to the chain is found at the first bad entry."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest
from warehouse_places import ON_EACH, POSTGRES
from warehouse_samples import COMPLETED, sample_run, sample_session, sha256, store_sample

from pmfer.errors import QuarantineReason, WarehouseError
from warehouse import audit
from warehouse.address import Address, FileAddress
from warehouse.audit import Entry, Head
from warehouse.connection import another, open_reader, open_writer
from warehouse.publish import publish
from warehouse.quarantine import add_quarantine, lift_quarantine
from warehouse.records import QuarantineRecord, ReportRecord
from warehouse.runs import finish_run, record_report, start_run
from warehouse.sql import current_database
from warehouse.transaction import transaction
from warehouse.verify import Note, note_head, read_head, verify_log

ROOT = Path(__file__).parents[2]
Connection = duckdb.DuckDBPyConnection


@pytest.fixture
def chain(writer: Connection) -> Connection:
    """A warehouse whose log has entries 1 to 6."""
    for number in range(1, 7):
        with transaction(writer):
            audit.record(writer, "something_done", patient_id=f"p{number % 2}", number=number)
    return writer


def actions(connection: Connection) -> list[str]:
    return [action for (action,) in connection.execute("SELECT action FROM audit_log ORDER BY entry").fetchall()]


@ON_EACH
def test_every_write_leaves_an_entry_and_what_writes_nothing_leaves_none(writer: Connection, address: Address) -> None:
    trouble = QuarantineRecord(
        date(2026, 6, 1), "2026-06-01/s2.mp4", None, "s2", "p02", QuarantineReason.EMPTY_FILE, "empty", "run-1"
    )
    report = ReportRecord("patient", "p01", date(2026, 6, 1), "reports/p01.pdf", sha256("pdf"), sha256("in"))
    start_run(writer, sample_run())
    for _ in range(2):
        store_sample(writer, sample_session("s1"))
        add_quarantine(writer, trouble)
        record_report(writer, report)
    lift_quarantine(writer, trouble.source_uri)
    lift_quarantine(writer, trouble.source_uri)
    finish_run(writer, "run-1", COMPLETED)
    published = [publish(writer, address) for _ in range(2)]
    is_file = isinstance(address, FileAddress)  # readers of a lake read the lake
    assert published == [is_file, False]
    assert actions(writer) == [
        "run_started",
        "session_stored",
        "session_set_aside",
        "report_rendered",
        "quarantine_lifted",
        "run_finished",
        "bundle_activated",
        *(["snapshot_published"] if is_file else []),
    ]
    assert verify_log(writer) == (audit.current_head(writer), None)
    with open_reader(address) as reader:
        assert actions(reader) == actions(writer)


def test_an_entry_says_who_and_what_and_names_no_patient(writer: Connection) -> None:
    audit.act_as(writer, "night service")
    start_run(writer, sample_run())
    store_sample(writer, sample_session("oak-17-morning", patient_id="oak-17"))
    stored = writer.execute("FROM audit_log WHERE action = 'session_stored'").pl().row(0, named=True)
    assert (stored["account"], stored["actor"]) == (audit.account(), "night service")
    assert json.loads(stored["details"])["frames"] == 40
    assert writer.execute(
        "SELECT session_id FROM scorings WHERE scoring_id = $id", {"id": stored["object_id"]}
    ).fetchall()
    everything = writer.execute("SELECT string_agg(CAST(audit_log AS VARCHAR)) FROM audit_log").fetchall()[0][0]
    guesses = ("oak-17", *(hashlib.new(name, b"oak-17").hexdigest() for name in ("md5", "sha1", "sha256")))
    assert not [guess for guess in guesses if guess in everything]
    assert writer.execute("SELECT subject FROM audit_subjects WHERE patient_id = 'oak-17'").fetchall() == [
        (stored["subject"],)
    ]


def test_an_entry_comes_and_goes_with_its_transaction(chain: Connection) -> None:
    def write_and_stop() -> None:
        with transaction(chain):
            audit.record(chain, "something_done", patient_id="p9")
            raise WarehouseError("stopped")

    with pytest.raises(WarehouseError, match="stopped"):
        write_and_stop()
    assert audit.current_head(chain).entries == 6
    assert chain.execute("SELECT count(*) FROM audit_subjects WHERE patient_id = 'p9'").fetchall() == [(0,)]


def test_the_chain_goes_on_in_the_next_process(made_file: Path) -> None:
    for _ in range(2):
        with open_writer(made_file) as connection, transaction(connection):
            audit.record(connection, "something_done")
    with open_writer(made_file) as connection:
        assert verify_log(connection) == (audit.current_head(connection), None)
        assert audit.current_head(connection).entries == 2


def test_a_misspelt_action_is_refused(writer: Connection) -> None:
    with pytest.raises(WarehouseError, match="'Stored a session'"), transaction(writer):
        audit.record(writer, "Stored a session")


def rehash(connection: Connection, first: int, last: int) -> None:
    """What a forger who knows the method would do: recompute the chain from one entry to another."""
    columns = "entry, epoch_us(recorded_at), account, actor, action, object_id, subject, details"
    for number in range(first, last + 1):
        previous = connection.execute("SELECT sha256 FROM audit_log WHERE entry = $n", {"n": number - 1}).fetchall()
        row = connection.execute(f"SELECT {columns} FROM audit_log WHERE entry = $n", {"n": number}).fetchall()[0]
        entry = Entry(*row, previous[0][0])
        connection.execute(
            "UPDATE audit_log SET previous_sha256 = $previous, sha256 = $hash WHERE entry = $n",
            {"previous": entry.previous_sha256, "hash": entry.sha256, "n": number},
        )


def rebuild_to_the_end(connection: Connection) -> None:
    connection.execute("""UPDATE audit_log SET actor = 'somebody else' WHERE entry = 3""")
    rehash(connection, 3, 6)
    connection.execute("UPDATE audit_head SET sha256 = (SELECT sha256 FROM audit_log WHERE entry = 6)")


def cut_off_with_the_head(connection: Connection) -> None:
    connection.execute("DELETE FROM audit_log WHERE entry > 4")
    connection.execute("UPDATE audit_head SET entries = 4, sha256 = (SELECT sha256 FROM audit_log WHERE entry = 4)")


def append_one(connection: Connection) -> None:
    connection.execute("INSERT INTO audit_log SELECT * REPLACE (7 AS entry) FROM audit_log WHERE entry = 6")
    rehash(connection, 7, 7)


def rebuild_in_part(connection: Connection) -> None:
    connection.execute("UPDATE audit_log SET action = 'nothing_done' WHERE entry = 2")
    rehash(connection, 2, 4)


def run(statement: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(statement)


SWAP = "UPDATE audit_log SET entry = CASE entry WHEN 3 THEN 4 ELSE 3 END WHERE entry IN (3, 4)"
INSERT = "INSERT INTO audit_log SELECT * REPLACE ('shown' AS action) FROM audit_log WHERE entry = 3"


# a change to a log of six entries -> the first bad entry
FORGERIES = (
    (run("UPDATE audit_log SET actor = 'nobody' WHERE entry = 3"), "entry 3: altered"),
    (
        run("UPDATE audit_log SET recorded_at = recorded_at - INTERVAL 1 MICROSECOND WHERE entry = 3"),
        "entry 3: alt",
    ),
    (run("UPDATE audit_log SET details = '{}' WHERE entry = 6"), "entry 6: altered"),
    (run("UPDATE audit_log SET subject = NULL WHERE entry = 1"), "entry 1: altered"),
    (run("DELETE FROM audit_log WHERE entry = 3"), "entry 3: missing"),
    (run("DELETE FROM audit_log WHERE entry = 1"), "entry 1: missing"),
    (run("DELETE FROM audit_log WHERE entry = 6"), "entry 6: missing"),
    (run("DELETE FROM audit_log"), "entry 1: missing"),
    (run(SWAP), "entry 3: does not follow"),
    (run(INSERT), "entry 3: exists more than once"),
    (append_one, "entry 7: added by hand"),
    (rebuild_in_part, "entry 5: does not follow"),
    (cut_off_with_the_head, "entry 5: missing; head.json ends with entry 6"),
    (rebuild_to_the_end, "entry 6: not the one in head.json"),
)


def test_a_forgery_is_found_at_the_first_bad_entry(chain: Connection) -> None:
    note = Note("head.json", audit.current_head(chain))
    for forgery, first_bad in FORGERIES:
        assert verify_log(chain, [note])[1] is None
        chain.begin()
        forgery(chain)
        trouble = verify_log(chain, [note])[1]
        chain.rollback()
        assert trouble is not None, first_bad
        assert trouble.startswith(first_bad)


def test_the_note_outside_follows_the_log_and_never_goes_back(chain: Connection, tmp_path: Path) -> None:
    path = tmp_path / "audit" / "head.json"
    assert note_head(chain, path)
    with transaction(chain):
        audit.record(chain, "something_done")
    assert note_head(chain, path)
    assert read_head(path) == audit.current_head(chain)
    assert path.stat().st_mode & 0o077 == 0
    cut_off_with_the_head(chain)
    assert not note_head(chain, path)
    assert read_head(path) != audit.current_head(chain)


@pytest.mark.parametrize("text", ["", "{}", '{"entries": "many", "sha256": "x"}'])
def test_a_note_that_was_tampered_with_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "head.json").write_text(text)
    with pytest.raises(WarehouseError, match=r"head\.json"):
        read_head(tmp_path / "head.json")


def test_no_note_is_no_head(tmp_path: Path) -> None:
    assert read_head(tmp_path / "head.json") is None
    assert Head(0, audit.GENESIS).entries == 0


def test_every_action_is_explained_and_the_query_of_the_documentation_runs(writer: Connection) -> None:
    docs = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    sources = "".join(path.read_text() for room in ("warehouse", "flows") for path in (ROOT / room).rglob("*.py"))
    recorded = set(re.findall(r'audit\.record\(\s*\w+,\s*"(\w+)"', sources))
    assert len(recorded) >= 14
    assert {action for action in recorded if f"`{action}`" not in docs} == set()
    store_sample(writer, sample_session("s1", patient_id="birch-01"))
    (query,) = re.findall(r"^```sql\n(.*?)^```", docs, re.MULTILINE | re.DOTALL)
    assert writer.execute(query).pl()["action"].to_list() == ["session_stored"]


@pytest.mark.parametrize("address", ["file", POSTGRES], indirect=True)  # with SQLite, the second waits for ten minutes
def test_two_writers_who_append_at_once_collide_instead_of_forking(chain: Connection) -> None:
    is_lake = current_database(chain).is_lake

    def append_and_commit_as_well(other: Connection) -> None:
        audit.record(other, "something_done")  # fails here for a file
        chain.commit()
        other.commit()  # fails here for a lake

    with another(chain) as other:
        chain.begin()
        other.begin()
        audit.record(chain, "something_done")
        with pytest.raises(duckdb.TransactionException, match=r"[Cc]onflict|database is locked"):
            append_and_commit_as_well(other)
    if not is_lake:
        chain.commit()
    assert verify_log(chain) == (audit.current_head(chain), None)
