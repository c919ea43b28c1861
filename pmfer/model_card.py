"""The model card that goes with every bundle, rendered from the bundle's card so that both say the same."""

from typing import Any

from pmfer.bundle import BundleCard

_FIGURES = (
    ("accuracy_strict", "accuracy, strict majority"),
    ("accuracy_strict_dedup", "accuracy, strict majority, without pictures that are also in train"),
    ("accuracy_argmax", "accuracy, plain majority"),
    ("accuracy_occlusion", "accuracy, occlusion subset"),
    ("accuracy_pose30", "accuracy, pose > 30 degrees"),
    ("accuracy_pose45", "accuracy, pose > 45 degrees"),
    ("macro_f1", "macro F1"),
    ("ece", "expected calibration error"),
)


def render_model_card(card: BundleCard) -> str:
    """`MODEL_CARD.md` as text."""
    return _TEMPLATE.format(
        name=card.name,
        size=card.input.size_px,
        data=card.training["data"],
        terms=card.training["terms"],
        epochs=card.training["epochs"],
        version=card.training["code_version"],
        protocol=card.metrics["protocol"],
        figures=_figure_table(card.metrics),
        expressions=", ".join(card.expressions),
        phrases="\n".join(f"| {p.au} | `{p.column}` | {p.region} | {p.phrase} |" for p in card.au_phrases),
        temperature=card.calibration["temperature"],
    )


def _figure_table(metrics: dict[str, Any]) -> str:
    splits = [key for key in ("valid", "valid_flip", "test", "test_flip") if key in metrics]
    head = "| figure | " + " | ".join(split.replace("_flip", ", mirrored average") for split in splits) + " |"
    rows = [head, "| --- |" + " --- |" * len(splits)]
    rows.append("| faces with a strict label | " + " | ".join(str(metrics[split]["n"]) for split in splits) + " |")
    for key, words in _FIGURES:
        rows.append(f"| {words} | " + " | ".join(_percent(metrics[split][key]) for split in splits) + " |")
    for name in metrics[splits[0]]["recall"]:
        cells = " | ".join(_percent(metrics[split]["recall"][name]) for split in splits)
        rows.append(f"| recall, {name} | {cells} |")
    return "\n".join(rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


_TEMPLATE = """# Model card: {name}

## Intended use
Facial expression monitoring of consenting patients in care, as a change against the patient's own baseline, read by
staff who know the patient. It asks for a look; it decides nothing.

Not for: diagnosis, a measure of pain, comparing persons, identifying anybody, surveillance of staff or visitors, or use
on people who have not consented.

## What goes in and comes out
A grey face crop of {size} x {size} px, framed as the card's crop geometry says. Out come probabilities of
{expressions}, and one score in 0..1 per action-unit phrase.

An action-unit-phrase score is the model's alignment of the face with a phrase, learnt from expression votes. It is not
a FACS coder's intensity, and phrases of one expression tend to rise together.

| AU | column | region | phrase |
| --- | --- | --- | --- |
{phrases}

## Training data and its terms
{data}. Terms: {terms}. {epochs} epochs with version {version}; the whole configuration is in `bundle.json`. The picture
side was trained from scratch: no other weights went into it.

## Figures
{protocol}. Temperature {temperature}, fitted on the validation split. "Mirrored average" is the mean over the face and
its mirror image; the product scores one view. Reproduce with `pmfer evaluate`.

{figures}

## Limits
- FERPlus names neither age, sex, skin tone nor health of the persons shown, so no figure per group can be given. Face
  models are known to be biased in dementia, facial palsy and darker skin: compare patients with themselves only.
- The pictures come from the web: acted and spontaneous, few old faces, few in bed, hardly any with tubes or masks.
- Disgust, fear and contempt are rare in the data; see their recall before relying on them.
- Pain was not in the training data. Pain-related facial activity is a sum of phrase scores and has not been validated
  against pain ratings.
"""
