"""How a bundle holds when pictures get worse: the table of `pmfer robustness`.

Faces are crops as the bundle takes them. A row is one corruption of pmfer/corruptions.py, or one kind of cover of
pmfer/covers.py that training has not seen. Of covers it is also told whether the bundle notices them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from pmfer.bundle import Bundle
from pmfer.corruptions import CORRUPTIONS, corrupt, cover
from pmfer.covers import HELD_OUT, Floats
from pmfer.datasets import Faces, strict_label
from pmfer.decision import CLEAN_COVERED
from pmfer.evaluate import run_graph
from pmfer.metrics import accuracy, expected_calibration_error, macro_recall

CLEAN = "clean"


@dataclass(frozen=True)
class Row:
    """One line of the table, shares in 0..1; None where the bundle or the faces cannot tell."""

    name: str
    accuracy: float | None  # strict majority
    recall_mean: float | None  # of the expressions
    calibration_error: float | None
    noticed: float | None = None  # share called covered where CLEAN_COVERED of the clean ones are
    noticed_auroc: float | None = None  # covered against clean


def measure_robustness(bundle: Bundle, faces: Faces, placed: Floats | None = None, *, int8: bool = False) -> list[Row]:
    """The table of a bundle.

    Args:
        bundle: verified bundle of grey faces.
        faces: crops with votes.
        placed: where the points of the face mesh lie, float32 [N, 468, 2], fractions of the side (landmark_file); None
            leaves the covers out.
        int8: run the bundle's int8 graph, if it has one.

    Raises:
        TrainingError: the crops have another size than the bundle takes.
    """
    labels = strict_label(faces.votes)
    clean = run_graph(bundle, faces.images, int8=int8)
    rows = [_row(CLEAN, clean, labels)]
    for name in CORRUPTIONS:
        rows.append(_row(name, run_graph(bundle, corrupt(faces.images, name), int8=int8), labels))
    if placed is not None:
        for kind in HELD_OUT:
            scores = run_graph(bundle, cover(faces.images, placed, kind), int8=int8)
            rows.append(_row(f"covered: {kind}", scores, labels, clean))
    return rows


def hidden_share(scores: Mapping[str, Floats]) -> Floats | None:
    """By how much the most hidden region of each face is hidden, [N] in 0..1; None for a bundle that cannot tell."""
    return None if "visibility" not in scores else 1 - scores["visibility"].min(1)


def _row(
    name: str,
    scores: Mapping[str, Floats],
    labels: npt.NDArray[np.int64],
    clean: Mapping[str, Floats] | None = None,
) -> Row:
    probabilities = scores["expression"]
    row = Row(
        name,
        accuracy(probabilities, labels),
        macro_recall(probabilities, labels),
        expected_calibration_error(probabilities, labels),
    )
    hidden, usual = hidden_share(scores), None if clean is None else hidden_share(clean)
    if hidden is None or usual is None:
        return row
    limit = np.quantile(usual, 1 - CLEAN_COVERED)
    area = roc_auc_score(np.repeat([1, 0], [len(hidden), len(usual)]), np.concatenate([hidden, usual]))
    return replace(row, noticed=float((hidden > limit).mean()), noticed_auroc=float(area))


def render_robustness(rows: list[Row]) -> str:
    """The table in Markdown, in percent."""
    lines = [
        "| faces | strict accuracy | mean recall | calibration error | noticed as covered | AUROC covered |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        shares = [row.accuracy, row.recall_mean, row.calibration_error, row.noticed]
        cells = ["-" if share is None else f"{share:.1%}" for share in shares]
        cells.append("-" if row.noticed_auroc is None else f"{row.noticed_auroc:.3f}")
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
