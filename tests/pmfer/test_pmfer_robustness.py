"""The table of `pmfer robustness`: worse pictures are measured, and a bundle without visibilities says so."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.app import app
from pmfer.bundle import load_bundle
from pmfer.corruptions import CORRUPTIONS
from pmfer.datasets import read_ferplus
from pmfer.decision import CLEAN_COVERED
from pmfer.robustness import hidden_share, measure_robustness, render_robustness


def test_the_shipped_bundle_gets_a_row_per_corruption(ferplus: Path) -> None:
    faces = read_ferplus(ferplus, "valid")
    rows = measure_robustness(load_bundle(), faces)
    assert [row.name for row in rows] == ["clean", *CORRUPTIONS]
    assert all(row.accuracy is not None and 0 <= row.accuracy <= 1 for row in rows)
    assert all(row.noticed is None for row in rows)  # no landmarks, no covers
    table = render_robustness(rows).splitlines()
    assert len(table) == 2 + len(rows)
    assert f"{rows[0].accuracy:.1%}" in table[2]


def test_a_face_is_as_hidden_as_its_most_hidden_region() -> None:
    scores = {"visibility": np.array([[1.0, 0.2, 0.9], [0.7, 0.8, 1.0]], np.float32)}
    assert hidden_share(scores) == pytest.approx([0.8, 0.3])
    assert hidden_share({"expression": np.ones((1, 8), np.float32)}) is None
    assert 0 < CLEAN_COVERED < 0.1


def test_the_command_prints_the_table(ferplus: Path) -> None:
    done = CliRunner().invoke(app, ["robustness", str(ferplus)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("| faces | strict accuracy")
    assert "| noise, sd 20 |" in done.output
