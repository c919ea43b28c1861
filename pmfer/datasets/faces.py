"""Faces that training reads: pictures as one array, and their votes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pmfer.datasets.votes import CLASS_COUNT, argmax_label, without_single_votes


@dataclass(frozen=True)
class Faces:
    """A split, its pictures in memory or in a memory-mapped file.

    images: uint8 [N, S, S] grey or [N, S, S, 3] RGB. votes: uint8 [N, 10], the eight expressions, then unknown, then
    not a face. subsets: name -> bool [N]. names: of the pictures, or none at all.
    """

    images: npt.NDArray[np.uint8]
    votes: npt.NDArray[np.uint8]
    subsets: dict[str, npt.NDArray[np.bool_]]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def take(self, keep: npt.NDArray[np.bool_]) -> "Faces":
        """The faces for which `keep` [N] is true."""
        subsets = {name: flag[keep] for name, flag in self.subsets.items()}
        names = tuple(name for name, kept in zip(self.names, keep, strict=True) if kept) if self.names else ()
        return Faces(self.images[keep], self.votes[keep], subsets, names)


def trainable(faces: Faces) -> Faces:
    """Faces worth training on: an expression wins the vote, and expressions hold at least half of what remains."""
    return faces.take(worth_training(faces.votes))


def worth_training(votes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which of the faces with votes [N, 10] `trainable` keeps, [N]."""
    kept = without_single_votes(votes).astype(np.int64)
    expressions = kept[:, :CLASS_COUNT].sum(1)
    mostly = expressions * 2 >= np.maximum(kept.sum(1), 1)
    return np.asarray((argmax_label(votes) >= 0) & mostly & (expressions > 0))
