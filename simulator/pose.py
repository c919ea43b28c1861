"""Where the head is in the frame and how it is turned: a 2.5-D warp of its frontal picture."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from simulator.fields import Canvas, Field

FACE_HEIGHT_CM = 17.5  # hairline to chin of an average face: what `Pose.size` measures
MAX_TURN_DEG = 30.0  # beyond this, the far side of the face would have to disappear, which a warp cannot do
_SKULL_CM, _NOSE_CM = 6.0, 1.8  # how far the middle of the face, and the nose beyond it, stand out from the outline
_TILES = 6  # the warp is bilinear within each tile; the head is smooth enough for this few


@dataclass(frozen=True)
class Pose:
    """Place and direction of a head."""

    yaw_deg: float = 0.0  # positive: the face turns to the picture's right
    pitch_deg: float = 0.0  # positive: it looks up
    roll_deg: float = 0.0  # positive: it leans clockwise in the picture
    x: float = 0.5  # middle of the eyes, share of the picture's width
    y: float = 0.42  # middle of the eyes, share of the picture's height
    size: float = 0.5  # hairline to chin, share of the picture's height

    def px_per_cm(self, height_px: int) -> float:
        """Scale of the head in a picture of this height."""
        return self.size * height_px / FACE_HEIGHT_CM


def frame_canvas(pose: Pose, size: tuple[int, int]) -> Canvas:
    """The whole frame as a canvas in centimetres of a head at `pose`."""
    scale = pose.px_per_cm(size[1])
    return Canvas(-pose.x * size[0] / scale, -pose.y * size[1] / scale, size[0], size[1], scale)


def place_head(picture: Image.Image, head: Image.Image, canvas: Canvas, pose: Pose) -> None:
    """Draw `head` (RGBA, a raster of `canvas`, face from the front) into `picture` (RGB), in place.

    Raises:
        ValueError: yaw or pitch lies beyond MAX_TURN_DEG.
    """
    if max(abs(pose.yaw_deg), abs(pose.pitch_deg)) > MAX_TURN_DEG:
        raise ValueError(
            f"pose turned by {pose.yaw_deg}, {pose.pitch_deg} degrees: at most {MAX_TURN_DEG} can be drawn"
        )
    scale = pose.px_per_cm(picture.height)
    centre = np.array((pose.x * picture.width, pose.y * picture.height))
    origin = np.array((canvas.left, canvas.top))
    corners = np.array([(x, y) for x in (0, canvas.width) for y in (0, canvas.height)]) / canvas.px_per_cm
    placed = centre + scale * (origin + corners) @ _rotation(pose.roll_deg).T
    low = np.floor(np.maximum(placed.min(axis=0), 0)).astype(int)
    high = np.ceil(np.minimum(placed.max(axis=0), picture.size)).astype(int)
    if (high <= low).any():
        return
    xs, ys = (np.linspace(low[k], high[k], _TILES + 1).round().astype(int) for k in (0, 1))
    target = np.stack(np.meshgrid(xs, ys), axis=-1)
    face = ((target - centre) / scale) @ _rotation(pose.roll_deg)
    source = (_untwist(face, pose) - origin) * canvas.px_per_cm
    mesh = [_tile(xs - low[0], ys - low[1], source, column, row) for row in range(_TILES) for column in range(_TILES)]
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    turned = head.transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    picture.paste(turned, (int(low[0]), int(low[1])), turned)


def _rotation(degrees: float) -> Field:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]], np.float32)


def _untwist(seen: Field, pose: Pose) -> Field:
    """The point of the frontal face (cm) that is seen at `seen` (cm [..., 2]) once the head is turned.

    Turning carries a point sideways by its depth; depth is a function of the point sought, hence the iteration.
    """
    shift = np.array((np.sin(np.radians(pose.yaw_deg)), -np.sin(np.radians(pose.pitch_deg))), np.float32)
    point = seen
    for _ in range(12):
        point = 0.4 * point + 0.6 * (seen - _depth(point)[..., None] * shift)
    return point


def _depth(point: Field) -> Field:
    x, y = point[..., 0], point[..., 1]
    skull = np.clip(1.0 - (x / 8.2) ** 2 - (y / 13.0) ** 2, 0.0, None)
    nose = np.exp(-0.5 * ((x / 1.5) ** 2 + ((y - 3.0) / 1.8) ** 2))
    return np.asarray(_SKULL_CM * skull + _NOSE_CM * nose, np.float32)


def _tile(
    xs: np.ndarray[tuple[int, ...], np.dtype[np.int_]],
    ys: np.ndarray[tuple[int, ...], np.dtype[np.int_]],
    source: Field,
    column: int,
    row: int,
) -> tuple[tuple[int, int, int, int], tuple[float, ...]]:
    box = (int(xs[column]), int(ys[row]), int(xs[column + 1]), int(ys[row + 1]))
    corners = [source[row + down, column + right] for down, right in ((0, 0), (1, 0), (1, 1), (0, 1))]
    return box, tuple(float(value) for corner in corners for value in corner)
