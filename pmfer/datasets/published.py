"""Data sets read from the folders that their authors published. Each reader states the protocol."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from pmfer.datasets import manifest
from pmfer.datasets.cells import MAX_PSPI, texts
from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.samples import VOTE_COLUMNS, Samples, label_votes
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

AFFECTNET_TITLE = "AffectNet"
AFFECTNET_TERMS = "AffectNet, mohammadmahoor.com/affectnet: research use only, on request from its authors"
AFFECTNET_LABELS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")  # 0 to 7
AFFECTNET_MAX_LABEL = 10  # 8 none, 9 uncertain, 10 no face
AFFECTNET_FOLDERS = {"train_set": "train", "val_set": "test"}
AFFECTNET_FILES = {"training.csv": "train", "validation.csv": "test"}
AFFECTNET_LISTS, AFFECTNET_IMAGES = "Manually_Annotated_file_lists", "Manually_Annotated_Images"
AFFECTNET_PATH = "subdirectory_filepath"
AFFECTNET_BOX = ("face_x", "face_y", "face_width", "face_height")
RAFDB_TITLE = "RAF-DB"
RAFDB_TERMS = "RAF-DB, whdeng.cn/RAF: non-commercial research use only, on request from its authors"
RAFDB_LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # 1 to 7
RAFDB_FILES = ("list_patition_label.txt", "EmoLabel/list_patition_label.txt")
RAFDB_PICTURES = Path("Image") / "aligned"
UNBC_TITLE = "UNBC-McMaster"
UNBC_TERMS = "UNBC-McMaster shoulder pain archive: non-commercial research use only, on request from its authors"
UNBC_IMAGES, UNBC_LABELS = "Images", Path("Frame_Labels") / "PSPI"
UNBC_SUFFIX = "_facs.txt"


class _AffectNetRow(NamedTuple):
    name: str
    source: PictureSource
    label: int  # AffectNet's own number
    split: str


def is_affectnet(path: Path) -> bool:
    """Whether the folder `path` contains one of the two releases of AffectNet."""
    return any((path / folder / "annotations").is_dir() for folder in AFFECTNET_FOLDERS) or any(_lists(path))


def read_affectnet(path: Path, classes: int = 8) -> Samples:
    """Read AffectNet with eight or seven expressions: some 290,000 faces from the web, labelled by one rater each.

    Mollahosseini, Hasani and Mahoor, "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in
    the Wild", IEEE Transactions on Affective Computing 10 (2019). Two releases are supported:

    - `train_set/` and `val_set/`, each with `images/N.jpg` and `annotations/N_exp.npy`;
    - `training.csv` and `validation.csv` (in the folder, or in `Manually_Annotated_file_lists/`) with the columns
      `subDirectory_filePath` and `expression`; pictures below `Manually_Annotated_Images/` or the folder itself,
      cropped to the face box of the columns `face_x`, `face_y`, `face_width`, `face_height` if these exist.

    Labels: 0 neutral, 1 happiness, 2 sadness, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; rows with 8 (none), 9
    (uncertain) and 10 (no face) are left out. AffectNet-7 leaves contempt out as well.

    Splits: the test set was not released, so everybody reports results on the validation set, with 500 faces per class.
    It is our `test`. There is no other validation split (see `Samples.with_valid`). Metric: accuracy. As the classes
    are balanced in that set, it is also the mean class recall; in the training set they are far from balanced. Licence:
    research only, on request (mohammadmahoor.com/affectnet).

    Args:
        path: the folder.
        classes: 8, or 7 without contempt.

    Raises:
        TrainingError: the folder contains neither release, or a label is malformed.
    """
    rows = list(_from_folders(path)) or list(_from_lists(path))
    if not rows:
        raise TrainingError(
            f"{path}: not AffectNet; needs train_set/ and val_set/ with images/ and annotations/, or "
            + ", ".join(AFFECTNET_FILES)
        )
    rows = [row for row in rows if row.label < classes]
    labels = np.array([EXPRESSION_NAMES.index(AFFECTNET_LABELS[row.label]) for row in rows], np.int64)
    return Samples(
        title=f"{AFFECTNET_TITLE}-{classes}",
        names=tuple(row.name for row in rows),
        sources=tuple(row.source for row in rows),
        votes=label_votes(labels),
        splits=tuple(row.split for row in rows),
        cropped=True,
        classes=tuple(sorted(EXPRESSION_NAMES.index(name) for name in AFFECTNET_LABELS[:classes])),
    )


def _from_folders(root: Path) -> Iterator[_AffectNetRow]:
    for folder, split in AFFECTNET_FOLDERS.items():
        # Numeric names in numeric order, so that a run does not depend on the order in the file system.
        notes = sorted((root / folder / "annotations").glob("*_exp.npy"), key=lambda p: (len(p.name), p.name))
        for note in notes:
            stem = note.name.removesuffix("_exp.npy")
            source = PictureSource(root / folder / "images" / f"{stem}.jpg")
            yield _AffectNetRow(f"{folder}/{stem}", source, _affectnet_label(_npy(note), note), split)


def _npy(path: Path) -> str:
    try:
        return str(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise TrainingError(f"{path}: not a NumPy file with one label ({error})") from None


def _from_lists(root: Path) -> Iterator[_AffectNetRow]:
    pictures = root / AFFECTNET_IMAGES if (root / AFFECTNET_IMAGES).is_dir() else root
    for path in _lists(root):
        table = manifest.read_table(path)
        if not {AFFECTNET_PATH, "expression"} <= set(table.columns):
            raise TrainingError(f"{path}: lacks a column subDirectory_filePath or expression")
        labels, boxes = texts(table["expression"]), _boxes(table)
        for row, name in enumerate(texts(table[AFFECTNET_PATH])):
            label = _affectnet_label(labels[row], path)
            yield _AffectNetRow(name, PictureSource(pictures / name, boxes[row]), label, AFFECTNET_FILES[path.name])


def _lists(root: Path) -> list[Path]:
    places = [folder / name for name in AFFECTNET_FILES for folder in (root, root / AFFECTNET_LISTS)]
    return [path for path in places if path.is_file() and AFFECTNET_PATH in manifest.header(path)]


def _boxes(table: pl.DataFrame) -> list[tuple[int, int, int, int] | None]:
    """Box of each row: left, top, width, height; None if the row has text such as NULL instead."""
    if not set(AFFECTNET_BOX) <= set(table.columns):
        return [None] * len(table)
    values = table.select(pl.col(AFFECTNET_BOX).cast(pl.Float64, strict=False).fill_null(0)).to_numpy().astype(int)
    return [(x, y, width, height) if width > 0 and height > 0 else None for x, y, width, height in values.tolist()]


def _affectnet_label(text: str, where: Path) -> int:
    if not text.strip().isdecimal() or int(text) > AFFECTNET_MAX_LABEL:
        raise TrainingError(f"{where}: expression '{text}' is not a number from 0 to {AFFECTNET_MAX_LABEL}")
    return int(text)


def is_rafdb(path: Path) -> bool:
    """Whether the folder `path` contains RAF-DB's label file."""
    return any((path / name).is_file() for name in RAFDB_FILES)


