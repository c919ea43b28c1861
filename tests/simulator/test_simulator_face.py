"""Each action unit moves the part of the drawn face that FACS says, and little else."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pmfer.facs import ACTION_UNITS
from simulator.appearance import Appearance, Beard, Camera, Hair, HairStyle, sample_appearance
from simulator.face import Person, draw_face
from simulator.pose import Pose
from simulator.surroundings import paint_room

SIZE = (360, 360)
POSE = Pose(size=0.6)
# Where each unit may show: left, top, right, bottom in cm around the middle between the pupils.
BROWS, EYES, NOSE = (-6.8, -6.6, 6.8, 1.0), (-6.8, -3.6, 6.8, 2.2), (-4.6, -3.6, 4.6, 7.6)
CHEEKS, MOUTH, JAW = (-6.8, -3.6, 6.8, 5.2), (-6.0, 0.0, 6.0, 10.0), (-7.5, 2.5, 7.5, 16.0)
SHOWS_IN = {
    **dict.fromkeys((1, 2, 4), BROWS),
    **dict.fromkeys((5, 7, 43), EYES),
    **dict.fromkeys((9, 10), NOSE),
    6: CHEEKS,
    **dict.fromkeys((12, 14, 15, 16, 20, 23, 24, 25), MOUTH),
    **dict.fromkeys((17, 26, 27), JAW),
}


def clear(seed: int) -> Appearance:
    """A bare face in front of a perfect camera, so that only the face makes two pictures differ."""
    look = sample_appearance(seed)
    hair = Hair(HairStyle.SHORT, look.hair.colour, look.hair.brow_colour, Beard.NONE, 0.0)
    return replace(look, camera=Camera(exposure=1.0, blur_px=0.0, noise=0.0), hair=hair, glasses=False)


@cache
def before_camera(look: Appearance) -> tuple[Person, Image.Image]:
    """The room and the body without the head, which all pictures of a person share."""
    person, room = Person(look, SIZE, POSE), paint_room(look, POSE, SIZE)
    person.draw_body(room)
    return person, room


def draw(look: Appearance, units: dict[int, float], balance: dict[int, float] | None = None) -> NDArray[np.float64]:
    """A grey picture."""
    person, room = before_camera(look)
    picture = room.copy()
    person.draw_head(picture, units, POSE, balance=balance)
    return np.asarray(picture).mean(axis=2)


def cut(picture: NDArray[np.float64], box: tuple[float, float, float, float]) -> NDArray[np.float64]:
    scale = POSE.px_per_cm(SIZE[1])
    x, y = POSE.x * SIZE[0], POSE.y * SIZE[1]
    return picture[
        round(y + box[1] * scale) : round(y + box[3] * scale), round(x + box[0] * scale) : round(x + box[2] * scale)
    ]


def darkest_row_cm(picture: NDArray[np.float64], x: float, top: float, bottom: float) -> float:
    """Height of the darkest line that crosses a narrow strip at `x`, cm."""
    strip = cut(picture, (x - 0.2, top, x + 0.2, bottom)).mean(axis=1)
    return top + float(strip.argmin()) / POSE.px_per_cm(SIZE[1])


def test_these_pictures_are_those_of_the_simulator() -> None:
    look = clear(1)
    alone = draw_face(look, {12: 1.0}, pose=POSE, size=SIZE).mean(axis=2)
    assert np.abs(draw(look, {12: 1.0}) - alone).max() <= 1  # a perfect camera rounds


@pytest.mark.parametrize("number", [unit.number for unit in ACTION_UNITS])
@pytest.mark.parametrize("seed", [3, 21])
def test_an_action_unit_shows_in_its_region(number: int, seed: int) -> None:
    look = clear(seed)
    change = np.abs(draw(look, {number: 1.0}) - draw(look, {}))
    inside = cut(change, SHOWS_IN[number])
    assert inside.sum() > 0.85 * change.sum()
    assert inside.max() > 20  # grey levels: plainly visible


@pytest.mark.parametrize("number", [unit.number for unit in ACTION_UNITS])
def test_a_stronger_unit_changes_more(number: int) -> None:
    look = clear(5)
    rest = draw(look, {})
    changes = [np.abs(draw(look, {number: level}) - rest).sum() for level in (0.3, 0.6, 1.0)]
    assert changes == sorted(changes)
    assert changes[0] > 0


@pytest.mark.parametrize("seed", range(6))
def test_a_smile_raises_the_lip_corners_and_sadness_lowers_them(seed: int) -> None:
    look = clear(seed)
    mouth_y = look.shape.mouth_y
    for side in (-1, 1):
        x = side * (look.shape.mouth_half_width - 0.35)
        smile, rest, sad = (
            darkest_row_cm(draw(look, units), x, mouth_y + top, mouth_y + bottom)
            for units, top, bottom in (({12: 1.0}, -1.2, -0.1), ({}, -0.4, 0.4), ({15: 1.0}, -0.1, 1.2))
        )
        assert smile < rest - 0.2
        assert sad > rest + 0.2


@pytest.mark.parametrize("seed", range(6))
def test_closing_the_eyes_hides_the_iris(seed: int) -> None:
    look = clear(seed)
    iris = (look.shape.eye_x - 0.4, -0.35, look.shape.eye_x + 0.4, 0.15)
    assert cut(draw(look, {43: 1.0}), iris).mean() > cut(draw(look, {}), iris).mean() + 15


@pytest.mark.parametrize("seed", range(6))
def test_widened_eyes_show_white_above_the_iris(seed: int) -> None:
    look = clear(seed)
    wide, rest = (
        cut(draw(look, units), (look.shape.eye_x - 0.3, -0.95, look.shape.eye_x + 0.3, -0.55))
        for units in ({5: 1.0}, {})
    )
    assert np.abs(wide - rest).mean() > 10


def test_a_dropped_jaw_opens_a_dark_mouth_and_moves_the_chin() -> None:
    look = clear(4)
    opening = (-0.8, look.shape.mouth_y + 0.5, 0.8, look.shape.mouth_y + 1.1)
    assert cut(draw(look, {25: 1.0, 26: 1.0}), opening).mean() < 0.5 * cut(draw(look, {}), opening).mean()


def test_balance_keeps_a_unit_on_one_side() -> None:
    look = clear(8)
    change = np.abs(draw(look, {14: 1.0}, balance={14: 1.0}) - draw(look, {}))
    left, right = cut(change, (-6, 3, -1.5, 10)).sum(), cut(change, (1.5, 3, 6, 10)).sum()
    assert right > 10 * left


def test_turning_the_head_carries_the_nose_with_it() -> None:
    look = clear(2)
    widths = []
    for yaw in (-20.0, 0.0, 20.0):
        picture = draw_face(look, {}, pose=replace(POSE, yaw_deg=yaw), size=SIZE).mean(axis=2)
        nostrils = 255 - cut(picture, (-4, look.shape.nose_length - 0.5, 4, look.shape.nose_length + 0.5))
        weight = np.clip(nostrils - np.percentile(nostrils, 90), 0, None).sum(axis=0)
        widths.append(float((weight * np.arange(weight.size)).sum() / weight.sum()))
    assert widths[0] < widths[1] - 10
    assert widths[2] > widths[1] + 10


def test_the_same_seeds_draw_the_same_picture() -> None:
    first, second = (draw_face(sample_appearance(9), {12: 0.5}, seed=4) for _ in range(2))
    other = draw_face(sample_appearance(9), {12: 0.5}, seed=5)
    assert first.dtype == np.uint8
    assert first.shape == (360, 480, 3)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)  # another seed gives different noise


def test_people_differ() -> None:
    pictures = [draw_face(sample_appearance(seed), {}, size=(96, 96)).astype(float) for seed in range(5)]
    for k, picture in enumerate(pictures):
        assert all(np.abs(picture - other).mean() > 5 for other in pictures[:k])


@pytest.mark.parametrize("units", [{3: 0.5}, {12: 1.2}, {12: -0.1}])
def test_what_is_no_action_unit_is_refused(units: dict[int, float]) -> None:
    with pytest.raises(ValueError, match="action unit"):
        draw_face(sample_appearance(0), units)


def test_a_head_turned_too_far_is_refused() -> None:
    with pytest.raises(ValueError, match="turned"):
        draw_face(sample_appearance(0), {}, pose=Pose(yaw_deg=60))
