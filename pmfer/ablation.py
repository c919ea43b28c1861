"""The ablation of the paper's claim: arms with the same back-end, budget and seeds, each with one more part.

Besides the accuracy it measures two controls: whether dropped phrases are predicted from the picture or from the rest
of the text, and how far apart the modalities are.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from pmfer.augment import Normalisation, normalise, plain
from pmfer.bake import predict_both_ways
from pmfer.checkpoint import load_checkpoint
from pmfer.config import LossConfig, TrainConfig
from pmfer.datasets import Faces, vote_distribution
from pmfer.evaluate import expression_figures
from pmfer.expressions import EXPRESSIONS
from pmfer.losses import au_probability_table, phrase_targets
from pmfer.model import Pmfer
from pmfer.prompts import (
    NO_PHRASE,
    PHRASES,
    Prompt,
    class_prompt,
    collate,
    face_prompt,
    phrase_probabilities,
    phrase_prompt,
)
from pmfer.shapes import FaceShapes, Floats
from pmfer.train import LOG_FILE, read_log, train

ARMS: dict[str, dict[str, Any]] = {
    "A": {"prompts": "class_names", "alignment": 0.0, "masked_phrase": 0.0, "adversary": 0.0},
    "B": {"masked_phrase": 0.0, "adversary": 0.0},
    "C": {"adversary": 0.0},
    "D": {},
}
ARM_TITLES = {
    "A": "image classifier, class-name prompts",
    "B": "A + action-unit prompts and phrase alignment",
    "C": "B + phrase masking",
    "D": "C + modality adversary = PMFER",
}
RESULT_FILE = "result.json"
CONTROL_SEED = 7
PROBED = 512  # number of embeddings of each modality that the probe is fitted and tested on
FOLDS = 4
ACCURACIES = ("strict", "argmax", "strict_dedup", "occlusion", "pose30", "pose45")
SHARES = [
    *(f"accuracy_{name}" for name in ACCURACIES),
    "masked_phrase",
    "masked_phrase_text_only",
    "masked_phrase_ceiling",
    "discriminator_accuracy",
    "modality_probe",
]
DISTANCES = ["modality_gap"]


def arm_config(config: TrainConfig, arm: str, seed: int) -> TrainConfig:
    """The configuration of one arm and seed: `config` without the parts of the method that the arm leaves out."""
    loss = LossConfig.model_validate(config.loss.model_dump() | ARMS[arm])
    return config.with_seed(seed).model_copy(update={"name": f"{config.name}-{arm}{seed}", "loss": loss})


@dataclass(frozen=True)
class AblationFaces:
    """Faces to train on, to measure progress on and to test on, with the shapes of the first two by the face mesh."""

    train: Faces
    valid: Faces
    test: Faces
    shapes: FaceShapes | None = None  # of `train`
    valid_shapes: FaceShapes | None = None  # of `valid`


def run_ablation(config: TrainConfig, faces: AblationFaces, out: Path, seeds: int) -> list[dict[str, Any]]:
    """Train and measure every arm with every seed. Finished runs are not repeated, and an interrupted run is resumed.

    Args:
        config: the configuration of arm D.
        faces: the faces to train and to measure on.
        out: folder for the runs, with a subfolder for each.
        seeds: number of runs per arm, with the seeds 0, 1, ...

    Returns:
        The figures of each run by name, with `arm` and `seed`.
    """
    results = []
    for seed in range(seeds):  # all arms with one seed first, so that an interrupted ablation can still be compared
        for arm in ARMS:
            folder = out / f"{arm}{seed}"
            if not (folder / RESULT_FILE).exists():
                checkpoint = train(arm_config(config, arm, seed), faces.train, faces.valid, folder, faces.shapes)
                figures = {"arm": arm, "seed": seed} | measure_checkpoint(checkpoint, faces)
                # From the last epoch; only arms with an adversary have it.
                figures["discriminator_accuracy"] = read_log(folder / LOG_FILE)[-1].get("discriminator_accuracy")
                (folder / RESULT_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
            results.append(json.loads((folder / RESULT_FILE).read_text(encoding="utf-8")))
    return results


def measure_checkpoint(checkpoint: Path, faces: AblationFaces) -> dict[str, Any]:
    """Measure accuracies (mirrored average) and modalities on the test faces, masked phrases on the validation ones."""
    config, model, normalisation, _ = load_checkpoint(checkpoint)
    test, valid = faces.test, faces.valid
    figures = expression_figures(predict_both_ways(model, test, normalisation), test.votes, test.subsets)
    state: ModalityState = modality_state(model, test, normalisation)
    result = {key: figures[key] for key in (*(f"accuracy_{name}" for name in ACCURACIES), "macro_f1")}
    result |= {"modality_gap": state.gap, "modality_probe": state.probe_accuracy}
    if config.loss.masked_phrase:
        evidence = faces.valid_shapes.evidence if faces.valid_shapes else None
        shown = phrase_targets(vote_distribution(valid.votes), au_probability_table(), evidence).shown
        prompts = masked_prompts(shown)
        result["masked_phrase"] = masked_phrase_accuracy(model, valid, prompts, normalisation)
        result["masked_phrase_text_only"] = masked_phrase_accuracy(
            model, valid, prompts, normalisation, see_faces=False
        )
        result["masked_phrase_ceiling"] = masked_phrase_ceiling(shown, prompts)
    return result


def summarise(results: list[dict[str, Any]]) -> dict[str, dict[str, tuple[float, float | None]]]:
    """Mean and sample standard deviation over the seeds (None for a single seed), by arm and figure."""
    summary: dict[str, dict[str, tuple[float, float | None]]] = {}
    for arm in ARMS:
        runs = [result for result in results if result["arm"] == arm]
        names = [name for name in runs[0] if name not in ("arm", "seed")] if runs else []
        values = {name: [run[name] for run in runs if run.get(name) is not None] for name in names}
        summary[arm] = {
            name: (mean(numbers), stdev(numbers) if len(numbers) > 1 else None)
            for name, numbers in values.items()
            if numbers
        }
    return summary


def render_table(results: list[dict[str, Any]]) -> str:
    """A Markdown table: shares in percent, distances unchanged; mean +- standard deviation over the seeds."""
    summary = summarise(results)
    names = [*SHARES, *DISTANCES]
    lines = ["| arm | " + " | ".join(name.removeprefix("accuracy_") for name in names) + " |"]
    lines.append("| --- |" + " --- |" * len(names))
    for arm, figures in summary.items():
        cells = [_cell(figures.get(name), 100 if name in SHARES else 1) for name in names]
        lines.append(f"| {arm}: {ARM_TITLES[arm]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(figure: tuple[float, float | None] | None, scale: int) -> str:
    if figure is None:
        return ""
    digits = 1 if scale == 100 else 2
    centre = f"{figure[0] * scale:.{digits}f}"
    return centre if figure[1] is None else f"{centre} +- {figure[1] * scale:.{digits}f}"


@dataclass(frozen=True)
class ModalityState:
    """How far apart the modalities are.

    gap: distance between the centroids of image and prompt embeddings, 0..2. probe_accuracy: accuracy of a linear probe
    that tells them apart, 0..1.
    """

    gap: float
    probe_accuracy: float


def masked_prompts(shown: Floats, mask_rate: float = 0.4) -> list[Prompt]:
    """Sample a prompt with some dropped phrases for each face; every call returns the same prompts.

    Args:
        shown: phrase targets of the faces, float32 [N, A] (losses.PhraseTargets).
        mask_rate: probability that a phrase is dropped; at least one is.
    """
    rng = random.Random(CONTROL_SEED)
    return [face_prompt(row, rng, mask_rate) for row in shown.tolist()]


@torch.no_grad()
def masked_phrase_accuracy(
    model: Pmfer,
    faces: Faces,
    prompts: Sequence[Prompt],
    normalisation: Normalisation,
    see_faces: bool = True,
    batch: int = 256,
) -> float:
    """Share of the answers at dropped phrases that name one of the phrases dropped from that prompt, 0..1.

    The order of the phrases in a prompt is random. If several are dropped, nothing tells which of them was at which
    place, so an answer is right if it names any of them.

    Args:
        model: trained with loss (c); it chooses from the whole vocabulary.
        faces: N faces to measure on.
        prompts: one per face (`masked_prompts`).
        normalisation: normalisation of the pictures.
        see_faces: False replaces the local tokens by zeros, which shows what the rest of the text gives away.
        batch: number of faces at a time.
    """
    model.eval()
    tokenizer, device = model.tokenizer, model.log_scale.device
    canonical = [phrase_prompt(index, phrase.wordings[0]) for index, phrase in enumerate(PHRASES)]
    phrases = model.embed_phrases(collate(canonical, tokenizer).to(device))
    right = total = 0
    for rows in np.array_split(np.arange(len(faces)), max(1, len(faces) // batch)):
        local = model.encode_images(_pictures(faces, rows, normalisation).to(device)).local
        texts = collate([prompts[row] for row in rows], tokenizer).to(device)
        logits = model.masked_phrase(model.encode_prompts(texts).slots, local if see_faces else local * 0, phrases)
        dropped = texts.targets != NO_PHRASE
        named = (logits.argmax(-1)[:, :, None] == texts.targets[:, None, :]).any(-1)
        right += int(named[dropped].sum())
        total += int(dropped.sum())
    return right / max(total, 1)


def masked_phrase_ceiling(shown: Floats, prompts: Sequence[Prompt]) -> float:
    """The same share if the phrase targets were known and the answer were always the likeliest phrase not in the text.

    Prompts are drawn from the targets at random, so even with known targets not every dropped phrase can be named.

    Args:
        shown: the targets that the prompts were drawn from, float32 [N, A].
        prompts: `masked_prompts(shown)`.
    """
    right = total = 0
    for row, prompt in zip(shown.tolist(), prompts, strict=True):
        dropped = {phrase for phrase, drop in zip(prompt.phrases, prompt.masked, strict=True) if drop}
        candidates = set(range(len(PHRASES))) - (set(prompt.phrases) - dropped)
        likeliest = max(candidates, key=phrase_probabilities(row).__getitem__)
        right += len(dropped) * (likeliest in dropped)
        total += len(dropped)
    return right / max(total, 1)


@torch.no_grad()
def modality_state(model: Pmfer, faces: Faces, normalisation: Normalisation) -> ModalityState:
    """Measure how far apart image and prompt embeddings are, for the first PROBED faces and as many sampled prompts."""
    model.eval()
    tokenizer, rng, device = model.tokenizer, random.Random(CONTROL_SEED), model.log_scale.device
    count = min(PROBED, len(faces))
    images = model.encode_images(_pictures(faces, np.arange(count), normalisation).to(device)).globals.cpu().numpy()
    prompts = [class_prompt(EXPRESSIONS[i % len(EXPRESSIONS)], rng, model.prompt_style) for i in range(count)]
    texts = model.encode_prompts(collate(prompts, tokenizer).to(device)).prompts.cpu().numpy()
    both, modality = np.concatenate([images, texts]), np.repeat([1, 0], count)
    probe = LogisticRegression(max_iter=1000)  # type: ignore[no-untyped-call]
    accuracy = cross_val_score(probe, both, modality, cv=FOLDS).mean()
    return ModalityState(float(np.linalg.norm(images.mean(0) - texts.mean(0))), float(accuracy))


def _pictures(faces: Faces, rows: np.ndarray, normalisation: Normalisation) -> torch.Tensor:
    return normalise(plain(torch.from_numpy(faces.images[rows]), faces.images.shape[-1]), normalisation)
