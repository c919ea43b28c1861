"""Which data set lies at a path, and reading it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pmfer.datasets import affectnet, ferplus, manifest, rafdb, unbc
from pmfer.datasets.load import load_faces
from pmfer.datasets.samples import Faces, Samples, worth_training
from pmfer.errors import TrainingError


@dataclass(frozen=True)
class Kind:
    """One kind of data set."""

    title: str
    is_here: Callable[[Path], bool]
    read: Callable[[Path], Samples]
    terms: str  # licence of the data, for the model card


# In the order in which they are tried: a manifest may be any table, so it comes last.
KINDS: dict[str, Kind] = {
    "ferplus": Kind(ferplus.TITLE, ferplus.is_here, ferplus.read, ferplus.TERMS),
    "raf-db": Kind(rafdb.TITLE, rafdb.is_here, rafdb.read, rafdb.TERMS),
    "affectnet8": Kind("AffectNet-8", affectnet.is_here, affectnet.read_8, affectnet.TERMS),
    "affectnet7": Kind("AffectNet-7", affectnet.is_here, affectnet.read_7, affectnet.TERMS),
    "unbc": Kind(unbc.TITLE, unbc.is_here, unbc.read, unbc.TERMS),
    "manifest": Kind(
        "a manifest of the user's own", manifest.is_here, manifest.read, "as the owner of the manifest's pictures says"
    ),
}


def find_kind(path: Path, kind: str | None = None) -> str:
    """Name of the data set at `path`; `kind` where the caller knows better (AffectNet with seven classes).

    Raises:
        TrainingError: nothing lies there, or nothing that is known.
    """
    if kind is not None and kind not in KINDS:
        raise TrainingError(f"data set '{kind}': not known; use one of {', '.join(KINDS)}")
    if not path.exists():
        raise TrainingError(f"{path}: no such file or folder; name a manifest or the folder of a data set")
    for name in KINDS if kind is None else ():
        if KINDS[name].is_here(path):
            return name
    if kind is None:
        raise TrainingError(f"{path}: no data set that is known ({', '.join(KINDS)}); see docs/training.md")
    return kind


def read_samples(path: Path, kind: str | None = None) -> Samples:
    """Labels of the data set at `path`, all splits.

    Raises:
        TrainingError: nothing known lies there, or it is malformed.
    """
    return KINDS[find_kind(path, kind)].read(path)


def read_training_faces(
    path: Path, size_px: int, channels: int = 1, kind: str | None = None, folder: Path | None = None
) -> tuple[Faces, Faces]:
    """Faces to train on (those with a usable vote) and faces to watch progress on, of the data set at `path`.

    Action-unit columns, PSPI and subjects are not among what `Faces` carries: training cannot see them.

    Args:
        path: file or folder.
        size_px: side of the faces.
        channels: 1 grey, 3 RGB.
        kind: a name of `KINDS`; None finds out.
        folder: for pictures that do not fit into memory.

    Raises:
        TrainingError: the data set is malformed, or nothing in it can be trained on.
    """
    samples = read_samples(path, kind).with_valid()
    if not samples.votes.any():
        raise TrainingError(f"{path}: {samples.title} has no expression labels; there is nothing to train on")
    train, valid = samples.in_split("train"), samples.in_split("valid")
    train = train.take(worth_training(train.votes))
    return load_faces(train, size_px, channels, folder), load_faces(valid, size_px, channels, folder)


def read_measured_faces(
    path: Path, size_px: int, channels: int = 1, kind: str | None = None
) -> tuple[Faces, Faces | None]:
    """The validation faces (those that training held out, where the set has none) and the test faces, if there are any.

    Raises:
        TrainingError: the data set is malformed or has no validation faces.
    """
    samples = read_samples(path, kind).with_valid()
    test = load_faces(samples.in_split("test"), size_px, channels) if "test" in samples.splits else None
    return load_faces(samples.in_split("valid"), size_px, channels), test


def data_terms(path: Path, kind: str | None = None) -> tuple[str, str]:
    """Title and licence of the data set at `path`, for the model card."""
    name = find_kind(path, kind)
    return KINDS[name].title, KINDS[name].terms
