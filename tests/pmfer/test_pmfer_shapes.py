"""Shape tells faces of one expression apart, whatever their pose.

The rows of a landmark file are matched to the faces by name, and a wrong file gives a one-line error.
"""

from pathlib import Path

import numpy as np
import pytest

from pmfer.config import DataConfig, TrainConfig
from pmfer.datasets import Faces
from pmfer.errors import ConfigurationError, TrainingError
from pmfer.facs import AU_COLUMNS
from pmfer.landmarks import BLENDSHAPES, POINTS, FaceMesh, FoundFace
from pmfer.shapes import RIGID, evidence, frontal, measure, measure_faces, read_shapes, shapes_for, write_landmark_file

UPPER_INNER_LIP, LOWER_INNER_LIP = 13, 14
LIPS = {61: (-25, 40), 291: (25, 40), 0: (0, 32), 13: (0, 38), 14: (0, 40), 17: (0, 46), 2: (0, 20), 152: (0, 75)}


def faces_with_gaps(gaps: list[float], yaw_deg: float = 0.0) -> np.ndarray:
    """Faces that differ only in the gap between the lips, turned by `yaw_deg`; in pixels."""
    rng = np.random.default_rng(1)
    base = rng.normal(0, 40, (POINTS, 3))
    base[33], base[263] = (-45, 0, 10), (45, 0, 10)
    for point, (x, y) in LIPS.items():
        base[point, :2] = x, y
    result = np.repeat(base[None], len(gaps), axis=0)
    result[:, LOWER_INNER_LIP, 1] = result[:, UPPER_INNER_LIP, 1] + gaps
    angle = np.radians(yaw_deg)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return (result @ turn.T + 96).astype(np.float32)


def found(points: np.ndarray, presence: float = 1.0, blink: float | None = None) -> FoundFace:
    shapes = None if blink is None else np.full(len(BLENDSHAPES), blink, np.float32)
    return FoundFace(points, points[:, :2] / 192, 0.0, presence, shapes)


def test_measures_do_not_change_when_a_face_turns_grows_and_moves() -> None:
    straight = faces_with_gaps([2.0] * 5)
    other = np.concatenate([straight[:4], faces_with_gaps([2.0], yaw_deg=25) * 1.3 + 7])
    turned, yaw = frontal(other)
    assert abs(abs(yaw[4] - yaw[0]) - 25) < 0.1
    for name, values in measure(turned).items():
        np.testing.assert_allclose(values[4], values[0], atol=1e-4, err_msg=name)


def test_parted_lips_speak_for_lips_part_and_against_lips_pressed() -> None:
    points = faces_with_gaps(list(np.linspace(0, 20, 30)))
    seen = evidence(measure_faces([str(i) for i in range(30)], [found(face) for face in points]))
    roots = np.sqrt(np.linspace(0, 20, 30))
    by_gap = {name: np.corrcoef(roots, seen[:, AU_COLUMNS.index(name)])[0, 1] for name in ("au24", "au25")}
    assert by_gap["au25"] > 0.99
    assert by_gap["au24"] < -0.8


def test_a_face_the_mesh_is_unsure_of_gives_no_evidence() -> None:
    points = faces_with_gaps([1, 2, 3, 4])
    seen = evidence(measure_faces(list("abcd"), [found(points[i], 0.3 if i == 3 else 1.0) for i in range(4)]))
    assert np.isnan(seen[3]).all()
    assert np.isfinite(seen[:3, AU_COLUMNS.index("au25")]).all()


def test_a_stretched_mouth_is_no_dropped_jaw() -> None:
    gaps = np.linspace(0, 1, 200) ** 5 * 60  # most mouths are closed, a few wide open
    points = faces_with_gaps(list(gaps))
    points[:, 152, 1] += gaps
    seen = evidence(measure_faces([str(i) for i in range(200)], [found(face, blink=0.1) for face in points]))
    half, wide = seen[:, AU_COLUMNS.index("au26")], seen[:, AU_COLUMNS.index("au27")]
    assert (np.diff(wide) >= -1e-5).all()
    assert 20 < half.argmax() < 195
    assert half[-1] < half.max() - 0.5


def test_rigid_points_hold_no_lip_lid_or_brow() -> None:
    moving = {13, 14, 0, 17, 61, 291, 159, 145, 386, 374, 107, 55, 336, 285, 105, 334, 152}
    assert not moving & set(RIGID)


def test_a_mesh_that_is_missing_or_none_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra 'landmarks'")
    with pytest.raises(TrainingError, match="no such file"):
        FaceMesh(tmp_path / "none.tflite")
    (tmp_path / "text.tflite").write_text("no model", encoding="utf-8")
    with pytest.raises(TrainingError, match="not a face mesh"):
        FaceMesh(tmp_path / "text.tflite")
    (tmp_path / "text.task").write_text("no archive", encoding="utf-8")
    with pytest.raises(TrainingError, match="not a face landmarker"):
        FaceMesh(tmp_path / "text.task")


class RandomPoints:
    """A substitute for the mesh, whose file is not part of the project: points that depend only on the picture."""

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
    with pytest.raises(TrainingError, match="contains none of the training faces"):
        read_shapes(measured, ("stranger",))
    with pytest.raises(TrainingError, match="make one with `pmfer landmarks`"):
        read_shapes(tmp_path / "none.parquet", ("face1",))


def test_faces_that_share_a_name_are_refused(faces: Faces, tmp_path: Path) -> None:
    twins = Faces(faces.images, faces.votes, {}, ("face",) * 24)
    with pytest.raises(TrainingError, match="have the same name"):
        write_landmark_file([twins], RandomPoints(), tmp_path / "x.parquet")  # type: ignore[arg-type]


def test_the_configuration_and_the_file_must_agree(faces: Faces, measured: Path) -> None:
    wants = TrainConfig(data=DataConfig(landmarks=True))
    assert shapes_for(wants, measured, faces.names) is not None
    assert shapes_for(TrainConfig(), None, faces.names) is None
    with pytest.raises(ConfigurationError, match="needs --landmarks FILE"):
        shapes_for(wants, None, faces.names)
    with pytest.raises(ConfigurationError, match="not used"):
        shapes_for(TrainConfig(), measured, faces.names)
