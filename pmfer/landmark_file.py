"""The file between `pmfer landmarks` and `pmfer train`: a row per face with all that its mesh says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.progress import track

from pmfer.config import TrainConfig
from pmfer.datasets import Faces
from pmfer.errors import ConfigurationError, TrainingError
from pmfer.geometry import MIN_PRESENCE, Floats, evidence, measure_faces
from pmfer.landmarks import POINTS, FaceMesh


def write_landmark_file(splits: Sequence[Faces], mesh: FaceMesh, out: Path) -> int:
    """Measure every face and write Parquet; returns the number of faces.

    Args:
        splits: grey faces, of training and of validation.
        mesh: finds the points.
        out: the file; its folder is made.

    Raises:
        TrainingError: the faces are no grey pictures, or their names are not unique.
    """
    if any(faces.images.ndim != 3 for faces in splits):
        raise TrainingError("face points are found on grey pictures; read the data set with one channel")
    names = [name for faces in splits for name in faces.names]
    if len(set(names)) != sum(len(faces) for faces in splits):
        raise TrainingError("pictures of the data set share names; give each a name of its own")
    pictures = [picture for faces in splits for picture in faces.images]
    table = measure_faces(names, [mesh.find(picture) for picture in track(pictures, "face points", transient=True)])
    out.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(out)
    return len(table)


@dataclass(frozen=True)
class FaceShapes:
    """What the face mesh says of N training faces.

    evidence: float32 [N, A] of geometry.evidence, NaN for none. placed: float32 [N, 468, 2], where the points of the
    mesh lie, fractions of the picture's side; of a face that the mesh did not find, those of the median face. roll_deg:
    float32 [N], 0 where the mesh did not find the face. found: bool [N].
    """

    evidence: Floats
    placed: Floats
    roll_deg: Floats
    found: npt.NDArray[np.bool_]

    def of(self, rows: npt.NDArray[np.int64]) -> "FaceShapes":
        """The shapes of some of the faces."""
        return FaceShapes(self.evidence[rows], self.placed[rows], self.roll_deg[rows], self.found[rows])


def shapes_for(config: TrainConfig, path: Path | None, names: tuple[str, ...]) -> FaceShapes | None:
    """What `config` wants of the file: the shapes of the faces named, or None where it trains on votes alone.

    Raises:
        ConfigurationError: the configuration wants a file and there is none, or the other way round.
        TrainingError: as `read_shapes`.
    """
    if config.data.landmarks and path is None:
        raise ConfigurationError("data.landmarks = true wants --landmarks FILE; make one with `pmfer landmarks`")
    if path is not None and not config.data.landmarks:
        raise ConfigurationError(f"{path}: not wanted; set data.landmarks = true or leave --landmarks out")
    return None if path is None else read_shapes(path, names)


def read_shapes(path: Path, names: tuple[str, ...]) -> FaceShapes:
    """The shapes of the faces named; a face that the file does not have counts as not found by the mesh.

    Raises:
        TrainingError: the file is missing or of another make, or it is of other faces.
    """
    try:
        table = pl.read_parquet(path, glob=False)
        seen = evidence(table)
        placed = np.stack(table["placed"].to_list()).astype(np.float32).reshape(len(table), POINTS, 2)
        found = (table["presence"] >= MIN_PRESENCE).to_numpy()
        roll = np.where(found, table["roll_deg"].to_numpy(), 0).astype(np.float32)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path}: no file of face points ({reason}); make one with `pmfer landmarks`") from None
    row_of = {name: row for row, name in enumerate(table["name"])}
    if not row_of.keys() & set(names):
        raise TrainingError(f"{path}: names none of the training faces; make it from the same data set")
    median = np.median(placed[found], axis=0)
    placed[~found] = median
    rows = np.array([row_of.get(name, len(table)) for name in names])  # the last one stands for faces without a row
    nothing = np.full((1, seen.shape[1]), np.nan, np.float32)
    return FaceShapes(
        np.concatenate([seen, nothing])[rows],
        np.concatenate([placed, median[None]])[rows],
        np.append(roll, np.float32(0))[rows],
        np.append(found, False)[rows],
    )
