"""UNBC-McMaster shoulder pain archive: 48,398 frames of 25 patients in 200 sequences, with pain intensity per frame.

Lucey, Cohn, Prkachin, Solomon and Matthews, "Painful data: The UNBC-McMaster shoulder pain expression archive
database", FG 2011. Layout as released: `Images/SUBJECT/SEQUENCE/FRAME.png` and
`Frame_Labels/PSPI/SUBJECT/SEQUENCE/FRAME_facs.txt`, each with one number: PSPI, 0..16 (Prkachin and Solomon 2008). The
frame's action units in `Frame_Labels/FACS` are not read.

Protocol: whole pictures (the detector runs), no split: all subjects are measured, and whatever is fitted for a subject
is fitted on the others (leave one subject out). It has no expression labels, so there is nothing to train on. Metrics:
Pearson correlation, ICC(3,1) and mean absolute error over all frames. Licence: non-commercial research, on request from
the authors (consortium.ri.cmu.edu/painagree).
"""

from pathlib import Path

import numpy as np

from pmfer.datasets.manifest import MAX_PSPI
from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.samples import VOTE_COLUMNS, Samples
from pmfer.errors import TrainingError

TITLE = "UNBC-McMaster"
TERMS = "UNBC-McMaster shoulder pain archive: non-commercial research use only, on request from its authors"
IMAGES, LABELS = "Images", Path("Frame_Labels") / "PSPI"
SUFFIX = "_facs.txt"


def is_here(path: Path) -> bool:
    """Whether the archive lies in the folder `path`."""
    return (path / LABELS).is_dir()


def read(path: Path) -> Samples:
    """Read the archive: every frame with a label. A label without its picture counts as unreadable later on.

    Raises:
        TrainingError: there are no labels, or one is no number in 0..16.
    """
    notes = sorted((path / LABELS).glob(f"*/*/*{SUFFIX}"))
    if not notes:
        raise TrainingError(f"{path}: not UNBC-McMaster; needs {LABELS.as_posix()}/SUBJECT/SEQUENCE/FRAME{SUFFIX}")
    frames = [note.relative_to(path / LABELS).with_name(note.name.removesuffix(SUFFIX) + ".png") for note in notes]
    return Samples(
        title=TITLE,
        names=tuple(frame.as_posix() for frame in frames),
        sources=tuple(PictureSource(path / IMAGES / frame) for frame in frames),
        votes=np.zeros((len(frames), len(VOTE_COLUMNS)), np.uint8),
        splits=("",) * len(frames),
        pspi=np.array([_pspi(note) for note in notes], np.float32),
        subjects=tuple(frame.parts[0] for frame in frames),
        cropped=False,
    )


def _pspi(path: Path) -> float:
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MAX_PSPI:
        raise TrainingError(f"{path}: '{text[:20]}' is no PSPI from 0 to {MAX_PSPI}")
    return value
