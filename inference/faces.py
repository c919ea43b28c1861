"""The faces found in one picture, and the geometry on their boxes and landmarks: size, overlap, distance, head pose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]  # [H, W] grey or [H, W, 3] RGB, full range 0..255
# Eyes and corners of the mouth of an upright face, relative to its middle, in eye distances. The same head as in
# `estimate_pose`.
UPRIGHT_POINTS = np.array([[-0.5, -0.55], [0.5, -0.55], [-0.4, 0.55], [0.4, 0.55]])
NOSE_PROTRUSION = 0.5  # of the eye distance, and of the eye-to-mouth distance
NOSE_HEIGHT = 0.56  # position of a frontal nose tip between eyes (0) and mouth (1): median of the training faces


@dataclass(frozen=True)
class Faces:
    """K faces of one picture, best score first. Coordinates are pixels of that picture, x to the right, y down.

    A box may extend beyond the picture: it frames the whole face, even if the picture cuts off a part of it.
    """

    boxes: Floats  # [K, 4] left, top, width, height
    scores: Floats  # [K] in 0..1, on the detector's own scale
    landmarks: Floats  # [K, 5, 2] left eye, right eye, nose tip, left, right mouth corner; left in the picture

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.scores)

    def where(self, chosen: NDArray[np.bool_ | np.intp]) -> Self:
        """The chosen faces: a mask [K], or numbers of faces in the order wanted."""
        return type(self)(self.boxes[chosen], self.scores[chosen], self.landmarks[chosen])

    def mapped(self, scale: tuple[float, float]) -> Self:
        """The same faces after scaling the picture by `scale` (horizontally, vertically)."""
        factors = np.array(scale, np.float32)
        return type(self)(self.boxes * np.tile(factors, 2), self.scores, self.landmarks * factors)

    def moved(self, right: float, down: float) -> Self:
        """The same faces, shifted by `right` and `down` pixels."""
        shift = np.array([right, down], np.float32)
        return type(self)(self.boxes + np.append(shift, [0, 0]).astype(np.float32), self.scores, self.landmarks + shift)

    def turned(self, degrees: float, before_px: tuple[int, int], after_px: tuple[int, int]) -> Self:
        """The same faces after turning the picture clockwise about its middle.

        The picture has the size `before_px` before and `after_px` after the turn, both (width, height). A box keeps
        its area and centre and takes the proportions of the turned face: after a quarter turn, width and height are
        exchanged.
        """
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.array([[cos, sin], [-sin, cos]])  # of rows (x, y), y down
        before, after = np.array(before_px) / 2, np.array(after_px) / 2
        middles = (centres(self.boxes) - before) @ turn + after
        widths, heights = np.maximum(self.boxes[:, 2:], np.finfo(np.float32).tiny).T
        ratio = (widths / heights) ** ((cos**2 - sin**2) / 2)
        area = np.sqrt(widths * heights)
        sides = np.stack([area * ratio, area / ratio], axis=1)
        boxes = np.concatenate([middles - sides / 2, sides], axis=1)
        landmarks = (self.landmarks - before) @ turn + after
        return type(self)(boxes.astype(np.float32), self.scores, landmarks.astype(np.float32))


def sizes(boxes: Floats) -> Floats:
    """Side of the square as large as each box: sqrt(width * height), pixels, [K]."""
    return np.asarray(np.sqrt(boxes[:, 2] * boxes[:, 3]), np.float32)


def centres(boxes: Floats) -> Floats:
    """Centres of boxes [K, 4] as [K, 2] (x, y), pixels."""
    return np.asarray(boxes[:, :2] + boxes[:, 2:] / 2, np.float32)


def merge(found: Sequence[Faces], max_overlap: float) -> Faces:
    """Merge the faces that several detector runs found in one picture; of overlapping faces, keep the best score."""
    if len(found) == 1:
        return found[0]
    boxes, scores, landmarks = (
        np.concatenate(parts) for parts in zip(*((f.boxes, f.scores, f.landmarks) for f in found), strict=True)
    )
    return suppress(Faces(boxes, scores, landmarks), max_overlap)


def suppress(faces: Faces, max_overlap: float) -> Faces:
    """Non-maximum suppression: of faces whose intersection over union exceeds `max_overlap`, keep the best score.

    Of equal scores the first face wins, so the result does not depend on the sorting algorithm.
    """
    order = np.argsort(-faces.scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[overlaps(faces.boxes[best], faces.boxes[order]) <= max_overlap]
    return faces.where(np.array(kept, np.intp))


def overlaps(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box [4] with others [K, 4], as [K] in 0..1."""
    top_left = np.maximum(box[:2], others[:, :2])
    bottom_right = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = np.prod(np.clip(bottom_right - top_left, 0, None), axis=1)
    union = box[2] * box[3] + others[:, 2] * others[:, 3] - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float32).tiny), np.float32)


