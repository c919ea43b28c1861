"""ONNX Runtime sessions: the provider that fits the machine, a bounded number of threads, and free input shapes."""

from pathlib import Path

import onnx
import onnxruntime

from inference.hardware import cuda_device_count

ERRORS_ONLY = 3  # ONNX Runtime severity: 0 verbose ... 2 warning, 3 error


def open_session(model: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    """Open a session on the GPU where there is one, else on the CPU.

    Args:
        model: an ONNX file, or the bytes of one.
        threads: CPU threads within one operator, at least 1. Results are reproducible for a given number.

    Raises:
        ValueError: ONNX Runtime does not take the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait for work take the cores from the decoder and from the other network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = ERRORS_ONLY
    providers = ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers() and cuda_device_count() > 0:
        onnxruntime.preload_dlls()
        providers.insert(0, "CUDAExecutionProvider")
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
