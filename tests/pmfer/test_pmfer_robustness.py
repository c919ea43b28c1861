"""The table of `pmfer robustness`, also for a bundle that does not predict visibility.

Corruptions change a picture, and are the same for the same seed.
"""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.app import app
from pmfer.bundle import load_bundle
from pmfer.cover_kinds import HELD_OUT, TRAINED
from pmfer.datasets import read_ferplus
from pmfer.landmarks import POINTS
from pmfer.robustness import (
    CORRUPTIONS,
    Row,
    corrupt,
    corrupt_at_random,
    least_visible,
    measure_robustness,
    render_robustness,
)


@pytest.fixture(scope="module")
def table(ferplus: Path) -> list[Row]:
    """The table of the shipped bundle on faces with landmarks."""
    faces = read_ferplus(ferplus, "valid")
    placed = np.random.default_rng(0).uniform(0.2, 0.8, (len(faces), POINTS, 2)).astype(np.float32)
    return measure_robustness(load_bundle(), faces, placed)


def test_the_shipped_bundle_gets_a_row_per_corruption(table: list[Row]) -> None:
    rows = table[: 1 + len(CORRUPTIONS)]
    assert [row.name for row in rows] == ["clean", *CORRUPTIONS]
    assert all(row.accuracy is not None and 0 <= row.accuracy <= 1 for row in rows)
    assert all(0 <= (row.refused or 0) <= (row.flagged or 0) <= 1 for row in rows)
    assert (rows[0].flagged or 0) < 1  # some of these noise faces count as uncovered
    assert all(row.auroc is None for row in rows)  # no covers
    lines = render_robustness(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert f"{rows[0].accuracy:.1%}" in lines[2]


def test_every_kind_of_cover_gets_a_row_of_what_is_noticed(table: list[Row]) -> None:
    rows = table[1 + len(CORRUPTIONS) :]
    assert [row.name for row in rows] == [*(f"{kind} (not trained)" for kind in HELD_OUT), *TRAINED]
    for row in rows:
        assert 0 <= (row.auroc or 0) <= 1
        assert 0 <= (row.refused or 0) <= (row.flagged or 0) <= 1


def test_a_face_is_as_visible_as_its_most_hidden_region() -> None:
    scores = {"visibility": np.array([[1.0, 0.2, 0.9], [0.7, 0.8, 1.0]], np.float32)}
    assert least_visible(scores) == pytest.approx([0.2, 0.7])
    assert least_visible({"expression": np.ones((1, 8), np.float32)}) is None


def test_the_command_prints_the_table(ferplus: Path) -> None:
    done = CliRunner().invoke(app, ["robustness", str(ferplus)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("| faces | strict accuracy")
    assert "| noise, sd 20 |" in done.output
    assert len(done.output.strip().splitlines()) == 3 + len(CORRUPTIONS)  # no landmarks, no covers


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_a_corruption_changes_the_picture_but_not_its_form(name: str) -> None:
    y, x = np.mgrid[0:48, 0:48]
    images = np.stack([(120 + 60 * np.sin(x / 5 + k) * np.cos(y / 7)).astype(np.uint8) for k in range(4)])
    changed = corrupt(images, name, seed=1)
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    assert (changed != images).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(changed, corrupt(images, name, seed=1))


def test_random_corruptions_are_of_many_kinds_and_repeat_with_their_seed() -> None:
    images = np.random.default_rng(0).integers(60, 200, (40, 48, 48), dtype=np.uint8)
    np.testing.assert_array_equal(corrupt_at_random(images, 3), corrupt_at_random(images, 3))
    change = np.abs(corrupt_at_random(images, 3).astype(int) - images).mean((1, 2))
    assert len({round(float(value)) for value in change}) > 5
