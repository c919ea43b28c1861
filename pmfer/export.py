"""Export a checkpoint as a bundle: bake the text, calibrate on the validation split, write the graph and the cards."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from pmfer import __version__
from pmfer.augment import Normalisation
from pmfer.bake import InferenceModel, bake, predict_scores, undecided_model, write_onnx
from pmfer.bundle import (
    FILES,
    FORMAT_VERSION,
    MODEL_CARD_FILE,
    WEIGHTS_FILE,
    Bundle,
    BundleCard,
    CropGeometry,
    InputSpec,
    load_bundle,
    sha256_file,
    write_card,
)
from pmfer.checkpoint import blend_with_start, load_checkpoint
from pmfer.config import TrainConfig
from pmfer.covers import REGIONS
from pmfer.datasets import Faces, ferplus, strict_label, vote_distribution
from pmfer.decision import Decision, coverage_limits, decide, phrase_offset
from pmfer.errors import ConfigurationError
from pmfer.evaluate import PROTOCOL, evaluate
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import ACTION_UNITS
from pmfer.losses import au_probability_table
from pmfer.model import Pmfer
from pmfer.model_card import render_model_card
from pmfer.onnx_graph import graph_cost
from pmfer.own_phrases import BakedPhrase, phrase_set, phrase_set_sha256, read_phrases, read_trained_phrases
from pmfer.robustness import corrupt_at_random


def export_bundle(
    checkpoint: Path,
    out: Path,
    crop: dict[str, CropGeometry],
    valid: Faces,
    test: Faces | None = None,
    source: tuple[str, str] = (ferplus.TITLE, ferplus.TERMS),
    phrases: Path | None = None,
    test_looks: int | None = None,
    start_share: float = 0.0,
) -> Bundle:
    """Write the bundle of `checkpoint` to the folder `out`, replacing a bundle that is there.

    Args:
        checkpoint: written by `pmfer train`.
        out: folder of the bundle.
        crop: crop geometry by detector name, measured on training faces.
        valid: split on which the model is calibrated.
        test: split whose figures go on the card; None: the card only has figures of `valid`.
        source: title and licence of the training data, for the card.
        phrases: file with a user's own phrases, see own_phrases.
        test_looks: how often `test` was looked at while this model was chosen, including this time; None: not recorded.
        start_share: weight, in the image encoder, of the weights that the run started from, 0..1.

    Raises:
        TrainingError: the checkpoint, or the one that it started from, is unusable.
        ConfigurationError: the file of phrases is wrong, or has words that the model does not know; the CLIP checkpoint
            that the run started from is no longer there; or `out` holds anything else than a bundle.
    """
    _require_replaceable(out)
    config, model, normalisation, epochs = load_checkpoint(checkpoint)
    if start_share:
        blend_with_start(model, config, start_share)
    read = read_phrases if config.backend == "clip" else read_trained_phrases  # CLIP's text encoder knows all words
    own = read(phrases) if phrases else ()
    baked = phrase_set(own)
    has_visibility = config.data.landmarks and config.loss.visibility > 0
    decision = _decide(model, valid, normalisation, own, has_visibility=has_visibility)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as scratch:
        folder = Path(scratch) / "new"
        folder.mkdir()
        text = bake(model, [phrase.wordings for phrase in baked])
        write_onnx(InferenceModel(model, text, decision), config.size_px, folder / WEIGHTS_FILE)
        card = BundleCard(
            name=config.name,
            format_version=FORMAT_VERSION,
            weights_sha256=sha256_file(folder / WEIGHTS_FILE),
            input=InputSpec(config.size_px, model.image_encoder.channels, normalisation.mean, normalisation.std),
            crop=crop,
            expressions=EXPRESSION_NAMES,
            au_phrases=tuple(phrase.card for phrase in baked),
            prompt_set_sha256=phrase_set_sha256(own),
            calibration=asdict(decision),
            training=_training(config, epochs, source, start_share),
            metrics={},
        )
        _write_cards(folder, card, {"valid": valid} | ({"test": test} if test else {}), test_looks)
        _replace(folder, out)
    return load_bundle(out)


def _training(config: TrainConfig, epochs: int, source: tuple[str, str], start_share: float) -> dict[str, Any]:
    """What the card says of the training."""
    return {
        "data": f"{source[0]}, split train",
        "terms": source[1],
        "epochs": epochs,
        "code_version": __version__,
        "start": config.start or (config.clip.checkpoint if config.backend == "clip" else None),
        "start_share": start_share,
        "config": config.model_dump(mode="json"),
    }


def _decide(
    model: Pmfer, valid: Faces, normalisation: Normalisation, own: Sequence[BakedPhrase], *, has_visibility: bool
) -> Decision:
    """Calibrate on the validation split. `has_visibility`: the model was trained to tell what is covered."""
    inference = undecided_model(model)
    expressions, phrases, visible = predict_scores(inference, valid.images, normalisation)
    corrupted, _, _ = predict_scores(inference, corrupt_at_random(valid.images), normalisation)
    votes = vote_distribution(valid.votes)
    votes = votes[votes.sum(1) > 0]
    phrases = phrases.clip(1e-6, 1 - 1e-6)
    logits = np.log(phrases / (1 - phrases))
    shares = (votes @ au_probability_table()).mean(0)
    reworded = {phrase.card.column for phrase in own}
    offsets = [
        0.0 if unit.column in reworded else phrase_offset(logits[:, index], shares[index])
        for index, unit in enumerate(ACTION_UNITS)
    ]
    offsets += [0.0] * (len(phrase_set(own)) - len(offsets))
    limits = coverage_limits(visible, REGIONS) if has_visibility else {}
    labels = strict_label(valid.votes)
    return decide(_log(expressions), _log(corrupted), labels, votes.mean(0), tuple(offsets), limits)


def _write_cards(folder: Path, card: BundleCard, splits: dict[str, Faces], test_looks: int | None) -> None:
    """Measure the graph in the folder, which needs a card for that, and write both cards with the figures."""
    write_card(folder, card)
    card = replace(card, metrics=_metrics(load_bundle(folder), splits) | {"test_looks": test_looks})
    write_card(folder, card)
    (folder / MODEL_CARD_FILE).write_text(render_model_card(card), encoding="utf-8")
    load_bundle(folder)


def _metrics(bundle: Bundle, splits: dict[str, Faces]) -> dict[str, Any]:
    """Figures of the exported graph per split, for each face alone and averaged with its mirror image."""
    figures: dict[str, Any] = {"protocol": PROTOCOL, "cost": asdict(graph_cost(onnx.load(bundle.weights)))}
    for split, faces in splits.items():
        labels = strict_label(faces.votes)
        figures[f"{split}_faces"] = {name: int((labels == k).sum()) for k, name in enumerate(EXPRESSION_NAMES)}
        figures[split] = _rounded(evaluate(bundle, faces))
        figures[f"{split}_flip"] = _rounded(evaluate(bundle, faces, flip=True))
    return figures


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _rounded(v) if isinstance(v, dict) else round(v, 4) if v is not None else None
        for key, v in figures.items()
    }


def _log(probabilities: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(np.log(np.maximum(probabilities, 1e-12)))


def _require_replaceable(out: Path) -> None:
    """Check that `out` is new, empty or a bundle and nothing else, because an export replaces the whole folder."""
    file = next((path for path in (out, *out.parents) if path.is_file()), None)
    if file is not None:
        raise ConfigurationError(f"{file}: a file; --out must be a new folder or a bundle to replace")
    others = {entry.name for entry in out.iterdir()} - set(FILES) if out.is_dir() else set()
    if others:
        raise ConfigurationError(f"{out}: also holds {min(others)}, which an export would delete; choose another --out")


def _replace(folder: Path, out: Path) -> None:
    """Put the finished folder, on the same disk, in the place of `out`; an older `out` moves beside `folder` first."""
    folder.chmod(0o755)
    if out.exists():
        out.rename(folder.with_name("old"))
    folder.rename(out)


def read_crop_file(path: Path) -> dict[str, CropGeometry]:
    """Read `{"centerface": {"side": ..., "dx": ..., "dy": ...}, ...}` as written by benchmarks/crop_geometry.py.

    Raises:
        ConfigurationError: the file is missing or holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {name: CropGeometry(**geometry) for name, geometry in document.items()}
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); measure the crop geometry first"
        ) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path}: not a file of crop geometries ({error}); see docs/inference.md") from None
