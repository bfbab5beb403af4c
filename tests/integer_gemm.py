"""Compares ONNX Runtime's products of 8-bit integers with numpy's, at the extremes; prints one JSON object.

``python -m tests.integer_gemm`` gives the largest error of each kind, 0 if it is exact. A program of its own,
so that it runs under an emulated processor, too.
"""

import json
from collections.abc import Iterator

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_llm.engine.onnx.session import EXACT_PRODUCTS

KINDS = {
    "MatMulInteger uint8 x uint8": ("MatMulInteger", 128, False),
    "MatMulIntegerToFloat uint8 x uint8": ("MatMulIntegerToFloat", 128, False),
    "MatMulInteger uint8 x int8": ("MatMulInteger", 0, False),
    "MatMulIntegerToFloat uint8 x int8": ("MatMulIntegerToFloat", 0, False),
    "as the engine where they saturate": ("MatMulIntegerToFloat", 0, True),
}
"""Operator, zero point of the weights (0: int8 ones), and whether EXACT_PRODUCTS is set."""
_SHAPES = (
    (1, 896, 40),
    (2, 896, 17),
    (3, 4864, 40),
    (4, 896, 72),
    (5, 4864, 17),
    (256, 896, 72),
    (256, 4864, 17),
)
"""Rows, columns that are summed, and outputs."""


def largest_errors() -> dict[str, int]:
    """The largest difference of each kind of product from the true sum."""
    worst = dict.fromkeys(KINDS, 0)
    for a, b in _operands():
        true = (a - 128) @ b
        for kind, (operator, zero_point, exact) in KINDS.items():
            weights = (b + zero_point).astype(np.uint8 if zero_point else np.int8)
            result = _product(operator, a.astype(np.uint8), weights, zero_point, exact=exact)
            # A float32 has 24 bits: of a larger sum it is the nearest.
            expected = true.astype(result.dtype)
            error = abs(result.astype(np.int64) - expected.astype(np.int64)).max()
            worst[kind] = max(worst[kind], int(error))
    return worst


def _operands() -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Activations 0 to 255 and weights -128 to 127: all at an extreme, extremes by turns, and any."""
    rng = np.random.default_rng(0)
    for rows, inner, outputs in _SHAPES:
        for a in (np.full((rows, inner), 255), rng.integers(0, 256, (rows, inner))):
            for b in (
                np.full((inner, outputs), 127),
                np.full((inner, outputs), -128),
                rng.choice([-128, 127], (inner, outputs)),
                rng.integers(-128, 128, (inner, outputs)),
            ):
                yield a, b


def _product(
    operator: str, a: NDArray[np.uint8], b: NDArray[np.generic], zero_point: int, *, exact: bool
) -> NDArray[np.generic]:
    """Multiply as a graph does: b is constant, and so packed for the kernel."""
    constants = {
        "b": b,
        "a_zero": np.array(128, dtype=np.uint8),
        "b_zero": np.array(zero_point, dtype=b.dtype),
        "a_scale": np.array(1, dtype=np.float32),
        "b_scales": np.ones(b.shape[1], dtype=np.float32),
    }
    contrib = operator == "MatMulIntegerToFloat"
    inputs = [
        "a",
        "b",
        *(["a_scale", "b_scales"] if contrib else []),
        "a_zero",
        *(["b_zero"] if zero_point else []),
    ]
    node = helper.make_node(operator, inputs, ["y"], domain="com.microsoft" if contrib else "")
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, a.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT if contrib else TensorProto.INT32, None)],
        [numpy_helper.from_array(constants[name], name) for name in inputs[1:]],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    if exact:
        options.add_session_config_entry(*EXACT_PRODUCTS)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result: NDArray[np.generic] = session.run(None, {"a": a})[0]
    return result


if __name__ == "__main__":
    print(json.dumps(largest_errors()))