def box_distances(box: Floats, others: Floats) -> Floats:
    """Distances of other boxes [K, 4] from one box [4]: [K], 0 for the same box.

    The distance is that of the centres in face sizes (the geometric mean of both), plus the absolute logarithm of the
    ratio of sizes: a face does not double its size while it moves by half its width. Unlike the overlap of boxes, this
    still tells near from far when they no longer touch, as can happen between samples a fifth of a second apart.
    """
    own, their = sizes(box[None]), sizes(others)
    distance = np.hypot(*(centres(others) - centres(box[None])).T)
    return np.asarray(distance / np.sqrt(own * their) + np.abs(np.log(their / own)), np.float32)


@dataclass(frozen=True)
class Pose:
    """Head pose in degrees. All three are 0 for an upright face that looks into the camera."""

    yaw_deg: float  # positive: the nose points to the right of the picture
    pitch_deg: float  # positive: the chin is raised
    roll_deg: float  # positive: the head leans clockwise in the picture, in -180..180


def nose_position(landmarks: Floats) -> tuple[float, float]:
    """Position of the nose tip, independent of roll and size: (sideways, down).

    Args:
        landmarks: [5, 2] left eye, right eye, nose tip, left and right mouth corner, pixels.

    Returns:
        Distance from the midline in eye distances, positive to the right, and the position from eyes (0) to mouth (1).
    """
    left, right, nose, mouth = landmarks[0], landmarks[1], landmarks[2], (landmarks[3] + landmarks[4]) / 2
    across = right - left
    span = float(np.hypot(*across))
    axis = across / max(span, 1e-6)
    below = np.array([-axis[1], axis[0]])
    middle = (left + right) / 2
    depth = float((mouth - middle) @ below)
    down = float((nose - middle) @ below) / np.copysign(max(abs(depth), 1e-6), depth)
    midline = down * float((mouth - middle) @ axis)
    return (float((nose - middle) @ axis) - midline) / max(span, 1e-6), float(down)


def shows_eyes_and_mouth(landmarks: Floats, size_px: tuple[int, int]) -> bool:
    """Whether the middle of the eyes and that of the mouth lie in a picture of this size (width, height).

    If a face is cut off by the picture's edge, the detector still guesses where its landmarks [5, 2] would be.
    """
    middles = np.stack([landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)])
    return bool(((middles >= 0) & (middles <= size_px)).all())


def roll(landmarks: Floats) -> float:
    """How far a face leans clockwise in the picture: degrees in -180..180, 0 if it is upright.

    This is the rotation of the similarity transform that best maps an upright head to eyes and corners of the mouth
    (least squares; Umeyama, IEEE TPAMI 1991). Unlike the slope of the line between the eyes, it also works in profile,
    where the eyes nearly meet.

    Args:
        landmarks: [5, 2] as in `Faces`, pixels.
    """
    points = np.asarray(landmarks, np.float64)[[0, 1, 3, 4]]
    (x, y), (u, v) = (points - points.mean(axis=0)).T, UPRIGHT_POINTS.T
    return float(np.degrees(np.arctan2((u * y - v * x).sum(), (u * x + v * y).sum())))


def estimate_pose(landmarks: Floats) -> Pose:
    """Estimate the head pose from five landmarks [5, 2] in pixels.

    A rough estimate: good enough to find frames in which the face looks away, not to measure angles.

    Model: under weak perspective, eyes and mouth corners lie in one plane and the nose tip protrudes from it by `d`.
    After undoing the slope of the eyes, turning by `yaw` moves the nose tip sideways by (d / eye distance) *
    tan(yaw) eye distances, and tilting by `pitch` moves it along the line from eyes to mouth by (d / eye-to-mouth
    distance) * tan(pitch) such distances. Both ratios are about one half in common head models (nose tip 3.4 cm,
    eyes 6.3 cm apart, mouth 7 cm below them).

    Limits: a face that differs from the average is off by a constant (so compare people with themselves), an open
    mouth looks like a raised chin, and beyond about 60 degrees the detector only guesses the position of the far eye.
    """
    sideways, down = nose_position(landmarks)
    return Pose(
        yaw_deg=float(np.degrees(np.arctan(sideways / NOSE_PROTRUSION))),
        pitch_deg=float(np.degrees(np.arctan((NOSE_HEIGHT - down) / NOSE_PROTRUSION))),
        roll_deg=roll(landmarks),
    )
