"""Block-wise rounding: how far off it may be, and that the kernels read it as it was meant."""

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from edge_llm.bundle import MODEL, MODEL_DATA
from edge_llm.convert.quantize import BLOCK, coarse, dequantize, quantize
from edge_llm.convert.writer import GraphWriter

RNG = np.random.default_rng(0)


def test_8_bits_are_at_most_half_a_level_off() -> None:
    weight = RNG.normal(size=(48, 160)).astype(np.float32)
    blocks = weight.reshape(48, -1, BLOCK)
    error = np.abs(dequantize(quantize(weight, 8)) - weight).reshape(blocks.shape).max(axis=2)
    assert (error <= np.abs(blocks).max(axis=2) / 127 / 2 + 1e-6).all()


def test_4_bits_are_closer_than_plain_rounding_in_every_block() -> None:
    """Plain: the range from least to largest in 15 steps, the zero point rounded."""
    weight = RNG.standard_t(4, size=(300, 1024)).astype(np.float32)
    blocks = weight.reshape(300, -1, BLOCK)
    low, high = blocks.min(axis=2, keepdims=True), blocks.max(axis=2, keepdims=True)
    step = (high - low) / 15
    zero_point = np.rint(-low / step)
    plain = (np.clip(np.rint(blocks / step) + zero_point, 0, 15) - zero_point) * step
    before = np.square(plain - blocks).sum(axis=2)
    after = np.square(dequantize(quantize(weight, 4)).reshape(blocks.shape) - blocks).sum(axis=2)
    assert (after <= before * 1.0001).all()
    assert after.sum() < 0.97 * before.sum()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_zeros_constants_and_outliers_survive(bits: Literal[2, 4, 8]) -> None:
    weight = np.zeros((3, 64), dtype=np.float32)
    weight[1] = 0.5
    weight[2, 5] = -1000
    np.testing.assert_allclose(dequantize(quantize(weight, bits)), weight, atol=1e-4)


def test_columns_that_do_not_fill_a_block_are_padded_with_zeros() -> None:
    weight = RNG.normal(size=(4, 40)).astype(np.float32)
    padded = dequantize(quantize(weight, 8))
    assert padded.shape == (4, 64)
    np.testing.assert_allclose(padded[:, 40:], 0)


@pytest.mark.parametrize("block", [32, 64, 128])
def test_the_kernel_reads_2_bits_as_they_were_written(block: int, tmp_path: Path) -> None:
    """MatMulNBits gives the dequantized matrix; rounding 8 bits once more is rounding what they stand for."""
    weight = RNG.normal(size=(300, 256)).astype(np.float32)
    quantized = coarse(quantize(weight, 8), block)
    with (tmp_path / MODEL_DATA).open("wb") as data:
        writer = GraphWriter(data)
        writer.matmul("x", writer.matrix("w", quantized), "product")
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", 256])
        product = helper.make_tensor_value_info("product", TensorProto.FLOAT, None)
        onnx.save(writer.model("test", [x], [product]), tmp_path / MODEL)
    session = ort.InferenceSession(tmp_path / MODEL, providers=["CPUExecutionProvider"])
    activations = RNG.normal(size=(1, 256)).astype(np.float32)
    exact = dequantize(quantized)
    np.testing.assert_allclose(session.run(None, {"x": activations})[0], activations @ exact.T, atol=0.7)
    assert np.linalg.norm(exact - weight) < 0.45 * np.linalg.norm(weight)


@pytest.mark.parametrize("part_rows", [9000, 4000], ids=["whole", "in parts"])
@pytest.mark.parametrize(("bits", "block"), [(4, 32), (4, 64), (4, 128), (8, 32)])
def test_the_kernels_read_what_was_written(
    bits: Literal[4, 8], block: int, part_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MatMulNBits and GatherBlockQuantized over the same stored bytes give the dequantized matrix."""
    monkeypatch.setattr("edge_llm.convert.writer._PART_BYTES", part_rows * 256 * bits // 8)
    weight = RNG.normal(size=(8200, 256)).astype(np.float32)
    quantized = quantize(weight, bits, block)
    with (tmp_path / MODEL_DATA).open("wb") as data:
        writer = GraphWriter(data)
        matrix = writer.matrix("w", quantized)
        writer.gather_rows(matrix, "ids", "rows")
        writer.matmul("x", matrix, "product")
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", 256])
        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("rows", "product")
        ]
        onnx.save(writer.model("test", [ids, x], outputs), tmp_path / MODEL)
    assert (tmp_path / MODEL_DATA).stat().st_size < 4 * quantized.values.nbytes / 2
    session = ort.InferenceSession(tmp_path / MODEL, providers=["CPUExecutionProvider"])
    activations = RNG.normal(size=(5, 256)).astype(np.float32)
    rows, product = session.run(None, {"ids": np.array([0, 8199, 7]), "x": activations})
    exact = dequantize(quantized)
    np.testing.assert_allclose(rows, exact[[0, 8199, 7]], atol=1e-6)
    # accuracy_level 4 rounds the activations to 8 bits as well.
    np.testing.assert_allclose(product, activations @ exact.T, atol=0.7)
