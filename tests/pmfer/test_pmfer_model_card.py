"""The model card describes the bundle."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pmfer.bundle import MODEL_CARD_FILE, AuPhrase, load_bundle
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.model_card import render_model_card


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
        "the logits by a temperature of",
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

    def rendered(checkpoint: str | None, configured: str | None, trains: str = "everything") -> str:
        config = {**card.training["config"], "start": configured, "trains": trains}
        training = {"start": checkpoint, "config": config}
        return render_model_card(replace(card, training={**card.training, **training}))

    assert "trained from scratch" in " ".join(rendered(None, None).split())
    text = rendered("some/clip", None)
    assert "encoders started from `some/clip`" in text
    assert "from scratch" not in text
    text = rendered("first.pt", "first.pt")
    assert "started from `first.pt`, a checkpoint of an earlier run" in text
    assert "from scratch" not in text
    assert "all else is that of `first.pt`" in rendered("first.pt", "first.pt", "visibility")


def test_the_card_says_of_how_many_runs_the_weights_are_the_mean() -> None:
    card = load_bundle().card

    def rendered(runs: int) -> str:
        config = {**card.training["config"], "runs": runs}
        return render_model_card(replace(card, training={**card.training, "epochs": 30, "config": config}))

    assert ". The weights are the mean of 4 runs of 30 epochs each, with version" in rendered(4)
    assert ". 30 epochs with version" in rendered(1)


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


@pytest.mark.parametrize("name", ["method", "bundle"])
def test_the_documentation_names_code_that_is_there(name: str) -> None:
    root = Path(__file__).parents[2]
    text = (root / "docs" / f"{name}.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:pmfer|inference)/[\w/]+\.\w+)`", text)
    assert paths
    assert [path for path in paths if not (root / path).is_file()] == []
    for names, path in re.findall(r"`([\w.]+)`(?: and `\w+`)? in\s+`(pmfer/[\w/]+\.py)`", text):
        assert re.search(rf"(def|class) {names.split('.')[-1]}\b", (root / path).read_text(encoding="utf-8")), names
