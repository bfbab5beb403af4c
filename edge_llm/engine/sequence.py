"""One reply in the making: its tokens, its text so far, and when it is over."""

from collections.abc import Sequence as Ids
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from edge_llm.engine.drafter import Drafter
from edge_llm.engine.sampler import make_sampler
from edge_llm.engine.tokenizer import Detokenizer
from edge_llm.engine.types import (
    Completion,
    Emit,
    Failure,
    FinishReason,
    GenerationRequest,
    GenerationStats,
    Started,
    TokenEvent,
)


class StopFilter:
    """Holds text back while it may be the beginning of a stop string."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        """Watch for any of ``stops``; the first to appear in the text counts."""
        self._stops = stops
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """Text that is decided, and whether a stop string was met (it and all after it is dropped)."""
        if not self._stops:
            return text, False
        text = self._held + text
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self._held = ""
            return text[: min(found)], True
        held = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - held :]
        return text[: len(text) - held], False

    def finish(self) -> str:
        """What was held back and turned out to be text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that begins ``stop``."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


class Sequence:
    """One request from its submission on; the engine thread's own, but for ``cancelled``.

    ``ids`` are the prompt's tokens and the reply's; the first ``cache.lengths[slot]`` of them are fed.
    ``first_token`` is when (time.monotonic) the reply began.
    """

    def __init__(self, request: GenerationRequest, emit: Emit) -> None:
        """A request that waits: nothing is fed yet."""
        self.request = request
        self.cancelled = False
        self.slot = -1
        self.ids: list[int] = []
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.dropped_messages = 0
        self.drafter: Drafter | None = None
        self._emit = emit
        self._limit = 0
        self._sample = make_sampler(request.sampling)
        self._detokenizer: Detokenizer | None = None
        self._stop = StopFilter(request.stop)
        self._stopped = False
        self._text: list[str] = []
        self._submitted = monotonic()
        self._admitted: float | None = None
        self.first_token: float | None = None

    def start(self, slot: int, prompt: Ids[int], detokenizer: Detokenizer, limit: int) -> None:
        """Leave the queue: ``prompt`` is to be fed into ``slot``, the reply may have ``limit`` tokens."""
        self.slot = slot
        self.ids = list(prompt)
        self.prompt_tokens = len(prompt)
        self._limit = limit
        self._detokenizer = detokenizer
        self._admitted = monotonic()
        self._emit(Started(len(prompt)))

    @property
    def completion_tokens(self) -> int:
        """Tokens of the reply so far."""
        return len(self.ids) - self.prompt_tokens

    def choose(self, logits: NDArray[np.float32], eos: frozenset[int]) -> FinishReason | None:
        """Sample the next token from ``[vocab]`` logits, emit its text, and say whether the reply is over."""
        assert self._detokenizer
        token = self._sample(logits)
        if self.first_token is None:
            self.first_token = monotonic()
        if token in eos:
            return "stop"
        self.ids.append(token)
        self._say(self._detokenizer.push(token))
        if self._stopped:
            return "stop"
        return "length" if self.completion_tokens >= self._limit else None

    def room(self) -> int:
        """How many tokens the reply may still have."""
        return self._limit - self.completion_tokens

    def complete(self, reason: FinishReason) -> None:
        """Emit the text that is left and the completion."""
        if self._detokenizer and not self._stopped:
            self._say(self._detokenizer.finish())
            self._give(self._stop.finish())
        reply = None if self._stopped else tuple(self.ids[self.prompt_tokens :])
        self._emit(Completion("".join(self._text), reason, self._stats(), reply, self.dropped_messages))

    def fail(self, code: str, message: str) -> None:
        """Emit a failure with what was said so far."""
        self._emit(Failure(code, message, "".join(self._text)))

    def _say(self, text: str) -> None:
        text, self._stopped = self._stop.push(text)
        self._give(text)

    def _give(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._emit(TokenEvent(text))

    def _stats(self) -> GenerationStats:
        now = monotonic()
        admitted = self._admitted or now
        first = self.first_token or now
        steps = self.completion_tokens - 1
        return GenerationStats(
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            completion_tokens=self.completion_tokens,
            queue_ms=1000 * (admitted - self._submitted),
            prefill_ms=1000 * (first - admitted),
            ttft_ms=1000 * (first - self._submitted),
            total_ms=1000 * (now - self._submitted),
            tokens_per_second=steps / (now - first) if steps > 0 else 0.0,
            draft_tokens=self.drafter.drafted if self.drafter else 0,
            accepted_tokens=self.drafter.accepted if self.drafter else 0,
        )
