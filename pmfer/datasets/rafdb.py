"""RAF-DB, basic emotions: 15,339 faces from the web, one of seven labels each (12,271 train, 3,068 test).

Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild",
CVPR 2017. Layout as released (`basic/`): `list_patition_label.txt`, in the folder or in `EmoLabel/`, with lines such as
`train_00001.jpg 5`, and the aligned pictures (100 x 100) in `Image/aligned/train_00001_aligned.jpg`.

Labels: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral; no contempt. Splits by the name's
beginning; there is no validation split (see `Samples.with_valid`). Metric: accuracy; often the mean of the seven class
recalls beside it. Licence: non-commercial research, on request from the authors (whdeng.cn/RAF).
"""

from pathlib import Path

import numpy as np

from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.samples import Samples, label_votes
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

TITLE = "RAF-DB"
TERMS = "RAF-DB, whdeng.cn/RAF: non-commercial research use only, on request from its authors"
LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # of 1 to 7
LABEL_FILES = ("list_patition_label.txt", "EmoLabel/list_patition_label.txt")
ALIGNED = Path("Image") / "aligned"


def is_here(path: Path) -> bool:
    """Whether RAF-DB's label file lies in the folder `path`."""
    return any((path / name).is_file() for name in LABEL_FILES)


def read(path: Path) -> Samples:
    """Read the folder `basic` of RAF-DB.

    Raises:
        TrainingError: the label file or the folder of aligned pictures is missing, or a line is malformed.
    """
    found = [path / name for name in LABEL_FILES if (path / name).is_file()]
    if not found or not (path / ALIGNED).is_dir():
        raise TrainingError(f"{path}: not RAF-DB basic; needs {LABEL_FILES[0]} and {ALIGNED.as_posix()}/")
    names, labels = [], []
    for number, line in enumerate(found[0].read_text(encoding="utf-8").splitlines(), start=1):
        parts = line.split()
        if not parts:
            continue
        fits = len(parts) == 2 and parts[1] in {"1", "2", "3", "4", "5", "6", "7"}
        if not fits or not parts[0].startswith(("train_", "test_")):
            raise TrainingError(f"{found[0]}: line {number}: '{line}' is not like 'train_00001.jpg 5'")
        names.append(parts[0])
        labels.append(EXPRESSION_NAMES.index(LABELS[int(parts[1]) - 1]))
    if not names:
        raise TrainingError(f"{found[0]}: lists no pictures")
    return Samples(
        title=TITLE,
        names=tuple(names),
        sources=tuple(PictureSource(path / ALIGNED / f"{Path(name).stem}_aligned.jpg") for name in names),
        votes=label_votes(np.array(labels, np.int64)),
        splits=tuple(name.split("_")[0] for name in names),
        cropped=True,
        classes=tuple(sorted(EXPRESSION_NAMES.index(name) for name in LABELS)),
    )
