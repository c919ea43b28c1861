"""Draw a person: the head by action units, on its shoulders, in a room, through a camera.

The parts of a head that stay still are prepared once; the parts that move are painted again for every frame.
"""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from simulator.appearance import Appearance, Beard
from simulator.camera import Picture, Sensor, to_image
from simulator.covers import paint_hose, worn_layer
from simulator.eyes import Brows, paint_eye
from simulator.fields import Canvas, Field, ink, smoothstep, soften
from simulator.geometry import JAW_HINGE_Y, MAX_JAW_CM, FaceGeometry, face_geometry
from simulator.hair import Layer, glasses_layer, hair_layers, hairline_shade
from simulator.mouth import add_lip_relief, lips_of, paint_mouth
from simulator.pose import Pose, place_head
from simulator.relief import add_moving_relief, edge_distance, lamp_direction, resting_relief, shade
from simulator.scene import Cover
from simulator.skin import beard_density, cut_folds, folds_of, resting_dents, skin_colour
from simulator.surroundings import paint_body, paint_room

# the extent of the head's picture: to the sides, to the top, to the end of hanging hair
HALF_WIDTH_CM, TOP_CM, HANGING_CM = 9.2, -12.6, 15.4
_GLASSES_SEED = 5
_RELIEF, _DENTS, _EDGE, _BEARD, _SKY, _RED = range(6)  # planes of the resting face; after red, green and blue
_CLOSEST, _FINEST = 4.0, 24.0  # px per cm between which the soft shapes still look right


