"""The curves of a training run have a panel for each loss."""

from pathlib import Path

import pytest
from PIL import Image

from pmfer.plots import CURVES_FILE, draw_curves


def row(epoch: int, **values: float | None) -> dict[str, float | None]:
    return {"epoch": epoch, "classification": 1.0 / epoch, "valid_strict": 0.5, "seconds": 1.0} | values


def test_curves_have_a_panel_for_each_loss_and_one_for_the_accuracies(tmp_path: Path) -> None:
    target = tmp_path / CURVES_FILE
    heights = {}
    for losses in (1, 4):
        names = {f"loss{i}": 0.5 for i in range(losses - 1)}
        draw_curves([row(1, **names), row(2, valid_strict=None, **names), row(3, **names)], target)
        with Image.open(target) as picture:
            heights[losses] = picture.height
            assert picture.format == "PNG"
            assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 50  # lines were drawn on it
    assert heights[4] == pytest.approx(2 * heights[1], abs=2)  # 2 panels in one row, 5 in two rows of three
