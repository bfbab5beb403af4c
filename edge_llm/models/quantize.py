"""Block-wise quantization of weight matrices, in the layout that ONNX Runtime's MatMulNBits reads.

A row of a matrix is cut into blocks along its last axis; each block has a float32 scale of its own.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Bits = Literal[4, 8, 32]
BLOCK = 32
"""Values a scale. MatMulNBits takes 16, 32, 64 or 128; 32 keeps the KL of int8 below 0.001."""


@dataclass(frozen=True)
class QuantizedMatrix:
    """A matrix ``[rows, columns]`` in blocks of ``BLOCK`` columns.

    ``values``: uint8 ``[rows, blocks, BLOCK * bits / 8]``, low nibble first at 4 bits.
    ``scales``: float32 ``[rows, blocks]``.
    ``zero_points``: uint8 ``[rows, ceil(blocks * bits / 8)]``, packed alike, or None for the midpoint.
    """

    bits: Literal[4, 8]
    values: NDArray[np.uint8]
    scales: NDArray[np.float32]
    zero_points: NDArray[np.uint8] | None


def quantize(weight: NDArray[np.float32], bits: Literal[4, 8]) -> QuantizedMatrix:
    """Round ``weight`` ``[rows, columns]`` to the nearest of ``2**bits`` levels a block.

    8 bits are symmetric around 128; 4 bits are asymmetric (a zero point a block), which at 16 levels is
    worth more than the half byte a block that it costs.
    """
    rows, columns = weight.shape
    blocks = np.pad(weight, ((0, 0), (0, -columns % BLOCK))).reshape(rows, -1, BLOCK)
    return _symmetric8(blocks) if bits == 8 else _asymmetric4(blocks)


def _symmetric8(blocks: NDArray[np.float32]) -> QuantizedMatrix:
    scales = np.maximum(blocks.max(axis=2), -blocks.min(axis=2)) / np.float32(127)
    scaled = blocks * _inverse(scales)[:, :, None]
    np.rint(scaled, out=scaled)
    scaled += 128
    return QuantizedMatrix(8, scaled.astype(np.uint8), scales, None)


def _asymmetric4(blocks: NDArray[np.float32]) -> QuantizedMatrix:
    low = np.minimum(blocks.min(axis=2), 0)  # 0 stays exact: padding and pruned weights are 0
    high = np.maximum(blocks.max(axis=2), 0)
    scales = (high - low) / np.float32(15)
    zero_points = np.rint(-low * _inverse(scales)).astype(np.uint8)
    scaled = blocks * _inverse(scales)[:, :, None]
    np.rint(scaled, out=scaled)
    scaled += zero_points[:, :, None]
    np.clip(scaled, 0, 15, out=scaled)
    return QuantizedMatrix(4, _pack4(scaled.astype(np.uint8)), scales, _pack4(zero_points))


def _inverse(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)


def _pack4(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two values a byte along the last axis, the earlier one in the low nibble; 0 fills an odd end."""
    if values.shape[-1] % 2:
        values = np.append(values, np.zeros_like(values[..., :1]), axis=-1)
    packed: NDArray[np.uint8] = values[..., 0::2] | np.left_shift(values[..., 1::2], np.uint8(4))
    return packed


def dequantize(matrix: QuantizedMatrix) -> NDArray[np.float32]:
    """The matrix that the kernels see: float32 ``[rows, blocks * BLOCK]``."""
    rows, blocks = matrix.scales.shape
    zero_points: NDArray[np.uint8] | int = 128 if matrix.bits == 8 else 8
    values = matrix.values
    if matrix.bits == 4:
        values = _unpack4(values)
    if matrix.zero_points is not None:
        unpacked = _unpack4(matrix.zero_points) if matrix.bits == 4 else matrix.zero_points
        zero_points = unpacked[:, :blocks, None]
    floats = values.astype(np.float32) - zero_points
    floats *= matrix.scales[:, :, None]
    return floats.reshape(rows, -1)


def _unpack4(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)
