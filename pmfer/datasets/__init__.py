"""Data sets of labelled faces behind one interface. Needs numpy, polars and Pillow, not torch. See docs/training.md.

`read_samples` returns the labels of a data set and the locations of its pictures (`Samples`); `load_faces` reads the
pictures for training (`Faces`). The protocol of each data set is stated in `ferplus`, `published`, `layouts` or
`manifest`.
"""

from pmfer.datasets.load import (
    KINDS,
    data_terms,
    load_faces,
    read_ferplus,
    read_measured_faces,
    read_samples,
    read_training_faces,
)
from pmfer.datasets.pictures import PictureError, PictureSource, read_pictures
from pmfer.datasets.samples import (
    SPLITS,
    Faces,
    Samples,
    argmax_label,
    strict_label,
    vote_distribution,
)

__all__ = [
    "KINDS",
    "SPLITS",
    "Faces",
    "PictureError",
    "PictureSource",
    "Samples",
    "argmax_label",
    "data_terms",
    "load_faces",
    "read_ferplus",
    "read_measured_faces",
    "read_pictures",
    "read_samples",
    "read_training_faces",
    "strict_label",
    "vote_distribution",
]
