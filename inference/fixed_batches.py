"""Run a graph in batches of few fixed shapes, its inputs and outputs in buffers that stay on the device.

On a GPU every new shape costs a search for the best kernels and new memory, and every copy that is not asked for costs
more than the arithmetic. So batches are filled up to one of ROWS, each shape keeps its buffers, and what crosses the
bus is the rows and the scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime

from inference.faces import Floats

ROWS = (8, 64)  # sizes of batches; a larger one is cut


@dataclass(frozen=True)
class _Buffers:
    """Of one shape of the input."""

    staging: Floats  # on the host
    given: onnxruntime.OrtValue
    taken: list[onnxruntime.OrtValue]
    binding: onnxruntime.IOBinding


class FixedBatches:
    """A session with one float32 input [N, ...] and float32 outputs, N free. Not for several threads at once."""

    def __init__(self, session: onnxruntime.InferenceSession, outputs: Sequence[str], device: str) -> None:
        """Take a session over.

        Args:
            session: its graph.
            outputs: names of those that are wanted.
            device: where the buffers lie, "cuda" or "cpu".
        """
        self._session = session
        self._outputs = list(outputs)
        self._device = device
        self._input = session.get_inputs()[0].name
        self._buffers: dict[tuple[int, ...], _Buffers] = {}

    def run(self, batch: Floats) -> list[Floats]:
        """Outputs for a batch of any size, in the order of the names."""
        parts = [self._run_rows(batch[start : start + ROWS[-1]]) for start in range(0, len(batch), ROWS[-1])]
        return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]

    def _run_rows(self, rows: Floats) -> list[Floats]:
        size = next(size for size in ROWS if len(rows) <= size)
        shape = (size, *rows.shape[1:])
        if shape not in self._buffers:
            self._buffers[shape] = self._allocate(shape)
        buffers = self._buffers[shape]
        buffers.staging[: len(rows)] = rows
        buffers.given.update_inplace(buffers.staging)
        self._session.run_with_iobinding(buffers.binding)
        return [value.numpy()[: len(rows)].copy() for value in buffers.taken]

    def _allocate(self, shape: tuple[int, ...]) -> _Buffers:
        """Buffers for an input shape; a first run tells the shapes of the outputs."""
        staging = np.zeros(shape, np.float32)
        given = onnxruntime.OrtValue.ortvalue_from_numpy(staging, self._device, 0)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input, given)
        taken = []
        for name, example in zip(self._outputs, self._session.run(self._outputs, {self._input: staging}), strict=True):
            value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(example.shape, np.float32, self._device, 0)
            binding.bind_ortvalue_output(name, value)
            taken.append(value)
        return _Buffers(staging, given, taken, binding)
