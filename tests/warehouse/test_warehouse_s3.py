"""A lake with its Parquet files in object storage: written, read, encrypted and deleted over S3."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from object_store import BUCKET, ObjectStore, running_store
from warehouse_samples import sample_session, store_sample

from warehouse.address import LakeAddress, parse_address
from warehouse.connection import open_reader, open_writer
from warehouse.lake import forget_history
from warehouse.personal import delete_rows, keys_of_patient, personal_tables

pytestmark = pytest.mark.slow  # each test creates its own lake, one object at a time


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with running_store() as running:
        yield running


@pytest.fixture
def lake(store: ObjectStore, tmp_path: Path) -> LakeAddress:
    """A lake that does not exist yet, with its catalogue in a file and its rows below its own prefix."""
    text = f"ducklake:sqlite:{tmp_path / 'catalogue.sqlite'}?data=s3://{BUCKET}/{tmp_path.name}"
    address = parse_address(text, published=tmp_path / "unused", lake=tmp_path / "unused", s3=store.access)
    assert isinstance(address, LakeAddress)
    return address


def test_rows_lie_in_the_bucket_alone_and_come_back(lake: LakeAddress, store: ObjectStore, tmp_path: Path) -> None:
    with open_writer(lake) as writer:
        store_sample(writer, sample_session("s1", "patient-one"))
    with open_reader(lake) as reader:
        assert reader.execute("SELECT patient_id, count(*) FROM frames GROUP BY ALL").fetchall() == [
            ("patient-one", 40)
        ]
    assert list(tmp_path.rglob("*.parquet")) == []
    mine = {key: content for key, content in store.objects().items() if key.startswith(tmp_path.name)}
    assert any(b"patient-one" in content for content in mine.values())


def test_with_a_key_no_object_names_the_patient(lake: LakeAddress, store: ObjectStore, tmp_path: Path) -> None:
    lake = replace(lake, key=b64encode(bytes(range(32))).decode())
    with open_writer(lake) as writer:
        store_sample(writer, sample_session("s1", "patient-one"))
    mine = [content for key, content in store.objects().items() if key.startswith(tmp_path.name)]
    assert mine
    assert not any(b"patient-one" in content for content in mine)
    with open_reader(lake) as reader:
        assert reader.execute("SELECT count(*) FROM frames").fetchall() == [(40,)]


def test_what_was_deleted_is_in_no_object_once_history_is_forgotten(
    lake: LakeAddress, store: ObjectStore, tmp_path: Path
) -> None:
    with open_writer(lake) as writer:
        store_sample(writer, sample_session("s1", "patient-one"))
        store_sample(writer, sample_session("s2", "patient-two"))
        keys = keys_of_patient(writer, "patient-one")
        delete_rows(writer, personal_tables(writer), keys)
    forget_history(lake)
    mine = [content for key, content in store.objects().items() if key.startswith(tmp_path.name)]
    assert any(b"patient-two" in content for content in mine)
    assert not any(b"patient-one" in content for content in mine)
