"""From a manifest of one's own to a bundle: `pmfer train`, `pmfer export`, `pmfer evaluate` on the command line."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.app import main
from pmfer.bundle import load_bundle
from pmfer.expressions import EXPRESSION_NAMES

CROP = Path(__file__).parents[2] / "pmfer" / "configs" / "crop.json"
CONFIG = """
name = "own"
size_px = 32
data.kind = "manifest"
[model]
channels = [8, 8, 16, 20]
blocks = [1, 1, 1, 1]
heads = 4
text_width = 16
text_heads = 2
latent = 16
[schedule]
epochs = 1
batch = 16
sizes_px = [[0.0, 32]]
"""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["pmfer", *(str(argument) for argument in arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")  # inside torch.onnx.export
def test_a_manifest_becomes_a_bundle_that_names_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(0)
    rows = ["path,expression,split"]
    for number in range(64):
        Image.fromarray(dice.integers(0, 256, (40, 40), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        split = "train" if number < 40 else "valid" if number < 52 else "test"
        rows.append(f"{number}.png,{EXPRESSION_NAMES[number % 8]},{split}")
    manifest, config = tmp_path / "faces.csv", tmp_path / "small.toml"
    manifest.write_text("\n".join(rows) + "\n")
    config.write_text(CONFIG)
    out, bundle = tmp_path / "run", tmp_path / "bundle"
    run(monkeypatch, "train", config, "--data", manifest, "--out", out)
    run(monkeypatch, "export", out / "checkpoint.pt", "--data", manifest, "--out", bundle, "--crop", CROP)
    card = load_bundle(bundle).card
    assert "manifest" in card.training["data"]
    assert "FERPlus" not in card.training["data"] + card.training["terms"]
    run(monkeypatch, "evaluate", manifest, "--bundle", bundle, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["n"], figures["split"]) == (12, "test")
    assert figures["accuracy_strict"] == pytest.approx(card.metrics["test_flip"]["accuracy_strict"], abs=1e-3)
