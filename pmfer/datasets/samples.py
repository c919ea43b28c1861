"""What all data sets have in common: labels in memory, and where each picture lies."""

import zlib
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.votes import CLASS_COUNT, Votes
from pmfer.errors import TrainingError

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
