"""The model card says what the bundle is, and its cost is counted, not typed."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pmfer.bundle import MODEL_CARD_FILE, AuPhrase, load_bundle
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.model_card import render_model_card
from pmfer.onnx_graph import Cost, graph_cost


def graph(nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]], shape: list[int | str]) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(np.zeros(dims, np.float32), name) for name, dims in weights.items()]
    return helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            tensors,
        ),
        opset_imports=[helper.make_opsetid("", 18)],
    )


def test_a_small_net_costs_what_a_person_counts() -> None:
    nodes = [
        # 8 filters of 3 x 3 x 2 over 6 x 6 places (stride 2 over 12 x 12): 36 * 8 * 18 = 5184
        helper.make_node("Conv", ["x", "k"], ["c"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        # depthwise, 8 filters of 3 x 3 x 1 over 6 x 6 places: 36 * 8 * 9 = 2592
        helper.make_node("Conv", ["c", "d"], ["e"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=8),
        helper.make_node("Relu", ["e"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        # 288 numbers to 10, weights transposed: 2880
        helper.make_node("Gemm", ["f", "w", "b"], ["g"], transB=1),
        # 10 numbers to 4: 40
        helper.make_node("MatMul", ["g", "m"], ["y"]),
    ]
    weights = {"k": (8, 2, 3, 3), "d": (8, 1, 3, 3), "w": (10, 288), "b": (10,), "m": (10, 4)}
    parameters = 144 + 72 + 2880 + 10 + 40
    assert graph_cost(graph(nodes, weights, ["batch", 2, 12, 12])) == Cost(parameters, 5184 + 2592 + 2880 + 40)


def test_products_of_several_heads_count_every_head() -> None:
    nodes = [helper.make_node("MatMul", ["x", "k"], ["y"])]  # 5 heads, 7 x 3 by 3 x 2
    assert graph_cost(graph(nodes, {"k": (5, 3, 2)}, ["batch", 5, 7, 3])).macs == 5 * 7 * 3 * 2


def test_a_product_of_unknown_shape_is_refused() -> None:
    nodes = [helper.make_node("MatMul", ["x", "k"], ["y"])]
    with pytest.raises(ValueError, match="cannot be inferred"):
        graph_cost(graph(nodes, {"k": (3, 2)}, ["batch", "rows", 3]))


def test_the_shipped_bundle_keeps_its_budget() -> None:
    cost = graph_cost(onnx.load(load_bundle().weights))
    assert 1_000_000 < cost.parameters <= 8_000_000
    assert 50_000_000 < cost.macs <= 400_000_000


@pytest.mark.parametrize(
    "sentence",
    [
        "Not intended for: diagnosis, a measure of pain",
        "no figure per group",
        "research use only",
        "grey pictures of 48 px",
        "not a facs coder's intensity",
        "votes are the impressions of ten crowd workers",
        "strict: votes of 1 removed",
        "divided by a temperature of",
        "test split was looked at",
        "million parameters",
    ],
)
def test_the_card_says_what_a_user_must_know(sentence: str) -> None:
    card = load_bundle().card
    metrics = {**card.metrics, "test_looks": 2, "cost": {"parameters": 4_981_085, "macs": 305_688_576}}
    text = " ".join(render_model_card(replace(card, metrics=metrics)).lower().split())
    assert sentence.lower() in text


def test_the_card_counts_looks_faces_and_cost() -> None:
    card = load_bundle().card
    faces = {name: 11 + k for k, name in enumerate(EXPRESSION_NAMES)}
    metrics = {**card.metrics, "test_looks": 2, "cost": {"parameters": 4_981_085, "macs": 305_688_576}}
    text = render_model_card(replace(card, metrics=metrics | {"test_faces": faces}))
    assert "looked at 2 times" in text
    assert "4.98 million parameters and 0.306 billion" in text
    contempt = next(line for line in text.splitlines() if line.startswith("| contempt |"))
    assert f"{card.metrics['test']['recall']['contempt']:.1%} (18)" in contempt
    assert "was not recorded" in render_model_card(replace(card, metrics=metrics | {"test_looks": None}))


def test_the_weakest_expressions_are_named() -> None:
    card = load_bundle().card
    recall = dict.fromkeys(EXPRESSION_NAMES, 0.9) | {"disgust": 0.2, "fear": 0.4, "contempt": 0.1}
    metrics = {key: value for key, value in card.metrics.items() if not key.startswith("test")}
    metrics["valid_flip"] = {**metrics["valid_flip"], "recall": recall}
    text = render_model_card(replace(card, metrics=metrics))
    assert "contempt (10% found), disgust (20% found), fear (40% found)" in text
    assert "The test split was not looked at." in text


def test_the_card_lists_every_phrase_and_marks_those_that_training_never_saw() -> None:
    card = load_bundle().card
    own = AuPhrase(None, "jaw_clamped", None, "jaw clamped", False)
    text = render_model_card(replace(card, au_phrases=(*card.au_phrases, own)))
    for phrase in card.au_phrases:
        assert f"| {phrase.au} | `{phrase.column}` | {phrase.region} | {phrase.phrase} | yes |" in text
    assert "| - | `jaw_clamped` | - | jaw clamped | **no** |" in text
    assert "has **not** seen the phrase of `jaw_clamped`" in text
    assert "Training has seen every phrase." in render_model_card(card)


def test_the_card_names_the_weights_it_started_from() -> None:
    card = load_bundle().card

    def rendered(checkpoint: str | None, configured: str | None) -> str:
        training = {"start": checkpoint, "config": {**card.training["config"], "start": configured}}
        return render_model_card(replace(card, training={**card.training, **training}))

    assert "trained from scratch" in " ".join(rendered(None, None).split())
    text = rendered("some/clip", None)
    assert "sides started from `some/clip`" in text
    assert "from scratch" not in text
    text = rendered("first.pt", "first.pt")
    assert "started from `first.pt`, a checkpoint of an earlier run" in text
    assert "from scratch" not in text


def test_limits_of_ferplus_stand_on_cards_of_ferplus_only() -> None:
    card = load_bundle().card
    text = render_model_card(replace(card, training={**card.training, "data": "own faces, split train"}))
    assert "FERPlus names neither" not in text
    assert "No figure per group" in text


def test_the_shipped_model_card_belongs_to_the_shipped_bundle() -> None:
    bundle = load_bundle()
    written = (Path(bundle.path) / MODEL_CARD_FILE).read_text(encoding="utf-8")
    for split in ("valid", "test"):
        assert f"{bundle.card.metrics[split]['accuracy_strict']:.1%}" in written
    assert all(phrase.phrase in written for phrase in bundle.card.au_phrases)


@pytest.mark.parametrize("name", ["method", "phrases"])
def test_the_documentation_names_code_that_is_there(name: str) -> None:
    root = Path(__file__).parents[2]
    text = (root / "docs" / f"{name}.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:pmfer|inference)/[\w/]+\.\w+)`", text)
    assert paths
    assert [path for path in paths if not (root / path).is_file()] == []
    for names, path in re.findall(r"`([\w.]+)`(?: and `\w+`)? in\s+`(pmfer/[\w/]+\.py)`", text):
        assert re.search(rf"(def|class) {names.split('.')[-1]}\b", (root / path).read_text(encoding="utf-8")), names
