"""Quantise a bundle's graph to int8, for CPUs that compute faster with it.

Static quantisation as in Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-
Only Inference" (CVPR 2018): weights are quantised symmetrically per channel, activations per tensor over the range that
they take on training faces. Softmax, sigmoid, layer normalisation and the cosine of the alignment stay float32.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from pmfer.bundle import INT8_FILE, MODEL_CARD_FILE, Bundle, InputSpec, load_bundle, sha256_file, write_card
from pmfer.datasets import KINDS, Faces, load_faces, read_samples, strict_label
from pmfer.errors import PmferError
from pmfer.evaluate import run_graph
from pmfer.metrics import accuracy
from pmfer.model_card import render_model_card

QUANTISED = ["Add", "Conv", "Gemm", "MatMul", "Relu"]
FACES = 512  # on which the ranges of the activations are measured
BATCH = 64
ERRORS_ONLY = 3  # ONNX Runtime severity


def main() -> None:
    """Add the int8 graph to a bundle: `python -m pmfer.quantise BUNDLE DATA`, with the data set it was trained on."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bundle", type=Path, help="folder of the bundle, which is changed")
    parser.add_argument("data", type=Path, help="data set: a file or folder; see docs/training.md")
    parser.add_argument("--kind", choices=KINDS, help="which data set it is; default: detected")
    options = parser.parse_args()
    try:
        bundle = load_bundle(options.bundle)
        bundle = add_int8(bundle, *_read(options.data, options.kind, bundle.card.input.size_px))
    except PmferError as error:
        parser.exit(1, f"pmfer.quantise: {error}\n")
    print(f"{bundle.path}  {bundle.digest}  {bundle.card.metrics['int8']}")


def _read(data: Path, kind: str | None, size_px: int) -> tuple[Faces, dict[str, Faces]]:
    """FACES of the training faces, and the splits to measure: valid, and test if there is one; in grey, as in training.

    The training faces are spread evenly, because data sets are often sorted.
    """
    samples = read_samples(data, kind).with_valid()
    train = samples.in_split("train")
    spread = np.zeros(len(train), bool)
    spread[np.linspace(0, len(train) - 1, min(FACES, len(train))).astype(int)] = True
    measured = ("valid", "test") if "test" in samples.splits else ("valid",)
    faces = {split: load_faces(samples.in_split(split), size_px) for split in measured}
    return load_faces(train.take(spread), size_px), faces


def add_int8(bundle: Bundle, training: Faces, measured: dict[str, Faces]) -> Bundle:
    """Add an int8 graph to a bundle, and write the accuracy of both graphs on its cards.

    Args:
        bundle: verified bundle; its card changes, and so does its digest.
        training: faces it was trained on, some hundreds.
        measured: splits on which both graphs are measured, by name.
    """
    quantise(bundle.weights, bundle.card.input, training.images, bundle.path / INT8_FILE)
    card = replace(bundle.card, int8_sha256=sha256_file(bundle.path / INT8_FILE))
    write_card(bundle.path, card)
    figures: dict[str, object] = {"calibration_faces": len(training)}
    for split, faces in measured.items():
        labels = strict_label(faces.votes)
        for name, int8 in (("float32", False), ("int8", True)):
            share = accuracy(run_graph(load_bundle(bundle.path), faces.images, int8=int8)["expression"], labels)
            figures[f"{split}_accuracy_strict_{name}"] = round(share, 4) if share is not None else None
    card = replace(card, metrics=card.metrics | {"int8": figures})
    write_card(bundle.path, card)
    (bundle.path / MODEL_CARD_FILE).write_text(render_model_card(card), encoding="utf-8")
    return load_bundle(bundle.path)


def quantise(weights: Path, spec: InputSpec, faces: npt.NDArray[np.uint8], out: Path) -> None:
    """Quantise an exported graph to int8.

    Args:
        weights: the float32 `model.onnx`.
        spec: specification of its input.
        faces: training faces, [N, S, S] grey or [N, S, S, 3] RGB as the graph takes them.
        out: file to write.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folded = Path(scratch) / "folded.onnx"
        _fold(weights, folded)
        quantize_static(
            folded,
            out,
            _Reader(faces, spec),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _fold(weights: Path, out: Path) -> None:
    """Undo the storage in half precision: the quantiser expects weights, not casts of weights."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(out)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = ERRORS_ONLY
    onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # untyped base
    """Yields batches of normalised faces."""

    def __init__(self, faces: npt.NDArray[np.uint8], spec: InputSpec) -> None:
        starts = range(0, len(faces), BATCH)
        self._batches = ({"faces": spec.normalised(faces[start : start + BATCH])} for start in starts)

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        """The next batch; None after the last."""
        return next(self._batches, None)


if __name__ == "__main__":
    main()