def read_rafdb(path: Path) -> Samples:
    """Read RAF-DB, basic emotions: 15,339 faces from the web, one of seven labels each (12,271 train, 3,068 test).

    Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the
    Wild", CVPR 2017. Layout as released (the folder `basic`): `list_patition_label.txt`, in the folder or in
    `EmoLabel/`, with lines such as `train_00001.jpg 5`, and the aligned pictures (100 x 100) in
    `Image/aligned/train_00001_aligned.jpg`.

    Labels: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral; no contempt. The prefix of the
    name tells the split; there is no validation split (see `Samples.with_valid`). Metric: accuracy, often with the mean
    of the seven class recalls. Licence: non-commercial research, on request from the authors (whdeng.cn/RAF).

    Raises:
        TrainingError: the label file or the folder of aligned pictures is missing, or a line is malformed.
    """
    found = [path / name for name in RAFDB_FILES if (path / name).is_file()]
    if not found or not (path / RAFDB_PICTURES).is_dir():
        raise TrainingError(f"{path}: not RAF-DB basic; needs {RAFDB_FILES[0]} and {RAFDB_PICTURES.as_posix()}/")
    names, labels = [], []
    for number, line in enumerate(found[0].read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        parts = line.split()
        if not parts:
            continue
        fits = len(parts) == 2 and parts[1] in {"1", "2", "3", "4", "5", "6", "7"}
        if not fits or not parts[0].startswith(("train_", "test_")):
            raise TrainingError(f"{found[0]}: line {number}: '{line}' is not like 'train_00001.jpg 5'")
        names.append(parts[0])
        labels.append(EXPRESSION_NAMES.index(RAFDB_LABELS[int(parts[1]) - 1]))
    if not names:
        raise TrainingError(f"{found[0]}: lists no pictures")
    return Samples(
        title=RAFDB_TITLE,
        names=tuple(names),
        sources=tuple(PictureSource(path / RAFDB_PICTURES / f"{Path(name).stem}_aligned.jpg") for name in names),
        votes=label_votes(np.array(labels, np.int64)),
        splits=tuple(name.split("_")[0] for name in names),
        cropped=True,
        classes=tuple(sorted(EXPRESSION_NAMES.index(name) for name in RAFDB_LABELS)),
    )


def is_unbc(path: Path) -> bool:
    """Whether the folder `path` contains UNBC-McMaster."""
    return (path / UNBC_LABELS).is_dir()


def read_unbc(path: Path) -> Samples:
    """Read the UNBC-McMaster shoulder pain archive: 48,398 frames of 25 patients in 200 sequences, with pain intensity.

    Lucey, Cohn, Prkachin, Solomon and Matthews, "Painful data: The UNBC-McMaster shoulder pain expression archive
    database", FG 2011. Layout as released: `Images/SUBJECT/SEQUENCE/FRAME.png` and
    `Frame_Labels/PSPI/SUBJECT/SEQUENCE/FRAME_facs.txt`, each with one number: PSPI, 0..16 (Prkachin and Solomon 2008).
    Every frame with a label is read; a frame without a picture counts as unreadable later. The action units in
    `Frame_Labels/FACS` are not read.

    Protocol: whole pictures (the detector runs), no split: all subjects are measured, and everything that is fitted for
    a subject is fitted on the others (leave one subject out). It has no expression labels, so there is nothing to train
    on. Metrics: Pearson correlation, ICC(3,1) and mean absolute error over all frames. Licence: non-commercial
    research, on request from the authors (consortium.ri.cmu.edu/painagree).

    Raises:
        TrainingError: there are no labels, or a label is not a number in 0..16.
    """
    notes = sorted((path / UNBC_LABELS).glob(f"*/*/*{UNBC_SUFFIX}"))
    if not notes:
        raise TrainingError(
            f"{path}: not UNBC-McMaster; needs {UNBC_LABELS.as_posix()}/SUBJECT/SEQUENCE/FRAME{UNBC_SUFFIX}"
        )
    frames = [
        note.relative_to(path / UNBC_LABELS).with_name(note.name.removesuffix(UNBC_SUFFIX) + ".png") for note in notes
    ]
    return Samples(
        title=UNBC_TITLE,
        names=tuple(frame.as_posix() for frame in frames),
        sources=tuple(PictureSource(path / UNBC_IMAGES / frame) for frame in frames),
        votes=np.zeros((len(frames), len(VOTE_COLUMNS)), np.uint8),
        splits=("",) * len(frames),
        pspi=np.array([_pspi(note) for note in notes], np.float32),
        subjects=tuple(frame.parts[0] for frame in frames),
        cropped=False,
    )


def _pspi(path: Path) -> float:
    text = path.read_text(encoding="utf-8-sig", errors="replace").strip()
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MAX_PSPI:
        raise TrainingError(f"{path}: '{text[:20]}' is not a PSPI from 0 to {MAX_PSPI}")
    return value
