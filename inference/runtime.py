"""Run networks with ONNX Runtime: on the GPU if there is a usable one, otherwise on the CPU.

The detectors and the model use `Network`. Below it are the sessions on CPU and GPU, and the fixed batches that a GPU
needs.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.transformers.float16 import convert_float_to_float16

from inference.faces import Floats
from inference.hardware import cuda_device_count, has_library, missing_cuda_libraries, multiplies_bytes

Provider = tuple[str, dict[str, str]]
# An exhaustive algorithm search takes seconds and finds nothing faster. With channels first, cuDNN has no depthwise
# convolution in half precision, and ONNX Runtime's substitute took 340 ms for eight pictures of the detector.
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "prefer_nhwc": "1"}
TENSORRT_LIBRARY = "libnvinfer.so.10"
ERRORS_ONLY = 3  # ONNX Runtime severity: 0 verbose ... 2 warning, 3 error
# Input of one batch on the CPU: one picture of 384 x 224, or sixteen faces of 48 x 48. Measured: CenterFace takes 1.4
# times as long per picture in batches of 8; the default bundle gains nothing from larger batches.
CPU_BATCH_BYTES = 160 * 1024
GPU_BATCHES = (8, 64)  # batch sizes on a GPU, in rows; a larger batch is split
# How ONNX Runtime, CUDA and cuDNN report that memory ran out; none of them has an error class for it.
OUT_OF_MEMORY = (
    "failed to allocate memory",
    "out of memory",
    "alloc_failed",
    "memoryallocation",
    "available memory of",
)
GPU_REMEDY = "run `pip install -e '.[gpu]'` in the project's folder, or `make gpu-check`, which does"
log = logging.getLogger("pmfer.inference")


class Network:
    """A graph with one float32 input [N, ...] and float32 outputs. Thread-safe.

    On a GPU it runs in half precision and in fixed batches, one request after the other. On a CPU a request is split
    into small batches, so that the output of each layer stays in the cache. Each batch runs on one thread, and several
    batches run at once: threads that share the work of one layer would wait for each other after every layer. So
    results do not depend on the number of threads, nor on what else is running.
    """

    def __init__(self, model: Path | bytes, threads: int) -> None:
        """Open the graph.

        Args:
            model: an ONNX file, or the bytes of one.
            threads: CPU threads, at least 1.

        Raises:
            ValueError: ONNX Runtime cannot load the model.
        """
        self._model, self._threads = model, threads
        self._session, self._on_gpu = _open_best_session(model, threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pmfer-network")
        self._batches: dict[tuple[str, ...], FixedBatches] = {}
        self._on_gpu_now = threading.Lock()  # held by the thread whose request runs on the GPU

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on a GPU. Becomes False for good when the GPU's memory runs out."""
        return self._on_gpu

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs, in the graph's order."""
        return [output.name for output in self._session.get_outputs()]

    def run(self, outputs: Sequence[str], batch: Floats) -> list[Floats]:
        """Compute the named outputs for a batch [N, ...].

        If the GPU has no memory even for a small batch, the CPU takes over.
        """
        if self._on_gpu:
            try:
                return self._run_on_gpu(tuple(outputs), batch)
            except Exception as error:  # ONNX Runtime's errors have no public base class
                if not is_out_of_memory(error):
                    raise
                log.warning("the GPU has no memory left: continuing on the CPU")
                self._session, self._on_gpu = open_cpu_session(self._model), False
        return self._run_on_cpu(list(outputs), batch)

    def _run_on_gpu(self, names: tuple[str, ...], batch: Floats) -> list[Floats]:
        with self._on_gpu_now:
            if names not in self._batches:
                self._batches[names] = FixedBatches(lambda: open_gpu_session(self._model, self._threads), names, "cuda")
            return self._batches[names].run(batch)

    def _run_on_cpu(self, outputs: list[str], batch: Floats) -> list[Floats]:
        name = self._session.get_inputs()[0].name
        rows = max(1, CPU_BATCH_BYTES // batch[:1].nbytes)
        parts = [batch[n : n + rows] for n in range(0, len(batch), rows)]
        results = self._pool.map(lambda part: self._session.run(outputs, {name: part}), parts)
        return [np.concatenate(pieces) for pieces in zip(*results, strict=True)]


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of ONNX Runtime, CUDA or cuDNN says that memory ran out."""
    return any(phrase in str(error).lower() for phrase in OUT_OF_MEMORY)


def _open_best_session(model: Path | bytes, threads: int) -> tuple[onnxruntime.InferenceSession, bool]:
    """Open a session; also returns whether it runs on a GPU. Logs one line if there is a GPU that cannot be used."""
    if cuda_device_count() == 0:
        return open_cpu_session(model), False
    try:
        return open_gpu_session(model, threads), True
    except ValueError as error:
        log.warning("there is a GPU, but ONNX Runtime cannot use it (%s): scoring on the CPU", error)
        return open_cpu_session(model), False


def open_cpu_session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """Open a session on the CPU. It computes in the calling thread; several threads may call it at once.

    Raises:
        ValueError: ONNX Runtime cannot load the model.
    """
    return _open(model, 1, [("CPUExecutionProvider", {})])


def open_gpu_session(
    model: Path | bytes, threads: int, *, half: bool = True, memory_bytes: int | None = None
) -> onnxruntime.InferenceSession:
    """Open a session on the first CUDA device, in half precision with float32 inputs and outputs.

    TensorRT comes first if its library is installed, then CUDA. Operations that neither of them supports run on the
    CPU.

    Args:
        model: an ONNX file, or the bytes of one.
        threads: CPU threads, for operations that run on the CPU.
        half: False: compute in float32, for comparison.
        memory_bytes: device memory that the session may use; None: all.

    Raises:
        ValueError: ONNX Runtime cannot load the model or cannot use the GPU; the message says what to install.
    """
    missing = missing_cuda_libraries()
    if missing:
        raise ValueError(f"{', '.join(missing)}: not found; {GPU_REMEDY}")
    cuda = dict(CUDA_OPTIONS)
    if memory_bytes is not None:
        cuda["gpu_mem_limit"] = str(memory_bytes)
    providers: list[Provider] = [("CUDAExecutionProvider", cuda)]
    if half and memory_bytes is None and has_library(TENSORRT_LIBRARY):
        providers.insert(0, ("TensorrtExecutionProvider", {"trt_fp16_enable": "1"}))
    session = _open(in_half_precision(model) if half else model, threads, [*providers, ("CPUExecutionProvider", {})])
    if session.get_providers()[0] == "CPUExecutionProvider":
        raise ValueError("ONNX Runtime has no GPU kernel for it")
    return session


def in_half_precision(model: Path | bytes) -> bytes:
    """Convert the graph to float16, keeping float32 inputs and outputs."""
    graph = onnx.load_model_from_string(model if isinstance(model, bytes) else model.read_bytes())
    half: bytes = convert_float_to_float16(graph, keep_io_types=True).SerializeToString()
    return half


def _open(model: Path | bytes, threads: int, providers: list[Provider]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait for work take CPU time from the decoder and from the other network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not multiplies_bytes():
        # An int8 graph then computes with the rounded values in float32: slower, but correct where int8 would overflow.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = ERRORS_ONLY
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=providers)
    except Exception as error:  # ONNX Runtime's errors have no public base class
        raise ValueError(f"ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from None


@dataclass(frozen=True)
class _Buffers:
    """Session and buffers for one input shape."""

    session: onnxruntime.InferenceSession
    staging: Floats  # input on the host
    inputs: onnxruntime.OrtValue  # on the device
    outputs: list[onnxruntime.OrtValue]  # on the device
    binding: onnxruntime.IOBinding


class FixedBatches:
    """Runs a graph with one float32 input [N, ...] and float32 outputs in batches of fixed sizes. Not thread-safe.

    On a GPU a session plans its convolutions again whenever the shape differs from that of the previous run, which
    takes seconds, and every unnecessary copy costs more than the arithmetic. So batches are padded to one of the sizes,
    each shape has its own session and buffers on the device, and only the input rows and the scores are transferred.
    """

    def __init__(
        self,
        open_session: Callable[[], onnxruntime.InferenceSession],
        outputs: Sequence[str],
        device: str,
        sizes: tuple[int, ...] = GPU_BATCHES,
    ) -> None:
        """Sessions are only opened when the first batch needs them.

        Args:
            open_session: opens a new session of the graph.
            outputs: names of the outputs to compute.
            device: device of the buffers, "cuda" or "cpu".
            sizes: batch sizes in rows, smallest first.
        """
        self._open_session = open_session
        self._outputs = list(outputs)
        self._device = device
        self._buffers: dict[tuple[int, ...], _Buffers] = {}
        self._sizes = sizes

    @property
    def largest(self) -> int:
        """Rows of the largest batch that fits into memory."""
        return self._sizes[-1]

    def run(self, batch: Floats) -> list[Floats]:
        """Run a batch [N, ...] of any N. When memory runs out, smaller parts are used from then on.

        Returns:
            Outputs [N, ...] in the order of their names.
        """
        largest = self.largest
        try:
            parts = [self._run_rows(batch[start : start + largest]) for start in range(0, len(batch), largest)]
        except Exception as error:  # ONNX Runtime's errors have no public base class
            if len(self._sizes) == 1 or not is_out_of_memory(error):
                raise
            self._sizes = self._sizes[:-1]
            self._buffers = {shape: buffers for shape, buffers in self._buffers.items() if shape[0] in self._sizes}
            log.warning("the GPU has no memory left for batches of %d: continuing with %d", largest, self.largest)
            return self.run(batch)
        return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]

    def _run_rows(self, rows: Floats) -> list[Floats]:
        size = next(size for size in self._sizes if len(rows) <= size)
        shape = (size, *rows.shape[1:])
        if shape not in self._buffers:
            self._buffers[shape] = self._allocate(shape)
        buffers = self._buffers[shape]
        buffers.staging[: len(rows)] = rows
        buffers.inputs.update_inplace(buffers.staging)
        buffers.session.run_with_iobinding(buffers.binding)
        return [value.numpy()[: len(rows)].copy() for value in buffers.outputs]

    def _allocate(self, shape: tuple[int, ...]) -> _Buffers:
        """Allocate the buffers for an input shape. A first run shows the shapes of the outputs."""
        session = self._open_session()
        input_name = session.get_inputs()[0].name
        staging = np.zeros(shape, np.float32)
        inputs = onnxruntime.OrtValue.ortvalue_from_numpy(staging, self._device, 0)
        binding = session.io_binding()
        binding.bind_ortvalue_input(input_name, inputs)
        outputs = []
        for name, example in zip(self._outputs, session.run(self._outputs, {input_name: staging}), strict=True):
            value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(example.shape, np.float32, self._device, 0)
            binding.bind_ortvalue_output(name, value)
            outputs.append(value)
        return _Buffers(session, staging, inputs, outputs, binding)
