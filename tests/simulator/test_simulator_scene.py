"""A scene turns the whole bed and does not change the size of the face."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from simulator.appearance import Light, sample_appearance
from simulator.pose import Pose
from simulator.scene import SITTING_UP, Cover, Scene, View
from simulator.script import Manner
from simulator.session import Bedside, Film, SessionKind, SessionPlan

SIZE = (160, 120)
PLAN = SessionPlan("s", "p", datetime(2026, 3, 2, tzinfo=UTC), SessionKind.CLEAR, True, False, Manner(), seed=4)


def film(folder: Path, scene: Scene) -> NDArray[np.uint8]:
    """The first picture of a session in a scene."""
    bedside = Bedside(sample_appearance(18, age=80, female=True), Pose(x=0.45), Film(0.1, Fraction(10), SIZE))
    bedside.record(replace(PLAN, scene=scene), folder)
    with av.open(str(folder / "s.mp4")) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.parametrize("turn_deg", [90, -90, 180])
def test_a_turned_scene_is_the_upright_one_turned(turn_deg: int) -> None:
    scene = Scene(View.ABOVE, turn_deg)
    canvas = Image.fromarray(np.random.default_rng(1).integers(0, 255, (*scene.canvas_size(SIZE)[::-1], 3), np.uint8))
    picture = scene.turned(canvas, SIZE)
    assert picture.size == SIZE
    assert np.array_equal(np.rot90(np.asarray(picture), turn_deg // 90), np.asarray(canvas))  # no pixel is resampled


def test_a_scene_that_leans_fills_the_picture() -> None:
    scene = Scene(View.ABOVE, 45)
    canvas = Image.new("RGB", scene.canvas_size(SIZE), (200, 200, 200))
    assert np.asarray(scene.turned(canvas, SIZE)).min() == 200  # corners too


@pytest.mark.parametrize("scene", [Scene(View.SIDE, 90), Scene(View.ABOVE, 180), Scene(View.ABOVE, -45), SITTING_UP])
def test_the_face_is_as_large_as_that_of_somebody_who_sits_up(scene: Scene) -> None:
    pose = Pose(size=0.5)
    at = scene.pose_of(pose, SIZE)
    assert at.px_per_cm(scene.canvas_size(SIZE)[1]) == pytest.approx(pose.px_per_cm(SIZE[1]))
    assert replace(at, size=pose.size) == pose


def test_from_the_foot_the_chin_comes_first_and_the_face_is_smaller() -> None:
    at = Scene(View.FOOT).pose_of(Pose(size=0.5), SIZE)
    assert at.pitch_deg > 20
    assert at.size < 0.4


@pytest.mark.parametrize(("turn_deg", "lamp"), [(90, -1), (-90, 1)])
def test_the_lamp_hangs_above_somebody_who_lies_on_the_side(turn_deg: int, lamp: int) -> None:
    azimuth = Scene(View.SIDE, turn_deg).light_of(Light(0.0, 30.0, 0.5)).azimuth_deg
    assert np.sign(azimuth) == lamp  # after a clockwise turn, left is up


def test_a_mask_hides_the_mouth_and_not_the_eyes_and_a_tube_neither(tmp_path: Path) -> None:
    bare, mask, tube = (
        film(tmp_path, Scene(View.ABOVE, 0, cover)).astype(float)
        for cover in (Cover.NONE, Cover.OXYGEN_MASK, Cover.NASAL_TUBE)
    )
    scale, (x, y) = Pose().px_per_cm(SIZE[1]), (0.45 * SIZE[0], 0.42 * SIZE[1])

    def changed(picture: NDArray[np.float64], top: float, bottom: float) -> float:
        """Mean difference from the bare face between two heights (cm below the eyes)."""
        rows, columns = slice(round(y + top * scale), round(y + bottom * scale)), slice(round(x - 10), round(x + 10))
        return float(np.abs(picture - bare)[rows, columns].mean())

    assert changed(mask, 5.0, 9.0) > 15
    assert changed(tube, 4.0, 5.5) > 8
    for picture, top, bottom in ((mask, -3.0, 0.0), (tube, -3.0, 0.0), (tube, 6.0, 9.0)):
        assert changed(picture, top, bottom) < 4


def test_a_blanket_or_hand_over_the_face_counts_before_what_is_worn() -> None:
    masked = Scene(View.SIDE, 90, Cover.OXYGEN_MASK)
    assert replace(PLAN, scene=masked).cover is Cover.OXYGEN_MASK
    assert replace(PLAN, scene=masked, kind=SessionKind.BLANKET).cover is Cover.BLANKET
    assert {cover for cover in Cover if cover.hides} == {Cover.BLANKET, Cover.HAND, Cover.OXYGEN_MASK}
