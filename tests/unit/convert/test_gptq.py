"""Error-feedback rounding, on matrices whose answer is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_llm.convert.calibration.gptq import curvature, gptq
from edge_llm.convert.quantize import QuantizedMatrix, dequantize, quantize

RNG = np.random.default_rng(0)


def weights(rows: int, columns: int) -> NDArray[np.float32]:
    return RNG.standard_t(4, size=(rows, columns)).astype(np.float32)


def correlated(tokens: int, columns: int) -> NDArray[np.float32]:
    """Inputs that live near a subspace, with a few loud columns, as those of a language model do."""
    inputs = RNG.normal(size=(tokens, columns // 8)) @ RNG.normal(size=(columns // 8, columns))
    return (inputs * np.exp(RNG.normal(size=columns))).astype(np.float32)


def error(matrix: QuantizedMatrix, weight: NDArray[np.float32], inputs: NDArray[np.float32]) -> float:
    return float(np.square(inputs.astype(np.float64) @ (dequantize(matrix) - weight).T).sum())


def same(a: QuantizedMatrix, b: QuantizedMatrix) -> bool:
    pairs = ((a.values, b.values), (a.scales, b.scales), (a.zero_points, b.zero_points))
    return all(x is not None and y is not None and x.tobytes() == y.tobytes() for x, y in pairs)


@pytest.mark.parametrize("block", [32, 64, 128])
def test_without_correlation_it_is_plain_rounding_bit_for_bit(block: int) -> None:
    weight = weights(70, 256)
    plain = quantize(weight, 4, block)
    matrix, part = gptq(weight, plain, curvature(np.eye(256, dtype=np.float32)))
    assert same(matrix, plain)
    assert part == 1


@pytest.mark.parametrize(("tokens", "bar"), [(1, 1.0), (100, 0.5), (2000, 0.3)])
def test_the_product_is_far_closer_and_the_error_is_as_told(tokens: int, bar: float) -> None:
    weight, inputs = weights(70, 256), correlated(tokens, 256)
    plain = quantize(weight, 4, 64)
    matrix, part = gptq(weight, plain, curvature(inputs))
    measured = error(matrix, weight, inputs) / error(plain, weight, inputs)
    assert measured < bar
    assert part == pytest.approx(measured, rel=0.02, abs=1e-4)
    assert (matrix.values.shape, matrix.scales.shape) == (plain.values.shape, plain.scales.shape)


@pytest.mark.parametrize("tokens", [50, 500, 5000])
def test_it_is_better_on_tokens_that_it_has_not_seen(tokens: int) -> None:
    """Of noise as wide as the matrix, in which few tokens show correlations that are none."""
    weight, mixed = weights(70, 512), RNG.normal(size=(512, 512)) * np.exp(RNG.normal(size=512))
    inputs, unseen = (
        ((RNG.standard_t(3, size=(n, 512)) @ mixed) + 2 * np.exp(RNG.normal(size=512))).astype(np.float32)
        for n in (tokens, 1000)
    )
    plain = quantize(weight, 4, 64)
    matrix, _ = gptq(weight, plain, curvature(inputs))
    assert error(matrix, weight, unseen) < error(plain, weight, unseen)


def test_no_row_is_worse_than_plain_rounding() -> None:
    weight, inputs = weights(200, 128), correlated(500, 128)
    plain = quantize(weight, 4, 128)
    matrix, _ = gptq(weight, plain, curvature(inputs))
    before, after = (
        np.square(inputs.astype(np.float64) @ (dequantize(each) - weight).T).sum(axis=0)
        for each in (plain, matrix)
    )
    assert (after <= before * 1.001).all()


def test_one_pair_of_columns_by_hand() -> None:
    """Where two inputs are the same, only the sum of their two weights counts: 0.4 + 0.4 is not 0 + 0."""
    weight = np.zeros((1, 32), dtype=np.float32)
    weight[0, :4] = 0.4, 0.4, 15, 0  # a step of 1
    inputs = np.eye(32, dtype=np.float32)
    inputs[1] = inputs[0] = 0
    inputs[0, :2] = 10
    plain = quantize(weight, 4, 32)
    assert dequantize(plain)[0, :2].sum() == 0
    matrix, _ = gptq(weight, plain, curvature(inputs))
    assert dequantize(matrix)[0, :2].sum() == pytest.approx(1, abs=0.1)


def test_dead_and_repeated_columns_and_no_inputs_at_all_are_borne() -> None:
    weight, inputs = weights(20, 128), correlated(300, 128)
    inputs[:, 40:80] = 0
    inputs[:, 100] = inputs[:, 101]
    plain = quantize(weight, 4, 32)
    matrix, part = gptq(weight, plain, curvature(inputs))
    assert part < 0.5
    assert np.isfinite(dequantize(matrix)).all()
    nothing, part = gptq(weight, plain, curvature(np.zeros((5, 128), dtype=np.float32)))
    assert same(nothing, plain)
    assert part == 1


def test_a_matrix_of_many_rows_is_rounded_by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, of = weights(100, 128), curvature(correlated(300, 128))
    plain = quantize(weight, 4, 64)
    whole, _ = gptq(weight, plain, of)
    monkeypatch.setattr("edge_llm.convert.calibration.gptq._CHUNK", 128 * 30)
    parts, _ = gptq(weight, plain, of)
    np.testing.assert_allclose(dequantize(parts), dequantize(whole), atol=1e-5)
