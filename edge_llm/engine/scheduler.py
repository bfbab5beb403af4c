"""The engine's loop: admit, prefill a chunk, decode, emit, retire. Owns the decoder and its slots."""

from collections import Counter, deque
from threading import Condition
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from edge_llm.engine.decoder import Decoder
from edge_llm.engine.drafter import Drafter
from edge_llm.engine.prefix_cache import PrefixCache
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import Emit, FinishReason, GenerationRequest, Queued
from edge_llm.errors import ContextOverflowError, EdgeLlmError, RequestError
from edge_llm.event_log import EventLog

log = EventLog(__name__)

PREFILL_CHUNK = 256
SHARED_PREFILL_CHUNK = 64
"""Tokens of a prompt fed between two decode steps; fewer while others are waiting for those."""

_LAST_FED = 2
"""Tokens, at least, of a prompt's last pass. One would do for logits, but ONNX Runtime's attention adds up
in another order for one token than for several, and int8 activations make that noise visible: a cached
prompt would not always get the tokens that it gets cold."""

_STOPPING = "unavailable", "the node is stopping"


class Scheduler:
    """Serves requests in order of arrival on one thread; any thread may submit and cancel."""

    def __init__(
        self,
        decoder: Decoder,
        tokenizer: ChatTokenizer,
        eos_token_ids: tuple[int, ...],
        queue_limit: int,
        prefix_cache: PrefixCache | None = None,
    ) -> None:
        """Serve ``decoder``; at most ``queue_limit`` requests wait."""
        self._decoder = decoder
        self._tokenizer = tokenizer
        self._eos = frozenset(eos_token_ids)
        self._queue_limit = queue_limit
        self._prefixes = prefix_cache
        self._changed = Condition()
        self._waiting: deque[Sequence] = deque()
        self._active: list[Sequence] = []
        self._stop_by: float | None = None
        self._turns = 0
        self._acceptance = 0.5

    def submit(self, request: GenerationRequest, emit: Emit) -> Sequence:
        """Queue a request; returns its handle for ``cancel``.

        Raises:
            RequestError: the queue is full (busy), or the service stops (unavailable).
        """
        sequence = Sequence(request, emit)
        with self._changed:
            if self._stop_by is not None:
                raise RequestError(*_STOPPING, retry_after_ms=5000)
            free = len(self._decoder.cache.lengths) - len(self._active)
            behind = max(0, len(self._waiting) - free)  # the others have a slot as soon as the loop comes by
            position = max(0, len(self._waiting) - free + 1)
            if behind >= self._queue_limit and not request.redelivered:
                raise RequestError("busy", f"{behind} requests wait already", retry_after_ms=2000)
            emit(Queued(position))
            self._waiting.append(sequence)
            self._changed.notify()
        return sequence

    def cancel(self, sequence: Sequence) -> None:
        """End a request within one step; without effect once it is over."""
        sequence.cancelled = True

    @property
    def progress(self) -> int | None:
        """Turns of the loop so far, each at most a chunk of a prompt and a step; None while idle."""
        return self._turns if self._waiting or self._active else None

    def stop(self, grace_s: float = 0) -> None:
        """Make ``run`` return when the replies in the making are whole, ``grace_s`` from now at the latest.

        What waits fails with ``unavailable`` at once, what is not whole by then does so too.
        """
        with self._changed:
            self._stop_by = monotonic() + grace_s
            self._changed.notify()

    def run(self) -> None:
        """Serve until ``stop``; the body of the engine thread."""
        while self._has_work():
            self._turns += 1
            self._drop_ended()
            self._admit()
            self._prefill()
            self._decode()
        for sequence in (*self._active, *self._waiting):
            sequence.fail(*_STOPPING)

    def _has_work(self) -> bool:
        """Wait for a request; False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop_by is not None or self._waiting or self._active)
            return self._stop_by is None or (bool(self._active) and monotonic() < self._stop_by)

    def _drop_ended(self) -> None:
        now = monotonic()
        with self._changed:
            accepted = (*self._active, *self._waiting)
        for sequence in accepted:
            if sequence.cancelled:
                self._retire(sequence, "cancelled")
            elif sequence.request.deadline is not None and now > sequence.request.deadline:
                self._release(sequence)
                sequence.fail("timeout", "the reply took longer than its timeout_s")
            elif sequence.slot < 0 and self._stop_by is not None:
                self._release(sequence)
                sequence.fail(*_STOPPING)
            elif sequence.slot < 0 and sequence.request.expires_at and now > sequence.request.expires_at:
                self._release(sequence)
                sequence.fail("expired", "the request waited longer than its ttl_s: it was not begun")

    def _admit(self) -> None:
        """Move waiting requests into free slots, oldest first, with what is known of their prompts."""
        while (sequence := self._next_waiting()) and (slot := self._decoder.cache.acquire()) is not None:
            with self._changed:
                self._waiting.remove(sequence)
                self._active.append(sequence)
            sequence.slot = slot
            request = sequence.request
            try:
                prompt = self._fit(sequence)
            except EdgeLlmError as error:
                self._release(sequence)
                sequence.fail(error.code, str(error))
                continue
            limit = min(request.max_tokens, self._decoder.cache.capacity - len(prompt))
            sequence.start(slot, prompt, self._tokenizer.detokenizer(), limit)
            if self._prefixes is not None:
                sequence.cached_tokens = self._prefixes.load(slot, prompt[:-_LAST_FED])
            if request.sampling.temperature == 0:
                sequence.drafter = Drafter(self._acceptance)

    def _next_waiting(self) -> Sequence | None:
        """The oldest request of those owners who are served least now, and whose session is not."""
        busy = {s.request.session for s in self._active} - {None}
        served = Counter(s.request.owner for s in self._active)
        with self._changed:
            ready = (s for s in self._waiting if s.request.session not in busy)
            return min(ready, key=lambda sequence: served[sequence.request.owner], default=None)

    def _fit(self, sequence: Sequence) -> list[int]:
        """The prompt's ids, with as much of the session's history as the context holds beside a reply.

        Raises:
            ContextOverflowError: the request alone does not fit.
            RequestError: the chat template refuses it.
        """
        request, capacity = sequence.request, self._decoder.cache.capacity
        system = [turn for turn in request.messages[:1] if turn.role == "system"]
        new, history = request.messages[len(system) :], list(request.history())
        room = capacity - min(request.max_tokens, capacity // 4)
        while True:
            prompt = self._tokenizer.encode_chat(
                [*system, *history, *new], open_reply=not request.prefill_only
            )
            if len(prompt) < (room if history else capacity):
                return prompt
            if not history:
                raise ContextOverflowError(
                    f"the prompt has {len(prompt)} tokens, the context holds {capacity}"
                )
            # A question goes with its answer.
            dropped = 2 if len(history) > 1 and history[1].role == "assistant" else 1
            sequence.dropped_messages += dropped
            del history[:dropped]

    def _prefill(self) -> None:
        """Feed a chunk of the oldest prompt that is not fed; after the last one choose the first token."""
        lengths = self._decoder.cache.lengths
        prefilling = [s for s in self._active if lengths[s.slot] < s.prompt_tokens]
        if not prefilling:
            return
        sequence = prefilling[0]
        alone = len(prefilling) == len(self._active)
        start = lengths[sequence.slot]
        end = min(start + (PREFILL_CHUNK if alone else SHARED_PREFILL_CHUNK), sequence.prompt_tokens)
        if 0 < sequence.prompt_tokens - end < _LAST_FED:
            end = sequence.prompt_tokens - _LAST_FED
        last = end == sequence.prompt_tokens and not sequence.request.prefill_only
        self._feed([sequence], [sequence.ids[start:end]], 1 if last else 0)
        if end == sequence.prompt_tokens and sequence.request.prefill_only and sequence in self._active:
            self._retire(sequence, "stop")

    def _decode(self) -> None:
        """One step for all whose prompt is fed: as one batch, or with a draft where there is but one."""
        lengths = self._decoder.cache.lengths
        decoding = [s for s in self._active if lengths[s.slot] >= s.prompt_tokens]
        if not decoding:
            return
        draft: list[int] = []
        if len(decoding) == 1 and decoding[0].drafter:
            draft = decoding[0].drafter.draft(decoding[0].ids)[: decoding[0].room() - 1]
        self._feed(decoding, [[s.ids[-1], *draft] for s in decoding], 1 + len(draft))

    def _feed(self, sequences: list[Sequence], tokens: list[list[int]], logits: int) -> None:
        """One forward pass; then each sequence chooses, and those that are over retire."""
        cache = self._decoder.cache
        rows = range(min(s.slot for s in sequences), max(s.slot for s in sequences) + 1)
        before = [cache.lengths[slot] for slot in rows]
        ids = np.zeros((len(rows), len(tokens[0])), dtype=np.int64)
        for sequence, its_tokens in zip(sequences, tokens, strict=True):
            ids[sequence.slot - rows.start] = its_tokens
        try:
            results = self._decoder.forward(rows, ids, logits)
            fed = {s.slot for s in sequences}
            for slot, length in zip(rows, before, strict=True):
                if slot not in fed:  # between two that were: what was written there is past its end
                    cache.lengths[slot] = length
            reasons = [
                self._choose(sequence, results[sequence.slot - rows.start], its_tokens)
                for sequence, its_tokens in zip(sequences, tokens, strict=True)
            ]
        except Exception:  # whatever requests do to the engine, the next ones are served
            log.exception("engine.step_failed")
            for sequence in sequences:
                self._release(sequence)
                sequence.fail("internal", "the engine failed on this request; see the node's log")
            return
        for sequence, reason in zip(sequences, reasons, strict=True):
            if reason:
                self._retire(sequence, reason)

    def _choose(self, sequence: Sequence, logits: NDArray[np.float32], fed: list[int]) -> FinishReason | None:
        """Choose a token from each row of logits, for as long as the drafted ones were right."""
        drafted = fed[1:] if len(logits) > 1 else []
        reason: FinishReason | None = None
        accepted = -1
        for row in logits:
            accepted += 1
            reason = sequence.choose(row, self._eos)
            if reason or accepted >= len(drafted) or sequence.ids[-1] != drafted[accepted]:
                break
        if drafted and sequence.drafter:
            sequence.drafter.observe(len(drafted), accepted)
            self._acceptance = sequence.drafter.acceptance
            self._decoder.cache.lengths[sequence.slot] -= len(drafted) - accepted
        return reason

    def _retire(self, sequence: Sequence, reason: FinishReason) -> None:
        """End a reply well; what was computed for it is remembered."""
        if self._prefixes is not None and sequence.slot >= 0:
            length = min(self._decoder.cache.lengths[sequence.slot], len(sequence.ids))
            pinned = sequence.request.prefill_only and reason == "stop"
            sequence.complete(reason)
            self._prefixes.store(sequence.slot, sequence.ids[:length], pinned=pinned)
        else:
            sequence.complete(reason)
        self._release(sequence)

    def _release(self, sequence: Sequence) -> None:
        with self._changed:
            if sequence in self._active:
                self._active.remove(sequence)
                self._decoder.cache.release(sequence.slot)
            else:
                self._waiting.remove(sequence)
