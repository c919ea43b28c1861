"""FERPlus: FER2013's pictures (48 x 48 grey, 35,887) with ten raters' votes per face.

Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution", ICMI
2016. It is read in three forms:

- the Parquet file of docs/training.md, which is a manifest (pmfer/datasets/manifest.py);
- a folder with `fer2013new.csv` (votes) and `fer2013.csv` (pixels), with the same rows;
- a folder with `FER2013Train`, `FER2013Valid`, `FER2013Test`, each with pictures and a `label.csv`, as FERPlus's own
  script writes them (older versions have a face box after the name).

Votes: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face, which is also our
order. Splits: Training is train, PublicTest valid, PrivateTest test. FERPlus excluded the rows without a picture name.
Metric: accuracy, strict majority or argmax (pmfer/datasets/samples.py). Licence: labels MIT (microsoft/FERPlus); the
pictures were collected from the web for the FER2013 challenge and have none: research use only.

`make_ferplus` makes the Parquet file from the two published files: FER2013's pictures, `fer2013.csv` of the challenge
on Kaggle (columns emotion, pixels, Usage), and FERPlus's votes, `fer2013new.csv` from github.com/microsoft/FERPlus
(columns Usage, Image name and ten counts of votes).
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from pmfer.datasets import manifest
from pmfer.datasets.cells import grey_square, texts, vote_columns
from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.samples import ALL_CLASSES, VOTE_COLUMNS, Samples
from pmfer.errors import TrainingError

TITLE = "FERPlus"
TERMS = (
    "labels: microsoft/FERPlus, MIT licence; images: FER2013 challenge, collected by web search, no licence of their "
    "own: research use only"
)
FERPLUS_COLUMNS = ("name", "split", "image", "votes", "occlusion", "pose30", "pose45", "duplicate_of_train")
FOLDERS = {"FER2013Train": "train", "FER2013Valid": "valid", "FER2013Test": "test"}
USAGES = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
VOTES_FILE, PIXELS_FILE, LABEL_FILE = "fer2013new.csv", "fer2013.csv", "label.csv"
SIDE = 48
# Subsets of Wang et al. 2020. Their lists are published elsewhere, so `make_ferplus` leaves membership unknown.
SUBSETS = ("occlusion", "pose30", "pose45")


def is_here(path: Path) -> bool:
    """Whether `path` is FERPlus in one of the three forms."""
    if path.is_dir():
        return (path / VOTES_FILE).is_file() or any((path / folder / LABEL_FILE).is_file() for folder in FOLDERS)
    if path.suffix == ".parquet" and path.is_file():
        try:
            return set(FERPLUS_COLUMNS) <= set(pl.read_parquet_schema(path))
        except (OSError, pl.exceptions.PolarsError):
            return False
    return path.name in (VOTES_FILE, PIXELS_FILE) and path.with_name(VOTES_FILE).is_file()


def read(path: Path) -> Samples:
    """Read FERPlus in any of its forms.

    Raises:
        TrainingError: a file is missing or malformed.
    """
    if path.is_dir() or path.name in (VOTES_FILE, PIXELS_FILE):
        folder = path if path.is_dir() else path.parent
        has_folders = any((folder / name / LABEL_FILE).is_file() for name in FOLDERS)
        return _read_folders(folder) if has_folders else read_csv(folder / VOTES_FILE, folder / PIXELS_FILE)
    samples = manifest.read(path)
    return replace(samples, title=f"{TITLE} ({path.name})", cropped=True, classes=ALL_CLASSES)


def _read_folders(root: Path) -> Samples:
    names, sources, votes, splits = [], [], [], []
    for folder, split in FOLDERS.items():
        path = root / folder / LABEL_FILE
        if not path.is_file():
            continue
        for name, cells in _label_rows(path):
            names.append(name)
            sources.append(PictureSource(root / folder / name))
            votes.append(cells)
            splits.append(split)
    if not names:
        raise TrainingError(f"{root}: its label.csv files list no pictures; make them with FERPlus's script")
    return Samples(TITLE, tuple(names), tuple(sources), np.array(votes, np.uint8), tuple(splits), cropped=True)


def _label_rows(path: Path) -> Iterator[tuple[str, list[int]]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        for number, row in enumerate(csv.reader(stream), start=1):
            cells = row[-len(VOTE_COLUMNS) :]
            if len(row) <= len(VOTE_COLUMNS) or not all(_is_count(cell) for cell in cells):
                raise TrainingError(
                    f"{path}: row {number}: must have a picture's name and ten counts of 0 to 255 votes"
                )
            yield row[0].strip(), [int(cell) for cell in cells]


def _is_count(cell: str) -> bool:
    return cell.strip().isdecimal() and int(cell) <= 255


def read_csv(votes: Path, pictures: Path) -> Samples:
    """Read `fer2013new.csv` (votes) and `fer2013.csv` (pictures), which must have the same rows.

    Raises:
        TrainingError: a file is missing or malformed, or they do not belong together.
    """
    labels, pixels = manifest.read_table(votes), manifest.read_table(pictures)
    where = str(votes)
    labels = labels.rename({"nf": "not_a_face"}, strict=False)
    wanted = {"usage", "image name", *VOTE_COLUMNS}
    if not wanted <= set(labels.columns):
        raise TrainingError(f"{where}: lacks columns {', '.join(sorted(wanted - set(labels.columns)))}")
    if "pixels" not in pixels.columns or len(pixels) != len(labels):
        raise TrainingError(f"{pictures}: must have a column pixels and as many rows as {votes.name}")
    if "usage" in pixels.columns and not pixels["usage"].equals(labels["usage"]):
        raise TrainingError(f"{pictures}: column Usage differs from {votes.name}; use both files as published")
    table = labels.with_columns(pixels["pixels"]).filter(pl.col("image name").fill_null("").str.strip_chars() != "")
    names = texts(table["image name"])
    sources = tuple(
        PictureSource(grey_square(text, f"{pictures}: {name}"))
        for text, name in zip(table["pixels"], names, strict=True)
    )
    splits = usage_splits(texts(table["usage"]), names, where)
    return Samples(TITLE, tuple(names), sources, vote_columns(table, where), splits, cropped=True)


def usage_splits(cells: Sequence[str], names: Sequence[str], where: str) -> tuple[str, ...]:
    """Names of splits, [N], from the cells of FER2013's column `Usage`.

    Raises:
        TrainingError: a cell has another word; the message begins with `where` and the name of its row.
    """
    for name, cell in zip(names, cells, strict=True):
        if cell not in USAGES:
            raise TrainingError(f"{where}: {name}: Usage is '{cell}', must be one of {', '.join(USAGES)}")
    return tuple(USAGES[cell] for cell in cells)


@dataclass(frozen=True)
class MadeFerplus:
    """Counts of what was written."""

    rows: int
    by_split: dict[str, int]  # rows of each split
    duplicates: int  # pictures of valid and test that are pixel-identical to one of train
    dropped: int  # rows left out because their name is not unique


def make_ferplus(pixels: Path, votes: Path | None, out: Path) -> MadeFerplus:
    """Write the Parquet file that `pmfer.datasets.ferplus` reads.

    Args:
        pixels: `fer2013.csv`, or the folder of both files.
        votes: `fer2013new.csv`; None: the one in the same folder as `pixels`.
        out: Parquet file to write.

    Raises:
        TrainingError: a file is missing or malformed, they do not belong together, or `out` cannot be written.
    """
    if pixels.is_dir():
        pixels, votes = pixels / PIXELS_FILE, votes or pixels / VOTES_FILE
    samples = read_csv(votes or pixels.with_name(VOTES_FILE), pixels)
    repeated = {name for name, count in Counter(samples.names).items() if count > 1}
    kept = [row for row, name in enumerate(samples.names) if name not in repeated]
    pictures = [np.asarray(samples.sources[row].content) for row in kept]
    splits = [samples.splits[row] for row in kept]
    in_train = {picture.tobytes() for split, picture in zip(splits, pictures, strict=True) if split == "train"}
    duplicate = [
        split != "train" and picture.tobytes() in in_train for split, picture in zip(splits, pictures, strict=True)
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
