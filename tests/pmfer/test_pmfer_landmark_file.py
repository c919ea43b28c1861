"""The file of face shapes: rows find their faces by name, and a wrong file is one line."""

from pathlib import Path

import numpy as np
import pytest

from pmfer.config import DataConfig, TrainConfig
from pmfer.datasets import Faces
from pmfer.errors import ConfigurationError, TrainingError
from pmfer.landmark_file import read_shapes, shapes_for, write_landmark_file
from pmfer.landmarks import BLENDSHAPES, POINTS, FoundFace


class RandomPoints:
    """Stands in for the mesh, whose file is not part of the project: points that depend on the picture alone."""

    def find(self, picture: np.ndarray) -> FoundFace:
        points = np.random.default_rng(0).normal(96, 40, (POINTS, 3)).astype(np.float32)
        points[14, 1] = points[13, 1] + picture.mean() / 10
        blendshapes = np.linspace(0, 1, len(BLENDSHAPES), dtype=np.float32) * picture.mean() / 255
        presence = 0.2 if picture.mean() == 240 else 1.0
        return FoundFace(points, points[:, :2] / 192, float(picture.mean()) / 10, presence, blendshapes)


@pytest.fixture
def faces() -> Faces:
    images = np.repeat(np.arange(10, 250, 10, dtype=np.uint8)[:, None], 48 * 48, axis=1).reshape(-1, 48, 48)
    return Faces(images, np.zeros((24, 10), dtype=np.uint8), {}, tuple(f"face{i}" for i in range(24)))


@pytest.fixture
def measured(faces: Faces, tmp_path: Path) -> Path:
    path = tmp_path / "shapes" / "faces.parquet"
    assert (
        write_landmark_file([faces.take(np.arange(24) < 20), faces.take(np.arange(24) >= 20)], RandomPoints(), path)
        == 24
    )  # type: ignore[arg-type]
    return path


def test_rows_are_found_by_name_whatever_their_order(faces: Faces, measured: Path) -> None:
    straight, turned = read_shapes(measured, faces.names), read_shapes(measured, faces.names[::-1])
    for name, values in vars(straight).items():
        np.testing.assert_array_equal(values, vars(turned)[name][::-1])
    assert np.isfinite(straight.evidence[straight.found]).all()
    np.testing.assert_allclose(straight.roll_deg[:23], np.arange(1, 24))


def test_a_face_that_the_mesh_did_not_find_is_placed_like_the_others_and_not_turned(
    faces: Faces, measured: Path
) -> None:
    shapes = read_shapes(measured, faces.names)
    assert shapes.found.tolist() == [True] * 23 + [False]
    assert np.isnan(shapes.evidence[23]).all()
    assert shapes.roll_deg[23] == 0
    np.testing.assert_allclose(shapes.placed[23], np.median(shapes.placed[:23], axis=0))


def test_a_face_without_a_row_has_no_evidence(faces: Faces, measured: Path) -> None:
    shapes = read_shapes(measured, ("stranger", *faces.names[1:]))
    assert np.isnan(shapes.evidence[0]).all()
    assert not shapes.found[0]
    np.testing.assert_array_equal(shapes.evidence[1:], read_shapes(measured, faces.names).evidence[1:])


def test_a_file_of_other_faces_or_none_is_refused(measured: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="names none of the training faces"):
        read_shapes(measured, ("stranger",))
    with pytest.raises(TrainingError, match="make one with `pmfer landmarks`"):
        read_shapes(tmp_path / "none.parquet", ("face1",))


def test_faces_that_share_a_name_are_refused(faces: Faces, tmp_path: Path) -> None:
    twins = Faces(faces.images, faces.votes, {}, ("face",) * 24)
    with pytest.raises(TrainingError, match="share names"):
        write_landmark_file([twins], RandomPoints(), tmp_path / "x.parquet")  # type: ignore[arg-type]


def test_the_configuration_and_the_file_must_agree(faces: Faces, measured: Path) -> None:
    wants = TrainConfig(data=DataConfig(landmarks=True))
    assert shapes_for(wants, measured, faces.names) is not None
    assert shapes_for(TrainConfig(), None, faces.names) is None
    with pytest.raises(ConfigurationError, match="wants --landmarks FILE"):
        shapes_for(wants, None, faces.names)
    with pytest.raises(ConfigurationError, match="not wanted"):
        shapes_for(TrainConfig(), measured, faces.names)
