import pytest

from warehouse.address import FileAddress, LakeAddress
from warehouse.connection import open_writer


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> FileAddress:
    """An empty warehouse in a file. Nobody opens it; see warehouse_copies."""
    folder = tmp_path_factory.mktemp("empty-file")
    address = FileAddress(folder / "warehouse.duckdb", folder / "published.duckdb")
    open_writer(address).close()
    return address


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> LakeAddress:
    """An empty lake with its catalogue in an SQLite file. Nobody opens it; see warehouse_copies."""
    folder = tmp_path_factory.mktemp("empty-lake")
    address = LakeAddress("sqlite", str(folder / "catalogue.sqlite"), str(folder / "lake"))
    open_writer(address).close()
    return address
