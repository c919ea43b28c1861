"""Training faces with votes, and the label protocols of FERPlus."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from PIL import Image

from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

CLASS_COUNT = len(EXPRESSION_NAMES)
FERPLUS_COLUMNS = ("name", "split", "image", "votes", "occlusion", "pose30", "pose45", "duplicate_of_train")


@dataclass(frozen=True)
class Faces:
    """A split in memory.

    images: uint8 [N, S, S], grey. votes: uint8 [N, 10], the eight expressions, then unknown, then not a face.
    subsets: name -> bool [N].
    """

    images: npt.NDArray[np.uint8]
    votes: npt.NDArray[np.uint8]
    subsets: dict[str, npt.NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, keep: npt.NDArray[np.bool_]) -> "Faces":
        """The faces for which `keep` [N] is true."""
        return Faces(self.images[keep], self.votes[keep], {name: flag[keep] for name, flag in self.subsets.items()})


def read_ferplus(path: Path, split: str) -> Faces:
    """Read one split (`train`, `valid` or `test`) of FERPlus in Parquet; see docs/training.md for the columns.

    Raises:
        TrainingError: the file is missing, no Parquet, lacks a column or the split.
    """
    try:
        table = pl.read_parquet(path, columns=list(FERPLUS_COLUMNS)).filter(pl.col("split") == split)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path}: not a FERPlus Parquet file ({reason}); see docs/training.md") from None
    if table.is_empty():
        raise TrainingError(f"{path}: no rows of split '{split}'; use train, valid or test")
    images = np.stack([_decode_grey(content) for content in table["image"]])
    flags = {name: table[name].to_numpy() for name in ("occlusion", "pose30", "pose45", "duplicate_of_train")}
    return Faces(images, np.array(table["votes"].to_list(), dtype=np.uint8), flags)


def without_single_votes(votes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Votes [N, 10] with every count of 1 set to 0 (Barsoum et al., 2016: a lone vote counts as an outlier)."""
    return np.where(votes > 1, votes, 0).astype(np.uint8)


def vote_distribution(votes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Soft labels float32 [N, 8] from votes [N, 10]: single votes removed, expressions only, rows sum to 1.

    A row without any remaining vote for an expression is all zero.
    """
    counts = without_single_votes(votes)[:, :CLASS_COUNT].astype(np.float32)
    return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1), dtype=np.float32)


def strict_label(votes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Label by strict majority: single votes removed, winner above half of the rest and an expression; else -1."""
    kept = without_single_votes(votes).astype(np.int64)
    winner = kept.argmax(1)
    valid = (kept.max(1) * 2 > kept.sum(1)) & (winner < CLASS_COUNT)
    return np.where(valid, winner, -1)


def argmax_label(votes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Label by plain maximum over all ten columns, -1 where unknown or not-a-face wins."""
    winner = votes.argmax(1)
    return np.where(winner < CLASS_COUNT, winner, -1).astype(np.int64)


def trainable(faces: Faces) -> Faces:
    """Faces worth training on: an expression wins the vote, and expressions hold at least half of what remains."""
    kept = without_single_votes(faces.votes).astype(np.int64)
    mostly = kept[:, :CLASS_COUNT].sum(1) * 2 >= np.maximum(kept.sum(1), 1)
    return faces.take((argmax_label(faces.votes) >= 0) & mostly & (kept[:, :CLASS_COUNT].sum(1) > 0))


def _decode_grey(content: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("L"))