class HeadPainter:
    """Paints one person's head.

    Args:
        appearance: The person.
        px_per_cm: Scale of the picture; about 10 suits a face of 200 px.
        cover: An oxygen mask or a tube is painted onto the head; other covers are ignored.
    """

    def __init__(self, appearance: Appearance, px_per_cm: float, cover: Cover = Cover.NONE) -> None:
        self.appearance = appearance
        lowest = HANGING_CM if appearance.hair.style.hangs else appearance.shape.chin_y + MAX_JAW_CM + 0.2
        width, height = round(2 * HALF_WIDTH_CM * px_per_cm), round((lowest - TOP_CM) * px_per_cm)
        self.canvas = Canvas(-HALF_WIDTH_CM, TOP_CM, width, height, px_per_cm)
        self._folds = folds_of(appearance, self.canvas)
        self._brows = Brows(appearance, self.canvas)
        behind, before = hair_layers(appearance, self.canvas)
        self._resting = self._rest(before)
        self._behind = to_image(behind.colour, behind.cover)
        self._before = to_image(before.colour, before.cover)
        if appearance.glasses:
            glasses = glasses_layer(
                appearance.shape, self.canvas, np.random.default_rng([appearance.seed, _GLASSES_SEED])
            )
            self._before.alpha_composite(to_image(glasses.colour, glasses.cover))
        worn = worn_layer(cover, appearance, self.canvas)
        if worn:
            self._before.alpha_composite(to_image(worn.colour, worn.cover))

    def paint(self, face: FaceGeometry, lamp: tuple[float, float, float]) -> Image.Image:
        """The head as RGBA, transparent around it, lit from `lamp` (unit vector to the right, down, to the viewer)."""
        look = self.appearance
        rest = self._moved_by_jaw(face)
        relief, dents = rest[_RELIEF].copy(), rest[_DENTS].copy()
        add_moving_relief(relief, dents, face, look.shape, self.canvas, look.skin.lines)
        cut_folds(dents, self._folds, face)
        lips = lips_of(face, self.canvas)
        add_lip_relief(relief, dents, lips, face, self.canvas)
        tone = shade(relief, dents, self.canvas.px_per_cm, lamp, look.light, look.skin.shine)
        tone *= rest[_SKY]
        picture = tone * rest[_RED:]
        if look.hair.beard is not Beard.NONE:
            hair = (0.3 + 0.7 * tone) * ink(look.hair.brow_colour)
            picture += rest[_BEARD] * (hair - picture)
        self._paint_nostrils(picture, face)
        for half in face.sides:
            paint_eye(picture, half, look, self.canvas, face.gaze)
            self._brows.paint(picture, half)
        paint_mouth(picture, lips, face, look)
        cover = np.minimum(np.maximum(rest[_EDGE] * self.canvas.px_per_cm + 0.5, 0.0), 1.0)
        head = Image.alpha_composite(self._behind, to_image(picture, cover))
        head.alpha_composite(self._before)
        return head

    def _rest(self, hair: Layer) -> Field:
        """The planes of the resting face [8, H, W]; their indices are the constants above."""
        look, canvas = self.appearance, self.canvas
        edge, _ = edge_distance(look.shape, canvas)
        relief = resting_relief(look, canvas)
        hollows = np.clip(relief - soften(relief, round(1.1 * canvas.px_per_cm)), -0.6, 0.0)
        sky = (1.0 + 0.75 * hollows) * (1.0 - hairline_shade(hair, canvas)) * look.camera.exposure
        dents = resting_dents(look, canvas, self._folds)
        planes = [relief, dents, edge, beard_density(look, canvas), sky, *skin_colour(look, canvas)]
        return np.stack(planes).astype(np.float32)

    def _moved_by_jaw(self, face: FaceGeometry) -> Field:
        """The resting planes with the lower face stretched downwards."""
        if face.jaw <= 0.01:
            return self._resting
        canvas = self.canvas
        first = int((JAW_HINGE_Y - canvas.top) * canvas.px_per_cm)
        y = canvas.whole.y[first:, 0]
        row = np.clip((face.skin_source(y) - canvas.top) * canvas.px_per_cm - 0.5, 0, canvas.height - 1.001)
        above = row.astype(np.intp)
        part = (row - above).astype(np.float32)[:, None]
        moved = self._resting.copy()
        lower = self._resting[:, above]
        moved[:, first:] = lower + part * (self._resting[:, above + 1] - lower)
        return moved

    def _paint_nostrils(self, picture: Field, face: FaceGeometry) -> None:
        shape = self.appearance.shape
        for half in face.sides:
            x = half.side * (0.68 * shape.nose_width + 0.5 * half.flare)
            y = shape.nose_length - 0.02 - 0.75 * half.nostril
            window = self.canvas.window(x - 1.0, y - 0.7, x + 1.0, y + 0.7)
            tilt = 0.35 * half.side * (window.x - x)
            hole = np.exp(-(((window.x - x) / (0.42 + 0.4 * half.flare)) ** 2) - ((window.y - y - tilt) / 0.22) ** 2)
            picture[:, *window.at] *= 1.0 - 0.85 * smoothstep(0.15, 0.8, hole)


class Person:
    """One person in front of a fixed camera; the parts that do not move are painted once.

    Args:
        appearance: The person and the light.
        size: Width and height of the picture, px.
        rest: The pose around which the person moves; neck and shoulders stay there.
        cover: An oxygen mask or a tube that the person wears.
    """

    def __init__(self, appearance: Appearance, size: tuple[int, int], rest: Pose, cover: Cover = Cover.NONE) -> None:
        scale = float(np.clip(rest.px_per_cm(size[1]), _CLOSEST, _FINEST))
        self.appearance = appearance
        self._painter = HeadPainter(appearance, scale, cover)
        self._body = paint_body(appearance, rest, size)
        self._hose = paint_hose(cover, appearance, rest, size)

    def draw_body(self, picture: Image.Image) -> None:
        """Draw neck and shoulders into `picture` (RGB), in place."""
        picture.paste(self._body, (0, 0), self._body)

    def draw_hose(self, picture: Image.Image) -> None:
        """Draw the hose of a mask or a tube into `picture` (RGB), in place."""
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
        appearance: The person and the light; see `simulator.appearance.sample_appearance`.
        action_units: AU number to intensity in 0..1; other units are 0.
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
