"""edge_llm's engine as a contender that makes calls of tools, with timers around its grammars."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

from benchmarks.contender import Answer
from edge_llm.bench.local_engine import GREEDY as WITHOUT_DRAFTS
from edge_llm.bench.local_engine import LocalEngine
from edge_llm.bundle import open_bundle
from edge_llm.config import EngineSettings
from edge_llm.contract.tools import Tool
from edge_llm.contract.turns import Turn
from edge_llm.engine.constraint.constraint import Constraint
from edge_llm.engine.constraint.matcher import Matcher
from edge_llm.engine.types import GREEDY, GenerationRequest
from edge_llm.errors import EdgeLlmError


def start(model: Path, threads: int, context_tokens: int) -> Answer:
    """Run a bundle as the service does: greedily, with prefix cache and drafts.

    An answer's ``call_ms`` is the time from the request to its first whole call, if there is one. ``steps``
    has for each token that was chosen under a grammar the ms of mask and matcher, and its text. ``first`` is
    the token that the model alone would have begun with, and ``prefers_call`` tells whether it begins a call.
    A reply that failed, or did not end in time, has ``failed`` only.
    """
    settings = EngineSettings(slots=1, context_tokens=context_tokens)
    engine = LocalEngine(open_bundle(model), threads, settings).__enter__()

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        times, request = MatcherTimes(), _request(asked)
        try:
            with times.measured():
                reply = engine.generate(request).result(asked["timeout_s"])
        except TimeoutError:
            return {"failed": "it did not end in time"}
        except EdgeLlmError as error:
            return {"failed": str(error)}
        done, first = reply.completion, times.first
        return {
            "call_ms": 1000 * (reply.called[0] - reply.submitted) if reply.called else None,
            "total_ms": done.timing_ms.total,
            "tokens_per_second": done.tokens_per_second,
            "tokens": done.usage.completion_tokens,
            "forced": done.usage.forced_tokens,
            "finish_reason": done.finish_reason,
            "spoke": bool(done.text),
            "calls": [{"name": call.name, "arguments": call.arguments} for call in done.calls],
            "steps": [(ms, _text(engine, token)) for ms, token in times.steps],
            "first": None if first is None else _text(engine, first),
            "prefers_call": first is not None and engine.tokenizer.opens_call(first),
        }

    return answer


def _request(asked: dict[str, Any]) -> GenerationRequest:
    free = asked.get("free", False)
    return GenerationRequest(
        tuple(Turn(role=role, content=content) for role, content in asked["messages"]),
        asked["max_tokens"],
        WITHOUT_DRAFTS if free else GREEDY,
        tools=tuple(map(Tool.model_validate, asked.get("tools", ()))),
        tool_choice=asked.get("tool_choice", "none"),
        response_schema=asked.get("schema"),
        ignore_eos=free,
    )


def _text(engine: LocalEngine, token: int) -> str:
    stream = engine.tokenizer.detokenizer()
    return stream.push(token) + stream.finish() or f"<{token}>"


class MatcherTimes:
    """What mask and matcher took in one reply."""

    def __init__(self) -> None:
        """Begin without a reply."""
        self.steps: list[tuple[float, int]] = []
        """For each token that was chosen under the grammar: ms, and the token."""
        self.first: int | None = None
        """The token that the model alone would have begun the reply with."""
        self._pending = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the reply that is generated while the block runs; a free one meets none of the timers."""
        choose, accept = Constraint.choose, self._timer(Matcher.accept)

        def chosen(constraint: Constraint, logits: Any, sample: Any) -> int:
            if self.first is None:
                self.first = int(logits.argmax())
            return choose(constraint, logits, sample)

        def accepted(matcher: Matcher, token: int) -> list[int]:
            forced: list[int] = accept(matcher, token)
            self.steps.append((self._pending, token))
            self._pending = 0.0
            return forced

        with ExitStack() as stack:
            stack.enter_context(patch.object(Constraint, "choose", chosen))
            stack.enter_context(patch.object(Matcher, "accept", accepted))
            for name in ("mask", "allows"):
                stack.enter_context(patch.object(Matcher, name, self._timer(getattr(Matcher, name))))
            yield

    def _timer(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began = perf_counter()
            try:
                return function(*arguments)
            finally:
                self._pending += 1000 * (perf_counter() - began)

        return timed
