"""Faces of single pictures of any size, for evaluation: the same detector and framing as for videos."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.crop import Picture
from inference.detector import Detector
from inference.faces import Faces, centres, sizes
from inference.options import CANVAS_STEP_PX

ABOUT_AS_LARGE = 0.8  # of the largest face's side: among such faces the place in the picture decides


def find_faces_in_stills(detector: Detector, pictures: Sequence[Picture], longer_side_px: int) -> list[Faces]:
    """The faces of RGB pictures [H, W, 3] of different sizes, in pixels of each.

    Every picture keeps its proportions and fills the longer side of one square canvas, so that all go in one batch;
    the rest of the canvas stays black, as for frames of a video.
    """
    side = -(-longer_side_px // CANVAS_STEP_PX) * CANVAS_STEP_PX
    canvas: NDArray[np.uint8] = np.zeros((len(pictures), side, side, 3), np.uint8)
    scales = []
    for place, picture in zip(canvas, pictures, strict=True):
        height, width = picture.shape[:2]
        factor = longer_side_px / max(width, height)
        small = (max(1, round(width * factor)), max(1, round(height * factor)))
        place[: small[1], : small[0]] = Image.fromarray(picture).resize(small, Image.Resampling.BILINEAR)
        scales.append((width / small[0], height / small[1]))
    found = detector.detect(canvas)
    return [faces.mapped(scale) for faces, scale in zip(found, scales, strict=True)]


def main_face(faces: Faces, size_px: tuple[int, int]) -> int | None:
    """Index of the face that a picture of `size_px` (width, height) is about; None without faces.

    The largest; among faces nearly as large, the one nearest to the middle of the picture.
    """
    if not len(faces):
        return None
    large = sizes(faces.boxes)
    away = np.linalg.norm(centres(faces.boxes) - np.array(size_px) / 2, axis=1)
    away[large < ABOUT_AS_LARGE * large.max()] = np.inf
    return int(away.argmin())
