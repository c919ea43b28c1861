"""With a key, nothing on the disk is readable and only that key opens it; every mistake gives one clear line."""

import base64
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import duckdb
import pytest
from warehouse_places import lake_in
from warehouse_samples import content, sample_frames, sample_session, store_sample

from pmfer.errors import WarehouseError
from warehouse.address import Address, FileAddress, LakeAddress
from warehouse.connection import open_reader, open_writer
from warehouse.encryption import checked_key, parquet_options, read_key_file, read_parquet, write_parquet
from warehouse.publish import publish

KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER_KEY = base64.b64encode(b"another key of exactly 32 bytes.").decode()
PATIENT = "patient-to-be-hidden"
Content = dict[str, list[tuple[object, ...]]]


@dataclass(frozen=True)
class Night:
    """An encrypted warehouse with a night in it, and the mode of each file and folder while it was open."""

    address: Address
    stored: Content
    modes: dict[Path, int]


@pytest.fixture
def encrypted(address: Address) -> FileAddress:
    """A new encrypted file, beside the existing one without a key."""
    assert isinstance(address, FileAddress)
    return replace(address, path=address.path.with_name("encrypted.duckdb"), key=KEY)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def night_at(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Night]:
    """Makes a night at a kind of address, `file` or `sqlite`. It is stored once, and no test changes it."""

    @cache
    def night(kind: str) -> Night:
        folder = tmp_path_factory.mktemp("encrypted") / "data"
        text = f"ducklake:sqlite:{folder / 'catalogue.sqlite'}" if kind == "sqlite" else f"file:{folder / 'new.duckdb'}"
        address = replace(lake_in(folder, text), key=KEY)
        umask = os.umask(0o077)  # as the command line and the flows do
        try:
            with open_writer(address) as writer:
                for number in range(2):
                    store_sample(writer, sample_session(f"{PATIENT}-{number}", PATIENT), count=400)
                publish(writer, address)
                modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
                return Night(address, content(writer), modes)
        finally:
            os.umask(umask)

    return night


@pytest.mark.parametrize("address", ["file"], indirect=True)
def test_no_byte_of_a_patient_is_readable_in_any_file(encrypted: FileAddress, tmp_path: Path) -> None:
    with open_writer(encrypted) as writer:
        for number in range(3):
            store_sample(writer, sample_session(f"{PATIENT}-{number}", PATIENT), count=4000)
        publish(writer, encrypted)
        # More than fits into memory, and hard to compress.
        writer.execute("SET memory_limit = '50MB'; SET threads = 1")
        writer.execute(
            "CREATE TEMP TABLE spilled AS SELECT session_id || hash(i) AS t FROM sessions, range(700_000) r(i)"
        )
        found = files_below(tmp_path)
        assert {path.suffix for path in found} >= {".duckdb", ".wal", ".tmp"}, "the test no longer spills"
        assert [path for path in found if PATIENT.encode() in path.read_bytes()] == []
    found = files_below(tmp_path)
    assert encrypted.published in found
    assert [path for path in found if PATIENT.encode() in path.read_bytes()] == []


def test_no_byte_of_a_patient_is_readable_in_a_lakes_parquet_files(night_at: Callable[[str], Night]) -> None:
    encrypted = night_at("sqlite").address
    assert isinstance(encrypted, LakeAddress)
    found = files_below(Path(encrypted.data))
    assert len(found) > 10
    assert [path for path in found if PATIENT.encode() in path.read_bytes()] == []
    with pytest.raises(duckdb.Error, match="encrypted"):
        duckdb.connect().execute(f"FROM '{max(found, key=lambda path: path.stat().st_size)}'")


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_everything_that_is_made_is_its_owners_alone(kind: str, night_at: Callable[[str], Night]) -> None:
    modes = night_at(kind).modes
    assert len(modes) > 3
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_the_key_opens_it_again_and_no_other_does(kind: str, night_at: Callable[[str], Night]) -> None:
    night = night_at(kind)
    encrypted = night.address
    with open_writer(encrypted) as writer, open_reader(encrypted) as reader:
        assert content(writer) == content(reader) == night.stored
    for open_it in (open_writer, open_reader):
        with pytest.raises(WarehouseError, match=r"Wrong encryption key.*give th") as error:
            open_it(replace(encrypted, key=OTHER_KEY))
        one_line_without_keys(error)
        with pytest.raises(WarehouseError, match=r"is encrypted.*give its key in PMFER_WAREHOUSE_KEY") as error:
            open_it(replace(encrypted, key=None))
        one_line_without_keys(error)


