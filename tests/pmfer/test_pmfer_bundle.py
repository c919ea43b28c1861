import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pmfer.bundle import CARD_FILE, INT8_FILE, WEIGHTS_FILE, load_bundle, resolve_bundle, write_card
from pmfer.errors import BundleError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(resolve_bundle(), tmp_path / "bundle"))


def test_the_shipped_bundle_loads_and_speaks_the_vocabulary() -> None:
    bundle = load_bundle()
    assert bundle.score_columns == (*EXPRESSION_NAMES, *AU_COLUMNS)
    assert len(bundle.digest) == 64


def test_the_shipped_graphs_name_no_file_of_the_machine_that_made_them() -> None:
    for graph in load_bundle().path.glob("*.onnx"):
        assert b'.py", line' not in graph.read_bytes(), graph.name


def test_the_shipped_bundle_states_its_own_figures_and_terms() -> None:
    card = load_bundle().card
    assert card.metrics["test"]["n"] > 3000
    assert 0.86 < card.metrics["test"]["accuracy_strict"] < 1
    assert "research use only" in card.training["terms"]


def test_a_copy_has_the_same_identity(copy: Path) -> None:
    assert load_bundle(copy).digest == load_bundle().digest


def test_the_int8_graph_costs_less_than_its_limit_and_is_left_out_of_bundles_without_one(copy: Path) -> None:
    figures = load_bundle().card.metrics["int8"]
    for split in ("valid", "test"):
        assert figures[f"{split}_accuracy_strict_int8"] > figures[f"{split}_accuracy_strict_float32"] - 0.003
    write_card(copy, replace(load_bundle(copy).card, int8_sha256=None))
    (copy / INT8_FILE).unlink()
    assert "int8_sha256" not in json.loads((copy / CARD_FILE).read_text())
    assert load_bundle(copy).int8_weights is None


@pytest.mark.parametrize("name", [WEIGHTS_FILE, INT8_FILE])
def test_altered_weights_are_refused(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match="does not match its sha256"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("expressions", list(reversed(EXPRESSION_NAMES)), "was altered"),
        ("crop", {}, "was altered"),
        ("calibration", {}, "was altered"),
        ("crop", [], "lacks or misstates a field"),
        ("format_version", 99, "format version 99"),
    ],
)
def test_an_altered_card_is_refused(copy: Path, field: str, value: object, said: str) -> None:
    card = json.loads((copy / CARD_FILE).read_text())
    card[field] = value
    (copy / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(BundleError, match=said):
        load_bundle(copy)


@pytest.mark.parametrize("name", [CARD_FILE, WEIGHTS_FILE, INT8_FILE])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        load_bundle(copy)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 1}'])
def test_a_card_that_is_none_is_refused(copy: Path, text: str) -> None:
    (copy / CARD_FILE).write_text(text)
    with pytest.raises(BundleError):
        load_bundle(copy)


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(BundleError, match="pmfer-compact"):
        load_bundle("no-such-bundle")
