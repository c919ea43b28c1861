"""Read the pictures of a data set into one array for training: in memory, or in a file where they are too many."""

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pmfer.datasets.pictures import (
    Picture,
    PictureError,
    PictureSource,
    Unreadable,
    read_picture,
    read_pictures,
    resize,
)
from pmfer.datasets.samples import Faces, Samples
from pmfer.errors import TrainingError

MEMORY_LIMIT = 2 * 1024**3  # bytes of pictures above which they go to a file
log = logging.getLogger("pmfer.datasets")


def load_faces(
    samples: Samples, size_px: int, channels: int, folder: Path | None = None, memory_limit: int = MEMORY_LIMIT
) -> Faces:
    """Read every picture as uint8 [size_px, size_px] or [size_px, size_px, 3].

    Pictures that cannot be read are left out, counted and named in one line of the log `pmfer.datasets`.

    Args:
        samples: faces already cropped, or with a box of the face.
        size_px: side of the faces.
        channels: 1 grey, 3 RGB.
        folder: of the memory-mapped file that takes more than `memory_limit` bytes; it is used again when the same
            pictures are asked for again. The caller removes the folder.
        memory_limit: bytes.

    Raises:
        TrainingError: the samples are whole pictures, none can be read, or they are too many and there is no `folder`.
    """
    if samples.cropped is False:
        raise TrainingError(f"{samples.title}: holds whole pictures; training needs face crops")
    shape = (len(samples), size_px, size_px, *(() if channels == 1 else (channels,)))
    if int(np.prod(shape)) <= memory_limit:
        images = np.empty(shape, np.uint8)
        broken = _fill(images, samples, size_px, channels)
        kept = images[: len(samples) - len(broken)]
    elif folder is None:
        raise TrainingError(f"{samples.title}: {len(samples)} pictures do not fit into memory; name a folder for them")
    else:
        kept, broken = _in_file(shape, samples, size_px, channels, folder)
    _tell(samples, broken)
    keep = np.ones(len(samples), bool)
    keep[list(broken)] = False
    labels = samples.take(keep)
    return Faces(kept, labels.votes, labels.subsets, labels.names)


def pixel_statistics(images: npt.NDArray[np.uint8], chunk: int = 4096) -> tuple[float, float]:
    """Mean and standard deviation of pixel values as 0..1, in one pass that holds `chunk` pictures."""
    counts = np.zeros(256, np.int64)
    for begin in range(0, len(images), chunk):
        counts += np.bincount(images[begin : begin + chunk].reshape(-1), minlength=256)
    values = np.arange(256) / 255
    mean = float((counts * values).sum() / counts.sum())
    return mean, float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum()))


def _fill(images: npt.NDArray[np.uint8], samples: Samples, size_px: int, channels: int) -> dict[int, str]:
    """Write the readable pictures to the front of `images`; returns the others' rows and reasons."""
    broken: dict[int, str] = {}
    written = 0
    for row, picture in enumerate(_squares(samples.sources, size_px, channels)):
        if isinstance(picture, PictureError):
            broken[row] = str(picture)
        else:
            images[written] = picture
            written += 1
    return broken


def _squares(sources: tuple[PictureSource, ...], size_px: int, channels: int) -> Iterator[Picture | PictureError]:
    for chunk in read_pictures(sources, lambda source: resize(read_picture(source, channels), size_px)):
        yield from chunk


def _in_file(
    shape: tuple[int, ...], samples: Samples, size_px: int, channels: int, folder: Path
) -> tuple[npt.NDArray[np.uint8], dict[int, str]]:
    """The pictures in a file, written once: a file without its finished record is one that was cut short."""
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(json.dumps([samples.title, size_px, channels, list(samples.names)]).encode()).hexdigest()[:16]
    path, record = folder / f"faces-{key}.npy", folder / f"faces-{key}.json"
    if not record.exists():
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        broken = _fill(images, samples, size_px, channels)
        images.flush()
        temporary = record.with_suffix(".tmp")
        temporary.write_text(json.dumps(broken), encoding="utf-8")
        temporary.replace(record)
    broken = {int(row): reason for row, reason in json.loads(record.read_text(encoding="utf-8")).items()}
    # Copy on write: torch warns about arrays that it could not write to, and nothing may change the file.
    return np.load(path, mmap_mode="c")[: len(samples) - len(broken)], broken


def _tell(samples: Samples, broken: dict[int, str]) -> None:
    if len(broken) == len(samples):
        reason = next(iter(broken.values()), "it is empty")
        raise TrainingError(f"{samples.title}: not one of {len(samples)} pictures can be read ({reason})")
    if broken:
        names = tuple(samples.names[row] for row in broken)
        log.warning("%s: %s", samples.title, Unreadable(names, len(samples), next(iter(broken.values()))))
