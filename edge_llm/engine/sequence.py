"""One reply in progress: its status, its tokens, its text so far, and when it is over."""

from collections.abc import Sequence as Turns
from enum import Enum, auto
from itertools import takewhile
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from edge_llm.contract.frames import FinishReason, TimingMs, Usage
from edge_llm.contract.turns import Turn
from edge_llm.engine.constraint.constraint import Constraint
from edge_llm.engine.drafter import Drafter
from edge_llm.engine.prompt import Prompt
from edge_llm.engine.sampler import Sampler, looks_at_few, make_sampler
from edge_llm.engine.text.detokenizer import Detokenizer
from edge_llm.engine.text.stops import StopFilter
from edge_llm.engine.text.thoughts import ThoughtFilter
from edge_llm.engine.types import (
    CallEvent,
    Completion,
    Emit,
    Failure,
    GenerationRequest,
    Started,
    TokenEvent,
)
from edge_llm.errors import Code, RequestError

LOOP_TOKENS = 1536
"""Length of a loop in tokens at which a reply is ended, as ``length``."""
_SHORTEST_LOOP, _LOOP_REPEATS = 64, 4
_LOOK_EVERY = 64
"""Tokens between two looks for a loop: each takes a fraction of a millisecond."""


class RequestStatus(Enum):
    """Stages of a request; it only moves forward."""

    WAITING = auto()
    PREFILL = auto()
    DECODE = auto()
    FINISHED = auto()


def loop_length(ids: Turns[int]) -> int:
    """Length of the loop at the end of ``ids``: the same tokens four times or more, 64 at least; or 0.

    The longest suffix whose smallest period is a quarter of it or less, by the prefix function of the
    reversed ids (Knuth, Morris and Pratt 1977).
    """
    reverse = ids[::-1]
    borders = [0] * len(reverse)
    border = found = 0
    for at in range(1, len(reverse)):
        while border and reverse[at] != reverse[border]:
            border = borders[border - 1]
        border += reverse[at] == reverse[border]
        borders[at] = border
        length = at + 1
        if _LOOP_REPEATS * (length - border) <= length:
            found = length
    return found if found >= _SHORTEST_LOOP else 0


