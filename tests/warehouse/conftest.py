import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from made_once import made_once
from postgres_server import PostgresServer, find_programs, running_server
from warehouse_copies import copy_warehouse, make_lake, moved_data
from warehouse_places import POSTGRES, SQLITE, lake_in

from warehouse.address import Address, LakeAddress
from warehouse.connection import open_writer


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """Folder of PostgreSQL's programs."""
    programs = find_programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed; install the package postgresql")
        pytest.skip("PostgreSQL is not installed; with the package postgresql these tests run as well")
    return programs


@pytest.fixture(scope="session")
def postgres_lake(postgres_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with an empty lake in `lake/`, and a PostgreSQL `server/` whose database `empty_lake` is its catalogue."""

    def make(folder: Path) -> None:
        with running_server(postgres_programs) as server:
            address = lake_in(folder, f"ducklake:postgres:{server.create_database('empty_lake')}")
            assert isinstance(address, LakeAddress)
            make_lake(address)
            server.stop("fast")
            shutil.copytree(server.data, folder / "server")
            server.start()

    return made_once(tmp_path_factory, "postgres", make)


@pytest.fixture(scope="session")
def postgres(postgres_programs: Path, postgres_lake: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of this process, with the database `empty_lake` to copy."""
    with running_server(postgres_programs, postgres_lake / "server") as server:
        yield server


@pytest.fixture(scope="session")
def new_lake_on(postgres_lake: Path) -> Callable[[PostgresServer, Path], LakeAddress]:
    """Makes an empty lake in a folder, with its catalogue on a server that was started with postgres_lake's files."""
    numbers = itertools.count()

    def make(server: PostgresServer, folder: Path) -> LakeAddress:
        shutil.copytree(postgres_lake / "lake", folder / "lake")
        name = f"lake_{next(numbers)}"
        address = lake_in(folder, f"ducklake:postgres:{server.create_database(name, template='empty_lake')}")
        assert isinstance(address, LakeAddress)
        server.execute(name, moved_data(address))
        return address

    return make


@pytest.fixture(scope="session")
def new_warehouse(request: pytest.FixtureRequest) -> Callable[[str, Path], Address]:
    """Makes an empty warehouse of a kind, `file`, `sqlite` or `postgres`, in a folder."""

    def make(kind: str, folder: Path) -> Address:
        address: Address
        if kind == "postgres":
            address = request.getfixturevalue("new_lake_on")(request.getfixturevalue("postgres"), folder)
        elif kind == "sqlite":
            address = lake_in(folder, f"ducklake:sqlite:{folder / 'catalogue.sqlite'}")
            copy_warehouse(request.getfixturevalue("empty_lake"), address)
        else:
            address = lake_in(folder, f"file:{folder / 'warehouse.duckdb'}")
            copy_warehouse(request.getfixturevalue("empty_file"), address)
        return address

    return make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the test's warehouse, if it is a file."""
    return tmp_path / "data" / "warehouse.duckdb"


@pytest.fixture
def made_file(new_warehouse: Callable[[str, Path], Address], path: Path) -> Path:
    """Path of the test's warehouse: an existing, empty file."""
    new_warehouse("file", path.parent)
    return path


@pytest.fixture(params=["file", SQLITE, POSTGRES])
def address(request: pytest.FixtureRequest, new_warehouse: Callable[[str, Path], Address], tmp_path: Path) -> Address:
    """An empty warehouse at each kind of address: what is true of one must be true of the others."""
    return new_warehouse(request.param, tmp_path / "data")


@pytest.fixture
def writer(address: Address) -> Iterator[duckdb.DuckDBPyConnection]:
    """A fresh warehouse, open for writing."""
    with open_writer(address) as connection:
        yield connection
