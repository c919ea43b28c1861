"""Evaluation of an exported bundle on FERPlus: what is measured is the file that ships, not the checkpoint."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from pmfer.bundle import Bundle
from pmfer.datasets import Faces, argmax_label, strict_label
from pmfer.errors import TrainingError
from pmfer.metrics import accuracy, expected_calibration_error, macro_f1

PROTOCOL = (
    "FERPlus; strict: votes of 1 removed, winner above half of the rest and one of the eight expressions; "
    "argmax: winner of the raw votes is one of the eight; subsets of Wang et al. 2020 under strict labels"
)


def run_bundle(bundle: Bundle, images: npt.NDArray[np.uint8], batch: int = 256) -> npt.NDArray[np.float32]:
    """Class probabilities float32 [N, E] of grey face crops uint8 [N, S, S].

    Raises:
        TrainingError: the crops have another size than the bundle takes.
    """
    spec = bundle.card.input
    if images.shape[1:] != (spec.size_px, spec.size_px):
        raise TrainingError(
            f"bundle {bundle.path}: takes faces of {spec.size_px} px, the data set has {images.shape[1:]}"
        )
    session = onnxruntime.InferenceSession(str(bundle.weights), providers=["CPUExecutionProvider"])
    rows = []
    for begin in range(0, len(images), batch):
        pictures = images[begin : begin + batch, None].astype(np.float32) / 255
        (scores,) = session.run(["expression"], {"faces": (pictures - spec.mean[0]) / spec.std[0]})
        rows.append(np.asarray(scores))
    return np.concatenate(rows)


def evaluate(bundle: Bundle, faces: Faces, flip: bool = False) -> dict[str, Any]:
    """Figures of `bundle` on `faces`, as fractions.

    Args:
        bundle: verified bundle.
        faces: a FERPlus split.
        flip: average each face with its mirror image.

    Returns:
        Flat keys: n, accuracy_strict, accuracy_argmax, accuracy_strict_dedup, accuracy_occlusion, accuracy_pose30,
        accuracy_pose45, macro_f1, ece, recall (by expression).
    """
    answers = run_bundle(bundle, faces.images)
    if flip:
        answers = np.mean([answers, run_bundle(bundle, faces.images[:, :, ::-1])], axis=0, dtype=np.float32)
    strict = strict_label(faces.votes)
    figures: dict[str, Any] = {
        "n": int((strict >= 0).sum()),
        "accuracy_strict": accuracy(answers, strict),
        "accuracy_argmax": accuracy(answers, argmax_label(faces.votes)),
        "accuracy_strict_dedup": accuracy(answers, np.where(faces.subsets["duplicate_of_train"], -1, strict)),
    }
    for subset in ("occlusion", "pose30", "pose45"):
        figures[f"accuracy_{subset}"] = accuracy(answers, np.where(faces.subsets[subset], strict, -1))
    figures["macro_f1"] = macro_f1(answers, strict)
    figures["ece"] = expected_calibration_error(answers, strict)
    figures["recall"] = {
        name: accuracy(answers, np.where(strict == label, strict, -1))
        for label, name in enumerate(bundle.card.expressions)
    }
    return figures
