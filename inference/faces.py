"""The faces found in one picture, and the arithmetic on their boxes."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Faces:
    """K faces of one picture, best score first. Pixels of that picture, x to the right, y down.

    A box may reach beyond the picture: it frames the whole face, of which a part may be cut off.
    """

    boxes: Floats  # [K, 4] left, top, width, height
    scores: Floats  # [K] in 0..1, on the detector's own scale
    landmarks: Floats  # [K, 5, 2] left eye, right eye, nose tip, left, right mouth corner; left in the picture

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.scores)

    def mapped(self, scale: tuple[float, float]) -> Self:
        """The same faces in a picture that is `scale` times as (wide, high)."""
        factors = np.array(scale, np.float32)
        return type(self)(self.boxes * np.tile(factors, 2), self.scores, self.landmarks * factors)


def sizes(boxes: Floats) -> Floats:
    """Side of the square as large as each box: sqrt(width * height), pixels, [K]."""
    return np.asarray(np.sqrt(boxes[:, 2] * boxes[:, 3]), np.float32)


def centres(boxes: Floats) -> Floats:
    """Centres of boxes [K, 4] as [K, 2] (x, y), pixels."""
    return np.asarray(boxes[:, :2] + boxes[:, 2:] / 2, np.float32)


def suppress(faces: Faces, max_overlap: float) -> Faces:
    """Non-maximum suppression: of faces whose intersection over union is above `max_overlap`, keep the best.

    Ties fall to the face that comes first, so the result does not depend on the sorting method.
    """
    order = np.argsort(-faces.scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[overlaps(faces.boxes[best], faces.boxes[order]) <= max_overlap]
    return Faces(faces.boxes[kept], faces.scores[kept], faces.landmarks[kept])


def overlaps(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box [4] with others [K, 4], as [K] in 0..1."""
    top_left = np.maximum(box[:2], others[:, :2])
    bottom_right = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = np.prod(np.clip(bottom_right - top_left, 0, None), axis=1)
    union = box[2] * box[3] + others[:, 2] * others[:, 3] - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float32).tiny), np.float32)
