from pathlib import Path

import pytest
from made_once import made_once
from privacy_folder import lake_of, make_folder
from warehouse_copies import copy_warehouse

from flows.data_folder import DataFolder
from warehouse.address import LakeAddress


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
