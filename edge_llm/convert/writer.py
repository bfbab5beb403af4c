"""Writes an ONNX graph node by node, its weights streamed into one external data file.

Knows operators and bytes, not models. The operators beyond ONNX's own are those of ONNX Runtime
(domain com.microsoft, see ContribOperators.md of its repository).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_llm.convert.quantize import QuantizedMatrix

_PAGE = 4096
_PART_BYTES = 40 << 20
"""Maximum size of a matrix in one operator. ONNX Runtime holds a matrix twice while it packs it for its
kernels, so the head of a model is split."""
_DTYPES = {
    "float32": TensorProto.FLOAT,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "int64": TensorProto.INT64,
}
_IR_VERSION, _OPSET = 10, 21


@dataclass(frozen=True)
class StoredMatrix:
    """A matrix ``[rows, columns]`` in the data file; its parts are names of initializers."""

    rows: int
    columns: int
    bits: int
    block: int
    values: str
    scales: str = ""
    zero_points: str = ""


class GraphWriter:
    """Collects nodes and initializers; each array goes to ``data`` at once and is not kept."""

    def __init__(self, data: BufferedWriter, written: Mapping[str, onnx.TensorProto] | None = None) -> None:
        """Write arrays into ``data``, a binary file that will stand beside the model under the name it has.

        What is ``written`` is not written again: initializers of another graph, in the same directory.
        """
        self._data = data
        self.directory = Path(data.name).parent
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = dict(written or {})

    @property
    def initializers(self) -> Mapping[str, onnx.TensorProto]:
        """The arrays and references written so far, by name."""
        return self._initializers

    def node(
        self, operator: str, inputs: Sequence[str], *outputs: str, contrib: bool = False, **attributes: float
    ) -> str:
        """Append a node; returns its first output."""
        domain = "com.microsoft" if contrib else ""
        self._nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Store an array under ``name``, once; one of a page or more goes to the data file, page-aligned."""
        if name not in self._initializers:
            if value.nbytes < _PAGE:
                self._initializers[name] = numpy_helper.from_array(value, name)
            else:
                self._data.write(b"\0" * (-self._data.tell() % _PAGE))
                offset = self._data.tell()
                self._data.write(np.ascontiguousarray(value).data)
                location = Path(self._data.name).name
                self._refer(name, value.dtype.name, value.shape, location, offset, value.nbytes)
        return name

    def matrix(self, name: str, weight: NDArray[np.float32] | QuantizedMatrix) -> StoredMatrix:
        """Store a weight ``[out_features, in_features]``, quantized or not."""
        if isinstance(weight, np.ndarray):
            rows, columns = weight.shape
            return StoredMatrix(rows, columns, 32, 1, self.constant(f"{name}.weight", weight))
        rows, blocks = weight.scales.shape
        return StoredMatrix(
            rows,
            blocks * weight.block,
            weight.bits,
            weight.block,
            self.constant(f"{name}.values", weight.values),
            self.constant(f"{name}.scales", weight.scales),
            "" if weight.zero_points is None else self.constant(f"{name}.zero_points", weight.zero_points),
        )

    def matmul(self, x: str, matrix: StoredMatrix, output: str) -> str:
        """Compute ``output = x @ matrix.T``."""
        if matrix.bits == 32:
            return self.node("FusedMatMul", [x, matrix.values], output, contrib=True, transB=1)
        rows = _PART_BYTES * 8 // (matrix.columns * matrix.bits)
        if matrix.rows <= rows:
            return self._matmul(x, matrix, output)
        starts = range(0, matrix.rows, rows)
        parts = [self._matmul(x, self._rows(matrix, start, rows), f"{output}.{start}") for start in starts]
        return self.node("Concat", parts, output, axis=-1)

    def _matmul(self, x: str, matrix: StoredMatrix, output: str) -> str:
        inputs = [x, matrix.values, matrix.scales, matrix.zero_points]
        # accuracy_level 4: activations in int8 too, the only level with fast kernels at 8 bits.
        return self.node(
            "MatMulNBits",
            inputs if matrix.zero_points else inputs[:3],
            output,
            contrib=True,
            N=matrix.rows,
            K=matrix.columns,
            bits=matrix.bits,
            block_size=matrix.block,
            accuracy_level=4,
        )

    def gather_rows(self, matrix: StoredMatrix, indices: str, output: str) -> str:
        """Compute ``output = matrix[indices]``, from the same bytes that ``matmul`` reads (stored once)."""
        if matrix.bits == 32:
            return self.node("Gather", [matrix.values, indices], output)
        inputs = [self._flat(matrix.values, matrix.rows), indices, matrix.scales, matrix.zero_points]
        return self.node(
            "GatherBlockQuantized",
            inputs if matrix.zero_points else inputs[:3],
            output,
            contrib=True,
            bits=matrix.bits,
            block_size=matrix.block,
            gather_axis=0,
            quantize_axis=1,
        )

    def model(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """Make a model of all nodes so far; its weights are in the data file."""
        self._data.flush()
        used = {name for node in self._nodes for name in node.input}
        weights = [tensor for name, tensor in self._initializers.items() if name in used]
        graph = helper.make_graph(self._nodes, name, inputs, outputs, weights)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="edge_llm"
        )

    def _flat(self, name: str, rows: int) -> str:
        """Add a second initializer over the same bytes, ``[rows, bytes a row]``: the file holds them once."""
        tensor = self._initializers[name]
        if not tensor.external_data:
            return self.constant(f"{name}.rows", numpy_helper.to_array(tensor).reshape(rows, -1))
        location, offset, length = _place(tensor)
        self._refer(f"{name}.rows", "uint8", (rows, length // rows), location, offset, length)
        return f"{name}.rows"

    def _rows(self, matrix: StoredMatrix, start: int, rows: int) -> StoredMatrix:
        """Add initializers for at most so many ``rows`` from ``start`` on, over the same bytes."""
        rows = min(rows, matrix.rows - start)

        def part(name: str) -> str:
            tensor = self._initializers[name]
            location, offset, length = _place(tensor)
            row_bytes = length // matrix.rows
            dtype, shape = helper.tensor_dtype_to_np_dtype(tensor.data_type).name, (rows, *tensor.dims[1:])
            begin = offset + start * row_bytes
            self._refer(f"{name}.{start}", dtype, shape, location, begin, rows * row_bytes)
            return f"{name}.{start}"

        parts = [name and part(name) for name in (matrix.values, matrix.scales, matrix.zero_points)]
        return StoredMatrix(rows, matrix.columns, matrix.bits, matrix.block, *parts)

    def _refer(
        self, name: str, dtype: str, shape: Sequence[int], location: str, offset: int, length: int
    ) -> None:
        tensor = TensorProto(
            name=name, data_type=_DTYPES[dtype], dims=shape, data_location=TensorProto.EXTERNAL
        )
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self._initializers[name] = tensor


def offset_of(tensor: TensorProto) -> int | None:
    """Return where a tensor's data begin in the data file; None if they are in the tensor itself."""
    return _place(tensor)[1] if tensor.external_data else None


def _place(tensor: TensorProto) -> tuple[str, int, int]:
    """Return data file, offset and length of a tensor."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    return place["location"], int(place["offset"]), int(place["length"])
