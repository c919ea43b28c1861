"""From your own manifest to a bundle: `pmfer train`, `pmfer export` and `pmfer evaluate` on the command line."""

import json
from pathlib import Path

import pytest
from exported import OF_AN_OLDER_EXPORT, exported_once, run

from pmfer.bundle import load_bundle
from pmfer.datasets import read_measured_faces
from pmfer.errors import ConfigurationError
from pmfer.export import export_bundle


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")  # inside torch.onnx.export
def test_a_manifest_becomes_a_bundle_that_names_its_data(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    exported = exported_once(tmp_path_factory)
    card = load_bundle(exported.bundle).card
    assert "manifest" in card.training["data"]
    assert "FERPlus" not in card.training["data"] + card.training["terms"]
    run("evaluate", exported.manifest, "--bundle", exported.bundle, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["n"], figures["split"]) == (12, "test")
    assert figures["accuracy_strict"] == pytest.approx(card.metrics["test_flip"]["accuracy_strict"], abs=1e-3)


def test_an_export_takes_the_place_of_an_older_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    exported = exported_once(tmp_path_factory)
    assert not (exported.bundle / OF_AN_OLDER_EXPORT).exists()
    assert not list(exported.folder.glob(".export-*"))


def test_an_export_deletes_nothing_but_bundles(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    exported = exported_once(tmp_path_factory)
    valid, _ = read_measured_faces(exported.manifest, 48)
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    notes = run_folder / "notes.txt"
    notes.write_text("three weeks of work")
    refused = {run_folder: r"holds notes\.txt, which an export", **dict.fromkeys((notes, notes / "x"), "a file; --out")}
    for taken, said in refused.items():
        with pytest.raises(ConfigurationError, match=said):
            export_bundle(exported.checkpoint, taken, {}, valid)
    assert notes.read_text() == "three weeks of work"
