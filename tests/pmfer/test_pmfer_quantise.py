"""The command that adds an int8 graph to a bundle, on data sets other than FERPlus."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pmfer.bundle import MODEL_CARD_FILE, load_bundle
from pmfer.quantise import main


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the default bundle."""
    return Path(shutil.copytree(load_bundle().path, tmp_path / "bundle"))


def run(monkeypatch: pytest.MonkeyPatch, *options: str | Path) -> None:
    monkeypatch.setattr("sys.argv", ["pmfer.quantise", *map(str, options)])
    main()


def write_faces(root: Path, *splits: str) -> None:
    """RAF-DB with 40 faces of noise of 100 px per split."""
    rng = np.random.default_rng(0)
    names = [f"{split}_{number:05d}" for split in splits for number in range(40)]
    (root / "Image" / "aligned").mkdir(parents=True)
    for name in names:
        Image.fromarray(rng.integers(0, 255, (100, 100, 3), np.uint8)).save(root / f"Image/aligned/{name}_aligned.jpg")
    lines = [f"{name}.jpg {number % 7 + 1}" for number, name in enumerate(names)]
    (root / "list_patition_label.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("splits", [("train",), ("train", "test")])
def test_a_bundle_is_quantised_with_any_training_data(
    splits: tuple[str, ...], bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_faces(tmp_path / "faces", *splits)
    before = load_bundle(bundle).card.int8_sha256
    run(monkeypatch, bundle, tmp_path / "faces", "--kind", "raf-db")
    card = load_bundle(bundle).card  # its digests fit
    assert card.int8_sha256 != before
    figures = card.metrics["int8"]
    assert 20 < figures["calibration_faces"] < 40  # some of the 40 are held out for validation
    assert 0 <= figures["valid_accuracy_strict_int8"] <= 1
    assert ("test_accuracy_strict_int8" in figures) == ("test" in splits)
    assert f"calibrated on {figures['calibration_faces']} training faces" in (bundle / MODEL_CARD_FILE).read_text()


def test_data_that_cannot_be_used_are_refused_in_one_line_and_leave_the_bundle_alone(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_bundle(bundle).digest
    (tmp_path / "empty").mkdir()
    table = tmp_path / "whole.csv"
    table.write_text("path,expression,cropped,split\n" + "".join(f"a.png,anger,no,{s}\n" for s in ("train", "valid")))
    for data, complaint in ((tmp_path / "empty", "not a known data set"), (table, "training needs face crops")):
        with pytest.raises(SystemExit) as ended:
            run(monkeypatch, bundle, data)
        assert ended.value.code == 1
        message = capsys.readouterr().err
        assert message.startswith("pmfer.quantise: ")
        assert complaint in message
        assert message.count("\n") == 1
    assert load_bundle(bundle).digest == before