class Sequence:
    """One request and its reply. The engine thread's own, once submitted, but for what ``Scheduler`` guards.

    ``ids`` are the prompt's tokens and the reply's; the first ``KVCache.length(slot)`` of them are fed.
    ``first_token`` is the time.monotonic() instant at which the reply began.
    """

    def __init__(self, request: GenerationRequest, emit: Emit) -> None:
        """Make a request that waits; ``emit`` is called from its submission on."""
        self.request = request
        self.emit = emit
        self.status = RequestStatus.WAITING
        self.cancelled = False
        self.error: RequestError | None = None
        self.history: Turns[Turn] | None = None if request.awaits_history else ()
        self.constraint: Constraint | None = None
        self.ids: list[int] = []
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.drafter: Drafter | None = None
        self.first_token: float | None = None
        self._slot: int | None = None
        self._limit = 0
        self._dropped_messages = 0
        self._sample: Sampler | None = None
        self._detokenizer: Detokenizer | None = None
        self._thoughts: ThoughtFilter | None = None
        self._stop = StopFilter(request.stop)
        self._stopped = False
        self._look_at = LOOP_TOKENS
        self._forced_tokens = 0
        self._text: list[str] = []
        self._submitted = monotonic()
        self._admitted: float | None = None

    @property
    def ready(self) -> bool:
        """Whether the request may leave the queue: its history and its grammar are there."""
        return self.history is not None and (self.constraint is not None or not self.request.constrained)

    @property
    def slot(self) -> int:
        """Row of the KV pool, while the status is PREFILL or DECODE."""
        assert self._slot is not None
        return self._slot

    def start(
        self,
        slot: int,
        prompt: Prompt,
        detokenizer: Detokenizer,
        capacity: int,
        thoughts: ThoughtFilter | None = None,
    ) -> None:
        """Leave the queue: ``prompt`` is to be fed into ``slot``, which holds ``capacity`` tokens.

        What a grammar makes every reply begin with stands behind it at once, to be fed with its last tokens.
        """
        self.status = RequestStatus.PREFILL
        self._slot = slot
        self.prompt_tokens = len(prompt.ids)
        self._dropped_messages = prompt.dropped_messages
        self._limit = min(self.request.max_tokens, capacity - len(prompt.ids))
        opening = self.constraint.begin() if self.constraint else []
        self.ids = [*prompt.ids, *opening[: self._limit]]
        self._forced_tokens = len(self.ids) - self.prompt_tokens
        self._detokenizer = detokenizer
        self._sample = make_sampler(self.request.sampling, prompt.ids)
        self._thoughts = thoughts
        self._admitted = monotonic()
        self.emit(Started(self.prompt_tokens))

    @property
    def completion_tokens(self) -> int:
        """Tokens of the reply so far."""
        return len(self.ids) - self.prompt_tokens if self.first_token else 0

    @property
    def needs_exact(self) -> bool:
        """Whether the next choice looks at more logits than the largest."""
        masks = self.constraint is not None and self.constraint.masks
        return masks or not looks_at_few(self.request.sampling)

    @property
    def allowed(self) -> NDArray[np.int64] | None:
        """The tokens among which a grammar lets the next one be chosen, if they are few; else None."""
        return self.constraint.allowed if self.constraint else None

    def choose_behind(
        self, drafted: list[int], rows: NDArray[np.float32], eos: frozenset[int]
    ) -> tuple[FinishReason | None, int]:
        """Choose from ``[1 + drafted, vocab]`` logits for as long as the drafted tokens are those chosen.

        Returns why the reply is over, if it is, and the number of drafted tokens that were right.
        """
        if not drafted:
            return self.choose(rows[0], eos), 0
        first, right = len(self.ids), 0
        while True:
            reason = self.choose(rows[right], eos)
            chosen = self.ids[first:]
            right = sum(
                1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(drafted, chosen, strict=False))
            )
            if reason or right < len(chosen):
                return reason, right

    def choose(self, logits: NDArray[np.float32], eos: frozenset[int]) -> FinishReason | None:
        """Sample a token from ``[vocab]`` logits, emit its text, and say why the reply is over, if it is.

        Tokens that a grammar forces behind it are appended, too.

        Raises:
            RequestError: the grammar has become too complex (bad_request).
        """
        assert self._sample
        self.status = RequestStatus.DECODE
        constraint = self.constraint
        if self.first_token is None:
            self.first_token = monotonic()
            if reason := self._tell(self.ids[self.prompt_tokens :]):
                return reason
        token = constraint.choose(logits, self._sample) if constraint else self._sample(logits)
        if token in eos and not self.request.ignore_eos:
            return self._end()
        tokens = [token, *constraint.accept(token)] if constraint else [token]
        tokens = tokens[: self._limit - self.completion_tokens]
        self.ids += tokens
        self._forced_tokens += len(tokens) - 1
        return self._tell(tokens)

    def _tell(self, tokens: list[int]) -> FinishReason | None:
        """Emit the text of tokens, and the calls that it completes; say why the reply is over, if it is."""
        for token in tokens:
            self._tell_one(token)
            if self._stopped:
                return "stop"
        if self.constraint and self.constraint.over:
            return self._end()
        return "length" if self.completion_tokens >= self._limit or self._loops() else None

    def _end(self) -> FinishReason:
        """Why a reply is over that has come to its end."""
        return "tool_calls" if self.constraint and self.constraint.calls else "stop"

    def _tell_one(self, token: int) -> None:
        assert self._detokenizer
        text = self._detokenizer.push(token)
        if not (self.constraint and self.constraint.calling):
            self._say(text)
            return
        number = len(self.constraint.calls)
        for index, call in enumerate(self.constraint.read(text), start=number):
            self.emit(CallEvent(index, call))

    def _loops(self) -> bool:
        """Whether the reply has gone round in circles for LOOP_TOKENS; looked at now and then."""
        if self.completion_tokens < self._look_at:
            return False
        self._look_at = self.completion_tokens + _LOOK_EVERY
        return not self.request.ignore_eos and loop_length(self.ids[-LOOP_TOKENS:]) == LOOP_TOKENS

    def draft(self) -> list[int]:
        """Guess the next tokens, one less than the reply may still have, and none that a grammar forbids."""
        if self.drafter is None:
            return []
        draft = self.drafter.draft(self.ids)[: self._limit - self.completion_tokens - 1]
        return self.constraint.cut(draft) if self.constraint else draft

    def complete(self, reason: FinishReason) -> None:
        """Emit the text that is left and the completion."""
        self.status = RequestStatus.FINISHED
        if self._detokenizer and not self._stopped:
            if not (self.constraint and self.constraint.calling):
                self._say(self._detokenizer.finish())
            if self._thoughts and not self._stopped:
                self._watch(self._thoughts.finish())
            self._give(self._stop.finish())
        ids = tuple(self.ids[self.prompt_tokens :]) if self.first_token else ()
        usage = self._usage(loop_length(ids[-LOOP_TOKENS - _LOOK_EVERY :]) if reason == "length" else 0)
        cut = self._stopped or (self._thoughts is not None and self._thoughts.met)
        calls = self.constraint.calls if self.constraint else ()
        cut = cut or (reason != "tool_calls" and self.constraint is not None and self.constraint.calling)
        text, token_ids = "".join(self._text), None if cut else ids
        probability = self.constraint.probability if self.constraint else None
        self.emit(Completion(text, reason, usage, self._timing_ms(), token_ids, calls, probability))

    def fail(self, code: Code, message: str) -> None:
        """Emit a failure with what was said so far."""
        self.status = RequestStatus.FINISHED
        self.emit(Failure(code, message, "".join(self._text)))

    def _say(self, text: str) -> None:
        self._watch(self._thoughts.push(text) if self._thoughts else text)

    def _watch(self, text: str) -> None:
        text, self._stopped = self._stop.push(text)
        self._give(text)

    def _give(self, text: str) -> None:
        if text:
            self._text.append(text)
            self.emit(TokenEvent(text))

    def _usage(self, loop_tokens: int) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            completion_tokens=self.completion_tokens,
            draft_tokens=self.drafter.drafted if self.drafter else 0,
            accepted_tokens=self.drafter.accepted if self.drafter else 0,
            forced_tokens=self._forced_tokens if self.first_token else 0,
            dropped_messages=self._dropped_messages,
            loop_tokens=loop_tokens,
        )

    def _timing_ms(self) -> TimingMs:
        now = monotonic()
        admitted = self._admitted or now
        first = self.first_token or now
        return TimingMs(
            queue=1000 * (admitted - self._submitted),
            prefill=1000 * (first - admitted),
            ttft=1000 * (first - self._submitted),
            total=1000 * (now - self._submitted),
        )
