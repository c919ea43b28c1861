"""A bundle that the commands made from a manifest, with phrases of a user's own: an export takes ten seconds."""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from made_once import made_once
from PIL import Image
from small_model import SMALL, model_table

from cli.app import main
from pmfer.bundle import INT8_FILE
from pmfer.expressions import EXPRESSION_NAMES

OF_AN_OLDER_EXPORT = INT8_FILE
CROP = Path(__file__).parents[1] / "pmfer" / "configs" / "crop.json"
OWN = """
[au12]
phrase = "mouth corners lifted towards the cheeks"

[jaw_clamped]
phrase = "jaw and lips clamped together"
region = "jaw"

[au31]
phrase = "Lips pressed together"
"""
_CONFIG = f"""
name = "own"
data.kind = "manifest"
{model_table(SMALL)}
[schedule]
epochs = 1
batch = 16
sizes_px = [[0.0, 32]]
"""


@dataclass(frozen=True)
class Exported:
    """What lies in the folder, and what the exporter logged meanwhile."""

    folder: Path

    @property
    def manifest(self) -> Path:
        """40 faces of noise for training, 12 for validation and 12 for the test."""
        return self.folder / "faces.csv"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "run" / "checkpoint.pt"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def logged(self) -> str:
        return (self.folder / "log.txt").read_text()


def exported_once(factory: pytest.TempPathFactory) -> Exported:
    """Train and export, once in a run of the tests. Nobody changes it."""
    return Exported(made_once(factory, "exported", lambda folder: _make(Exported(folder))))


def _make(here: Exported) -> None:
    dice = np.random.default_rng(0)
    rows = ["path,expression,split"]
    for number in range(64):
        Image.fromarray(dice.integers(0, 256, (40, 40), dtype=np.uint8)).save(here.folder / f"{number}.png")
        split = "train" if number < 40 else "valid" if number < 52 else "test"
        rows.append(f"{number}.png,{EXPRESSION_NAMES[number % 8]},{split}")
    here.manifest.write_text("\n".join(rows) + "\n")
    config, phrases = here.folder / "small.toml", here.folder / "phrases.toml"
    config.write_text(_CONFIG)
    phrases.write_text(OWN)
    data = ("--data", here.manifest)
    run("train", config, *data, "--out", here.checkpoint.parent)
    handler = logging.FileHandler(here.folder / "log.txt")
    exporters = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]  # they pass nothing on to the root
    for exporter in exporters:
        exporter.addHandler(handler)
    options = ("--crop", CROP, "--phrases", phrases, "--test-looks", 3)
    here.bundle.mkdir()
    (here.bundle / OF_AN_OLDER_EXPORT).touch()
    run("export", here.checkpoint, *data, "--out", here.bundle, *options)
    for exporter in exporters:
        exporter.removeHandler(handler)
    handler.close()


def run(*arguments: object) -> None:
    """Run a command that succeeds, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["pmfer", *map(str, arguments)])
        patch.setattr("os.umask", lambda mask: mask)
        with pytest.raises(SystemExit) as stopped:
            main()
    assert not stopped.value.code
