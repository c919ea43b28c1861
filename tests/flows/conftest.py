import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_once import made_once
from privacy_folder import lake_of, make_folder
from warehouse_copies import copy_warehouse

from flows.data_folder import DataFolder
from warehouse.address import LakeAddress


@pytest.fixture(autouse=True, scope="session")
def settled_files() -> Iterator[None]:
    """Tests write their recordings just before the night: nothing waits for them to grow, unless a test says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PMFER_SOURCE_SETTLE_S", "0")
        yield


@pytest.fixture(autouse=True)
def unchanged_process() -> Iterator[None]:
    """The command line sets the umask and Prefect's environment for its process; a test must not pass them on."""
    before, umask = dict(os.environ), os.umask(0o022)
    yield
    os.umask(umask)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def ward(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """The data folder of privacy_folder, with its warehouse in a file. Nobody changes it: see copy_ward."""
    made = made_once(tmp_path_factory, "ward-file", lambda folder: make_folder(DataFolder(folder / "data")))
    return DataFolder(made / "data")


@pytest.fixture(scope="session")
def ward_lake(empty_lake: LakeAddress, tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """The data folder of privacy_folder, with a lake. Nobody changes it: see copy_ward."""

    def make(folder: Path) -> None:
        data = DataFolder(folder / "data")
        copy_warehouse(empty_lake, lake_of(data))
        make_folder(data, lake_of(data))

    return DataFolder(made_once(tmp_path_factory, "ward-lake", make) / "data")
