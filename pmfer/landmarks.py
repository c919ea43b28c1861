"""Find the points and blendshapes of a face with MediaPipe's networks, read from their TensorFlow Lite files.

Used only for training: to measure how far the lips are parted or the brows raised (shapes.py), where the regions of the
face are (covers.py), and its roll. None of this is an action-unit label, and none of it is needed to score a face. Two
files are supported, both Apache-2.0; docs/training.md says where to get them:

- `face_landmarker_v2_with_blendshapes.task`: 478 points and 52 blendshapes, a zip of two networks;
- `face_landmark.tflite`, the older one: 468 points.

The first 468 points are the same in both.
"""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pmfer.errors import TrainingError

POINTS = 468
ROUNDS = 2  # the first finds the face in the picture, the second runs again with the face upright and well framed
FIRST_SIDE = 1.3  # side of the first crop, in sides of the picture: training faces fill their picture
MARGIN = 1.3  # side of the second crop, in sides of the points' box: the framing the networks were trained with
OUTER_EYE_CORNERS = (33, 263)
POINT_NETWORK, BLENDSHAPE_NETWORK = "face_landmarks_detector.tflite", "face_blendshapes.tflite"

# The input points of the blendshape network, and the names of its outputs (after Apple's ARKit), as its file defines
# them.
BLENDSHAPE_POINTS = (
    *(0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80),
    *(81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153),
    *(154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249),
    *(251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314),
    *(317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382),
    *(384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, *range(468, 478)),
)
BLENDSHAPES = (
    *("neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"),
    *("cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight"),
    *("eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen"),
    *("jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight"),
    *("mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FoundFace:
    """The output of the networks for one face.

    points: float32 [468, 3], x right, y down, z away, all on one scale, of the face turned upright. placed: float32
    [468, 2], their positions in the picture, as fractions of its side. roll_deg: slope of the eyes in the picture,
    positive clockwise. presence: probability that there is a face, 0..1. blendshapes: float32 [52] in 0..1, in the
    order of BLENDSHAPES; None from the older network.
    """

    points: Floats
    placed: Floats
    roll_deg: float
    presence: float
    blendshapes: Floats | None


class FaceMesh:
    """Finds the points of a face in a picture that the face fills.

    Args:
        path: one of the two files named in the module's docstring.

    Raises:
        TrainingError: the file or the library `ai-edge-litert` is missing, or the file is another model.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise TrainingError(f"{path}: no such file; see docs/training.md on how to get a face mesh")
        self._blendshapes: _Network | None = None
        if path.suffix == ".task":
            points, blendshapes = _unpack(path)
            self._points = _Network(points, path)
            self._blendshapes = _Network(blendshapes, path)
        else:
            self._points = _Network(path.read_bytes(), path)
        shape = self._points.input_shape
        if len(shape) != 4 or shape[3] != 3 or self._points.output_sizes[0] not in (POINTS * 3, 478 * 3):
            raise TrainingError(f"{path}: not the expected face mesh; give one of the files of docs/training.md")
        self._side = shape[1]

    def find(self, picture: npt.NDArray[np.uint8]) -> FoundFace:
        """Find the points in two rounds: first the face, then the points of the face upright and well framed.

        Args:
            picture: grey uint8 [S, S].
        """
        side = picture.shape[0]
        canvas = Image.fromarray(np.pad(picture, side // 2, mode="edge"))
        centre, length, angle = np.array([side / 2, side / 2]), FIRST_SIDE * side, 0.0
        for round_number in range(ROUNDS):
            crop = _crop(canvas, centre + side // 2, length, angle, self._side)
            flat, presence = self._points(np.repeat(_grey(crop)[None, :, :, None], 3, axis=3))[:2]
            points = flat.reshape(-1, 3)
            placed = (points[:, :2] - self._side / 2) @ (_rotation(angle) * (length / self._side)).T + centre
            right, left = placed[OUTER_EYE_CORNERS[0]], placed[OUTER_EYE_CORNERS[1]]
            upright = math.atan2(left[1] - right[1], left[0] - right[0])
            if round_number + 1 < ROUNDS:
                angle = upright
                turned = placed @ _rotation(-angle).T
                low, high = turned.min(0), turned.max(0)
                centre, length = _rotation(angle) @ ((low + high) / 2), MARGIN * float((high - low).max())
        shapes = self._blendshapes
        return FoundFace(
            points[:POINTS],
            (placed[:POINTS] / side).astype(np.float32),
            math.degrees(upright),
            1 / (1 + math.exp(-float(presence.ravel()[0]))),
            shapes(points[None, BLENDSHAPE_POINTS, :2])[0].ravel() if shapes else None,
        )


class _Network:
    """A TensorFlow Lite network with one input, running on one thread."""

    def __init__(self, content: bytes, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise TrainingError(
                "face points need ai-edge-litert; in a checkout: pip install -e '.[landmarks]'"
            ) from None
        try:
            self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(
                f"{path}: not a face mesh ({reason}); give one of the files of docs/training.md"
            ) from None
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()
        self.input_shape = [int(length) for length in self._input["shape"]]
        self.output_sizes = [int(np.prod(output["shape"])) for output in self._outputs]

    def __call__(self, values: npt.NDArray[Any]) -> list[Floats]:
        self._interpreter.set_tensor(self._input["index"], values.astype(np.float32))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(output["index"]) for output in self._outputs]


def _unpack(path: Path) -> tuple[bytes, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(POINT_NETWORK), archive.read(BLENDSHAPE_NETWORK)
    except (zipfile.BadZipFile, KeyError) as error:
        raise TrainingError(f"{path}: not a face landmarker ({error}); give the file with blendshapes") from None


def _grey(crop: Image.Image) -> Floats:
    return np.asarray(crop, dtype=np.float32) / np.float32(255)


def _rotation(angle: float) -> npt.NDArray[np.float64]:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _crop(canvas: Image.Image, centre: npt.NDArray[Any], length: float, angle: float, side: int) -> Image.Image:
    """The square of side `length` around `centre`, turned by `angle` (radians), resampled to side x side pixels."""
    matrix = _rotation(angle) * (length / side)
    offset = centre - matrix @ np.full(2, side / 2)
    data = (*matrix[0], offset[0], *matrix[1], offset[1])
    return canvas.transform((side, side), Image.Transform.AFFINE, data, resample=Image.Resampling.BICUBIC)
