import itertools
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from postgres_server import PostgresServer, find_programs, running_server
from warehouse_places import lake_in

from warehouse.address import Address
from warehouse.connection import open_writer

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run of the tests."""
    programs = find_programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed; install the package postgresql")
        pytest.skip("PostgreSQL is not installed; with the package postgresql these tests run as well")
    with running_server(programs) as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with an empty lake, `catalogue.sqlite` and `lake/`: to copy one is quicker than to make one."""
    folder = tmp_path_factory.mktemp("sqlite")
    open_writer(lake_in(folder, f"ducklake:sqlite:{folder / 'catalogue.sqlite'}")).close()
    return folder


@pytest.fixture(scope="session")
def postgres_lake(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the `lake/` of an empty lake, whose catalogue is the database `empty_lake`."""
    folder = tmp_path_factory.mktemp("postgres")
    open_writer(lake_in(folder, f"ducklake:postgres:{postgres.create_database('empty_lake')}")).close()
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's warehouse is, if it is a file."""
    return tmp_path / "data" / "warehouse.duckdb"


@pytest.fixture(params=["file", "sqlite", "postgres"])
def address(request: pytest.FixtureRequest, path: Path) -> Address:
    """An empty warehouse at each kind of address: whatever holds of one must hold of the others."""
    folder = path.parent
    if request.param == "file":
        return lake_in(folder, f"file:{path}")
    shutil.copytree(request.getfixturevalue(f"{request.param}_lake"), folder)
    # A lake knows where its files are, and the copy's are elsewhere.
    moved = f"UPDATE ducklake_metadata SET value = '{folder / 'lake'}/' WHERE key = 'data_path'"
    if request.param == "sqlite":
        with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue:
            catalogue.execute(moved)
            catalogue.commit()
        return lake_in(folder, f"ducklake:sqlite:{folder / 'catalogue.sqlite'}")
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"lake_{next(_numbers)}"
    settings = server.create_database(name, template="empty_lake")
    server.execute(name, moved)
    return lake_in(folder, f"ducklake:postgres:{settings}")


@pytest.fixture
def writer(address: Address) -> Iterator[duckdb.DuckDBPyConnection]:
    """A fresh warehouse, open for writing."""
    with open_writer(address) as connection:
        yield connection
