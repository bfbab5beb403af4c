"""Block-wise quantization of weight matrices, in the layout that ONNX Runtime's MatMulNBits reads.

A row of a matrix is cut into blocks along its last axis; each block has a float32 scale of its own.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_llm.host.cpu import physical_cores

Bits = Literal[4, 8, 32]
BLOCK = 32
"""Default number of values per scale, of 16, 32, 64 or 128; 32 keeps the KL of int8 below 0.001."""

COARSE_BITS: Literal[2] = 2
_SHRINKS = (1.0, 0.94, 0.88, 0.82, 0.76, 0.7)
"""Parts of a block's range that are tried for 4 bits: clipped outliers give the rest finer steps."""
_SHRINKS_2 = (0.85, 0.7, 0.55)
"""The same for 2 bits."""
_CHUNK = 1 << 18


@dataclass(frozen=True)
class QuantizedMatrix:
    """A matrix ``[rows, columns]`` in blocks of ``block`` columns.

    ``values``: uint8 ``[rows, blocks, block * bits / 8]``, the lowest bits first.
    ``scales``: float32 ``[rows, blocks]``.
    ``zero_points``: uint8 ``[rows, ceil(blocks * bits / 8)]``, packed alike, or None for the midpoint.
    """

    bits: Literal[2, 4, 8]
    values: NDArray[np.uint8]
    scales: NDArray[np.float32]
    zero_points: NDArray[np.uint8] | None

    @property
    def block(self) -> int:
        """Columns that share a scale."""
        block: int = self.values.shape[2] * 8 // self.bits
        return block

    @property
    def nbytes(self) -> int:
        """Bytes of all its parts, which the forward pass of one token reads."""
        parts = (self.values, self.scales, self.zero_points)
        return sum(part.nbytes for part in parts if part is not None)


def quantize(weight: NDArray[np.float32], bits: Literal[2, 4, 8], block: int = BLOCK) -> QuantizedMatrix:
    """Round ``weight`` ``[rows, columns]`` to ``2**bits`` levels in each ``block`` of columns.

    8 and 2 bits are symmetric around 128 and 2. 4 bits are asymmetric, with a zero point per block: at 16
    levels it is worth more than the half byte that it costs.
    """
    return _in_chunks(len(weight), weight.shape[1], lambda rows: weight[rows], bits, block)


def coarse(matrix: QuantizedMatrix, block: int) -> QuantizedMatrix:
    """Round a matrix once more, to COARSE_BITS in each ``block`` of columns."""
    rows, columns = matrix.scales.shape[0], matrix.scales.shape[1] * matrix.block
    return _in_chunks(rows, columns, lambda part: dequantize(_rows(matrix, part)), COARSE_BITS, block)


def _in_chunks(
    rows: int, columns: int, read: Callable[[slice], NDArray[np.float32]], bits: Literal[2, 4, 8], block: int
) -> QuantizedMatrix:
    step = max(1, _CHUNK // columns)
    chunks = [slice(row, row + step) for row in range(0, rows, step)]
    rounded = {2: _symmetric2, 4: _asymmetric4, 8: _symmetric8}[bits]
    # numpy releases the interpreter's lock, and a chunk stays in the processor's cache.
    with ThreadPoolExecutor(physical_cores()) as pool:
        parts = list(pool.map(lambda chunk: rounded(_blocks(read(chunk), block)), chunks))
    return concatenated(parts)


def alike(one: QuantizedMatrix, other: QuantizedMatrix) -> bool:
    """Return whether two matrices can be ``concatenated``."""
    return (one.bits, one.block, one.zero_points is None) == (
        other.bits,
        other.block,
        other.zero_points is None,
    )


def concatenated(parts: Sequence[QuantizedMatrix]) -> QuantizedMatrix:
    """Join the rows of all ``parts`` in one matrix."""
    zero_points = [part.zero_points for part in parts if part.zero_points is not None]
    return QuantizedMatrix(
        parts[0].bits,
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.scales for part in parts]),
        np.concatenate(zero_points) if zero_points else None,
    )


