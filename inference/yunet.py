"""YuNet: a small, fast face detector that a user can name by its ONNX file.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20 (2023). Files as its
authors and the OpenCV model zoo export them: one BGR input, and per stride 8, 16 and 32 the outputs `cls`, `obj`,
`bbox` and `kps`, one row per cell. They are exported for batches of one; `with_free_shape` lifts that.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.faces import Faces, Floats, suppress
from inference.network import Network
from inference.onnx_session import with_free_shape
from pmfer.errors import ConfigurationError

STRIDES = (8, 16, 32)  # pixels of the picture per cell, one group of outputs each
OUTPUTS = ("cls", "obj", "bbox", "kps")
MAX_OVERLAP = 0.3  # of two faces, intersection over union; the value of the authors' code


class YuNet:
    """The network scores every cell of three grids, and gives a box and five landmarks relative to its corner."""

    name = "yunet"

    def __init__(self, weights: Path, min_score: float, threads: int) -> None:
        self._min_score = min_score
        try:
            self._network = Network(with_free_shape(weights), threads)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"detector {weights}: cannot be used ({error}); name a YuNet ONNX file") from None
        missing = {f"{kind}_{stride}" for kind in OUTPUTS for stride in STRIDES}
        missing -= set(self._network.outputs)
        if missing:
            raise ConfigurationError(
                f"detector {weights}: not a YuNet file (no output {', '.join(sorted(missing))}); name a YuNet ONNX file"
            )

    def detect(self, pictures: NDArray[np.uint8]) -> list[Faces]:
        """Find the faces in RGB pictures [N, H, W, 3], H and W multiples of 32."""
        batch = np.ascontiguousarray(pictures[..., ::-1].transpose(0, 3, 1, 2), np.float32)
        names = [f"{kind}_{stride}" for stride in STRIDES for kind in OUTPUTS]
        outputs = self._network.run(names, batch)
        width = pictures.shape[2]
        return [self._decode([output[n] for output in outputs], width) for n in range(len(pictures))]

    def _decode(self, outputs: list[Floats], width: int) -> Faces:
        """Faces of one picture from its twelve outputs, each [cells, values]."""
        grids = [outputs[start : start + len(OUTPUTS)] for start in range(0, len(outputs), len(OUTPUTS))]
        found = [self._decode_grid(grid, stride, width) for grid, stride in zip(grids, STRIDES, strict=True)]
        boxes, scores, landmarks = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return suppress(Faces(boxes, scores, landmarks), MAX_OVERLAP)

    def _decode_grid(self, grid: list[Floats], stride: int, width: int) -> tuple[Floats, Floats, Floats]:
        """Boxes [K, 4], scores [K] and landmarks [K, 5, 2] of one grid's cells that are sure enough."""
        face, object_, box, points = grid
        score = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(object_[:, 0], 0, 1))
        kept = np.nonzero(score >= self._min_score)[0]
        cells = np.stack([kept % (width // stride), kept // (width // stride)], axis=1).astype(np.float32)
        sides = np.exp(box[kept, 2:]) * stride
        corners = (cells + box[kept, :2]) * stride - sides / 2
        landmarks = (points[kept].reshape(-1, 5, 2) + cells[:, None]) * stride
        return np.concatenate([corners, sides], axis=1), score[kept], landmarks
