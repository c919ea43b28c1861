"""Labelled pictures of a data set: their votes, where each lies, and the faces that training reads.

Votes are uint8 [N, 10]: the eight expressions in the order of `pmfer.expressions`, then unknown, then not a face. A set
with one label per face is ten votes for that label, so that both protocols of FERPlus and the soft label give it back;
a face without a label has no votes at all.
"""

import zlib
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pmfer.datasets.pictures import PictureSource
from pmfer.errors import TrainingError
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


SPLITS = ("train", "valid", "test")
ALL = "all"
HELD_OUT = 20  # one training face in so many becomes validation data in a set that has none

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Samples:
    """N labelled pictures. Nothing of a picture is read before it is asked for."""

    title: str  # the data set, for people
    names: tuple[str, ...]  # of the pictures, unique in well-kept sets
    sources: tuple[PictureSource, ...]
    votes: Votes  # uint8 [N, 10]; a row of zeros has no expression label
    splits: tuple[str, ...]  # "train", "valid", "test", or "" in a set without splits
    aus: dict[str, Floats] = field(default_factory=dict)  # "au12" -> intensity 0..5 [N], NaN unknown; present from 1
    pspi: Floats | None = None  # Prkachin and Solomon pain intensity 0..16 [N], NaN unknown
    subjects: tuple[str, ...] | None = None  # who is shown; None where the set does not say
    subsets: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)  # name -> member [N]
    cropped: bool | None = None  # face crops (True), whole pictures (False), told by each picture's size (None)
    classes: tuple[int, ...] = tuple(range(CLASS_COUNT))  # expressions the set's labels can name

    def __len__(self) -> int:
        return len(self.names)

    def take(self, keep: npt.NDArray[np.bool_]) -> "Samples":
        """The pictures for which `keep` [N] is true."""
        rows = np.nonzero(keep)[0].tolist()
        return replace(
            self,
            names=tuple(self.names[row] for row in rows),
            sources=tuple(self.sources[row] for row in rows),
            votes=self.votes[keep],
            splits=tuple(self.splits[row] for row in rows),
            aus={column: values[keep] for column, values in self.aus.items()},
            pspi=None if self.pspi is None else self.pspi[keep],
            subjects=None if self.subjects is None else tuple(self.subjects[row] for row in rows),
            subsets={name: flags[keep] for name, flags in self.subsets.items()},
        )

    def in_split(self, split: str) -> "Samples":
        """The pictures of one split; "all" gives every picture.

        Raises:
            TrainingError: there are none.
        """
        if split == ALL:
            return self
        found = self.take(np.array(self.splits, dtype=str) == split)
        if not len(found):
            there = ", ".join(sorted(set(self.splits) - {""}))
            raise TrainingError(f"{self.title}: no rows of split '{split}'; it has {there or 'no splits: say all'}")
        return found

    def with_valid(self) -> "Samples":
        """The same samples with a train and a valid split, as training needs them.

        A set without splits is all training data. A set without a validation split gives up one training picture in
        `HELD_OUT`, chosen by a checksum of its subject, or of its name where subjects are unknown: the choice depends
        neither on order nor on a seed, and nobody is in both.
        """
        splits = tuple(split or "train" for split in self.splits)
        if "valid" not in splits:
            keys = self.subjects or self.names
            held = [zlib.crc32(key.encode()) % HELD_OUT == 0 for key in keys]
            splits = tuple(
                "valid" if split == "train" and out else split for split, out in zip(splits, held, strict=True)
            )
        return replace(self, splits=splits)


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


def worth_training(votes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Bool [N]: an expression wins the votes [N, 10], and expressions hold at least half of what remains."""
    kept = without_single_votes(votes).astype(np.int64)
    expressions = kept[:, :CLASS_COUNT].sum(1)
    mostly = expressions * 2 >= np.maximum(kept.sum(1), 1)
    return np.asarray((argmax_label(votes) >= 0) & mostly & (expressions > 0))
