"""AffectNet with eight or seven expressions: some 290,000 faces from the web, labelled by one rater each.

Mollahosseini, Hasani and Mahoor, "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the
Wild", IEEE Transactions on Affective Computing 10 (2019). Two releases are read:

- `train_set/` and `val_set/`, each with `images/N.jpg` and `annotations/N_exp.npy`;
- `training.csv` and `validation.csv` (in the folder, or in `Manually_Annotated_file_lists/`) with the columns
  `subDirectory_filePath` and `expression`; pictures below `Manually_Annotated_Images/` or the folder itself, cut to the
  face box of the columns
  `face_x`, `face_y`, `face_width`, `face_height` where these are there.

Labels: 0 neutral, 1 happiness, 2 sadness, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; rows with 8 (none), 9
(uncertain) and 10 (no face) are left out. AffectNet-7 leaves contempt out as well.

Splits: the validation set, 500 faces per class, is what everybody reports on, since the test set is not released: it is
our `test`. There is no other validation split (see `Samples.with_valid`). Metric: accuracy, which is the mean class
recall as well, because the classes are balanced there; in training they are not at all. Licence: research only, on
request (mohammadmahoor.com/affectnet).
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from pmfer.datasets import manifest
from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.samples import Samples, label_votes
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

TITLE = "AffectNet"
TERMS = "AffectNet, mohammadmahoor.com/affectnet: research use only, on request from its authors"
LABELS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")  # of 0 to 7
MAX_LABEL = 10  # 8 none, 9 uncertain, 10 no face
FOLDERS = {"train_set": "train", "val_set": "test"}
FILES = {"training.csv": "train", "validation.csv": "test"}
LISTS, IMAGES = "Manually_Annotated_file_lists", "Manually_Annotated_Images"
PATH_COLUMN = "subdirectory_filepath"
BOX_COLUMNS = ("face_x", "face_y", "face_width", "face_height")


class _Row(NamedTuple):
    name: str
    source: PictureSource
    label: int  # AffectNet's own number
    split: str


def is_here(path: Path) -> bool:
    """Whether one of the two releases lies in the folder `path`."""
    return any((path / folder / "annotations").is_dir() for folder in FOLDERS) or any(_lists(path))


def read(path: Path, classes: int = 8) -> Samples:
    """Read AffectNet with eight or seven classes from its folder.

    Raises:
        TrainingError: neither release lies there, or a label is malformed.
    """
    rows = list(_from_folders(path)) or list(_from_lists(path))
    if not rows:
        raise TrainingError(
            f"{path}: not AffectNet; needs train_set/ and val_set/ with images/ and annotations/, or {', '.join(FILES)}"
        )
    rows = [row for row in rows if row.label < classes]
    labels = np.array([EXPRESSION_NAMES.index(LABELS[row.label]) for row in rows], np.int64)
    return Samples(
        title=f"{TITLE}-{classes}",
        names=tuple(row.name for row in rows),
        sources=tuple(row.source for row in rows),
        votes=label_votes(labels),
        splits=tuple(row.split for row in rows),
        cropped=True,
        classes=tuple(sorted(EXPRESSION_NAMES.index(name) for name in LABELS[:classes])),
    )


read_7 = partial(read, classes=7)
read_8 = partial(read, classes=8)


def _from_folders(root: Path) -> Iterator[_Row]:
    for folder, split in FOLDERS.items():
        # Numeric names in numeric order, so that a run does not depend on the order of a file system.
        notes = sorted((root / folder / "annotations").glob("*_exp.npy"), key=lambda p: (len(p.name), p.name))
        for note in notes:
            stem = note.name.removesuffix("_exp.npy")
            source = PictureSource(root / folder / "images" / f"{stem}.jpg")
            yield _Row(f"{folder}/{stem}", source, _label(_npy(note), note), split)


def _npy(path: Path) -> str:
    try:
        return str(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise TrainingError(f"{path}: not a NumPy file with one label ({error})") from None


def _from_lists(root: Path) -> Iterator[_Row]:
    pictures = root / IMAGES if (root / IMAGES).is_dir() else root
    for path in _lists(root):
        table = manifest.read_table(path)
        if not {PATH_COLUMN, "expression"} <= set(table.columns):
            raise TrainingError(f"{path}: lacks a column subDirectory_filePath or expression")
        labels, boxes = manifest.texts(table["expression"]), _boxes(table)
        for row, name in enumerate(manifest.texts(table[PATH_COLUMN])):
            label = _label(labels[row], path)
            yield _Row(name, PictureSource(pictures / name, boxes[row]), label, FILES[path.name])


def _lists(root: Path) -> list[Path]:
    places = [folder / name for name in FILES for folder in (root, root / LISTS)]
    return [path for path in places if path.is_file() and PATH_COLUMN in _header(path)]


def _header(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.readline().lower()


def _boxes(table: pl.DataFrame) -> list[tuple[int, int, int, int] | None]:
    """Box of each row, left, top, width, height; None where the row has text such as NULL instead."""
    if not set(BOX_COLUMNS) <= set(table.columns):
        return [None] * len(table)
    values = table.select(pl.col(BOX_COLUMNS).cast(pl.Float64, strict=False).fill_null(0)).to_numpy().astype(int)
    return [(x, y, width, height) if width > 0 and height > 0 else None for x, y, width, height in values.tolist()]


def _label(text: str, where: Path) -> int:
    if not text.strip().isdigit() or int(text) > MAX_LABEL:
        raise TrainingError(f"{where}: expression '{text}' is no number from 0 to {MAX_LABEL}")
    return int(text)
