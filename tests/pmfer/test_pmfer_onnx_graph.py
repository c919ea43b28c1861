"""The cost of a graph is counted correctly."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pmfer.bundle import load_bundle
from pmfer.onnx_graph import Cost, graph_cost


def graph(nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]], shape: list[int | str]) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(np.zeros(dims, np.float32), name) for name, dims in weights.items()]
    return helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            tensors,
        ),
        opset_imports=[helper.make_opsetid("", 18)],
    )


def test_a_small_net_costs_what_a_person_counts() -> None:
    nodes = [
        # 8 filters of 3 x 3 x 2 over 6 x 6 places (stride 2 over 12 x 12): 36 * 8 * 18 = 5184
        helper.make_node("Conv", ["x", "k"], ["c"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        # depthwise, 8 filters of 3 x 3 x 1 over 6 x 6 places: 36 * 8 * 9 = 2592
        helper.make_node("Conv", ["c", "d"], ["e"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=8),
        helper.make_node("Relu", ["e"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        # 288 numbers to 10, weights transposed: 2880
        helper.make_node("Gemm", ["f", "w", "b"], ["g"], transB=1),
        # 10 numbers to 4: 40
        helper.make_node("MatMul", ["g", "m"], ["y"]),
    ]
    weights = {"k": (8, 2, 3, 3), "d": (8, 1, 3, 3), "w": (10, 288), "b": (10,), "m": (10, 4)}
    parameters = 144 + 72 + 2880 + 10 + 40
    assert graph_cost(graph(nodes, weights, ["batch", 2, 12, 12])) == Cost(parameters, 5184 + 2592 + 2880 + 40)


def test_products_of_several_heads_count_every_head() -> None:
    nodes = [helper.make_node("MatMul", ["x", "k"], ["y"])]  # 5 heads, 7 x 3 by 3 x 2
    assert graph_cost(graph(nodes, {"k": (5, 3, 2)}, ["batch", 5, 7, 3])).macs == 5 * 7 * 3 * 2


def test_a_product_of_unknown_shape_is_refused() -> None:
    nodes = [helper.make_node("MatMul", ["x", "k"], ["y"])]
    with pytest.raises(ValueError, match="cannot be inferred"):
        graph_cost(graph(nodes, {"k": (3, 2)}, ["batch", "rows", 3]))


def test_the_shipped_bundle_keeps_its_budget() -> None:
    cost = graph_cost(onnx.load(load_bundle().weights))
    assert 1_000_000 < cost.parameters <= 8_000_000
    assert 50_000_000 < cost.macs <= 400_000_000
