"""Draw a person: the head by action units, on its shoulders, in a room, through a camera."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from simulator.appearance import Appearance
from simulator.camera import Picture, Sensor
from simulator.covers import paint_hose
from simulator.geometry import face_geometry
from simulator.head import HeadPainter
from simulator.pose import Pose, place_head
from simulator.relief import lamp_direction
from simulator.scene import Cover
from simulator.surroundings import paint_body, paint_room

_OVERSAMPLING = 1.0  # how much finer the head is painted than the frame shows it
_CLOSEST, _FINEST = 4.0, 24.0  # px per cm within which the painter's soft shapes keep their form


class Person:
    """One person in front of a fixed camera; what does not move is painted once.

    Args:
        appearance: Who, and under which light.
        size: Width and height of the picture, px.
        rest: The pose around which the person moves; neck and shoulders stay there.
        cover: An oxygen mask or a tube that the person wears.
    """

    def __init__(self, appearance: Appearance, size: tuple[int, int], rest: Pose, cover: Cover = Cover.NONE) -> None:
        scale = float(np.clip(rest.px_per_cm(size[1]) * _OVERSAMPLING, _CLOSEST, _FINEST))
        self.appearance = appearance
        self._painter = HeadPainter(appearance, scale, cover)
        self._body = paint_body(appearance, rest, size)
        self._hose = paint_hose(cover, appearance, rest, size)

    def draw_body(self, picture: Image.Image) -> None:
        """Draw neck and shoulders into `picture` (RGB), in place."""
        picture.paste(self._body, (0, 0), self._body)

    def draw_hose(self, picture: Image.Image) -> None:
        """Draw what runs down from a mask or a tube into `picture` (RGB), in place."""
        if self._hose:
            picture.paste(self._hose, (0, 0), self._hose)

    def draw_head(
        self,
        picture: Image.Image,
        action_units: Mapping[int, float],
        pose: Pose,
        *,
        balance: Mapping[int, float] | None = None,
        gaze: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Draw the head into `picture` (RGB), in place; arguments as in `draw_face`."""
        look = self.appearance
        geometry = face_geometry(look.shape, action_units, balance=balance, gaze=gaze)
        lamp = lamp_direction(look.light, pose.yaw_deg, pose.pitch_deg)
        place_head(picture, self._painter.paint(geometry, lamp), self._painter.canvas, pose)


def draw_face(
    appearance: Appearance,
    action_units: Mapping[int, float],
    *,
    pose: Pose | None = None,
    size: tuple[int, int] = (480, 360),
    seed: int = 0,
    balance: Mapping[int, float] | None = None,
    gaze: tuple[float, float] = (0.0, 0.0),
) -> Picture:
    """Draw one picture of a person.

    Args:
        appearance: Who, and under which light; see `simulator.appearance.sample_appearance`.
        action_units: AU number to intensity in 0..1; units that are not named rest.
        pose: Place and direction of the head; upright and in the middle if not given.
        size: Width and height, px.
        seed: Fixes the camera's noise.
        balance: AU number to -1 (only the picture's left side) .. 0 (both) .. 1 (only its right side).
        gaze: Shift of both irises to the right and down, cm.

    Returns:
        RGB, uint8 [height, width, 3].

    Raises:
        ValueError: an unknown action unit, an intensity outside 0..1, or a pose turned too far.
    """
    at = pose or Pose()
    picture = paint_room(appearance, at, size)
    person = Person(appearance, size, at)
    person.draw_body(picture)
    person.draw_head(picture, action_units, at, balance=balance, gaze=gaze)
    rng = np.random.default_rng(seed)
    return Sensor(appearance.camera, size, rng).expose(picture, rng)
