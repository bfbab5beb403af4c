"""The engine's loop: admit, prefill a chunk, decode, emit, retire. Owns the decoder and its slots."""

import logging
from collections import deque
from threading import Condition
from time import monotonic

import numpy as np

from edge_llm.engine.decoder import Decoder
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import Emit, GenerationRequest
from edge_llm.errors import ContextOverflowError, EdgeLlmError, RequestError

log = logging.getLogger(__name__)

PREFILL_CHUNK = 256
"""Tokens of a prompt fed between two looks at what else is to do."""


class Scheduler:
    """Runs requests in order of arrival on one thread; any thread may submit and cancel."""

    def __init__(
        self, decoder: Decoder, tokenizer: ChatTokenizer, eos_token_ids: tuple[int, ...], queue_limit: int
    ) -> None:
        """Serve ``decoder``; at most ``queue_limit`` requests wait."""
        self._decoder = decoder
        self._tokenizer = tokenizer
        self._eos = frozenset(eos_token_ids)
        self._queue_limit = queue_limit
        self._changed = Condition()
        self._waiting: deque[Sequence] = deque()
        self._active: list[Sequence] = []
        self._stopping = False

    def submit(self, request: GenerationRequest, emit: Emit) -> tuple[Sequence, int]:
        """Queue a request; returns its handle for ``cancel`` and how many are served before it.

        Raises:
            RequestError: the queue is full (busy), or the service stops (unavailable).
        """
        sequence = Sequence(request, emit)
        with self._changed:
            if self._stopping:
                raise RequestError("unavailable", "the node is stopping", retry_after_ms=5000)
            position = len(self._waiting) + len(self._active)
            if len(self._waiting) >= self._queue_limit:
                raise RequestError(
                    "busy", f"{position} requests are being served already", retry_after_ms=2000
                )
            self._waiting.append(sequence)
            self._changed.notify()
        return sequence, position

    def cancel(self, sequence: Sequence) -> None:
        """End a request within one step; without effect once it is over."""
        sequence.cancelled = True

    def stop(self) -> None:
        """Make ``run`` fail whatever is left with ``unavailable``, and return."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        """Serve until ``stop``; the body of the engine thread."""
        while self._has_work():
            self._drop_ended()
            self._admit()
            for sequence in tuple(self._active):
                self._step(sequence)
        for sequence in (*self._active, *self._waiting):
            sequence.fail("unavailable", "the node is stopping")

    def _has_work(self) -> bool:
        """Wait for a request; False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._waiting or self._active)
            return not self._stopping

    def _drop_ended(self) -> None:
        now = monotonic()
        with self._changed:
            accepted = (*self._active, *self._waiting)
        for sequence in accepted:
            late = sequence.request.deadline is not None and now > sequence.request.deadline
            if not (sequence.cancelled or late):
                continue
            self._retire(sequence)
            if sequence.cancelled:
                sequence.complete("cancelled")
            else:
                sequence.fail("timeout", "the reply took longer than its timeout_s")

    def _admit(self) -> None:
        """Move waiting requests into free slots, oldest first."""
        while self._waiting and (slot := self._decoder.cache.acquire()) is not None:
            with self._changed:
                sequence = self._waiting.popleft()
                self._active.append(sequence)
            sequence.slot = slot
            try:
                prompt = self._tokenizer.encode_chat(sequence.request.messages)
                capacity = self._decoder.cache.capacity
                room = capacity - len(prompt)
                if room < 1:
                    raise ContextOverflowError(
                        f"the prompt has {len(prompt)} tokens, the context holds {capacity}"
                    )
            except EdgeLlmError as error:
                self._retire(sequence)
                sequence.fail(error.code, str(error))
                continue
            limit = min(sequence.request.max_tokens, room)
            sequence.start(slot, prompt, self._tokenizer.detokenizer(), limit)

    def _step(self, sequence: Sequence) -> None:
        """Feed a chunk of the prompt, or the last token; after the last chunk choose the next token."""
        chunk, rest = sequence.pending[:PREFILL_CHUNK], sequence.pending[PREFILL_CHUNK:]
        try:
            slots = range(sequence.slot, sequence.slot + 1)
            ids = np.array([chunk], dtype=np.int64)
            logits = self._decoder.forward(slots, ids, 0 if rest else 1)
            if rest:
                sequence.pending = rest
                return
            reason = sequence.choose(logits[0, 0], self._eos)
        except Exception:  # whatever one request does to the engine, the next one is served
            log.exception("engine.step_failed")
            self._retire(sequence)
            sequence.fail("internal", "the engine failed on this request; see the node's log")
            return
        if reason:
            self._retire(sequence)
            sequence.complete(reason)

    def _retire(self, sequence: Sequence) -> None:
        with self._changed:
            if sequence in self._active:
                self._active.remove(sequence)
                self._decoder.cache.release(sequence.slot)
            else:
                self._waiting.remove(sequence)
