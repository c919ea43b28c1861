"""A network, ready to be run by several threads: on the GPU where one can be used, else on the CPU."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from inference.faces import Floats
from inference.fixed_batches import ROWS, FixedBatches
from inference.hardware import cuda_device_count
from inference.merge import Merged
from inference.onnx_session import open_cpu_session, open_gpu_session

# Of input: one picture of 384 x 224, or sixteen faces of 48 x 48. Measured: in batches of 8, CenterFace takes 1.4 times
# as long for a picture; the default bundle gains nothing from larger ones.
CPU_BATCH_BYTES = 160 * 1024

# How ONNX Runtime, CUDA and cuDNN say that there is no memory left; none of them has an error class of its own.
OUT_OF_MEMORY = (
    "failed to allocate memory",
    "out of memory",
    "alloc_failed",
    "memoryallocation",
    "available memory of",
)

log = logging.getLogger("pmfer.inference")


class Network:
    """A graph with one float32 input [N, ...] and float32 outputs.

    On a GPU it runs in half precision and in fixed batches, into which the requests of several threads are put
    together. On a CPU every request runs by itself, since a result that depends on what else was running could not be
    reproduced. It is cut into small batches, because what a layer leaves for the next then stays in the cache, and each
    of them runs on one thread, several at once: threads that share the work of one layer wait for each other after it.
    So results do not depend on the number of threads.
    """

    def __init__(self, model: Path | bytes, threads: int) -> None:
        """Open the graph.

        Args:
            model: an ONNX file, or the bytes of one.
            threads: CPU threads, at least 1.

        Raises:
            ValueError: ONNX Runtime does not take the model.
        """
        self._model = model
        self._session, self._on_gpu = _open(model, threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pmfer-network")
        self._merged: dict[tuple[str, ...], Merged] = {}

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs, in the graph's order."""
        return [output.name for output in self._session.get_outputs()]

    def run(self, outputs: Sequence[str], batch: Floats) -> list[Floats]:
        """Named outputs for a batch [N, ...]. A GPU that runs out of memory is left for the CPU, for good."""
        if self._on_gpu:
            try:
                return self._run_on_gpu(tuple(outputs), batch)
            except Exception as error:  # ONNX Runtime's errors have no public base class
                if not is_out_of_memory(error):
                    raise
                log.warning("the GPU has no memory left: going on with the CPU")
                self._session, self._on_gpu = open_cpu_session(self._model), False
        return self._run_on_cpu(list(outputs), batch)

    def _run_on_gpu(self, names: tuple[str, ...], batch: Floats) -> list[Floats]:
        if names not in self._merged:
            self._merged.setdefault(names, Merged(FixedBatches(self._session, names, "cuda").run, ROWS[-1]))
        return self._merged[names](batch)

    def _run_on_cpu(self, outputs: list[str], batch: Floats) -> list[Floats]:
        name = self._session.get_inputs()[0].name
        rows = max(1, CPU_BATCH_BYTES // batch[:1].nbytes)
        cuts = [batch[n : n + rows] for n in range(0, len(batch), rows)]
        parts = self._pool.map(lambda cut: self._session.run(outputs, {name: cut}), cuts)
        return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def is_out_of_memory(error: Exception) -> bool:
    """Whether a runtime says that memory ran out."""
    return any(sign in str(error).lower() for sign in OUT_OF_MEMORY)


def _open(model: Path | bytes, threads: int) -> tuple[onnxruntime.InferenceSession, bool]:
    """A session, and whether it runs on a GPU; one line in the log where a GPU is there and cannot be used."""
    if cuda_device_count() == 0:
        return open_cpu_session(model), False
    try:
        return open_gpu_session(model, threads), True
    except ValueError as error:
        log.warning("there is a GPU, but ONNX Runtime cannot use it (%s): scoring on the CPU", error)
        return open_cpu_session(model), False
