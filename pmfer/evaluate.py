"""Evaluation of an exported bundle (docs/results.md). It runs the file that is shipped, not a checkpoint."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from pmfer.bundle import Bundle
from pmfer.datasets import Faces, Samples, argmax_label, strict_label
from pmfer.datasets.cells import MAX_PSPI
from pmfer.datasets.ferplus import SUBSETS
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.metrics import (
    NO_ANSWER,
    Floats,
    Labels,
    Probabilities,
    accuracy,
    answers,
    auroc,
    auroc_within,
    average_precision,
    confusion,
    expected_calibration_error,
    icc_3_1,
    macro_f1,
    macro_recall,
    mapped_by_other_subjects,
    mean_known,
    pearson,
    wilson_interval,
)
from pmfer.pain import PAIN_COLUMNS, SMILE, SMILING, pain_activity

PROTOCOL = (
    "FERPlus; strict: votes of 1 removed, winner above half of the rest and one of the eight expressions; "
    "argmax: winner of the raw votes is one of the eight; subsets of Wang et al. 2020 under strict labels"
)
DUPLICATES = "duplicate_of_train"
BATCH = 256  # faces per run of the graph


def run_graph(
    bundle: Bundle, images: npt.NDArray[np.uint8], *, int8: bool = False
) -> dict[str, npt.NDArray[np.float32]]:
    """Run a bundle's graph on face crops uint8 [N, S, S] of the size it takes; returns its outputs by name.

    The attention is left out. A colour bundle also takes grey crops, see `InputSpec.normalised`. With `int8` the
    bundle's int8 graph is used, if it has one.
    """
    weights = (int8 and bundle.int8_weights) or bundle.weights
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads take no CPU time
    if int8:
        # Compute with the rounded values in float32: int8 overflows on some CPUs, and figures must be right on all.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs() if output.name != "attention"]
    rows = []
    for begin in range(0, len(images), BATCH):
        rows.append(session.run(names, {"faces": bundle.card.input.normalised(images[begin : begin + BATCH])}))
    return {name: np.concatenate(parts) for name, parts in zip(names, zip(*rows, strict=True), strict=True)}


def evaluate(bundle: Bundle, faces: Faces, flip: bool = False) -> dict[str, Any]:
    """Figures of `bundle` for the expressions of face crops, as they are written on a bundle's card.

    Args:
        bundle: verified bundle.
        faces: a split.
        flip: average each face with its mirror image.

    Returns:
        As `expression_figures`.
    """
    probabilities = run_graph(bundle, faces.images)["expression"]
    if flip:
        mirrored = run_graph(bundle, np.ascontiguousarray(faces.images[:, :, ::-1]))["expression"]
        probabilities = np.mean([probabilities, mirrored], axis=0, dtype=np.float32)
    return expression_figures(probabilities, faces.votes, faces.subsets)


def expression_figures(
    probabilities: Probabilities, votes: npt.NDArray[np.uint8], subsets: Mapping[str, npt.NDArray[np.bool_]]
) -> dict[str, Any]:
    """Compare class probabilities [N, 8] (a NaN row: no face was found) with votes [N, 10].

    Returns:
        Fractions by key: n (a count), accuracy_strict, accuracy_argmax, accuracy_strict_dedup, accuracy_occlusion,
        accuracy_pose30, accuracy_pose45 and one for any other subset, macro_f1, recall_mean, ece, and recall (a dict
        by expression). None where there is nothing to measure.
    """
    strict = strict_label(votes)
    figures: dict[str, Any] = {
        "n": int((strict >= 0).sum()),
        "accuracy_strict": accuracy(probabilities, strict),
        "accuracy_argmax": accuracy(probabilities, argmax_label(votes)),
        "accuracy_strict_dedup": (
            accuracy(probabilities, np.where(subsets[DUPLICATES], -1, strict)) if DUPLICATES in subsets else None
        ),
    }
    # The subsets of FERPlus always have a key; it is null for other data sets.
    for subset in (*SUBSETS, *(name for name in subsets if name not in (*SUBSETS, DUPLICATES))):
        members = subsets.get(subset, np.zeros(len(strict), bool))
        figures[f"accuracy_{subset}"] = accuracy(probabilities, np.where(members, strict, -1))
    figures["macro_f1"] = macro_f1(probabilities, strict)
    figures["recall_mean"] = macro_recall(probabilities, strict)
    figures["ece"] = expected_calibration_error(probabilities, strict)
    figures["recall"] = {
        name: accuracy(probabilities, np.where(strict == label, strict, -1))
        for label, name in enumerate(EXPRESSION_NAMES)
    }
    return figures


def measure(probabilities: Probabilities, au_scores: Mapping[str, Floats], samples: Samples) -> dict[str, Any]:
    """All figures of a bundle's scores on labelled pictures; docs/results.md explains every key.

    Args:
        probabilities: [N, 8] in the order of `pmfer.expressions`; NaN where no face was found. Only the
            classes of the data set count as answers.
        au_scores: phrase scores [N] by column, such as "au12"; NaN where no face was found.
        samples: the labels.
    """
    happiness = probabilities[:, EXPRESSION_NAMES.index(SMILING)]  # for pain, as in a night: with all eight answers
    probabilities = restrict_to(probabilities, samples.classes)
    strict = strict_label(samples.votes)
    figures = expression_figures(probabilities, samples.votes, samples.subsets)
    right = int((answers(probabilities)[strict >= 0] == strict[strict >= 0]).sum())
    figures["accuracy_strict_interval95"] = wilson_interval(right, figures["n"])
    figures["confusion"] = confusion(probabilities, strict).tolist() if figures["n"] else None
    missed = answers(probabilities) == NO_ANSWER
    figures["missed"] = {name: int((missed & (strict == label)).sum()) for label, name in enumerate(EXPRESSION_NAMES)}
    if not samples.votes.any():
        figures["n"] = len(samples)
    figures |= au_figures(au_scores, samples.aus, strict)
    activity = scored_activity({**au_scores, SMILING: happiness})
    figures["pain_activity"] = None if activity is None else mean_by_label(activity, strict)
    figures |= pain_figures(activity, samples)
    return figures


def mean_by_label(values: Floats, strict: Labels) -> dict[str, float | None]:
    """Mean of `values` [N], without NaN, for each strict label [N], by expression; None if there are no values."""
    groups = {name: values[(strict == label) & ~np.isnan(values)] for label, name in enumerate(EXPRESSION_NAMES)}
    return {name: float(group.mean()) if len(group) else None for name, group in groups.items()}


def restrict_to(probabilities: Probabilities, classes: tuple[int, ...]) -> Probabilities:
    """Probabilities [N, 8] under the condition that the answer is one of `classes`; the others become 0."""
    allowed = np.zeros(probabilities.shape[1], np.float32)
    allowed[list(classes)] = 1
    if allowed.all():
        return probabilities
    kept = probabilities * allowed
    return np.asarray(kept / np.maximum(kept.sum(1, keepdims=True), np.finfo(np.float32).tiny), np.float32)


def au_figures(scores: Mapping[str, Floats], intensities: Mapping[str, Floats], strict: Labels) -> dict[str, Any]:
    """Figures for each action unit that is both scored and labelled, and their means.

    Args:
        scores: scores by column, [N], 0..1; NaN where there is no face.
        intensities: FACS intensities by column, [N], 0..5; NaN where not labelled.
        strict: strict labels of the expressions, [N], -1 where there is none.
    """
    columns = sorted(set(scores) & set(intensities))
    within = {column: auroc_within(scores[column], intensities[column], strict) for column in columns}
    areas = {column: auroc(scores[column], intensities[column]) for column in columns}
    precisions = {column: average_precision(scores[column], intensities[column]) for column in columns}
    return {
        "auroc": areas,
        "auroc_mean": mean_known(list(areas.values())),
        "average_precision": precisions,
        "average_precision_mean": mean_known(list(precisions.values())),
        "auroc_within_expression": within,
        "auroc_within_expression_mean": mean_known(list(within.values())),
        "au_labelled": {column: int((~np.isnan(intensities[column])).sum()) for column in columns},
        "au_present": {column: int((intensities[column] >= 1).sum()) for column in columns},
    }


def pain_figures(activity: Floats | None, samples: Samples) -> dict[str, Any]:
    """Compare pain-related facial activity, [N] in 0..1, with PSPI, 0..16 (Prkachin and Solomon, Pain 139, 2008).

    Without PSPI labels, or without activity, every figure is None.
    """
    figures: dict[str, Any] = {"pearson": None, "icc": None, "mae": None, "pain_n": None, "pain_scale": None}
    if samples.pspi is None or activity is None:
        return figures
    known = ~np.isnan(activity) & ~np.isnan(samples.pspi)
    activity, pspi = activity[known], samples.pspi[known]
    if not len(pspi):
        return figures
    subjects = np.array(samples.subjects or [""] * len(samples), dtype=np.str_)[known]
    if len(np.unique(subjects)) > 1:
        scale, mapped = "leave_one_subject_out", mapped_by_other_subjects(activity, pspi, subjects)
    else:
        scale, mapped = "times_sixteen", activity * MAX_PSPI  # there is no other subject to fit the scale on
    return {
        "pearson": pearson(activity, pspi),
        "icc": icc_3_1(mapped, pspi),
        "mae": float(np.abs(mapped - pspi).mean()),
        "pain_n": len(pspi),
        "pain_scale": scale,
    }


def scored_activity(scores: Mapping[str, Floats]) -> Floats | None:
    """Pain-related facial activity of faces, [N] in 0..1, from their scores; None if a column is missing."""
    if not {*PAIN_COLUMNS, *SMILE} <= set(scores):
        return None
    return np.asarray(pain_activity(scores, np.maximum, np.minimum), np.float32)
