import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_once import made_once
from other_processes import NO_PANDAS
from warehouse_copies import make_lake

from flows.logs import hide
from warehouse.address import FileAddress, LakeAddress
from warehouse.connection import OFFLINE, open_writer

# Use one thread in each process that runs tests, and in processes it starts. There is a process per core already, and
# if there are more threads than cores, those of torch wait for each other without sleeping and take twice the
# processor time. Each setting is read at import. A folder's conftest.py may import torch before any fixture or hook
# runs; polars is imported above, but the processes that pytest-xdist starts inherit its setting.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

# Python looks for garbage among millions of objects that torch, Prefect and pytest keep for good. Looking less often
# saves a fifteenth of the processor time and costs 100 MiB.
gc.set_threshold(100_000, 50, 50)


# The slowest files, slowest first. They run before all others, because one that began last would keep a single process
# busy at the end. With `--no-loadscope-reorder`, as in the Makefile, pytest-xdist keeps this order.
LONGEST = (
    "test_flow_nightly.py",
    "test_flow_erase.py",
    "test_reports_access.py",
    "test_simulator_against_model.py",
    "test_pmfer_clip.py",
    "test_pmfer_own_phrases.py",
    "test_cli_sql.py",
    "test_warehouse_lake.py",
    "test_flow_erase_alike.py",
    "test_warehouse_encryption.py",
    "test_warehouse_crash.py",
    "test_warehouse_store.py",
    "test_warehouse_upgrade.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """From now on, do not look for garbage among what was imported: nor at the end, which took seconds."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def settled_files() -> Iterator[None]:
    """Tests write recordings just before the night, which must not wait for them to settle unless a test says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PMFER_SOURCE_SETTLE_S", "0")
        yield


@pytest.fixture(autouse=True, scope="session")
def one_thread_per_warehouse() -> Iterator[None]:
    """As above: a second thread of DuckDB finds no free core, and costs a fifth of a test's processor time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OFFLINE, "threads", 1)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_pandas_elsewhere() -> Iterator[None]:
    """Processes that a test starts do not find pandas; see other_processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", NO_PANDAS, prepend=os.pathsep)
        yield


@pytest.fixture(autouse=True)
def unchanged_process() -> Iterator[None]:
    """The command line sets the umask and Prefect's environment for its process; a test must not pass them on."""
    before, umask = dict(os.environ), os.umask(0o022)
    yield
    os.umask(umask)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def nobody_is_struck_out() -> Iterator[None]:
    """A night removes its patients from the logs of its process; this must not affect the next test."""
    yield
    hide(())


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> FileAddress:
    """An empty warehouse in a file. Nobody opens it; see warehouse_copies."""

    def address(folder: Path) -> FileAddress:
        return FileAddress(folder / "warehouse.duckdb", folder / "published.duckdb")

    return address(made_once(tmp_path_factory, "empty-file", lambda folder: open_writer(address(folder)).close()))


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> LakeAddress:
    """An empty lake with its catalogue in an SQLite file. Nobody opens it; see warehouse_copies."""

    def address(folder: Path) -> LakeAddress:
        return LakeAddress("sqlite", str(folder / "catalogue.sqlite"), str(folder / "lake"))

    return address(made_once(tmp_path_factory, "empty-lake", lambda folder: make_lake(address(folder))))
