"""Error-feedback quantization: chooses 4-bit values for the inputs that the matrix is multiplied with.

GPTQ (Frantar et al. 2022, arXiv:2210.17323). Plain rounding makes the error of each weight small, but the
error of the product counts. For inputs ``X [tokens, columns]`` and ``H = X^T X`` that is tr(E H E^T), E being
weight minus rounded weight. Columns are rounded in order, each moved first by what the errors before it call
for. Here as QuIP writes it (Chee et al. 2023, arXiv:2307.13304, section 3), which is the same without an
inverse: with ``H = U D U^T``, U unit upper triangular, ``w[k] + E[:k] U[:k, k]`` is rounded. Then come sweeps
of coordinate descent (QuantEase, Behdin et al. 2023, arXiv:2309.01885), in which a column meets the errors of
all others, ``w[k] + E H[:, k] / H[k, k]`` without its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_llm.convert.quantize import (
    QuantizedMatrix,
    concatenated,
    dequantize,
    fit_grid,
    pack4,
    round_to_grid,
)

Floats = NDArray[np.float32]
_DAMPING = 0.01
"""Added to H's diagonal, as a part of its mean: some columns have no inputs."""
_SWEEPS = 2
_CHUNK = 1 << 22
"""Weights per chunk of rows: rows are independent, and a chunk of this size stays in the cache."""


@dataclass(frozen=True)
class Curvature:
    """H of one set of inputs, as the sweeps read it: each ``[columns, columns]`` with a diagonal of zeros."""

    triangle: Floats
    """U: weights by which the errors of earlier columns are added to a later one."""
    coupling: Floats
    """H over its damped diagonal: weights by which the errors of all other columns are added to one."""
    diagonal: Floats
    damping: np.float32
    kept: float
    """The factor by which H was shrunk beside its diagonal."""
    importance: Floats
    """D over its maximum: cost of an error that later columns cannot compensate."""

    def error(self, e: Floats) -> Floats:
        """Squared error of the product with the inputs, for each row of ``e`` ``[columns, rows]``."""
        own = (self.diagonal - self.damping)[:, None] * e
        others = (self.diagonal / np.float32(self.kept))[:, None] * (self.coupling.T @ e)
        return np.asarray(np.einsum("kr,kr->r", e, own + others))


def curvature(inputs: Floats) -> Curvature:
    """Compute H of ``inputs`` ``[tokens, columns]``, shrunk towards its diagonal: more, the fewer tokens.

    Few tokens are correlated by chance: a matrix with as many columns that is fitted to them gets better on
    these and worse than plain rounding on all others. Ledoit and Wolf (2004) shrink covariances for that;
    how far, simpler than theirs, was chosen on tokens of Qwen2.5 that had not been fitted to.
    """
    tokens, columns = inputs.shape
    hessian = (inputs.T @ inputs).astype(np.float64)
    damping = _DAMPING * (hessian.trace() / columns or 1.0)
    diagonal = hessian.diagonal() + damping
    kept = tokens / (tokens + 2 * columns)
    hessian *= kept
    np.fill_diagonal(hessian, diagonal)
    # From the last column to the first: Cholesky's triangle is the lower one.
    root = np.linalg.cholesky(hessian[::-1, ::-1])[::-1, ::-1]
    pivots = root.diagonal().copy()
    triangle, coupling = (root / pivots).astype(np.float32), (hessian / diagonal).astype(np.float32)
    np.fill_diagonal(triangle, 0)
    np.fill_diagonal(coupling, 0)
    importance = np.square(pivots / pivots.max()).astype(np.float32)
    return Curvature(triangle, coupling, diagonal.astype(np.float32), np.float32(damping), kept, importance)


def gptq(weight: Floats, plain: QuantizedMatrix, of: Curvature) -> tuple[QuantizedMatrix, float]:
    """Round ``weight`` ``[rows, columns]`` in the layout of ``plain``, its plain rounding to 4 bits.

    Returns the matrix, and its squared error on the inputs divided by that of ``plain``: at most 1, because
    a row that gains nothing stays as it is in ``plain``.
    """
    rows, columns = weight.shape
    step = max(1, _CHUNK // columns)
    chunks = [slice(row, row + step) for row in range(0, rows, step)]
    parts, before, after = [], 0.0, 0.0
    for chunk in chunks:
        old = _rows(plain, chunk)
        new, error = _round_rows(np.ascontiguousarray(weight[chunk].T), plain.block, of)
        old_error = of.error(np.ascontiguousarray((weight[chunk] - dequantize(old)).T))
        better = error < old_error
        parts.append(_choose(better, new, old))
        before, after = before + old_error.sum(), after + np.minimum(error, old_error).sum()
    return concatenated(parts), float(after / before) if before else 1.0


def _round_rows(weight: Floats, block: int, of: Curvature) -> tuple[QuantizedMatrix, Floats]:
    """Round rows, given as ``[columns, rows]``; returns them and the squared error of each."""
    codes, errors = np.empty_like(weight), np.zeros_like(weight)
    scales = np.empty((len(weight) // block, weight.shape[1]), dtype=np.float32)
    zero_points = np.empty_like(scales)
    for number in range(1 + _SWEEPS):
        feedback = of.coupling if number else of.triangle
        for index in range(len(scales)):
            here = slice(index * block, (index + 1) * block)
            moved = weight[here] + feedback[:, here].T @ errors
            if not number:
                blocks = np.ascontiguousarray(moved.T)[:, None]
                grid = fit_grid(blocks, of.importance[here])
                scales[index], zero_points[index] = grid[0][:, 0], grid[1][:, 0]
            change = np.empty_like(moved)  # of the errors, since ``moved`` was computed
            for k, column in enumerate(range(here.start, here.stop)):
                if k:
                    moved[k] += feedback[here.start : column, column] @ change[:k]
                codes[column] = round_to_grid(moved[k], scales[index], zero_points[index])
                error = weight[column] - codes[column] * scales[index]
                change[k] = error - errors[column]
                errors[column] = error
    by_row = codes.T.reshape(weight.shape[1], -1, block)
    return pack4(by_row, np.ascontiguousarray(scales.T), zero_points.T), of.error(errors)


def _rows(matrix: QuantizedMatrix, rows: slice) -> QuantizedMatrix:
    assert matrix.zero_points is not None
    return QuantizedMatrix(4, matrix.values[rows], matrix.scales[rows], matrix.zero_points[rows])


def _choose(better: NDArray[np.bool_], new: QuantizedMatrix, old: QuantizedMatrix) -> QuantizedMatrix:
    """Combine two matrices: rows of ``new`` where they are better, else those of ``old``."""
    assert new.zero_points is not None
    assert old.zero_points is not None
    column = better[:, None]
    return QuantizedMatrix(
        4,
        np.where(column[:, :, None], new.values, old.values),
        np.where(column, new.scales, old.scales),
        np.where(column, new.zero_points, old.zero_points),
    )