def test_a_key_for_a_warehouse_without_encryption_is_refused(address: Address) -> None:
    with open_writer(address) as writer:
        publish(writer, address)
    for open_it in (open_writer, open_reader):
        with pytest.raises(WarehouseError, match=r"is not encrypted.*give no key") as error:
            open_it(replace(address, key=KEY))
        one_line_without_keys(error)


def test_an_encrypted_snapshot_takes_the_place_of_one_that_is_not(made_file: Path, tmp_path: Path) -> None:
    address = FileAddress(tmp_path / "new.duckdb", tmp_path / "published.duckdb", KEY)
    with open_writer(made_file) as old:
        publish(old, address.published)
    with open_writer(address) as writer:
        assert publish(writer, address)
        assert not publish(writer, address)


def test_score_batches_come_back_with_their_key_only(tmp_path: Path) -> None:
    frames, path = sample_frames(PATIENT), tmp_path / "batch.parquet"
    write_parquet(frames, path, KEY)
    assert PATIENT.encode() not in path.read_bytes()
    assert read_parquet(path, KEY).equals(frames)
    assert read_parquet(path, KEY).schema == frames.schema
    with pytest.raises(WarehouseError, match=r"batch\.parquet") as error:
        read_parquet(path, OTHER_KEY)
    one_line_without_keys(error)
    write_parquet(frames, path, None)
    assert read_parquet(path, None).equals(frames)


def test_an_export_by_copy_takes_the_same_options_with_and_without_a_key(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        for key in (None, KEY):
            path = tmp_path / f"{key is None}.parquet"
            options = parquet_options(connection, key)
            connection.execute(f"COPY (SELECT '{PATIENT}' AS patient_id) TO '{path}' (FORMAT parquet{options})")
            assert (PATIENT.encode() in path.read_bytes()) == (key is None)
            assert read_parquet(path, key)["patient_id"].to_list() == [PATIENT]


def test_a_key_file_is_private_and_holds_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(WarehouseError, match=r"key file .*key: No such file or directory; check the path"):
        read_key_file(path)
    path.write_text(KEY + "\n")
    path.chmod(0o640)
    with pytest.raises(WarehouseError, match="others can read it; make it private with `chmod 600`"):
        read_key_file(path)
    path.chmod(0o600)
    assert read_key_file(path) == KEY
    for text in ("", "a pass phrase", base64.b64encode(b"short").decode(), "\x00\xff"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(
            WarehouseError, match="not a key of 32 bytes in base64; make one with `openssl rand"
        ) as error:
            read_key_file(path)
        assert not text or text not in str(error.value)


def test_white_space_around_a_key_does_not_matter() -> None:
    assert checked_key(f" {KEY}\n", "PMFER_WAREHOUSE_KEY") == KEY


def one_line_without_keys(error: pytest.ExceptionInfo[WarehouseError]) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert KEY not in text
    assert OTHER_KEY not in text


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_a_parquet_file_on_a_full_disk_is_one_line_that_says_so(tmp_path: Path, key: str | None) -> None:
    (tmp_path / "scores.parquet").symlink_to("/dev/full")
    with pytest.raises(WarehouseError, match=r"scores\.parquet.*No space left on device.*make room"):
        write_parquet(sample_frames("a"), tmp_path / "scores.parquet", key)
