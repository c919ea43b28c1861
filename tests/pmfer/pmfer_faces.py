"""Small data sets and bundles that the tests of the method write themselves."""

import io
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from pmfer.datasets import Faces


def write_ferplus(path: Path, **splits: int) -> None:
    """A FERPlus file of noise: so many faces of 48 px per split, every class in turn with ten votes."""
    rng = np.random.default_rng(0)
    rows = []
    for split, count in splits.items():
        for number in range(count):
            stream = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (48, 48), dtype=np.uint8)).save(stream, "PNG")
            votes = [10 if label == number % 8 else 0 for label in range(10)]
            rows.append({"name": f"{split}{number}", "split": split, "image": stream.getvalue(), "votes": votes})
    flags = {name: pl.lit(False) for name in ("occlusion", "pose30", "pose45", "duplicate_of_train")}
    table = pl.DataFrame(rows, schema_overrides={"votes": pl.List(pl.UInt8)}).with_columns(**flags)
    table.with_columns(pl.col("votes").cast(pl.Array(pl.UInt8, 10))).write_parquet(path)


def made_faces(count: int = 32) -> Faces:
    """Faces of noise in memory, every class in turn with ten votes."""
    rng = np.random.default_rng(0)
    votes = np.zeros((count, 10), dtype=np.uint8)
    votes[np.arange(count), np.arange(count) % 8] = 10
    return Faces(rng.integers(0, 255, (count, 48, 48), dtype=np.uint8), votes, {})
