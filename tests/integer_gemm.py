"""Compares ONNX Runtime's products of 8-bit integers with numpy's, at the extremes; prints one JSON object.

``python -m tests.integer_gemm`` gives the largest error of each kind, 0 if it is exact. A program of its own,
so that it runs under an emulated processor, too.
"""

import json

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_SHAPES = ((1, 896, 40), (5, 4864, 17), (64, 896, 72))
"""Rows, columns that are summed, and outputs."""
_TYPES = {"int8": (np.int8, -128, 127), "uint8": (np.uint8, 0, 255)}


def largest_error(weights: str) -> int:
    """The largest difference of uint8 x ``weights`` (int8 or uint8, around 128) from the true sum."""
    dtype, low, high = _TYPES[weights]
    zero_point = 128 if weights == "uint8" else 0
    rng = np.random.default_rng(0)
    worst = 0
    for rows, inner, outputs in _SHAPES:
        for a in (np.full((rows, inner), 255), rng.integers(0, 256, (rows, inner))):
            for b in (
                np.full((inner, outputs), high),
                np.full((inner, outputs), low),
                rng.choice([low, high], (inner, outputs)),
                rng.integers(low, high + 1, (inner, outputs)),
            ):
                true = (a - 128) @ (b - zero_point)
                result = _product(a.astype(np.uint8), b.astype(dtype), zero_point)
                worst = max(worst, int(abs(true - result).max()))
    return worst


def _product(a: NDArray[np.uint8], b: NDArray[np.generic], zero_point: int) -> NDArray[np.int64]:
    """Multiply as the prefill graph does: b is constant, and so packed for the kernel."""
    constants = {
        "b": b,
        "a_zero": np.array(128, dtype=np.uint8),
        "b_zero": np.array(zero_point, dtype=b.dtype),
    }
    node = helper.make_node("MatMulInteger", ["a", "b", "a_zero", "b_zero"], ["y"])
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, a.shape)],
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result: NDArray[np.int64] = session.run(None, {"a": a})[0].astype(np.int64)
    return result


if __name__ == "__main__":
    print(json.dumps({f"uint8 x {weights}": largest_error(weights) for weights in _TYPES}))
