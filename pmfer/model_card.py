"""The model card of a bundle (`MODEL_CARD.md`), rendered from `bundle.json` so that the two agree."""

from collections.abc import Mapping
from typing import Any

from pmfer.bundle import AuPhrase, BundleCard

_FIGURES = (
    ("accuracy_strict", "accuracy, strict majority"),
    ("accuracy_strict_dedup", "accuracy, strict majority, without pictures that are also in train"),
    ("accuracy_argmax", "accuracy, plain majority"),
    ("accuracy_occlusion", "accuracy, occlusion subset"),
    ("accuracy_pose30", "accuracy, pose > 30 degrees"),
    ("accuracy_pose45", "accuracy, pose > 45 degrees"),
    ("macro_f1", "macro F1"),
    ("recall_mean", "mean recall of the expressions"),
    ("ece", "expected calibration error"),
)
_SPLITS = ("valid", "valid_flip", "test", "test_flip")


def render_model_card(card: BundleCard) -> str:
    """The text of `MODEL_CARD.md`."""
    return _TEMPLATE.format(
        name=card.name,
        size=card.input.size_px,
        colours="grey" if card.input.channels == 1 else "colour",
        start=_start(card),
        data=card.training["data"],
        terms=card.training["terms"],
        epochs=_epochs(card),
        version=card.training["code_version"],
        protocol=card.metrics["protocol"],
        looks=_looks(card.metrics),
        figures=_figure_table(card.metrics),
        recalls=_recall_table(card.metrics),
        limits=_FERPLUS_LIMITS if "FERPlus" in card.training["data"] else _OTHER_LIMITS,
        weakest=_weakest(card.metrics),
        int8=_int8(card.metrics),
        cost=_cost(card.metrics),
        expressions=", ".join(card.expressions),
        phrases="\n".join(_phrase_row(phrase) for phrase in card.au_phrases),
        unseen=_unseen(card),
        decision=_decision(card.calibration),
        prompts=card.prompt_set_sha256[:12],
        weights=card.weights_sha256[:12],
    )


def _decision(calibration: Mapping[str, Any]) -> str:
    """How logits become scores; bundles of earlier releases only have a temperature."""
    if "power" not in calibration:
        temperature = calibration["temperature"]
        return f"The class logits are divided by a temperature of {temperature}, fitted on the validation split."
    return _DECISION.format(power=calibration["power"], temperature=calibration["temperature"])


def _splits(metrics: Mapping[str, Any]) -> list[str]:
    return [split for split in _SPLITS if split in metrics]


def _head(first: str, splits: list[str]) -> list[str]:
    titles = " | ".join(split.replace("_flip", ", mirrored average") for split in splits)
    return [f"| {first} | {titles} |", "| --- |" + " --- |" * len(splits)]


def _figure_table(metrics: Mapping[str, Any]) -> str:
    splits = _splits(metrics)
    rows = _head("figure", splits)
    rows.append("| faces with a strict label | " + " | ".join(str(metrics[split]["n"]) for split in splits) + " |")
    for key, words in _FIGURES:
        rows.append(f"| {words} | " + " | ".join(_percent(metrics[split].get(key)) for split in splits) + " |")
    return "\n".join(rows)


def _recall_table(metrics: Mapping[str, Any]) -> str:
    """Recall by expression, with the number of faces on which each was measured."""
    splits = _splits(metrics)
    rows = _head("recall (faces)", splits)
    for name in metrics[splits[0]]["recall"]:
        cells = []
        for split in splits:
            faces = metrics.get(f"{split.removesuffix('_flip')}_faces", {}).get(name)
            share = _percent(metrics[split]["recall"][name])
            cells.append(share if faces is None else f"{share} ({faces})")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _weakest(metrics: Mapping[str, Any]) -> str:
    """The three expressions with the lowest recall on the last split that was measured."""
    split = _splits(metrics)[-1]
    known = {name: recall for name, recall in metrics[split]["recall"].items() if recall is not None}
    worst = sorted(known, key=known.__getitem__)[:3]
    return ", ".join(f"{name} ({known[name]:.0%} found)" for name in worst)


def _looks(metrics: Mapping[str, Any]) -> str:
    if "test" not in metrics:
        return "The test split was not looked at."
    looks = metrics.get("test_looks")
    if looks is None:
        return "How often the test split was looked at while this model was chosen was not recorded."
    times = "once" if looks == 1 else f"{looks} times"
    return f"The test split was looked at {times} while this model was chosen, the figures below included."


def _cost(metrics: Mapping[str, Any]) -> str:
    cost = metrics.get("cost")
    if cost is None:
        return "Not counted by the release that exported this bundle."
    return (
        f"{cost['parameters'] / 1e6:.2f} million parameters and {cost['macs'] / 1e9:.3f} billion multiply-accumulates "
        "per face, counted on the exported graph (convolutions and matrix products). The text embeddings are baked in "
        "and cost nothing."
    )


def _int8(metrics: Mapping[str, Any]) -> str:
    """The accuracy of the int8 graph; an empty text for a bundle without one."""
    figures = metrics.get("int8")
    if figures is None:
        return ""
    splits = [split for split in ("valid", "test") if f"{split}_accuracy_strict_int8" in figures]
    shares = "; ".join(
        f"{split} {_percent(figures[f'{split}_accuracy_strict_int8'])} "
        f"(float32: {_percent(figures[f'{split}_accuracy_strict_float32'])})"
        for split in splits
    )
    return (
        f"\n\nThe int8 graph (`model.int8.onnx`, calibrated on {figures['calibration_faces']} training faces) has an "
        f"accuracy, strict majority, of: {shares}. All other figures are those of `model.onnx`."
    )