def _blocks(weight: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    return np.pad(weight, ((0, 0), (0, -weight.shape[1] % block))).reshape(len(weight), -1, block)


def _symmetric8(blocks: NDArray[np.float32]) -> QuantizedMatrix:
    scales = np.maximum(blocks.max(axis=2), -blocks.min(axis=2)) / np.float32(127)
    scaled = blocks * _inverse(scales)[:, :, None]
    np.rint(scaled, out=scaled)
    scaled += 128
    return QuantizedMatrix(8, scaled.astype(np.uint8), scales, None)


def _symmetric2(blocks: NDArray[np.float32]) -> QuantizedMatrix:
    largest = np.maximum(blocks.max(axis=2), -blocks.min(axis=2))
    explained, scales, codes = np.zeros_like(largest), np.zeros_like(largest), np.zeros_like(blocks)
    for shrink in _SHRINKS_2:
        tried = np.rint(blocks * _inverse(largest * np.float32(shrink / 1.5))[:, :, None])
        np.clip(tried, -2, 1, out=tried)
        products = np.einsum("rbi,rbi->rb", tried, blocks)
        fitted = products * _inverse(np.einsum("rbi,rbi->rb", tried, tried))  # see fit_grid
        better = fitted * products > explained
        explained, scales = np.where(better, fitted * products, explained), np.where(better, fitted, scales)
        np.copyto(codes, tried, where=better[:, :, None])
    return QuantizedMatrix(2, _pack((codes + 2).astype(np.uint8), 2), scales, None)


def _asymmetric4(blocks: NDArray[np.float32]) -> QuantizedMatrix:
    scales, zero_points = fit_grid(blocks)
    codes = round_to_grid(blocks, scales[:, :, None], zero_points[:, :, None])
    return pack4(codes, scales, zero_points)


def fit_grid(
    blocks: NDArray[np.float32], importance: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit scales and zero points of 4 bits, ``[rows, blocks]`` each, to ``blocks`` ``[rows, blocks, block]``.

    Tries the whole range of a block and a few smaller ones, and takes the one with the least squared error.
    Each error is multiplied by the ``importance`` ``[block]`` of its column.
    """
    low = np.minimum(blocks.min(axis=2), 0)  # 0 stays exact: padding and pruned weights are 0
    high = np.maximum(blocks.max(axis=2), 0)
    weighted = blocks if importance is None else blocks * importance
    best: tuple[NDArray[np.float32], ...] = ()
    for shrink in _SHRINKS:
        inverse = _inverse((high - low) * np.float32(shrink / 15))
        zero_points = np.rint(-low * np.float32(shrink) * inverse)
        codes = _clipped(blocks * inverse[:, :, None], zero_points[:, :, None])
        # The scale is fitted again to the codes by least squares: sum(x * c) / sum(c * c). Then the error
        # is sum(x * x) - scale * sum(x * c), whose first term is the same for every range.
        products = np.einsum("rbi,rbi->rb", codes, weighted)
        squares = np.einsum("rbi,rbi->rb", codes, codes if importance is None else codes * importance)
        scales = products * _inverse(squares)
        candidate = (-scales * products, scales, zero_points)
        if best:
            candidate = tuple(np.where(candidate[0] < best[0], candidate, best))
        best = candidate
    return best[1], best[2]


def round_to_grid(
    x: NDArray[np.float32], scales: NDArray[np.float32], zero_points: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Round to the nearest codes, returned without their zero point: whole numbers, to be scaled."""
    return _clipped(x * _inverse(scales), zero_points)


def _clipped(codes: NDArray[np.float32], zero_points: NDArray[np.float32]) -> NDArray[np.float32]:
    np.rint(codes, out=codes)
    return np.clip(codes, -zero_points, 15 - zero_points, out=codes)


def pack4(
    codes: NDArray[np.float32], scales: NDArray[np.float32], zero_points: NDArray[np.float32]
) -> QuantizedMatrix:
    """Pack ``codes`` ``[rows, blocks, block]``, as ``round_to_grid`` returns them, into a matrix."""
    values = (codes + zero_points[:, :, None]).astype(np.uint8)
    return QuantizedMatrix(4, _pack(values, 4), scales, _pack(zero_points.astype(np.uint8), 4))


def _inverse(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)


def _pack(values: NDArray[np.uint8], bits: Literal[2, 4]) -> NDArray[np.uint8]:
    """Pack values along the last axis, the earlier one in the lower bits; 0 fills an incomplete byte."""
    in_byte = 8 // bits
    if short := -values.shape[-1] % in_byte:
        values = np.append(values, np.zeros_like(values[..., :short]), axis=-1)
    packed: NDArray[np.uint8] = values[..., 0::in_byte].copy()
    for at in range(1, in_byte):
        packed |= np.left_shift(values[..., at::in_byte], np.uint8(bits * at))
    return packed


def dequantize(matrix: QuantizedMatrix) -> NDArray[np.float32]:
    """Compute the matrix that the kernels multiply with: float32 ``[rows, blocks * block]``."""
    rows, blocks = matrix.scales.shape
    zero_points: NDArray[np.uint8] | int = 1 << (matrix.bits - 1)
    values = matrix.values if matrix.bits == 8 else _unpack(matrix.values, matrix.bits)
    if matrix.zero_points is not None:
        unpacked = _unpack(matrix.zero_points, 4) if matrix.bits == 4 else matrix.zero_points
        zero_points = unpacked[:, :blocks, None]
    floats = values.astype(np.float32) - zero_points
    floats *= matrix.scales[:, :, None]
    return floats.reshape(rows, -1)


def _rows(matrix: QuantizedMatrix, rows: slice) -> QuantizedMatrix:
    zero_points = None if matrix.zero_points is None else matrix.zero_points[rows]
    return QuantizedMatrix(matrix.bits, matrix.values[rows], matrix.scales[rows], zero_points)


def _unpack(packed: NDArray[np.uint8], bits: Literal[2, 4]) -> NDArray[np.uint8]:
    values = [np.right_shift(packed, np.uint8(at)) & np.uint8(2**bits - 1) for at in range(0, 8, bits)]
    return np.stack(values, axis=-1).reshape(*packed.shape[:-1], -1)
