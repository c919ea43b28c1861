"""`pmfer warehouse check` tells of every contract, and fails with the names of those that do not hold."""

import sys
from pathlib import Path

import duckdb
import pytest
from privacy_folder import copy_ward

from cli.app import main
from flows.data_folder import DataFolder
from warehouse.contracts import contract_rules


def check(data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["pmfer", "warehouse", "check", "--data-dir", str(data.root)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_every_contract_is_told_of_and_the_broken_ones_are_named(
    ward: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = copy_ward(ward, tmp_path / "data")
    assert check(data, monkeypatch) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["holds"] * len(contract_rules())

    with duckdb.connect(data.warehouse) as connection:
        connection.execute("UPDATE stored_frames SET au12 = 1.001 WHERE frame_index = 6")
    assert check(data, monkeypatch) == 1
    told = capsys.readouterr()
    broken = [line.split()[1].rstrip(":") for line in told.out.splitlines() if line.startswith("BROKEN")]
    assert "scores_in_range" in broken
    assert len(told.err.strip().splitlines()) == 1
    assert all(name in told.err for name in broken)


def test_a_missing_warehouse_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(DataFolder(tmp_path), monkeypatch) == 1
    assert "no warehouse there" in capsys.readouterr().err
