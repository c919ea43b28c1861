"""How a bundle holds when pictures get worse: the table of `pmfer robustness`.

Faces are crops as the bundle takes them. A row is one corruption of pmfer/corruptions.py, or one kind of cover of
pmfer/cover_kinds.py. Of covers it is also told how many of them the bundle notices, by the limits of its card and the
rule of a night.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from pmfer.bundle import Bundle
from pmfer.corruptions import CORRUPTIONS, corrupt, cover
from pmfer.cover_kinds import HELD_OUT, TRAINED, Floats
from pmfer.datasets import Faces, strict_label
from pmfer.evaluate import run_graph
from pmfer.facs import is_refused
from pmfer.metrics import accuracy, expected_calibration_error, macro_recall

CLEAN = "clean"
HIDES = 1 / 3  # share of a region from which on a cover should be noticed


@dataclass(frozen=True)
class Row:
    """One line of the table, shares in 0..1; None where the bundle or the faces cannot tell."""

    name: str
    accuracy: float | None  # strict majority
    recall_mean: float | None  # of the expressions
    calibration_error: float | None
    refused: float | None = None  # share without an expression, because too much is covered
    flagged: float | None = None  # share with a covered region
    flagged_of_hiding: float | None = None  # the same of those of which a region is hidden by HIDES or more
    auroc: float | None = None  # covered against clean, by the least visible region


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
    limits = bundle.card.visible_from
    clean = run_graph(bundle, faces.images, int8=int8)
    rows = [_row(CLEAN, clean, labels, limits)]
    for name in CORRUPTIONS:
        rows.append(_row(name, run_graph(bundle, corrupt(faces.images, name), int8=int8), labels, limits))
    if placed is None:
        return rows
    for kind in (*HELD_OUT, *TRAINED):
        covered, visible = cover(faces.images, placed, kind)
        scores = run_graph(bundle, covered, int8=int8)
        row = _row(f"{kind} (not trained)" if kind in HELD_OUT else kind, scores, labels, limits)
        rows.append(_noticed(row, scores, clean, visible, limits))
    return rows


def least_visible(scores: Mapping[str, Floats]) -> Floats | None:
    """Visible share of the most hidden region of each face, [N] in 0..1; None for a bundle that cannot tell."""
    return scores["visibility"].min(1) if "visibility" in scores else None


def called_covered(visible: Floats, limits: Mapping[str, float]) -> npt.NDArray[np.bool_]:
    """Which regions count as covered, bool [N, R], by the card's limits; visible is [N, R]."""
    return np.asarray(visible < np.array(list(limits.values()), np.float32))


def _row(name: str, scores: Mapping[str, Floats], labels: npt.NDArray[np.int64], limits: Mapping[str, float]) -> Row:
    probabilities = scores["expression"]
    row = Row(
        name,
        accuracy(probabilities, labels),
        macro_recall(probabilities, labels),
        expected_calibration_error(probabilities, labels),
    )
    if not limits:
        return row
    called = called_covered(scores["visibility"], limits)
    regions = np.array(list(limits))
    refused = [is_refused(regions[face].tolist()) for face in called]
    return replace(row, refused=float(np.mean(refused)), flagged=float(called.any(1).mean()))


def _noticed(
    row: Row, scores: Mapping[str, Floats], clean: Mapping[str, Floats], truth: Floats, limits: Mapping[str, float]
) -> Row:
    """With what only faces of a known cover tell; truth: visible share of each region, [N, R]."""
    left, usual = least_visible(scores), least_visible(clean)
    if left is None or usual is None:
        return row
    area = roc_auc_score(np.repeat([0, 1], [len(left), len(usual)]), np.concatenate([left, usual]))
    hiding = truth.min(1) <= 1 - HIDES
    share = called_covered(scores["visibility"], limits)[hiding].any(1).mean() if limits and hiding.any() else None
    return replace(row, auroc=float(area), flagged_of_hiding=None if share is None else float(share))


def render_robustness(rows: list[Row]) -> str:
    """The table in Markdown, in percent."""
    lines = [
        "| faces | strict accuracy | mean recall | calibration error | refused | flagged "
        "| flagged of those that hide a third of a region | AUROC |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        shares = [row.accuracy, row.recall_mean, row.calibration_error, row.refused, row.flagged, row.flagged_of_hiding]
        cells = ["-" if share is None else f"{share:.1%}" for share in shares]
        cells.append("-" if row.auroc is None else f"{row.auroc:.3f}")
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
