"""From a torch module to a compact ONNX file."""

from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from pmfer.bake import InferenceModel

OPSET = 18


def write_onnx(model: InferenceModel, size_px: int, path: Path) -> None:
    """Export `faces` -> `expression`, `au_phrase`, `attention`, `visibility`; weights in half precision."""
    example = torch.zeros(2, model.model.image_encoder.channels, size_px, size_px)
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(
        model.eval(),
        (example,),
        dynamo=True,
        input_names=["faces"],
        output_names=["expression", "au_phrase", "attention", "visibility"],
        dynamic_shapes={"faces": {0: batch}},
        opset_version=OPSET,
        optimize=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    graph = program.model_proto
    store_in_half_precision(graph)
    forget_origin(graph)
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString())


def forget_origin(model: onnx.ModelProto) -> None:
    """Take out where in whose source code every node comes from: folders of this machine, and nothing that is run."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]


def store_in_half_precision(model: onnx.ModelProto) -> None:
    """Keep large float32 weights as float16 and cast them back in the graph.

    Halves the file. ONNX Runtime folds the casts when it loads, so the arithmetic stays float32.
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or numpy_helper.to_array(tensor).size < 1024:
            continue
        name = tensor.name
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float16"), f"{name}.half")
        tensor.CopyFrom(half)
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
