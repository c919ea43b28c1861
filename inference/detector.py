"""Find the faces of video frames with the detector that the options name."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.centerface import CenterFace
from inference.faces import Faces
from inference.frame import Frame
from inference.options import CANVAS_STEP_PX, ScoringOptions
from inference.yunet import YuNet


class Detector(Protocol):
    """A face detector for batches of small pictures."""

    name: str

    def detect(self, pictures: NDArray[np.uint8]) -> list[Faces]:
        """Find the faces in RGB pictures [N, H, W, 3], H and W multiples of 32."""


def open_detector(options: ScoringOptions, threads: int) -> Detector:
    """The detector that the options name.

    Raises:
        ConfigurationError: its file is missing or is not of the kind it should be.
    """
    weights = options.detector_weights
    if options.detector_name == CenterFace.name:
        return CenterFace(weights, options.min_detection_score, threads)
    return YuNet(weights, options.min_detection_score, threads)


def find_faces(detector: Detector, frames: Sequence[Frame], longer_side_px: int) -> list[Faces]:
    """The faces of frames of one size, in displayed pixels of those frames.

    The picture given to the detector keeps the frame's proportions; what is missing to a multiple of 32 stays black at
    its right and lower edge. libswscale reduces the frame, so its full size is never converted to colour.
    """
    width, height = frames[0].size_px
    scale = longer_side_px / max(width, height)
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    columns, rows = (-(-side // CANVAS_STEP_PX) * CANVAS_STEP_PX for side in small)
    pictures = np.zeros((len(frames), rows, columns, 3), np.uint8)
    for picture, frame in zip(pictures, frames, strict=True):
        picture[: small[1], : small[0]] = frame.picture(3, small)
    back = (width / small[0], height / small[1])
    return [faces.mapped(back) for faces in detector.detect(pictures)]
