"""Shape tells faces of one expression apart, whatever their pose, and leaves the expressions themselves alone."""

from pathlib import Path

import numpy as np
import pytest

from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS
from pmfer.geometry import RIGID, au_probability_table, evidence, frontal, measure, measure_faces, phrase_targets
from pmfer.landmarks import POINTS, FaceMesh

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


def test_measures_do_not_change_when_a_face_turns_grows_and_moves() -> None:
    straight = faces([2.0] * 5)
    other = np.concatenate([straight[:4], faces([2.0], yaw_deg=25) * 1.3 + 7])
    turned, yaw = frontal(other)
    assert abs(abs(yaw[4] - yaw[0]) - 25) < 0.1
    for name, values in measure(turned).items():
        np.testing.assert_allclose(values[4], values[0], atol=1e-4, err_msg=name)


def test_parted_lips_speak_for_lips_part_and_against_lips_pressed() -> None:
    points = faces(list(np.linspace(0, 20, 30)))
    table = measure_faces([str(i) for i in range(30)], points, np.ones(30, dtype=np.float32))
    seen = evidence(table)
    roots = np.sqrt(np.linspace(0, 20, 30))
    by_gap = {name: np.corrcoef(roots, seen[:, AU_COLUMNS.index(name)])[0, 1] for name in ("au24", "au25")}
    assert by_gap["au25"] > 0.99
    assert by_gap["au24"] < -0.8


def test_a_face_the_mesh_is_unsure_of_gives_no_evidence() -> None:
    presence = np.array([1, 1, 1, 0.3], dtype=np.float32)
    seen = evidence(measure_faces(list("abcd"), faces([1, 2, 3, 4]), presence))
    assert np.isnan(seen[3]).all()
    assert np.isfinite(seen[:3, AU_COLUMNS.index("au25")]).all()


def test_without_evidence_the_targets_are_the_votes_times_the_table() -> None:
    votes = np.eye(len(EXPRESSION_NAMES), dtype=np.float32)
    table = au_probability_table()
    np.testing.assert_array_equal(phrase_targets(votes, table), table)
    none = np.full((8, len(AU_COLUMNS)), np.nan, dtype=np.float32)
    np.testing.assert_allclose(phrase_targets(votes, table, none), table, rtol=1e-6)


def test_evidence_orders_faces_inside_an_expression_and_not_between_them() -> None:
    rng = np.random.default_rng(0)
    votes = np.repeat(np.eye(8, dtype=np.float32)[[1, 4]], 200, axis=0)  # happiness, anger
    lips_part, lips_pressed = AU_COLUMNS.index("au25"), AU_COLUMNS.index("au24")
    seen = rng.normal(0, 1, (400, len(AU_COLUMNS))).astype(np.float32)
    seen[:200, lips_part] += 5  # a class that shows more of it as a whole is what the table already says
    q = phrase_targets(votes, au_probability_table(), seen)
    happy, angry = q[:200, lips_part], q[200:, lips_part]
    order = np.argsort(seen[:200, lips_part])
    assert (np.diff(happy[order]) >= 0).all()
    assert happy.std() > 0.2
    assert happy.mean() > 0.6
    assert angry.mean() < 0.3
    assert q[200:, lips_pressed].mean() > q[:200, lips_pressed].mean()
    assert (q >= 0).all()
    assert (q <= 1).all()


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
