"""The file between `pmfer landmarks` and `pmfer train`: one row of shape measures per training face."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.progress import track

from pmfer.config import TrainConfig
from pmfer.datasets import Faces
from pmfer.errors import ConfigurationError, TrainingError
from pmfer.facs import ACTION_UNITS
from pmfer.geometry import evidence, measure_faces
from pmfer.landmarks import FaceMesh


def write_landmark_file(faces: Faces, mesh: FaceMesh, out: Path) -> int:
    """Measure every face and write Parquet; returns the number of faces.

    Args:
        faces: training faces, grey.
        mesh: finds the points.
        out: the file; its folder is made.

    Raises:
        TrainingError: the faces are no grey pictures, or their names are not unique.
    """
    if faces.images.ndim != 3:
        raise TrainingError("face points are found on grey pictures; read the data set with one channel")
    if len(set(faces.names)) != len(faces):
        raise TrainingError("pictures of the data set share names; give each a name of its own")
    found = [mesh.find(picture) for picture in track(faces.images, "face points", transient=True)]
    points = np.stack([points for points, _ in found])
    table = measure_faces(list(faces.names), points, np.array([presence for _, presence in found], dtype=np.float32))
    out.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(out)
    return len(table)


def evidence_for(config: TrainConfig, path: Path | None, names: tuple[str, ...]) -> npt.NDArray[np.float32] | None:
    """What `config` wants of the file: its evidence for the faces named, or None where it trains on votes alone.

    Raises:
        ConfigurationError: the configuration wants a file and there is none, or the other way round.
        TrainingError: as `read_evidence`.
    """
    if config.data.landmarks and path is None:
        raise ConfigurationError("data.landmarks = true wants --landmarks FILE; make one with `pmfer landmarks`")
    if path is not None and not config.data.landmarks:
        raise ConfigurationError(f"{path}: not wanted; set data.landmarks = true or leave --landmarks out")
    return None if path is None else read_evidence(path, names)


def read_evidence(path: Path, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Evidence float32 [N, A] of geometry.evidence for the faces named; NaN where the file has no row.

    Raises:
        TrainingError: the file is missing or of another make, or it is of other faces.
    """
    try:
        table = pl.read_parquet(path, glob=False)
        rows = dict(zip(table["name"], evidence(table), strict=True))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path}: no file of face points ({reason}); make one with `pmfer landmarks`") from None
    if not rows.keys() & set(names):
        raise TrainingError(f"{path}: names none of the training faces; make it from the same data set")
    nothing = np.full(len(ACTION_UNITS), np.nan, dtype=np.float32)
    return np.stack([rows.get(name, nothing) for name in names])
