"""Settings give the warehouse's address and key; an error in them is one line without secrets."""

import base64
from pathlib import Path

import pytest

from flows.settings import read_settings
from flows.warehouse_access import warehouse_address
from pmfer.errors import ConfigurationError, PmferError, WarehouseError
from warehouse.address import Address, FileAddress, LakeAddress, S3Access

KEY = base64.b64encode(bytes(range(32))).decode()


def address_with(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Address:
    for name, value in settings.items():
        monkeypatch.setenv(f"PMFER_{name}", value)
    return warehouse_address(read_settings(data_dir=Path("/data")))


def test_it_is_a_file_below_the_data_folder_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    published = Path("/data/published/warehouse.duckdb")
    assert address_with(monkeypatch) == FileAddress(Path("/data/warehouse/warehouse.duckdb"), published)
    assert address_with(monkeypatch, WAREHOUSE="file:/srv/w.duckdb") == FileAddress(Path("/srv/w.duckdb"), published)


def test_a_lakes_files_lie_below_the_data_folder_or_in_object_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    lake = address_with(monkeypatch, WAREHOUSE="ducklake:sqlite:/srv/c.sqlite")
    assert lake == LakeAddress("sqlite", "/srv/c.sqlite", "/data/lake")
    access = {"S3_KEY_ID": "id", "S3_SECRET": "secret", "S3_ENDPOINT": "http://127.0.0.1:9000"}
    lake = address_with(monkeypatch, WAREHOUSE="ducklake:sqlite:/srv/c.sqlite?data=s3://ward/lake", **access)
    expected = S3Access("id", "secret", "us-east-1", "http://127.0.0.1:9000")
    assert lake == LakeAddress("sqlite", "/srv/c.sqlite", "s3://ward/lake", s3=expected)


def test_the_key_comes_from_the_environment_or_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as patch:
        assert address_with(patch, WAREHOUSE_KEY=KEY).key == KEY
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    assert address_with(monkeypatch, WAREHOUSE_KEY_FILE=str(path)).key == KEY


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"WAREHOUSE_KEY": "my secret"}, "PMFER_WAREHOUSE_KEY: not a key of 32 bytes"),
        (
            {"WAREHOUSE_KEY": KEY, "WAREHOUSE_KEY_FILE": "/no"},
            "or PMFER_WAREHOUSE_KEY_FILE, not both",
        ),
        ({"WAREHOUSE_KEY_FILE": "/no/such/key"}, "key file /no/such/key: No such file"),
        ({"WAREHOUSE": "ducklake:oracle:secret"}, "not the address of a lake"),
        ({"S3_KEY_ID": "id"}, "belong together"),
    ],
)
def test_a_slip_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(PmferError, match=complaint) as error:
        address_with(monkeypatch, **settings)
    assert isinstance(error.value, ConfigurationError | WarehouseError)
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)
    assert "my secret" not in str(error.value)


def test_settings_do_not_show_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMFER_WAREHOUSE_KEY", KEY)
    assert KEY not in repr(read_settings())
