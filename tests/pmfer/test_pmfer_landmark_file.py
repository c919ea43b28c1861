"""The file of face shapes: rows find their faces by name, and a wrong file is one line."""

from pathlib import Path

import numpy as np
import pytest

from pmfer.config import DataConfig, TrainConfig
from pmfer.datasets import Faces
from pmfer.errors import ConfigurationError, TrainingError
from pmfer.landmark_file import evidence_for, read_evidence, write_landmark_file
from pmfer.landmarks import POINTS


class RandomPoints:
    """Stands in for the mesh, whose file is not part of the project: points that depend on the picture alone."""

    def find(self, picture: np.ndarray) -> tuple[np.ndarray, float]:
        points = np.random.default_rng(0).normal(96, 40, (POINTS, 3))
        points[14, 1] = points[13, 1] + picture.mean() / 10
        return points.astype(np.float32), 1.0


@pytest.fixture
def faces() -> Faces:
    images = np.repeat(np.arange(10, 250, 10, dtype=np.uint8)[:, None], 48 * 48, axis=1).reshape(-1, 48, 48)
    return Faces(images, np.zeros((24, 10), dtype=np.uint8), {}, tuple(f"face{i}" for i in range(24)))


@pytest.fixture
def measured(faces: Faces, tmp_path: Path) -> Path:
    path = tmp_path / "shapes" / "faces.parquet"
    assert write_landmark_file(faces, RandomPoints(), path) == 24  # type: ignore[arg-type]
    return path


def test_rows_are_found_by_name_whatever_their_order(faces: Faces, measured: Path) -> None:
    straight, turned = read_evidence(measured, faces.names), read_evidence(measured, faces.names[::-1])
    np.testing.assert_array_equal(straight, turned[::-1])
    assert np.isfinite(straight).all()


def test_a_face_without_a_row_has_no_evidence(faces: Faces, measured: Path) -> None:
    seen = read_evidence(measured, ("stranger", *faces.names[1:]))
    assert np.isnan(seen[0]).all()
    np.testing.assert_array_equal(seen[1:], read_evidence(measured, faces.names)[1:])


def test_a_file_of_other_faces_or_none_is_refused(measured: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="names none of the training faces"):
        read_evidence(measured, ("stranger",))
    with pytest.raises(TrainingError, match="make one with `pmfer landmarks`"):
        read_evidence(tmp_path / "none.parquet", ("face1",))


def test_faces_that_share_a_name_are_refused(faces: Faces, tmp_path: Path) -> None:
    twins = Faces(faces.images, faces.votes, {}, ("face",) * 24)
    with pytest.raises(TrainingError, match="share names"):
        write_landmark_file(twins, RandomPoints(), tmp_path / "x.parquet")  # type: ignore[arg-type]


def test_the_configuration_and_the_file_must_agree(faces: Faces, measured: Path) -> None:
    wants = TrainConfig(data=DataConfig(landmarks=True))
    seen = evidence_for(wants, measured, faces.names)
    assert seen is not None
    assert evidence_for(TrainConfig(), None, faces.names) is None
    with pytest.raises(ConfigurationError, match="wants --landmarks FILE"):
        evidence_for(wants, None, faces.names)
    with pytest.raises(ConfigurationError, match="not wanted"):
        evidence_for(TrainConfig(), measured, faces.names)
