"""Measures the cost of a decode step outside ONNX Runtime, by timers around the product's calls."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from time import monotonic
from typing import Any
from unittest.mock import patch

import onnxruntime as ort

from edge_llm.bench.local_engine import LocalEngine, Reply
from edge_llm.bench.prompts import Prompts
from edge_llm.engine.onnx.concat import ConcatDecoder
from edge_llm.engine.onnx.fused import FusedDecoder
from edge_llm.engine.sampler import Sampler, make_sampler
from edge_llm.engine.text.detokenizer import Detokenizer
from edge_llm.engine.types import SamplingParams

PROMPT_TOKENS = 64
_SESSION = ("run", "run_with_iobinding", "run_with_ort_values")
_PARTS = ("decoder", "sampler", "detokenizer")
_Calls = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Profile:
    """Part of the decode phase that is not spent in ``session.run``, one value per round.

    ``items`` are the disjoint parts of a token's time in ms; they and ``token_ms`` are medians of the rounds.
    """

    outside_percent: tuple[float, ...]
    token_ms: float
    items: dict[str, float]


def profile(engine: LocalEngine, rounds: int, decode_tokens: int) -> Profile:
    """Decode ``decode_tokens`` in each of ``rounds`` and time every part."""
    prompts = Prompts(engine.tokenizer, seed=2)
    outside: list[float] = []
    token_ms: list[float] = []
    items: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds + 1):
        with _timed() as calls:
            reply = engine.run(prompts.of(PROMPT_TOKENS), decode_tokens)
        seconds = {name: _after(reply, calls[name]) for name in ("session.run", *_PARTS)}
        whole = reply.ended - reply.first_token
        seconds["scheduler and emit"] = whole - sum(seconds[name] for name in _PARTS)
        seconds["decoder"] -= seconds["session.run"]
        steps = reply.completion.usage.completion_tokens - 1
        outside.append(100 * (1 - seconds["session.run"] / whole))
        token_ms.append(1000 * whole / steps)
        for name, its in seconds.items():
            items[name].append(1000 * its / steps)
    # The first round warmed up.
    medians = {name: median(values[1:]) for name, values in items.items()}
    return Profile(tuple(outside[1:]), median(token_ms[1:]), medians)


def _after(reply: Reply, spans: list[tuple[float, float]]) -> float:
    """Sum the seconds of ``spans`` that began after the first token."""
    return sum(end - start for start, end in spans if start >= reply.first_token)


@contextmanager
def _timed() -> Iterator[_Calls]:
    """Record start and end of every call of interest while the block runs."""
    calls: _Calls = defaultdict(list)

    def sampler(params: SamplingParams, prompt: Sequence[int]) -> Sampler:
        return _timer(make_sampler(params, prompt), calls["sampler"])

    with ExitStack() as stack:
        for name in _SESSION:
            timed = _timer(getattr(ort.InferenceSession, name), calls["session.run"])
            stack.enter_context(patch.object(ort.InferenceSession, name, timed))
        push = _timer(Detokenizer.push, calls["detokenizer"])
        stack.enter_context(patch.object(Detokenizer, "push", push))
        for decoder in (FusedDecoder, ConcatDecoder):
            forward = _timer(decoder.forward, calls["decoder"])
            stack.enter_context(patch.object(decoder, "forward", forward))
        stack.enter_context(patch("edge_llm.engine.sequence.make_sampler", sampler))
        yield calls


def _timer(function: Callable[..., Any], spans: list[tuple[float, float]]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        start = monotonic()
        try:
            return function(*arguments, **options)
        finally:
            spans.append((start, monotonic()))

    return timed
