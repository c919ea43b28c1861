"""ONNX Runtime sessions on CPU and GPU with a bounded number of threads, and free input shapes."""

import ctypes
import io
from contextlib import redirect_stdout
from pathlib import Path

import onnx
import onnxruntime
from onnxruntime.transformers.float16 import convert_float_to_float16

from inference.hardware import has_library, multiplies_bytes

Provider = tuple[str, dict[str, str]]

TENSORRT_LIBRARY = "libnvinfer.so.10"
ERRORS_ONLY = 3  # ONNX Runtime severity: 0 verbose ... 2 warning, 3 error


def open_cpu_session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """Open a session on the CPU that works in the thread that calls it; several may call it at once.

    Raises:
        ValueError: ONNX Runtime does not take the model.
    """
    return _open(model, 1, [("CPUExecutionProvider", {})])


def open_gpu_session(model: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    """Open a session on the first CUDA device, in half precision with float32 inputs and outputs.

    TensorRT comes first where its library is installed, then CUDA; what neither of them can run falls to the CPU.

    Raises:
        ValueError: ONNX Runtime does not take the model, or cannot use the GPU; the message says what to install.
    """
    missing = _missing_cuda_library()
    if missing:
        raise ValueError(f"{missing}; pip install 'onnxruntime-gpu[cuda,cudnn]'")
    graph = onnx.load_model_from_string(model if isinstance(model, bytes) else model.read_bytes())
    half = convert_float_to_float16(graph, keep_io_types=True).SerializeToString()
    providers: list[Provider] = [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "EXHAUSTIVE"})]
    if has_library(TENSORRT_LIBRARY):
        providers.insert(0, ("TensorrtExecutionProvider", {"trt_fp16_enable": "1"}))
    session = _open(half, threads, [*providers, ("CPUExecutionProvider", {})])
    if session.get_providers()[0] == "CPUExecutionProvider":
        raise ValueError("ONNX Runtime finds no kernel for it there")
    return session


def _missing_cuda_library() -> str | None:
    """What the loader says of the first library that ONNX Runtime's CUDA part lacks; None if it lacks none.

    ONNX Runtime itself would say it in a page of messages, and go on on the CPU.
    """
    with redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    try:
        ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        return str(error) if "cannot open shared object file" in str(error) else None
    return None


def _open(model: Path | bytes, threads: int, providers: list[Provider]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait for work take the cores from the decoder and from the other network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not multiplies_bytes():
        # An int8 graph then runs on the rounded values in float32: slower, and right where byte products overflow.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = ERRORS_ONLY
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=providers)
    except Exception as error:  # ONNX Runtime's errors have no public base class
        raise ValueError(f"ONNX Runtime does not take it: {str(error).splitlines()[0]}") from None


def with_free_shape(path: Path) -> bytes:
    """Read an image model that was exported for one shape and give it back with batch, height and width free.

    Fixed output shapes go too, and so does the batch of 1 that some exports bake into their Reshape targets. Weights
    that old exports also list as inputs leave that list, so that ONNX Runtime may fold them (CenterFace's batch norms).

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
    """Turn a Reshape target [1, -1, ...] into [0, -1, ...]: 0 keeps the batch of the tensor that comes in."""
    shape = onnx.numpy_helper.to_array(target).copy()
    if shape.size > 1 and shape[0] == 1 and shape[1] == -1:
        shape[0] = 0
        target.CopyFrom(onnx.numpy_helper.from_array(shape, target.name))
