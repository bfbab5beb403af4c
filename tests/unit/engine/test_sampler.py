"""Samplers choose what their distribution says, and again the same with the same seed."""

import numpy as np
import pytest

from edge_llm.engine.sampler import looks_at_few, make_sampler
from edge_llm.engine.types import SamplingParams

LOGITS = np.log(np.array([0.5, 0.25, 0.15, 0.1], dtype=np.float32))


def frequencies(logits: np.ndarray, **params: float) -> np.ndarray:
    chosen = SamplingParams(**{"temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 7, **params})  # type: ignore[arg-type] # a mixed dict
    sampler = make_sampler(chosen)
    counts = np.bincount([sampler(logits) for _ in range(4000)], minlength=logits.size)
    return np.asarray(counts / counts.sum())


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"temperature": 0.0}, [1, 0, 0, 0]),
        ({"top_k": 1}, [1, 0, 0, 0]),
        ({}, [0.5, 0.25, 0.15, 0.1]),
        ({"top_k": 2}, [2 / 3, 1 / 3, 0, 0]),
        ({"top_p": 0.5}, [1, 0, 0, 0]),
        ({"top_p": 0.6}, [2 / 3, 1 / 3, 0, 0]),
        ({"top_k": 3, "top_p": 0.9}, [0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0]),
        ({"temperature": 0.5}, np.array([0.25, 0.0625, 0.0225, 0.01]) / 0.345),
    ],
)
def test_tokens_come_with_their_probability(params: dict[str, float], expected: list[float]) -> None:
    np.testing.assert_allclose(frequencies(LOGITS, **params), expected, atol=0.03)


def test_a_flat_distribution_reaches_past_the_first_candidates() -> None:
    """top-p over a vocabulary where no 256 tokens hold enough: the candidates grow until they do."""
    flat = np.zeros(5000, dtype=np.float32)
    seen = np.flatnonzero(frequencies(flat, top_p=0.9))
    assert seen.size > 2000


def test_a_seed_repeats_and_logits_are_not_written_to() -> None:
    logits = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    before = logits.copy()
    for params in (SamplingParams(1.0, 0, 1.0, 3), SamplingParams(0.7, 40, 0.9, 3)):
        first, second = make_sampler(params), make_sampler(params)
        assert [first(logits) for _ in range(50)] == [second(logits) for _ in range(50)]
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(0, 0, 1.0, None),
        SamplingParams(0.7, 20, 0.8, 3),
        SamplingParams(0.7, 20, 1.0, 3, min_p=0.05),
        SamplingParams(1.2, 64, 0.9, 3),
    ],
)
def test_where_few_tokens_decide_the_others_change_nothing(params: SamplingParams) -> None:
    logits = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    others = logits.copy()
    others[np.argsort(logits)[:-64]] -= 0.3
    assert looks_at_few(params)
    one, other = make_sampler(params), make_sampler(params)
    assert [one(logits) for _ in range(50)] == [other(others) for _ in range(50)]


@pytest.mark.parametrize("params", [SamplingParams(0.7, 0, 0.8, 3), SamplingParams(1, 0, 1, 3, min_p=0.1)])
def test_a_nucleus_of_the_whole_vocabulary_looks_at_all(params: SamplingParams) -> None:
    assert not looks_at_few(params)
