"""Points on a face by MediaPipe's face mesh, read from its TensorFlow Lite file.

A tool of training only: the points tell by how much a face's lips part or its brows rise (see geometry.py). They are
no action-unit labels, and nothing of them is needed to score a face. The file `face_landmark.tflite` (Apache-2.0) lies
in the `mediapipe` wheel; docs/training.md says how to fetch it.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pmfer.errors import TrainingError

POINTS = 468
INPUT_PX = 192
ROUNDS = 2  # the first finds the face in the picture, the second looks again with the face upright and well framed
FIRST_SIDE = 1.3  # side of the first crop, in sides of the picture: training faces fill their picture
MARGIN = 1.3  # side of the later crop, in sides of the points' box: the framing the mesh was trained with
EYE_CORNERS = (33, 263)


class FaceMesh:
    """Finds 468 points on a picture that one face fills.

    Args:
        path: `face_landmark.tflite`.

    Raises:
        TrainingError: the file or the library `ai-edge-litert` is missing, or the file is another model.
    """

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise TrainingError("face points need the library ai-edge-litert: pip install 'pmfer[landmarks]'") from None
        if not path.is_file():
            raise TrainingError(f"{path}: no such file; scripts/fetch_face_mesh.sh fetches it from the mediapipe wheel")
        try:
            self._interpreter: Any = Interpreter(str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(f"{path}: not a face mesh ({reason}); give mediapipe's face_landmark.tflite") from None
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()
        shapes = (list(self._input["shape"]), [int(np.prod(output["shape"])) for output in self._outputs])
        if shapes != ([1, INPUT_PX, INPUT_PX, 3], [POINTS * 3, 1]):
            raise TrainingError(f"{path}: not the expected face mesh; give mediapipe's face_landmark.tflite")

    def find(self, picture: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], float]:
        """Points float32 [468, 3] (x right, y down, z away, one scale, of the face turned upright) and presence 0..1.

        Args:
            picture: grey uint8 [S, S].
        """
        side = picture.shape[0]
        canvas = Image.fromarray(np.pad(picture, side // 2, mode="edge"))
        centre, length, angle = np.array([side / 2, side / 2]), FIRST_SIDE * side, 0.0
        for round_number in range(ROUNDS):
            points, presence = self._run(_crop(canvas, centre + side // 2, length, angle))
            if round_number + 1 < ROUNDS:
                centre, length, angle = _next_crop(points[:, :2], centre, length, angle)
        return points, presence

    def _run(self, crop: Image.Image) -> tuple[npt.NDArray[np.float32], float]:
        grey = np.asarray(crop, dtype=np.float32) / 255
        self._interpreter.set_tensor(self._input["index"], np.repeat(grey[None, :, :, None], 3, axis=3))
        self._interpreter.invoke()
        points = self._interpreter.get_tensor(self._outputs[0]["index"]).reshape(POINTS, 3)
        logit = float(self._interpreter.get_tensor(self._outputs[1]["index"]).ravel()[0])
        return points.astype(np.float32), 1 / (1 + math.exp(-logit))


def _rotation(angle: float) -> npt.NDArray[np.float64]:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _crop(canvas: Image.Image, centre: npt.NDArray[Any], length: float, angle: float) -> Image.Image:
    """The square of side `length` around `centre`, turned by `angle`, as INPUT_PX x INPUT_PX."""
    matrix = _rotation(angle) * (length / INPUT_PX)
    offset = centre - matrix @ np.full(2, INPUT_PX / 2)
    data = (*matrix[0], offset[0], *matrix[1], offset[1])
    return canvas.transform((INPUT_PX, INPUT_PX), Image.Transform.AFFINE, data, resample=Image.Resampling.BICUBIC)


def _next_crop(
    points: npt.NDArray[Any], centre: npt.NDArray[Any], length: float, angle: float
) -> tuple[npt.NDArray[Any], float, float]:
    """Centre, side and angle of the upright square around points given in the pixels of the current crop."""
    found = (points - INPUT_PX / 2) @ (_rotation(angle) * (length / INPUT_PX)).T + centre
    right, left = found[EYE_CORNERS[0]], found[EYE_CORNERS[1]]
    upright = math.atan2(left[1] - right[1], left[0] - right[0])
    turned = found @ _rotation(-upright).T
    low, high = turned.min(0), turned.max(0)
    return _rotation(upright) @ ((low + high) / 2), MARGIN * float((high - low).max()), upright
