"""Make the Parquet file of docs/training.md from the two files that are published: FER2013's pictures, FERPlus's votes.

`fer2013.csv` comes from the FER2013 challenge on Kaggle (columns emotion, pixels, Usage), `fer2013new.csv` from
github.com/microsoft/FERPlus (Usage, Image name and ten counts of votes), row for row.
"""

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from pmfer.datasets.ferplus import FERPLUS_COLUMNS, PIXELS_FILE, VOTES_FILE, read_csv
from pmfer.datasets.samples import VOTE_COLUMNS
from pmfer.errors import TrainingError

# Subsets of Wang et al. 2020, whose lists are published elsewhere: unknown here, and nothing belongs to them.
SUBSETS = ("occlusion", "pose30", "pose45")


@dataclass(frozen=True)
class MadeFerplus:
    """What was written."""

    rows: int
    by_split: dict[str, int]
    duplicates: int  # pictures of valid and test that are pixel-identical to one of train
    dropped: int  # rows whose name is not unique


def make_ferplus(pixels: Path, votes: Path | None, out: Path) -> MadeFerplus:
    """Write the Parquet file that `pmfer.datasets.ferplus` reads.

    Args:
        pixels: `fer2013.csv`, or the folder of both files.
        votes: `fer2013new.csv`; None: in the same folder as `pixels`.
        out: Parquet file to write.

    Raises:
        TrainingError: a file is missing or malformed, they do not belong together, or `out` cannot be written.
    """
    if pixels.is_dir():
        pixels, votes = pixels / PIXELS_FILE, votes or pixels / VOTES_FILE
    samples = read_csv(votes or pixels.with_name(VOTES_FILE), pixels)
    often = {name for name, count in Counter(samples.names).items() if count > 1}
    kept = [row for row, name in enumerate(samples.names) if name not in often]
    pictures = [np.asarray(samples.sources[row].content) for row in kept]
    splits = [samples.splits[row] for row in kept]
    of_train = {picture.tobytes() for split, picture in zip(splits, pictures, strict=True) if split == "train"}
    duplicate = [
        split != "train" and picture.tobytes() in of_train for split, picture in zip(splits, pictures, strict=True)
    ]
    table = pl.DataFrame(
        {
            "name": [Path(samples.names[row]).stem for row in kept],
            "split": splits,
            "image": [_png(picture) for picture in pictures],
            "votes": samples.votes[kept],
            **dict.fromkeys(SUBSETS, [None] * len(kept)),
            "duplicate_of_train": duplicate,
        },
        schema_overrides={
            "votes": pl.Array(pl.UInt8, len(VOTE_COLUMNS)),
            **dict.fromkeys(SUBSETS, pl.Boolean),
        },
    )
    try:
        table.select(FERPLUS_COLUMNS).write_parquet(out)
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written ({error.strerror or error}); choose another --out") from None
    return MadeFerplus(len(kept), dict(Counter(table["split"])), sum(duplicate), len(samples.names) - len(kept))


def _png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()