def _phrase_row(phrase: AuPhrase) -> str:
    seen = "yes" if phrase.seen_in_training else "**no**"
    return f"| {phrase.au or '-'} | `{phrase.column}` | {phrase.region or '-'} | {phrase.phrase} | {seen} |"


def _unseen(card: BundleCard) -> str:
    columns = [f"`{phrase.column}`" for phrase in card.au_phrases if not phrase.seen_in_training]
    if not columns:
        return "Training has seen every phrase."
    return (
        f"Training has **not** seen the phrase of {', '.join(columns)}: the meaning of such a score rests only on the "
        "similarity of wordings, and no figure below covers it. First look at its attention maps and at known faces."
    )


def _epochs(card: BundleCard) -> str:
    """The number of epochs and, if the weights are the mean of several runs, the number of runs."""
    count, runs = card.training["epochs"], card.training["config"].get("runs", 1)
    return f"{count} epochs" if runs == 1 else f"The weights are the mean of {runs} runs of {count} epochs each,"


def _start(card: BundleCard) -> str:
    """Where the weights came from before training."""
    checkpoint = card.training.get("start")
    if checkpoint is None:
        return "The image\nencoder was trained from scratch, without pretrained weights."
    config = card.training["config"]
    if config.get("start") and config.get("trains") == "visibility":
        return (
            f"Only\nthe head that tells what is covered was trained; all else is that of `{checkpoint}`, a\n"
            "checkpoint of an earlier run, so the training data of that run apply here as well."
        )
    if config.get("start"):
        kept = card.training.get("start_share")
        mean = f" The\nimage encoder is the mean of those weights ({kept:.0%}) and the trained ones." if kept else ""
        return (
            f"All\nweights started from `{checkpoint}`, a checkpoint of an earlier run, so the training data and the\n"
            f"initial weights of that run apply here as well.{mean}"
        )
    return (
        f"Both\nencoders started from `{checkpoint}`; the terms of its training data apply as well. Training\nfaces "
        "were grey: the model only sees the luma of a colour picture."
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


_FERPLUS_LIMITS = """\
- No figure per group: FERPlus names neither age, sex, skin tone nor health of the people shown, so it cannot tell
  whether the model works equally well for all of them. Face models are known to be biased against people with
  dementia, facial palsy or darker skin. Compare patients only with themselves.
- FERPlus consists of grey pictures of 48 px from a web search, with acted and spontaneous faces. Few of the people are
  old, few are in bed, and hardly any have tubes or masks. Its classes are far from balanced.
- Its votes are the impressions of ten crowd workers per picture, not what the person felt."""

_OTHER_LIMITS = """\
- No figure per group was computed. Face models are known to be biased against people with dementia, facial palsy or
  darker skin. Compare patients only with themselves.
- The labels are impressions of a face, not what the person felt."""

_DECISION = """\
The probabilities are divided by the training prior to the power of {power}, which recognises rare and subdued
expressions better and costs a little strict accuracy, and the logits by a temperature of {temperature}, fitted on a
clean and a corrupted copy of the validation split. The scale of a phrase is shifted so that the share of validation
faces above one half is the share that shows the unit according to the table in `pmfer/expressions.py`. No FACS coder
was involved."""

_TEMPLATE = """# Model card: {name}

## Intended use
Facial expression monitoring of consenting patients in care: it shows changes against the patient's own baseline to
staff who know the patient. It suggests when to look at a patient, and decides nothing.

Not intended for: diagnosis, a measure of pain or of anybody's feelings, comparing people or groups, identifying
anybody, decisions without a human, hiring, teaching or policing, surveillance of staff or visitors, or use on people
who have not consented.

## Input and output
The input is a face crop in {colours} of {size} x {size} px, framed according to the crop geometry in `bundle.json`.
The output is one score in 0..1 per phrase and the probabilities of {expressions}.

- The probability of an expression says how people would label the *picture*, not what the person feels.
- A phrase score is the model's alignment of the face with a phrase, learnt without a FACS coder's labels. It is not a
  FACS coder's intensity and not a probability: compare it only with scores of the same column and the same bundle.
- The phrases of an expression tend to rise together, even if the face shows only one of them.

| AU | column | region | phrase | seen in training |
| --- | --- | --- | --- | --- |
{phrases}

{unseen}

## Method
PMFER, after Ren et al., IEEE T-ASE, doi 10.1109/TASE.2024.3464519. Only the abstract of the paper is public;
docs/method.md says what comes from it and what is our interpretation.

## Training data and its terms
{data}. Terms: {terms}. {epochs} with version {version}; the whole configuration is in `bundle.json`. {start}

## Figures
{protocol}. {looks}

"Mirrored average" is the mean over the face and its mirror image; the product scores only the face itself. Reproduce
the figures with `pmfer evaluate`.

{figures}

{recalls}{int8}

Decision: {decision}
The expected calibration error is computed over 15 bins of equal width.

## Cost
{cost}

## Limits
{limits}
- Rare expressions are missed more often; the weakest are: {weakest}.
- Pain was not among the labels. Pain-related facial activity is a mean of phrase scores and has not been validated
  against pain ratings.

Identity: prompts {prompts}, weights {weights} (first digits of their SHA-256).
"""
