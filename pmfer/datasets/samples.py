"""The labelled pictures of a data set (`Samples`), their votes, and the faces that training reads (`Faces`).

Votes are uint8 [N, 10]: the eight expressions in the order of `pmfer.expressions`, then unknown, then not a face. In a
data set with one label per face, a label becomes ten votes, so that both protocols of FERPlus and the soft label return
it unchanged. A face without a label has no votes.
"""

import hashlib
import zlib
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pmfer.datasets.pictures import PictureSource
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

CLASS_COUNT = len(EXPRESSION_NAMES)
ALL_CLASSES = tuple(range(CLASS_COUNT))
VOTE_COLUMNS = (*EXPRESSION_NAMES, "unknown", "not_a_face")
RATERS = 10  # votes for a face with full agreement

Votes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def label_votes(labels: Labels) -> Votes:
    """Votes [N, 10] for faces with one label each: 0..7, or -1 for unknown."""
    votes = np.zeros((len(labels), len(VOTE_COLUMNS)), np.uint8)
    known = np.nonzero(labels >= 0)[0]
    votes[known, labels[known]] = RATERS
    return votes


def voted_classes(votes: Votes) -> tuple[int, ...]:
    """The expressions that any face has a vote for; all eight if there are fewer than two, which are no choice."""
    voted = tuple(np.nonzero(votes[:, :CLASS_COUNT].any(0))[0].tolist())
    return voted if len(voted) > 1 else ALL_CLASSES


def without_single_votes(votes: Votes) -> Votes:
    """Votes [N, 10] with every count of 1 set to 0 (Barsoum et al., 2016: a lone vote counts as an outlier)."""
    return np.where(votes > 1, votes, 0).astype(np.uint8)


def vote_distribution(votes: Votes) -> npt.NDArray[np.float32]:
    """Soft labels float32 [N, 8] from votes [N, 10]: without single votes, expressions only, rows sum to 1.

    A row in which no vote for an expression remains is all zero.
    """
    counts = without_single_votes(votes)[:, :CLASS_COUNT].astype(np.float32)
    return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1), dtype=np.float32)


def strict_label(votes: Votes) -> Labels:
    """Label by strict majority: without single votes, the winner has more than half and is an expression; else -1."""
    kept = without_single_votes(votes).astype(np.int64)
    winner = kept.argmax(1)
    valid = (kept.max(1) * 2 > kept.sum(1)) & (winner < CLASS_COUNT)
    return np.where(valid, winner, -1)


def argmax_label(votes: Votes) -> Labels:
    """Label by the maximum over all ten columns; -1 if unknown or not-a-face wins, or if there are no votes."""
    winner = votes.argmax(1)
    return np.where((winner < CLASS_COUNT) & (votes.max(1) > 0), winner, -1).astype(np.int64)


SPLITS = ("train", "valid", "test")
ALL = "all"
HELD_OUT = 20  # one training face in 20 becomes validation data if the data set has none

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Samples:
    """N labelled pictures, which are not read yet."""

    title: str  # of the data set, for people
    names: tuple[str, ...]  # of the pictures; should be unique
    sources: tuple[PictureSource, ...]
    votes: Votes  # uint8 [N, 10]; a row of zeros has no expression label
    splits: tuple[str, ...]  # "train", "valid", "test", or "" in a data set without splits
    aus: dict[str, Floats] = field(default_factory=dict)  # "au12" -> intensity 0..5 [N], NaN unknown; present from 1
    pspi: Floats | None = None  # Prkachin and Solomon pain intensity 0..16 [N], NaN unknown
    subjects: tuple[str, ...] | None = None  # who is shown, "" if unknown; None if the data set does not say
    subsets: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)  # name -> member [N]
    cropped: bool | None = None  # True: face crops, False: whole pictures, None: judged by each picture's size
    classes: tuple[int, ...] = ALL_CLASSES  # expressions that occur as labels in this data set

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
        """The pictures of one split; all pictures for "all".

        Raises:
            TrainingError: the split has no pictures.
        """
        if split == ALL:
            return self
        found = self.take(np.array(self.splits, dtype=str) == split)
        if not len(found):
            existing = ", ".join(sorted(set(self.splits) - {""}))
            raise TrainingError(f"{self.title}: no rows of split '{split}'; it has {existing or 'no splits: use all'}")
        return found

    def with_valid(self) -> "Samples":
        """The same samples with a train and a valid split, as training needs them.

        In a data set without splits, all pictures are training data. If there is no validation split, one training
        picture in `HELD_OUT` is moved there. They are chosen by a checksum of the subject or, if that is unknown, of
        the name. So the choice depends neither on the order nor on a seed, and no known subject is in both splits.
        """
        splits = tuple(split or "train" for split in self.splits)
        if "valid" not in splits:
            subjects = self.subjects or ("",) * len(self)
            keys = [subject or name for subject, name in zip(subjects, self.names, strict=True)]
            held = [zlib.crc32(key.encode()) % HELD_OUT == 0 for key in keys]
            splits = tuple(
                "valid" if split == "train" and out else split for split, out in zip(splits, held, strict=True)
            )
        return replace(self, splits=splits)


@dataclass(frozen=True)
class Faces:
    """The faces of a split, with their pictures in memory or in a memory-mapped file.

    images: uint8 [N, S, S], grey. votes: uint8 [N, 10], the eight expressions, then unknown, then
    not a face. subsets: name -> bool [N]. names: of the pictures; may be empty.
    """

    images: npt.NDArray[np.uint8]
    votes: npt.NDArray[np.uint8]
    subsets: dict[str, npt.NDArray[np.bool_]]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def labels_sha256(self) -> str:
        """Digest of all names and votes, by which a resumed run knows its own faces."""
        return hashlib.sha256("\n".join(self.names).encode() + self.votes.tobytes()).hexdigest()

    def take(self, keep: npt.NDArray[np.bool_]) -> "Faces":
        """The faces for which `keep` [N] is true."""
        subsets = {name: flag[keep] for name, flag in self.subsets.items()}
        names = tuple(name for name, kept in zip(self.names, keep, strict=True) if kept) if self.names else ()
        return Faces(self.images[keep], self.votes[keep], subsets, names)


def worth_training(votes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which faces to train on, bool [N], by their votes [N, 10].

    An expression must win, and expressions must have at least half of the votes that remain without single votes.
    """
    kept = without_single_votes(votes).astype(np.int64)
    expressions = kept[:, :CLASS_COUNT].sum(1)
    mostly = expressions * 2 >= np.maximum(kept.sum(1), 1)
    return np.asarray((argmax_label(votes) >= 0) & mostly & (expressions > 0))
