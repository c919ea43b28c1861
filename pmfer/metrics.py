"""Figures of merit as plain functions of arrays."""

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def accuracy(probabilities: Probabilities, labels: Labels) -> float | None:
    """Share of right answers among faces with a label (label >= 0); None where there is none."""
    valid = labels >= 0
    return float((probabilities[valid].argmax(1) == labels[valid]).mean()) if valid.any() else None


def macro_f1(probabilities: Probabilities, labels: Labels) -> float:
    """Mean over the classes present of the F1 score."""
    valid = labels >= 0
    answers, truth = probabilities[valid].argmax(1), labels[valid]
    scores = []
    for label in np.unique(truth):
        hits = int(((answers == label) & (truth == label)).sum())
        scores.append(2 * hits / (int((answers == label).sum()) + int((truth == label).sum())))
    return float(np.mean(scores)) if scores else float("nan")


def expected_calibration_error(probabilities: Probabilities, labels: Labels, bins: int = 15) -> float:
    """Mean gap of confidence and accuracy over equal-width bins, weighted by count (Guo et al., 2017), 0..1."""
    valid = labels >= 0
    confidence, right = probabilities[valid].max(1), probabilities[valid].argmax(1) == labels[valid]
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[which == b].mean() - right[which == b].mean()) * (which == b).mean() for b in np.unique(which)
    ]
    return float(np.sum(gaps))


def fit_temperature(logits: npt.NDArray[np.float32], votes: npt.NDArray[np.float32]) -> float:
    """Temperature that minimises the soft cross entropy of logits [N, E] against votes [N, E], by golden section."""
    low, high = np.log(0.2), np.log(5.0)
    ratio = (np.sqrt(5) - 1) / 2

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        log_sum = np.log(np.exp(scaled - scaled.max(1, keepdims=True)).sum(1)) + scaled.max(1)
        return float((log_sum - (votes * scaled).sum(1)).mean())

    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))
