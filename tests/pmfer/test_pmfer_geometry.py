"""Shape tells faces of one expression apart, whatever their pose, and leaves the expressions themselves alone."""

from pathlib import Path

import numpy as np
import pytest

from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS
from pmfer.geometry import RIGID, au_probability_table, evidence, frontal, measure, measure_faces, phrase_targets
from pmfer.landmarks import BLENDSHAPES, POINTS, FaceMesh, FoundFace

UPPER_INNER_LIP, LOWER_INNER_LIP = 13, 14
LIPS = {61: (-25, 40), 291: (25, 40), 0: (0, 32), 13: (0, 38), 14: (0, 40), 17: (0, 46), 2: (0, 20), 152: (0, 75)}


def faces(gaps: list[float], yaw_deg: float = 0.0) -> np.ndarray:
    """Faces alike in all but the gap between the lips, turned by `yaw_deg`; pixels."""
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
    straight = faces([2.0] * 5)
    other = np.concatenate([straight[:4], faces([2.0], yaw_deg=25) * 1.3 + 7])
    turned, yaw = frontal(other)
    assert abs(abs(yaw[4] - yaw[0]) - 25) < 0.1
    for name, values in measure(turned).items():
        np.testing.assert_allclose(values[4], values[0], atol=1e-4, err_msg=name)


def test_parted_lips_speak_for_lips_part_and_against_lips_pressed() -> None:
    points = faces(list(np.linspace(0, 20, 30)))
    seen = evidence(measure_faces([str(i) for i in range(30)], [found(face) for face in points]))
    roots = np.sqrt(np.linspace(0, 20, 30))
    by_gap = {name: np.corrcoef(roots, seen[:, AU_COLUMNS.index(name)])[0, 1] for name in ("au24", "au25")}
    assert by_gap["au25"] > 0.99
    assert by_gap["au24"] < -0.8


def test_a_face_the_mesh_is_unsure_of_gives_no_evidence() -> None:
    points = faces([1, 2, 3, 4])
    seen = evidence(measure_faces(list("abcd"), [found(points[i], 0.3 if i == 3 else 1.0) for i in range(4)]))
    assert np.isnan(seen[3]).all()
    assert np.isfinite(seen[:3, AU_COLUMNS.index("au25")]).all()


def test_without_evidence_the_targets_are_the_votes_times_the_table() -> None:
    votes = np.eye(len(EXPRESSION_NAMES), dtype=np.float32)
    table = au_probability_table()
    np.testing.assert_array_equal(phrase_targets(votes, table).shown, table)
    assert np.isnan(phrase_targets(votes, table).deviation).all()
    none = np.full((8, len(AU_COLUMNS)), np.nan, dtype=np.float32)
    np.testing.assert_allclose(phrase_targets(votes, table, none).shown, table, rtol=1e-6)


def test_evidence_orders_faces_inside_an_expression_and_not_between_them() -> None:
    rng = np.random.default_rng(0)
    votes = np.repeat(np.eye(8, dtype=np.float32)[[1, 3]], 200, axis=0)  # happiness, sadness
    brows, corners = AU_COLUMNS.index("au04"), AU_COLUMNS.index("au15")
    seen = rng.normal(0, 1, (400, len(AU_COLUMNS))).astype(np.float32)
    seen[:200, brows] += 5  # a class that shows more of it as a whole is what the table already says
    targets = phrase_targets(votes, au_probability_table(), seen)
    happy, sad = targets.shown[:200, brows], targets.shown[200:, brows]
    assert (np.diff(happy[np.argsort(seen[:200, brows])]) >= 0).all()
    assert happy.mean() < 0.2
    assert sad.mean() > 0.6
    assert sad.std() > 0.2
    assert targets.shown[200:, corners].mean() > targets.shown[:200, corners].mean()
    assert abs(targets.deviation[:200, brows].mean()) < 1e-4
    assert ((targets.shown >= 0) & (targets.shown <= 1)).all()


def test_closed_eyes_are_closed_whatever_the_face_expresses() -> None:
    rng = np.random.default_rng(0)
    votes = np.repeat(np.eye(8, dtype=np.float32)[[0, 1]], 500, axis=0)
    seen = rng.normal(0, 0.3, (1000, len(AU_COLUMNS))).astype(np.float32)
    shut = AU_COLUMNS.index("au43")
    seen[::20, shut] += 5
    q = phrase_targets(votes, au_probability_table(), seen).shown[:, shut]
    assert q[::20].min() > 0.8
    assert np.delete(q, np.s_[::20]).mean() < 0.05


def test_a_stretched_mouth_is_no_dropped_jaw() -> None:
    gaps = np.linspace(0, 1, 200) ** 5 * 60  # most mouths are closed, few gape
    points = faces(list(gaps))
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
