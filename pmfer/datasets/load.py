"""Detect which data set is at a path, and read its labels and pictures.

For training, the pictures are read into one array: in memory or, if they are too many, in a file.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pmfer.datasets import ferplus, layouts, manifest, published
from pmfer.datasets.pictures import PictureError, PictureSource, read_picture, read_pictures, resize
from pmfer.datasets.samples import Faces, Samples, worth_training
from pmfer.errors import TrainingError
from pmfer.picture_file import Unreadable

MEMORY_LIMIT = 2 * 1024**3  # bytes; if the pictures take more, they go to a file
log = logging.getLogger("pmfer.datasets")


@dataclass(frozen=True)
class Kind:
    """One kind of data set."""

    title: str
    is_here: Callable[[Path], bool]
    read: Callable[[Path], Samples]
    terms: str  # licence of the data, for the model card


# In the order in which they are tried. Any table may be a manifest, so it comes last.
KINDS: dict[str, Kind] = {
    "ferplus": Kind(ferplus.TITLE, ferplus.is_here, ferplus.read, ferplus.TERMS),
    "fer2013": Kind(layouts.FER2013_TITLE, layouts.is_fer2013, layouts.read_fer2013, layouts.FER2013_TERMS),
    "raf-db": Kind(published.RAFDB_TITLE, published.is_rafdb, published.read_rafdb, published.RAFDB_TERMS),
    **{
        f"affectnet{classes}": Kind(
            f"{published.AFFECTNET_TITLE}-{classes}",
            published.is_affectnet,
            partial(published.read_affectnet, classes=classes),
            published.AFFECTNET_TERMS,
        )
        for classes in (8, 7)
    },
    "unbc": Kind(published.UNBC_TITLE, published.is_unbc, published.read_unbc, published.UNBC_TERMS),
    "folders": Kind(layouts.FOLDERS_TITLE, layouts.is_folders, layouts.read_folders, layouts.FOLDERS_TERMS),
    "manifest": Kind(
        "a manifest of the user's own", manifest.is_here, manifest.read, "as the owner of the manifest's pictures says"
    ),
}


def find_kind(path: Path, kind: str | None = None) -> str:
    """Name of the data set at `path`; `kind` if the caller gives it, such as AffectNet with seven classes.

    Raises:
        TrainingError: there is nothing at `path`, or no known data set.
    """
    if kind is not None and kind not in KINDS:
        raise TrainingError(f"data set '{kind}': not known; use one of {', '.join(KINDS)}")
    if not path.exists():
        raise TrainingError(f"{path}: no such file or folder; name a manifest or the folder of a data set")
    found = kind or next((name for name in KINDS if KINDS[name].is_here(path)), None)
    if found is None:
        raise TrainingError(f"{path}: not a known data set ({', '.join(KINDS)}); see docs/training.md")
    return found


def read_samples(path: Path, kind: str | None = None) -> Samples:
    """Read the labels of the data set at `path`, all splits.

    Raises:
        TrainingError: there is no known data set at `path`, or it is malformed.
    """
    return KINDS[find_kind(path, kind)].read(path)


def read_training_faces(
    path: Path, size_px: int, kind: str | None = None, folder: Path | None = None
) -> tuple[Faces, Faces]:
    """Read the training faces (those with a usable vote) and the validation faces of the data set at `path`, in grey.

    `Faces` does not contain action units, PSPI or subjects, so training cannot see them.

    Args:
        path: file or folder.
        size_px: side of the faces.
        kind: a key of `KINDS`; None: detect it.
        folder: folder for pictures that do not fit into memory.

    Raises:
        TrainingError: the data set is malformed, or has nothing to train on.
    """
    samples = read_samples(path, kind).with_valid()
    if not samples.votes.any():
        raise TrainingError(f"{path}: {samples.title} has no expression labels; there is nothing to train on")
    if "valid" not in samples.splits:
        raise TrainingError(f"{path}: too few faces or subjects to hold some out for validation; add a column split")
    train, valid = samples.in_split("train"), samples.in_split("valid")
    train = train.take(worth_training(train.votes))
    if not len(train):
        raise TrainingError(f"{path}: no training face whose votes agree on an expression; see docs/training.md")
    return load_faces(train, size_px, folder), load_faces(valid, size_px, folder)


def read_measured_faces(path: Path, size_px: int, kind: str | None = None) -> tuple[Faces, Faces | None]:
    """Read the validation faces and, if there are any, the test faces of the data set at `path`, in grey.

    In a data set without a validation split, these are the faces held out from training (`Samples.with_valid`).

    Raises:
        TrainingError: the data set is malformed or has no validation faces.
    """
    samples = read_samples(path, kind).with_valid()
    test = load_faces(samples.in_split("test"), size_px) if "test" in samples.splits else None
    return load_faces(samples.in_split("valid"), size_px), test


def read_ferplus(path: Path, split: str) -> Faces:
    """Read one split (`train`, `valid` or `test`) of FERPlus in Parquet, 48 x 48 grey; see docs/training.md.

    Raises:
        TrainingError: the file is missing, is not Parquet, or lacks a column or the split.
    """
    try:
        missing = set(ferplus.FERPLUS_COLUMNS) - set(pl.read_parquet_schema(path))
        reason = f"no column {', '.join(sorted(missing))}" if missing else ""
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
    if reason:
        raise TrainingError(f"{path}: not a FERPlus Parquet file ({reason}); see docs/training.md")
    return load_faces(ferplus.read(path).in_split(split), ferplus.SIDE)


def data_terms(path: Path, kind: str | None = None) -> tuple[str, str]:
    """Title and licence of the data set at `path`, for the model card."""
    name = find_kind(path, kind)
    return KINDS[name].title, KINDS[name].terms


def load_faces(samples: Samples, size_px: int, folder: Path | None = None, memory_limit: int = MEMORY_LIMIT) -> Faces:
    """Read every picture in grey, as uint8 [size_px, size_px]: training and its measurements see no colours.

    Pictures that cannot be read are left out; one line in the log `pmfer.datasets` counts and names them.

    Args:
        samples: cropped faces, or pictures with a face box.
        size_px: side of the faces.
        folder: folder of the memory-mapped file that is used if the pictures take more than `memory_limit` bytes. The
            file is reused when the same pictures are loaded again. The caller removes the folder.
        memory_limit: bytes.

    Raises:
        TrainingError: the samples are whole pictures, none can be read, or they do not fit into memory and there is no
            `folder`.
    """
    if samples.cropped is False:
        raise TrainingError(f"{samples.title}: contains whole pictures; training needs face crops")
    shape = (len(samples), size_px, size_px)
    if int(np.prod(shape)) <= memory_limit:
        images = np.empty(shape, np.uint8)
        broken = _fill(images, samples.sources)
        kept = images[: len(samples) - len(broken)]
    elif folder is None:
        raise TrainingError(f"{samples.title}: {len(samples)} pictures do not fit into memory; name a folder for them")
    else:
        kept, broken = _in_file(shape, samples, folder)
    _report_unreadable(samples, broken)
    keep = np.ones(len(samples), bool)
    keep[list(broken)] = False
    labels = samples.take(keep)
    return Faces(kept, labels.votes, labels.subsets, labels.names)


def pixel_statistics(images: npt.NDArray[np.uint8], chunk: int = 4096) -> tuple[float, float]:
    """Mean and standard deviation of the pixels of pictures [N, ...] in 0..1; `chunk` pictures are read at a time."""
    counts = np.zeros(256, np.int64)
    for begin in range(0, len(images), chunk):
        counts += np.bincount(images[begin : begin + chunk].reshape(-1), minlength=256)
    values = np.arange(256) / 255
    mean = float((counts * values).sum() / counts.sum())
    return mean, float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum()))


def _fill(images: npt.NDArray[np.uint8], sources: tuple[PictureSource, ...]) -> dict[int, str]:
    """Write the readable pictures to the front of `images`; returns the rows of the others, with the reasons."""
    broken: dict[int, str] = {}
    written, size_px = 0, images.shape[1]
    pictures = read_pictures(sources, lambda source: resize(read_picture(source, channels=1), size_px))
    for row, picture in enumerate(chain.from_iterable(pictures)):
        if isinstance(picture, PictureError):
            broken[row] = str(picture)
        else:
            images[written] = picture
            written += 1
    return broken


def _in_file(
    shape: tuple[int, int, int], samples: Samples, folder: Path
) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
    """Write the pictures to a file, unless it is there already; a file without a record was not finished."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps([samples.title, shape[1], 1, list(samples.names)])  # 1: the number of channels
    key = hashlib.sha256(content.encode()).hexdigest()[:16]
    path, record = folder / f"faces-{key}.npy", folder / f"faces-{key}.json"
    if not record.exists():
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        broken = _fill(images, samples.sources)
        images.flush()
        temporary = record.with_suffix(".tmp")
        temporary.write_text(json.dumps(broken), encoding="utf-8")
        temporary.replace(record)
    broken = {int(row): reason for row, reason in json.loads(record.read_text(encoding="utf-8")).items()}
    # Copy-on-write: torch warns about read-only arrays, and nothing may change the file.
    return np.load(path, mmap_mode="c")[: len(samples) - len(broken)], broken


def _report_unreadable(samples: Samples, broken: dict[int, str]) -> None:
    if len(broken) == len(samples):
        reason = next(iter(broken.values()), "it is empty")
        raise TrainingError(f"{samples.title}: none of its {len(samples)} pictures can be read ({reason})")
    if broken:
        names = tuple(samples.names[row] for row in broken)
        log.warning("%s: %s", samples.title, Unreadable(names, len(samples), next(iter(broken.values()))))
