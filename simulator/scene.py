"""How a patient lies in front of the camera: where it hangs, how far the picture is turned, and what covers the face.

A turned scene is painted upright on a canvas of its own shape, and then turned as a whole, so that shoulders, pillow
and blanket turn with the head.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from PIL import Image

from simulator.appearance import Light
from simulator.pose import Pose

_FOOT_PITCH_DEG, _FOOT_SIZE, _FOOT_Y = 24.0, 0.36, 0.36  # of a face seen from the foot of the bed
_QUARTERS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


class View(StrEnum):
    """Where the camera looks from."""

    FRONT = "front"  # the patient sits up
    ABOVE = "above"  # the patient lies on the back, the camera hangs from the ceiling
    SIDE = "side"  # the patient lies on the side, the camera stands beside the bed
    FOOT = "foot"  # the patient lies on the back, the camera hangs at the foot of the bed and sees the chin first


class Cover(StrEnum):
    """What covers the face."""

    NONE = "none"
    BLANKET = "blanket"
    HAND = "hand"
    OXYGEN_MASK = "oxygen_mask"  # over nose and mouth, which show through it dimly
    NASAL_TUBE = "nasal_tube"  # for oxygen, below the nose; leaves the mouth free

    @property
    def hides(self) -> bool:
        """Whether it hides the expression."""
        return self in (Cover.BLANKET, Cover.HAND, Cover.OXYGEN_MASK)


@dataclass(frozen=True)
class Scene:
    """A bed in front of its camera."""

    view: View = View.FRONT
    turn_deg: int = 0  # how far the patient is turned clockwise in the picture, -180..180
    cover: Cover = Cover.NONE

    def canvas_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the upright canvas for a picture of `size` (width, height), px."""
        if self.turn_deg % 180 == 0:
            return size
        if self.turn_deg % 90 == 0:
            return size[1], size[0]
        cos, sin = (abs(float(f(np.radians(self.turn_deg)))) for f in (np.cos, np.sin))
        width, height = size
        return int(np.ceil(width * cos + height * sin)), int(np.ceil(width * sin + height * cos))

    def pose_of(self, pose: Pose, size: tuple[int, int]) -> Pose:
        """The pose on the upright canvas, for a head that rests at `pose` when the patient sits up."""
        if self.view is View.FOOT:
            pose = replace(pose, pitch_deg=_FOOT_PITCH_DEG, y=_FOOT_Y, size=_FOOT_SIZE)
        height = self.canvas_size(size)[1]
        return pose if height == size[1] else replace(pose, size=pose.size * size[1] / height)

    def light_of(self, light: Light) -> Light:
        """The light on the upright canvas: the lamp is beside the face of somebody who lies on the side."""
        if self.view is not View.SIDE:
            return light
        return replace(light, azimuth_deg=-float(np.copysign(50.0, self.turn_deg)), elevation_deg=10.0)

    def turned(self, canvas: Image.Image, size: tuple[int, int]) -> Image.Image:
        """Turn the upright canvas into the picture of `size` (width, height) that the camera takes."""
        turn = self.turn_deg % 360
        if turn == 0:
            return canvas
        if turn in _QUARTERS:
            return canvas.transpose(_QUARTERS[turn])
        left, top = ((whole - part) // 2 for whole, part in zip(canvas.size, size, strict=True))
        leaning = canvas.rotate(-turn, Image.Resampling.BICUBIC)
        return leaning.crop((left, top, left + size[0], top + size[1]))


SITTING_UP = Scene()
