"""Geometry on boxes and landmarks: suppression and head pose."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.faces import Faces, estimate_pose, suppress


def test_suppression_keeps_the_best_of_overlapping_faces() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 10, 10], [30, 0, 10, 10]], np.float32)
    faces = Faces(boxes, np.array([0.5, 0.9, 0.7], np.float32), np.zeros((3, 5, 2), np.float32))
    np.testing.assert_array_equal(suppress(faces, 0.3).boxes, boxes[[1, 2]])


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (25, 0, 0), (-40, 0, 0), (0, 20, 0), (0, -15, 30), (20, 0, -50)]
)
def test_pose_of_the_model_head_is_recovered(yaw: float, pitch: float, roll: float) -> None:
    # Millimetres; x to the right, y down, z away from the camera: a positive turn about x lowers the chin.
    head = np.array([[-31.5, 0, 0], [31.5, 0, 0], [0, 39.2, -33], [-25, 70, 0], [25, 70, 0]])
    turned = head @ _about_x(np.radians(-pitch)).T @ _about_y(np.radians(-yaw)).T @ _about_z(np.radians(roll)).T
    pose = estimate_pose((turned[:, :2] * 3 + 200).astype(np.float32))
    assert pose.yaw_deg == pytest.approx(yaw, abs=4)
    assert pose.pitch_deg == pytest.approx(pitch, abs=4)
    assert pose.roll_deg == pytest.approx(roll, abs=1)


def _about_x(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _about_z(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
