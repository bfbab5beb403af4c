"""Penalties and min-p: the formulas of transformers and OpenAI, on what the conversation holds so far."""

from typing import Any

import numpy as np
import pytest

from edge_llm.engine.sampler import make_sampler
from edge_llm.engine.types import Completion, SamplingParams
from tests.unit.engine.fakes import Bench

VOCAB = 50
OFF: dict[str, float] = {"repetition_penalty": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}


def params(temperature: float = 0, top_k: int = 0, top_p: float = 1, **fields: Any) -> SamplingParams:
    return SamplingParams(temperature, top_k, top_p, 5, **fields)


def penalized(logits: np.ndarray, prompt: list[int], reply: list[int], **chosen: float) -> np.ndarray:
    """The formulas, plainly: transformers' RepetitionPenaltyLogitsProcessor, then vLLM's and OpenAI's two."""
    values, result = OFF | chosen, logits.astype(np.float64)
    for token in {*prompt, *reply}:
        penalty = values["repetition_penalty"]
        result[token] = result[token] / penalty if result[token] > 0 else result[token] * penalty
    for token in set(reply):
        result[token] -= reply.count(token) * values["frequency_penalty"] + values["presence_penalty"]
    return result


@pytest.mark.parametrize(
    "chosen",
    [
        {"repetition_penalty": 1.3},
        {"repetition_penalty": 0.8},
        {"frequency_penalty": 0.4},
        {"presence_penalty": 1.5},
        {"repetition_penalty": 1.1, "frequency_penalty": -0.3, "presence_penalty": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("greedy", [{"temperature": 0.0}, {"temperature": 0.7, "top_k": 1}], ids=str)
def test_greedy_with_penalties_is_greedy_over_penalized_logits(
    chosen: dict[str, Any], greedy: dict[str, Any]
) -> None:
    random = np.random.default_rng(1)
    prompt, reply = [3, 4, 4, 17], list[int]()
    sample = make_sampler(params(**greedy, **chosen), prompt)
    for _ in range(300):  # more than the ids that are kept without growing
        logits = random.normal(size=VOCAB).astype(np.float32)
        before = logits.copy()
        reply.append(sample(logits))
        assert reply[-1] == penalized(before, prompt, reply[:-1], **chosen).argmax()
        np.testing.assert_array_equal(logits, before)


def test_a_reply_with_many_different_tokens_is_followed() -> None:
    """A presence penalty that nothing outweighs: no token comes twice."""
    sample = make_sampler(params(presence_penalty=2.0))
    flat = np.linspace(0, 1, 1000, dtype=np.float32)
    assert sorted(sample(flat) for _ in range(1000)) == list(range(1000))


def test_temperature_comes_after_the_penalties() -> None:
    logits = np.log(np.array([0.5, 0.25, 0.15, 0.1], dtype=np.float32))
    expected = np.exp(penalized(logits, [0], [], repetition_penalty=2) / 0.5)
    chosen = [
        make_sampler(SamplingParams(0.5, 0, 1, seed, repetition_penalty=2), [0])(logits)
        for seed in range(4000)
    ]
    np.testing.assert_allclose(np.bincount(chosen) / 4000, expected / expected.sum(), atol=0.03)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"min_p": 0.25}, [0.5, 0.25, 0.15, 0]),
        ({"min_p": 1}, [1, 0, 0, 0]),
        ({"min_p": 0.25, "top_k": 2}, [0.5, 0.25, 0, 0]),
        ({"min_p": 0.4, "top_k": 3}, [0.5, 0.25, 0, 0]),
        ({"min_p": 0.25, "top_p": 0.95}, [0.5, 0.25, 0.15, 0]),
        ({"min_p": 0.01, "top_p": 0.7}, [0.5, 0.25, 0, 0]),
    ],
    ids=str,
)
def test_min_p_keeps_what_has_that_share_of_the_likeliest(
    filters: dict[str, Any], expected: list[float]
) -> None:
    logits = np.log(np.array([0.5, 0.25, 0.15, 0.1], dtype=np.float32)) - 3  # not normalized
    sample = make_sampler(params(temperature=1.0, **filters))
    counts = np.bincount([sample(logits) for _ in range(4000)], minlength=4)
    np.testing.assert_allclose(counts / 4000, np.array(expected) / sum(expected), atol=0.03)


@pytest.mark.parametrize(
    "chosen",
    [{"repetition_penalty": 1.405}, {"frequency_penalty": 0.03}, {"presence_penalty": 0.42}],
    ids=str,
)
def test_drafted_tokens_are_chosen_with_the_penalties_as_of_their_position(chosen: dict[str, Any]) -> None:
    """The fake model repeats the prompt's letters in a circle, until penalties lead it elsewhere."""

    def scores(ids: list[int]) -> np.ndarray:
        logits = np.random.default_rng(len(ids)).uniform(0, 1, 128).astype(np.float32)
        logits[0] = 0
        logits[ids[-8]] = 1.4
        return logits

    def reply(sampling: SamplingParams) -> Completion:
        bench = Bench()
        bench.decoder.scores = scores
        _, events = bench.submit("abcdefgh" * 4, max_tokens=120, sampling=sampling)
        bench.finish()
        return events.completion

    drafted, plain, free = reply(params(**chosen)), reply(params(1.0, 1, **chosen)), reply(params())
    assert drafted.token_ids == plain.token_ids != free.token_ids
    assert 0 < drafted.usage.accepted_tokens < drafted.usage.draft_tokens
    assert plain.usage.draft_tokens == 0
