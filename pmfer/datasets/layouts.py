"""Two layouts in which many sets of faces are passed on: the CSV of FER2013, and a folder of pictures per expression.

One label per face. Numbers and words of expressions differ between sets, so the log says how they were understood. An
expression that no face has is not an answer. The licence is that of the pictures.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from pmfer.datasets import manifest
from pmfer.datasets.cells import EXPRESSION_OF, SPLIT_OF, grey_square, texts
from pmfer.datasets.ferplus import usage_splits
from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.samples import SPLITS, Samples, label_votes, voted_classes
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.picture_file import PICTURE_SUFFIXES, pictures_in

FER2013_TITLE = "faces in a CSV file as FER2013 has it"
FER2013_TERMS = (
    "as the owner of the pictures says; those of FER2013 were collected by web search and have no licence of their "
    "own: research use only"
)
FER2013_LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")  # 0 to 7
FER2013_COLUMNS = {"emotion", "pixels"}
FOLDERS_TITLE = "faces in one folder per expression"
FOLDERS_TERMS = "as the owner of the pictures says"
log = logging.getLogger("pmfer.datasets")


def is_fer2013(path: Path) -> bool:
    """Whether `path` is a CSV file with the columns of FER2013, or a folder that holds one."""
    return bool(_pixel_files(path))


def read_fer2013(path: Path) -> Samples:
    """Read a CSV file as FER2013 has it, such as `fer2013.csv`, `icml_face_data.csv` or CK+48's `ckextended.csv`.

    Columns: `emotion` is 0 anger, 1 disgust, 2 fear, 3 happiness, 4 sadness, 5 surprise, 6 neutral, 7 contempt (FER2013
    has no 7); `pixels` has the grey values of a square face crop, row by row and separated by blanks; `Usage` is
    Training (train), PublicTest (valid) or PrivateTest (test). Without a column `Usage` there are no splits. Metric:
    accuracy. With FERPlus's votes beside it, `fer2013.csv` is read as FERPlus instead.

    Raises:
        TrainingError: `path` is not or does not hold exactly one such file, or a cell does not fit its column.
    """
    files = _pixel_files(path)
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise TrainingError(f"{path}: needs one CSV file with the columns emotion, pixels, Usage, has {found}; name it")
    where = files[0]
    table = manifest.read_table(where)
    labels = _labels(texts(table["emotion"]), where)
    votes = label_votes(labels)
    log.info("%s: emotion is read as %s", where.name, _meanings(enumerate(FER2013_LABELS)))
    names = tuple(f"row {row}" for row in range(1, len(table) + 1))
    return Samples(
        title=where.name,
        names=names,
        sources=tuple(
            PictureSource(grey_square(cell, f"{where}: {name}"))
            for cell, name in zip(table["pixels"], names, strict=True)
        ),
        votes=votes,
        splits=usage_splits(texts(table["usage"]), names, str(where))
        if "usage" in table.columns
        else ("",) * len(table),
        cropped=True,
        classes=voted_classes(votes),
    )


def _pixel_files(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    tables = [file for file in files if file.suffix.lower() in manifest.TEXT_SUFFIXES and file.is_file()]
    return [file for file in tables if set(re.split(r'[\s",;]+', manifest.header(file))) >= FER2013_COLUMNS]


def _labels(cells: list[str], where: Path) -> np.ndarray:
    numbers = {str(number): EXPRESSION_NAMES.index(name) for number, name in enumerate(FER2013_LABELS)}
    for row, cell in enumerate(cells, start=1):
        if cell not in numbers:
            raise TrainingError(
                f"{where}: row {row}: emotion is '{cell}', must be one of {_meanings(enumerate(FER2013_LABELS))}"
            )
    return np.array([numbers[cell] for cell in cells], np.int64)


def _meanings(pairs: Iterable[tuple[object, str]]) -> str:
    return ", ".join(f"{word} = {name}" for word, name in pairs)


def is_folders(path: Path) -> bool:
    """Whether `path` has a folder named after an expression, or one named after a split with folders in it."""
    return path.is_dir() and any(
        folder.name.lower() in EXPRESSION_OF or (folder.name.lower() in SPLIT_OF and _folders(folder))
        for folder in _folders(path)
    )


def read_folders(path: Path) -> Samples:
    """Read one folder of pictures per expression, as CK+48, exports of RAF-DB and Kaggle's FER2013 have it.

    The folders (`anger`, `happy`: the words of `cells.EXPRESSION_WORDS`) lie in `path`, or below folders for the splits
    (`train`, `test`: those of `cells.SPLIT_WORDS`). Nobody says whether the pictures are crops, so `Samples.cropped` is
    None, nor who is shown, so pictures of one person may be held out while others are trained on. Metric: accuracy.

    Raises:
        TrainingError: pictures lie in a folder that is named otherwise, or there are none.
    """
    suffixes = ", ".join(sorted(PICTURE_SUFFIXES))
    refusal = TrainingError(
        f"{path}: needs one folder of pictures ({suffixes}) per expression: {', '.join(EXPRESSION_NAMES)}"
    )
    if not path.is_dir():
        raise refusal
    has_splits = any(folder.name.lower() in SPLIT_OF for folder in _folders(path))
    parts = _named(path, SPLIT_OF, SPLITS) if has_splits else [(path, "")]
    words: dict[str, str] = {}
    found: list[tuple[Path, str, str]] = []  # picture, expression, split
    for part, split in parts:
        for folder, expression in _named(part, EXPRESSION_OF, EXPRESSION_NAMES):
            deeper = _with_pictures(_folders(folder))
            if deeper:
                raise TrainingError(f"{folder}: pictures must lie in this folder itself, not in {', '.join(deeper)}")
            words[folder.name] = expression
            found += [(picture, expression, split) for picture in pictures_in(folder)]
    if not found:
        raise refusal
    log.info("%s: folders are read as %s", path, _meanings(words.items()))
    votes = label_votes(np.array([EXPRESSION_NAMES.index(expression) for _, expression, _ in found], np.int64))
    return Samples(
        title=path.resolve().name,
        names=tuple(picture.relative_to(path).as_posix() for picture, _, _ in found),
        sources=tuple(PictureSource(picture) for picture, _, _ in found),
        votes=votes,
        splits=tuple(split for _, _, split in found),
        classes=voted_classes(votes),
    )


def _named(folder: Path, meanings: Mapping[str, str], names: Iterable[str]) -> list[tuple[Path, str]]:
    """The folders in `folder` whose names are in `meanings`, with what they mean; the log lists what is left out.

    Raises:
        TrainingError: another folder contains pictures.
    """
    others = [inside for inside in _folders(folder) if inside.name.lower() not in meanings]
    unknown = _with_pictures(others)
    if unknown:
        raise TrainingError(
            f"{folder}: contains pictures in {', '.join(unknown)}, but a folder must be named {', '.join(names)}; "
            "rename or move it"
        )
    if others:
        log.warning("%s: folders without pictures ignored: %s", folder, ", ".join(inside.name for inside in others))
    loose = pictures_in(folder)
    if loose:
        log.warning("%s: pictures outside the folders of expressions ignored: %d", folder, len(loose))
    return [(inside, meanings[inside.name.lower()]) for inside in _folders(folder) if inside not in others]


def _folders(path: Path) -> list[Path]:
    return sorted(inside for inside in path.iterdir() if inside.is_dir() and not inside.name.startswith("."))


def _with_pictures(folders: Iterable[Path]) -> list[str]:
    """Names of the folders with a picture at any depth."""
    return [folder.name for folder in folders if any(map(pictures_in, (folder, *folder.rglob("*/"))))]
