from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from made_once import made_once
from privacy_folder import lake_of, make_folder, new_house
from warehouse_copies import copy_warehouse

from flows.data_folder import DataFolder
from simulator.ward import WardPlan, write_ward
from warehouse.address import FileAddress, LakeAddress


@pytest.fixture(autouse=True, scope="module")
def pages_as_data() -> Iterator[None]:
    """Nights of these tests write their reports as JSON, unless a test says otherwise: to lay out a page takes long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PMFER_REPORT_FORMATS", "json")
        yield


@pytest.fixture
def data(empty_file: FileAddress, tmp_path: Path) -> DataFolder:
    """The data folder of a house whose warehouse was made, and holds nothing yet."""
    return new_house(empty_file, tmp_path / "data")


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short sessions of two patients on 2 March 2026: three that may be scored, and one without consent."""
    plan = WardPlan(
        date(2026, 3, 2), days=1, seconds_per_session=1.2, size=(160, 120), patients=("birch-01", "cedar-02")
    )
    return made_once(tmp_path_factory, "two-patients", lambda folder: write_ward(folder, plan, workers=1))


@pytest.fixture(scope="session")
def ward(empty_file: FileAddress, tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """The data folder of privacy_folder, with its warehouse in a file. Nobody changes it: see copy_ward."""

    def make(folder: Path) -> None:
        make_folder(new_house(empty_file, folder / "data"))

    return DataFolder(made_once(tmp_path_factory, "ward-file", make) / "data")


@pytest.fixture(scope="session")
def ward_lake(empty_lake: LakeAddress, tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """The data folder of privacy_folder, with a lake. Nobody changes it: see copy_ward."""

    def make(folder: Path) -> None:
        data = DataFolder(folder / "data")
        copy_warehouse(empty_lake, lake_of(data))
        make_folder(data, lake_of(data))

    return DataFolder(made_once(tmp_path_factory, "ward-lake", make) / "data")
