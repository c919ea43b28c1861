"""Votes for expressions and the label protocols of FERPlus.

Votes are uint8 [N, 10]: the eight expressions in the order of `pmfer.expressions`, then unknown, then not a face. A set
with one label per face is ten votes for that label, so that both protocols and the soft label give it back; a face
without a label has no votes at all.
"""

import numpy as np
import numpy.typing as npt

from pmfer.expressions import EXPRESSION_NAMES

CLASS_COUNT = len(EXPRESSION_NAMES)
VOTE_COLUMNS = (*EXPRESSION_NAMES, "unknown", "not_a_face")
RATERS = 10  # of a face with full agreement

Votes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def label_votes(labels: Labels) -> Votes:
    """Votes [N, 10] of faces with one label each, 0..7 or -1 for unknown."""
    votes = np.zeros((len(labels), len(VOTE_COLUMNS)), np.uint8)
    known = np.nonzero(labels >= 0)[0]
    votes[known, labels[known]] = RATERS
    return votes


def without_single_votes(votes: Votes) -> Votes:
    """Votes [N, 10] with every count of 1 set to 0 (Barsoum et al., 2016: a lone vote counts as an outlier)."""
    return np.where(votes > 1, votes, 0).astype(np.uint8)


def vote_distribution(votes: Votes) -> npt.NDArray[np.float32]:
    """Soft labels float32 [N, 8] from votes [N, 10]: single votes removed, expressions only, rows sum to 1.

    A row without any remaining vote for an expression is all zero.
    """
    counts = without_single_votes(votes)[:, :CLASS_COUNT].astype(np.float32)
    return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1), dtype=np.float32)


def strict_label(votes: Votes) -> Labels:
    """Label by strict majority: single votes removed, winner above half of the rest and an expression; else -1."""
    kept = without_single_votes(votes).astype(np.int64)
    winner = kept.argmax(1)
    valid = (kept.max(1) * 2 > kept.sum(1)) & (winner < CLASS_COUNT)
    return np.where(valid, winner, -1)


def argmax_label(votes: Votes) -> Labels:
    """Label by plain maximum over all ten columns, -1 where unknown or not-a-face wins or nobody voted."""
    winner = votes.argmax(1)
    return np.where((winner < CLASS_COUNT) & (votes.max(1) > 0), winner, -1).astype(np.int64)
