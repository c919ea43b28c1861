"""Post-process an exported ONNX graph, and count its cost. Does not need torch.

The cost is counted on the shipped graph, with the shapes that ONNX infers. It covers the convolutions and matrix
products for one face. Additions, normalisations and activations are left out, as usual.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference


def remove_source_locations(model: onnx.ModelProto) -> None:
    """Remove the metadata that says which source line each node comes from: it reveals folders of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]


def store_in_half_precision(model: onnx.ModelProto) -> None:
    """Store large float32 weights as float16 and cast them back in the graph.

    This halves the file. ONNX Runtime folds the casts on loading, so the arithmetic stays float32.
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


Shape = tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass for one face."""

    parameters: int  # numbers stored in the graph, including the baked text embeddings
    macs: int  # multiply-accumulates


def graph_cost(model: onnx.ModelProto) -> Cost:
    """Count the cost of a graph for a batch of one. The first dimension of every input must be the batch.

    Raises:
        ValueError: the shape of a product cannot be inferred.
    """
    shapes = _shapes(model)
    macs = sum(_macs(node, shapes) for node in model.graph.node)
    floats = [t for t in model.graph.initializer if t.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)]
    return Cost(sum(math.prod(tensor.dims) for tensor in floats), macs)


def _shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """The shape of every tensor by name, for a batch of one."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    batch = {value.type.tensor_type.shape.dim[0].dim_param for value in single.graph.input} - {""}
    for value in (*single.graph.input, *single.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in batch:
                dimension.dim_value = 1
    del single.graph.value_info[:]
    graph = shape_inference.infer_shapes(single, strict_mode=True, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return shapes


def _macs(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Multiply-accumulates of one node; 0 if it is neither a convolution nor a matrix product."""
    if node.op_type not in ("Conv", "MatMul", "Gemm"):
        return 0
    left, right, out = (shapes.get(name, ()) for name in (*node.input[:2], node.output[0]))
    if not all(left) or not all(right) or not all(out) or not out:
        raise ValueError(f"{node.op_type} {node.name}: its shape cannot be inferred")
    if node.op_type == "Conv":
        return math.prod(out) * math.prod(right[1:])  # weights [M, C / groups, kernel...]; right[1:] per output value
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    shared = left[0] if node.op_type == "Gemm" and attributes.get("transA") else left[-1]
    return math.prod(out) * shared
