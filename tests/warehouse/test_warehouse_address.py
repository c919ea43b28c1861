"""An address is one line of text; secrets in it are never shown."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from postgres_server import PASSWORD, PostgresServer

from pmfer.errors import WarehouseError
from warehouse.address import Address, FileAddress, LakeAddress, parse_address, without_secrets
from warehouse.connection import open_reader, open_writer

SECRET = "top;secret"


def parse(text: str) -> Address:
    return parse_address(text, published=Path("/data/published.duckdb"), lake=Path("/data/lake"))


@pytest.mark.parametrize("text", ["file:/data/w.duckdb", "/data/w.duckdb"])
def test_a_bare_path_is_a_file(text: str) -> None:
    assert parse(text) == FileAddress(Path("/data/w.duckdb"), Path("/data/published.duckdb"))


@pytest.mark.parametrize("text", ["file:mysql:w", "./mysql:w"])
def test_a_path_that_looks_like_another_address_can_be_written_plainly(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse(text) == FileAddress(tmp_path / "mysql:w", Path("/data/published.duckdb"))


def test_relative_paths_start_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("file:w.duckdb") == FileAddress(tmp_path / "w.duckdb", Path("/data/published.duckdb"))
    assert parse("ducklake:sqlite:c.sqlite?data=l") == LakeAddress("sqlite", f"{tmp_path}/c.sqlite", f"{tmp_path}/l")


@pytest.mark.parametrize(
    ("text", "lake"),
    [
        ("ducklake:sqlite:/c.sqlite", LakeAddress("sqlite", "/c.sqlite", "/data/lake")),
        ("ducklake:sqlite:/c.sqlite?data=/l", LakeAddress("sqlite", "/c.sqlite", "/l")),
        ("ducklake:sqlite:/c.sqlite?data=s3://b/p/", LakeAddress("sqlite", "/c.sqlite", "s3://b/p")),
        (
            f"ducklake:postgres:host=db user=u password={SECRET} dbname=w",
            LakeAddress("postgres", "host=db user=u dbname=w", "/data/lake", SECRET),
        ),
        (
            r"ducklake:postgres:dbname='my ward' password = 'it\'s'?data=/l",
            LakeAddress("postgres", "dbname='my ward'", "/l", "it's"),
        ),
        (
            "ducklake:postgres:postgresql://u:p%40ss@db:5433/w?sslmode=require?data=/l",
            LakeAddress("postgres", "host=db port=5433 user=u dbname=w sslmode=require", "/l", "p@ss"),
        ),
    ],
)
def test_a_lake_has_a_catalogue_and_a_folder(text: str, lake: LakeAddress) -> None:
    assert parse(text) == lake


@pytest.mark.parametrize(
    "text",
    [
        "",
        "file:",
        f"postgresql://u:{SECRET}@db/w",
        f"mysql://u:{SECRET}@db/w",
        "mysql:w",
        "ducklake-sqlite:/x/y",
        "ducklake:",
        "ducklake:sqlite:",
        f"ducklake:mysql:host=db password={SECRET}",
        f"ducklake:postgres:db password='{SECRET}'",
    ],
)
def test_what_is_no_address_is_refused_in_one_line_without_its_password(text: str) -> None:
    with pytest.raises(WarehouseError, match=r"write ducklake|write file|correct it") as error:
        parse(text)
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)


def test_secrets_are_not_shown() -> None:
    address = LakeAddress("postgres", "host=db", "/l", password=SECRET, key=SECRET)
    for text in (str(address), repr(address), repr(FileAddress(Path("w"), Path("p"), key=SECRET))):
        assert SECRET not in text
    for text in (f'at "host=db password={SECRET} port=1"', f"postgresql://u:{SECRET}@db", f"ENCRYPTION_KEY '{SECRET}'"):
        assert SECRET not in without_secrets(text)


def test_a_password_reaches_postgresql_and_nobody_else(
    new_warehouse: Callable[[str, Path], Address], tmp_path: Path
) -> None:
    with open_writer(new_warehouse("postgres", tmp_path / "data")) as writer:
        for question in ("duckdb_databases()", "duckdb_secrets()", "duckdb_settings()"):
            assert PASSWORD not in repr(writer.execute(f"FROM {question}").fetchall())


def test_without_a_password_postgresql_is_asked_as_its_own_programs_do(
    new_warehouse: Callable[[str, Path], Address], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = new_warehouse("postgres", tmp_path / "data")
    assert isinstance(lake, LakeAddress)
    assert PASSWORD not in lake.connection
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:*:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    address = replace(lake, password=None)
    open_writer(address).close()
    open_reader(address).close()


@pytest.mark.parametrize("open_it", [open_writer, open_reader])
def test_a_catalogue_that_cannot_be_reached_is_one_line_without_the_password(
    open_it: type[duckdb.DuckDBPyConnection], postgres: PostgresServer, tmp_path: Path
) -> None:
    for settings, advice in (
        (f"host={postgres.folder} user=pmfer password={SECRET} dbname=postgres", "correct the user and password"),
        (f"host=127.0.0.1 port=1 user=pmfer password={SECRET} dbname=postgres", "check host and port"),
        (
            f"host={postgres.folder} user=pmfer password='{PASSWORD.replace(chr(39), chr(92) + chr(39))}' dbname=no",
            "check",
        ),
    ):
        address = parse_address(f"ducklake:postgres:{settings}", published=tmp_path / "p", lake=tmp_path / "lake")
        with pytest.raises(WarehouseError, match=advice) as error:
            open_it(address)
        assert "\n" not in str(error.value)
        assert SECRET not in str(error.value)
        assert PASSWORD not in str(error.value)
