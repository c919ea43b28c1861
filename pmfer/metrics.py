"""Metrics as plain functions of arrays. A metric that cannot be computed is None, never 0.

A NaN row of probabilities means that no face was found: there is no answer, so it is never a right one.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binomtest  # type: ignore[attr-defined]  # scipy has no types
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, roc_auc_score

Probabilities = npt.NDArray[np.float32]  # [N, E], rows sum to 1
Floats = npt.NDArray[np.float32]  # [N], such as the scores of one action unit in 0..1, or its intensities in 0..5
Labels = npt.NDArray[np.int64]  # [N], index of a class; -1: none

NO_ANSWER = -1
MIN_WITHIN = 5  # fewest faces with the unit, and without it, for an AUROC within an expression
CALIBRATION_BINS = 15  # of equal width
TEMPERATURES = (0.2, 5.0)  # lowest and highest


def answers(probabilities: Probabilities) -> Labels:
    """Most probable class of each row [N, E]; -1 if the row is NaN."""
    found = ~np.isnan(probabilities).any(1)
    return np.where(found, np.nan_to_num(probabilities).argmax(1), NO_ANSWER).astype(np.int64)


def accuracy(probabilities: Probabilities, labels: Labels) -> float | None:
    """Share of correct answers among faces with a label, 0..1."""
    valid = labels >= 0
    return float((answers(probabilities)[valid] == labels[valid]).mean()) if valid.any() else None


def wilson_interval(right: int, total: int) -> tuple[float, float] | None:
    """95 % confidence interval of a share (Wilson, 1927)."""
    if total == 0:
        return None
    interval = binomtest(right, total).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)


def macro_f1(probabilities: Probabilities, labels: Labels) -> float | None:
    """Mean F1 score of the classes that occur among the labels, 0..1."""
    valid = labels >= 0
    if not valid.any():
        return None
    truth = labels[valid]
    predicted = answers(probabilities)[valid]
    return float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))


def macro_recall(probabilities: Probabilities, labels: Labels) -> float | None:
    """Mean recall of the classes that occur among the labels, 0..1."""
    return mean_known(
        [accuracy(probabilities, np.where(labels == k, labels, -1)) for k in np.unique(labels[labels >= 0])]
    )


def confusion(probabilities: Probabilities, labels: Labels) -> npt.NDArray[np.int64]:
    """Counts [E, E], by label (row) and answer (column). A face without an answer is not counted."""
    classes = probabilities.shape[1]
    valid = (labels >= 0) & (answers(probabilities) != NO_ANSWER)
    if not valid.any():
        return np.zeros((classes, classes), np.int64)
    counts = confusion_matrix(labels[valid], answers(probabilities)[valid], labels=np.arange(classes))
    return np.asarray(counts, np.int64)


def expected_calibration_error(probabilities: Probabilities, labels: Labels) -> float | None:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by count (Guo et al., 2017), 0..1.

    A face without an answer has no confidence and is left out.
    """
    valid = (labels >= 0) & (answers(probabilities) != NO_ANSWER)
    if not valid.any():
        return None
    confidence, right = probabilities[valid].max(1), probabilities[valid].argmax(1) == labels[valid]
    bin_of = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        abs(confidence[bin_of == b].mean() - right[bin_of == b].mean()) * (bin_of == b).mean()
        for b in np.unique(bin_of)
    ]
    return float(np.sum(gaps))


def auroc(scores: Floats, intensities: Floats) -> float | None:
    """Area under the ROC curve of one action unit, which is present from intensity 1. Faces with a NaN are left out."""
    scores, present = _both_known(scores, intensities)
    return float(roc_auc_score(present, scores)) if 0 < present.sum() < len(present) else None


def average_precision(scores: Floats, intensities: Floats) -> float | None:
    """Average precision of one action unit, which is present from intensity 1. Faces with a NaN are left out."""
    scores, present = _both_known(scores, intensities)
    return float(average_precision_score(present, scores)) if 0 < present.sum() < len(present) else None


def auroc_within(scores: Floats, intensities: Floats, labels: Labels) -> float | None:
    """AUROC among the faces of one expression, averaged over the expressions.

    All expressions have the same weight. One with fewer than `MIN_WITHIN` faces with the unit, or without it, is left
    out.
    """
    areas = []
    for label in np.unique(labels[labels >= 0]):
        label_scores, present = _both_known(scores[labels == label], intensities[labels == label])
        if min(present.sum(), (~present).sum()) >= MIN_WITHIN:
            areas.append(roc_auc_score(present, label_scores))
    return float(np.mean(areas)) if areas else None


def pearson(a: Floats, b: Floats) -> float | None:
    """Pearson correlation of two series [N] without NaN; None if one of them is constant."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a.astype(np.float64), b.astype(np.float64))[0, 1])


def icc_3_1(a: Floats, b: Floats) -> float | None:
    """Intraclass correlation ICC(3,1) of two fixed raters' scores [N] (Shrout and Fleiss, 1979): consistency, -1..1."""
    if len(a) < 2:
        return None
    table = np.stack([a, b], axis=1).astype(np.float64)
    rows, columns, mean = table.mean(1, keepdims=True), table.mean(0, keepdims=True), table.mean()
    between = 2 * ((rows - mean) ** 2).sum() / (len(a) - 1)
    error = ((table - rows - columns + mean) ** 2).sum() / (len(a) - 1)
    return float((between - error) / (between + error)) if between + error > 0 else None


def mapped_by_other_subjects(scores: Floats, truth: Floats, subjects: npt.NDArray[np.str_]) -> Floats:
    """Map scores [N] to the scale of `truth` by a straight line, fitted by least squares on all other subjects.

    `subjects` [N] names the subject of each row; there must be at least two of them.
    """
    mapped = np.empty(len(scores), np.float32)
    for subject in np.unique(subjects):
        own = subjects == subject
        x, y = scores[~own].astype(np.float64), truth[~own].astype(np.float64)
        spread = float(((x - x.mean()) ** 2).sum())
        slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread > 0 else 0.0
        mapped[own] = y.mean() + slope * (scores[own] - x.mean())
    return mapped


def mean_known(values: list[float | None]) -> float | None:
    """Mean of the values that are not None; None if all are."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _both_known(scores: Floats, intensities: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    known = ~np.isnan(scores) & ~np.isnan(intensities)
    return scores[known], intensities[known] >= 1


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """Temperature that minimises the cross entropy of logits [N, E] against labels [N] (Guo et al., 2017).

    Labels below 0 are ignored; the result is 1 if there are no others. The labels are
    used instead of the votes because readers take a probability for the chance of being right; fitted to the votes, the
    model would reproduce the raters' disagreement.
    """
    known = labels >= 0
    if not known.any():
        return 1.0
    own = np.arange(known.sum()), labels[known]

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits[known] / np.exp(log_temperature), axis=1)[own].mean())

    best = minimize_scalar(loss, bounds=np.log(TEMPERATURES), options={"xatol": 1e-8})  # type: ignore[no-untyped-call]
    return float(np.exp(best.x))
