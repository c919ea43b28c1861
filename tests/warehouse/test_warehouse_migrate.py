"""A migration runs completely or not at all: if killed, the old schema stays; an older warehouse is upgraded."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from next_release import NEXT, TEXT
from other_processes import python_path
from warehouse_places import ON_EACH, as_text
from warehouse_samples import content, sample_session, store_sample

from pmfer.errors import WarehouseError
from warehouse import dictionary, migrate
from warehouse.address import Address
from warehouse.connection import open_reader, open_writer
from warehouse.migrate import LakeTranslator, Migration
from warehouse.publish import publish

CHILD = Path(__file__).with_name("next_release.py")
ENVIRONMENT = {"PYTHONPATH": python_path()}


@pytest.fixture
def older(address: Address) -> Address:
    """A warehouse of this release with a session in it; the next release is the newer one."""
    with open_writer(address) as connection:
        store_sample(connection, sample_session("s1"))
        publish(connection, address)
    return address


@pytest.fixture
def next_release(older: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this process acts as the next release; the warehouse is still of this one."""
    monkeypatch.setattr(migrate, "shipped_migrations", lambda: NEXT)


def schema(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """Tables, views and macros, and all columns, with their comments."""
    return [row for text in (dictionary.ENTRIES, dictionary.COLUMNS) for row in connection.execute(text).fetchall()]


@ON_EACH
def test_killed_in_the_middle_it_leaves_the_old_schema(older: Address, tmp_path: Path) -> None:
    with open_writer(older) as connection:
        before = schema(connection), content(connection)
    command = [sys.executable, str(CHILD), as_text(older), str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "all but recorded\n"
        child.kill()
    with open_writer(older) as connection:
        assert (schema(connection), content(connection)) == before
        assert store_sample(connection, sample_session("s2"))


@pytest.mark.usefixtures("next_release")
def test_an_older_warehouse_is_brought_up_to_date_with_all_its_rows(older: Address) -> None:
    with open_writer(older) as connection:
        assert connection.execute("FROM rooms").fetchall() == [("r1", 2, "no name")]
        assert connection.execute("SELECT patient_id, room_id FROM patients").fetchall() == [("p01", None)]
        assert connection.execute("SELECT upstairs(floor) FROM rooms").fetchall() == [(True,)]
        assert connection.execute("SELECT count(*) FROM frames").fetchall() == [(40,)]
        entries = {row[1]: row[-1] for row in connection.execute(dictionary.ENTRIES).fetchall()}
        assert entries["rooms"] == "One row per room; of this ward."
        assert entries["upstairs"] == "Whether a floor is not the ground floor."
        columns = {row[:2]: row[-1] for row in connection.execute(dictionary.COLUMNS).fetchall()}
        assert columns["occupied", "room_id"] == "The room, as in rooms."
        assert columns["rooms", "floor"] == "Floor, from 0."
    with open_writer(older) as connection:
        assert store_sample(connection, sample_session("s2"))


@pytest.mark.usefixtures("next_release")
def test_a_reader_does_not_read_an_older_schema(older: Address) -> None:
    with pytest.raises(WarehouseError, match="its schema is older than this release; run a night, which upgrades it"):
        open_reader(older)


def test_a_newer_warehouse_is_refused_to_writers_and_readers(older: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as release:
        release.setattr(migrate, "shipped_migrations", lambda: NEXT)
        with open_writer(older) as connection:
            publish(connection, older)
    for open_it in (open_writer, open_reader):
        with pytest.raises(WarehouseError, match=f"migration {len(NEXT)} is not from this release") as error:
            open_it(older)
        assert "\n" not in str(error.value)


def test_one_that_fails_leaves_the_old_schema_and_says_why(older: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_writer(older) as connection:
        before = schema(connection), content(connection)
    wrong = Migration(len(NEXT), "wrong", TEXT + "UPDATE patients SET no_such_column = 1;")
    with monkeypatch.context() as release:
        release.setattr(migrate, "shipped_migrations", lambda: (*NEXT[:-1], wrong))
        with pytest.raises(WarehouseError, match="no_such_column") as error:
            open_writer(older)
        assert "\n" not in str(error.value)
    with open_writer(older) as connection:
        assert (schema(connection), content(connection)) == before


def test_a_lake_is_given_all_but_what_it_cannot_hold() -> None:
    with duckdb.connect() as model:
        translator = LakeTranslator(model)
        for migration in NEXT[:-1]:
            translator.learn(migration.text)
        statements = [statement.strip() for statement in translator.translate(TEXT)]
    expected = (
        """CREATE TABLE IF NOT EXISTS "rooms" ("room_id" VARCHAR NOT NULL, "floor" INTEGER NOT NULL, """
        """"name" VARCHAR DEFAULT 'no name')"""
    )
    assert statements[0] == expected
    assert [" ".join(statement.split()[:3]) for statement in statements[1:]] == [
        "COMMENT ON TABLE",
        "COMMENT ON COLUMN",
        "INSERT INTO rooms",
        "ALTER TABLE patients",
        "/* What the",
        "COMMENT ON VIEW",
        "CREATE MACRO upstairs(floor)",
    ]
