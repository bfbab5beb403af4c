"""How far a model is from its reference: KL divergence, top-1 agreement, perplexity ratio.

Teacher-forced: both models read the same conversations, and are compared at every token of the assistant's
reply, each conditioned on the true tokens before it. The shipped replies are what Qwen2.5-Coder-0.5B-Instruct
said in float32: text of the kind that the models served here produce.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from edge_llm.engine.decoder import Decoder
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import Message

ALL = "all"
CONTEXT_TOKENS = 768
"""Enough for the longest of the shipped conversations."""


@dataclass(frozen=True)
class Conversation:
    """Messages that end in the reply to be scored."""

    language: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Quality:
    """Means over ``tokens`` predicted tokens.

    ``kl``: Kullback-Leibler divergence D(reference || model) in nats a token; ``top1``: share of tokens
    where both prefer the same one; ``perplexity_ratio``: the model's perplexity over the reference's.
    """

    tokens: int
    kl: float
    top1: float
    perplexity_ratio: float


def conversations(name: str, every: int = 1) -> list[Conversation]:
    """The shipped conversations of ``quality`` or ``calibration``; of each language one in ``every``."""
    rows = (files("edge_llm.convert") / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    parsed = [json.loads(row) for row in rows]
    return [
        Conversation(row["language"], tuple(Message(**message) for message in row["messages"]))
        for row in parsed[::every]
    ]


def log_probabilities(
    decoder: Decoder, tokenizer: ChatTokenizer, sample: Sequence[Conversation]
) -> Iterator[NDArray[np.float32]]:
    """For each conversation float32 ``[tokens of its reply, vocab]``, computed when asked for."""
    for conversation in sample:
        prompt, reply = _encode(tokenizer, conversation)
        slot = decoder.cache.acquire()
        assert slot is not None
        ids = np.array([[*prompt, *reply[:-1]]], dtype=np.int64)
        logits = decoder.forward(range(slot, slot + 1), ids, len(reply))[0]
        decoder.cache.release(slot)
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        yield logits


def fitting(sample: Sequence[Conversation], tokenizer: ChatTokenizer, capacity: int) -> list[Conversation]:
    """Those conversations that a context of ``capacity`` tokens holds."""
    return [each for each in sample if sum(map(len, _encode(tokenizer, each))) <= capacity]


def compare(
    expected: Iterable[NDArray[np.float32]],
    model: Decoder,
    tokenizer: ChatTokenizer,
    sample: Sequence[Conversation],
    advance: Callable[[str], None] = lambda _language: None,
) -> dict[str, Quality]:
    """Quality of ``model`` by language, and over ALL, in that order.

    ``expected`` are the ``log_probabilities`` of the reference on the same ``sample``.
    """
    sums: dict[str, NDArray[np.float64]] = {}
    actual = log_probabilities(model, tokenizer, sample)
    for conversation, its_expected, its_actual in zip(sample, expected, actual, strict=True):
        reply = _encode(tokenizer, conversation)[1]
        measured = np.array([len(reply), *_differences(its_expected, its_actual, reply)])
        for key in (conversation.language, ALL):
            sums[key] = sums.get(key, np.zeros_like(measured)) + measured
        advance(conversation.language)
    total = sums.pop(ALL)
    return {key: _quality(value) for key, value in [*sums.items(), (ALL, total)]}


def _encode(tokenizer: ChatTokenizer, conversation: Conversation) -> tuple[list[int], list[int]]:
    """Ids of the prompt, and of the reply that is scored."""
    prompt = tokenizer.encode_chat(conversation.messages[:-1])
    return prompt, tokenizer.encode_text(conversation.messages[-1].content)


def _differences(
    expected: NDArray[np.float32], actual: NDArray[np.float32], reply: list[int]
) -> Iterator[float]:
    """Sums over the rows: KL divergence, agreements, and the loss of log-likelihood."""
    yield float((np.exp(expected) * (expected - actual)).sum(dtype=np.float64))
    yield float((expected.argmax(axis=1) == actual.argmax(axis=1)).sum())
    rows = np.arange(len(reply))
    yield float((expected[rows, reply] - actual[rows, reply]).sum(dtype=np.float64))


def _quality(sums: NDArray[np.float64]) -> Quality:
    tokens, kl, agreements, loss = (float(value) for value in sums)
    return Quality(int(tokens), kl / tokens, agreements / tokens, float(np.exp(loss / tokens)))


def table(results: dict[str, Quality]) -> list[str]:
    """Lines of a table: a header, then a line a language, ALL last."""
    header = f"{'language':<10}{'tokens':>8}{'KL (nats)':>12}{'top-1':>9}{'perplexity ratio':>19}"
    return [
        header,
        *(
            f"{key:<10}{q.tokens:>8}{q.kl:>12.5f}{100 * q.top1:>8.2f}%{q.perplexity_ratio:>19.4f}"
            for key, q in results.items()
        ),
    ]
