"""The engine's loop: admit, prefill a chunk, decode, emit, retire. Owns the decoder and its slots."""

from collections import Counter, deque
from collections.abc import Iterator
from collections.abc import Sequence as Turns
from contextlib import contextmanager
from threading import Condition
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from edge_llm.contract.frames import FinishReason
from edge_llm.contract.turns import Turn
from edge_llm.engine.constraint.constraint import Constraint
from edge_llm.engine.decoder import Decoder
from edge_llm.engine.drafter import Drafter
from edge_llm.engine.prefix_cache import PrefixCache
from edge_llm.engine.prompt import LAST_FED, build_prompt, chunk_end
from edge_llm.engine.sequence import RequestStatus, Sequence
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import Queued
from edge_llm.errors import Code, RequestError
from edge_llm.event_log import EventLog

log = EventLog(__name__)

_STOPPING: tuple[Code, str] = "unavailable", "the node is stopping"
_BROKEN: tuple[Code, str] = "internal", "the engine failed on this request; see the node's log"


class Scheduler:
    """Serves requests in order of arrival on one thread; any thread may submit, release and cancel."""

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
        self._cache = decoder.cache
        self._tokenizer = tokenizer
        self._eos = frozenset(eos_token_ids)
        self._queue_limit = queue_limit
        self._prefixes = prefix_cache
        self._changed = Condition()
        """Guards the queue, who is active, and of a sequence ``history`` and ``error``."""
        self._waiting: deque[Sequence] = deque()
        self._active: list[Sequence] = []
        self._stop_by: float | None = None
        self._steps = 0
        self._acceptance = 0.5

    def submit(self, sequence: Sequence) -> None:
        """Queue a request, and emit Queued; it ends in one Completion or Failure.

        Raises:
            RequestError: the queue is full (busy), or the service stops (unavailable).
        """
        history, sequence.history = sequence.history, None  # not begun before Queued is emitted
        with self._changed:
            position = self._enqueue(sequence)
        sequence.emit(Queued(position))
        if history is not None:
            self.release(sequence, history)

    def _enqueue(self, sequence: Sequence) -> int:
        """Append to the queue; returns the number of requests that are served before this one."""
        if self._stop_by is not None:
            raise RequestError(*_STOPPING, retry_after_ms=5000)
        free = self._cache.slots - len(self._active)
        behind = max(0, len(self._waiting) - free)  # the others have a slot as soon as the loop comes by
        if behind >= self._queue_limit and not sequence.request.redelivered:
            raise RequestError("busy", f"{behind} requests wait already", retry_after_ms=2000)
        position = max(0, len(self._waiting) - free + 1)
        self._waiting.append(sequence)
        return position

    def release(self, sequence: Sequence, history: Turns[Turn]) -> None:
        """Let a request leave the queue, with the turns that come before its own."""
        with self._changed:
            sequence.history = history
            self._changed.notify()

    def constrain(self, sequence: Sequence, constraint: Constraint) -> None:
        """Let a request leave the queue whose reply keeps to a grammar."""
        with self._changed:
            sequence.constraint = constraint
            self._changed.notify()

    def cancel(self, sequence: Sequence, error: RequestError | None = None) -> None:
        """End a request within one step, as cancelled or in ``error``; without effect once it is over."""
        with self._changed:
            sequence.cancelled, sequence.error = True, error
            self._changed.notify()

    @property
    def steps(self) -> int | None:
        """Steps of the loop so far, each at most a chunk of a prompt and a token; None while idle."""
        return self._steps if self._ready() else None

    def stop(self, grace_s: float = 0) -> None:
        """Make ``run`` return when the replies in progress are complete, ``grace_s`` from now at the latest.

        What waits fails with ``unavailable`` at once, what is not complete by then does so too.
        """
        with self._changed:
            self._stop_by = monotonic() + grace_s
            self._changed.notify()

    def run(self) -> None:
        """Serve until ``stop``; the body of the engine thread."""
        while self._has_work():
            self._steps += 1
            self._drop_ended()
            self._admit()
            self._prefill()
            self._decode()
        for sequence in (*self._active, *self._waiting):
            self._fail(sequence, *_STOPPING)

    def _ready(self) -> bool:
        """Whether there is something to do; a request that awaits history or grammar is nothing to do yet."""
        return bool(self._active) or any(s.ready or s.cancelled for s in tuple(self._waiting))

    def _has_work(self) -> bool:
        """Wait for a request; False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop_by is not None or self._ready())
            return self._stop_by is None or (bool(self._active) and monotonic() < self._stop_by)

    def _drop_ended(self) -> None:
        """End what was cancelled, and what is late."""
        now = monotonic()
        with self._changed:
            accepted = (*self._active, *self._waiting)
        for sequence in accepted:
            request, waits = sequence.request, sequence.status is RequestStatus.WAITING
            if sequence.error is not None:
                self._fail(sequence, sequence.error.code, str(sequence.error))
            elif sequence.cancelled:
                self._retire(sequence, "cancelled")
            elif late := request.late(now, begun=not waits):
                self._fail(sequence, late.code, str(late))
            elif waits and self._stop_by is not None:
                self._fail(sequence, *_STOPPING)

    def _admit(self) -> None:
        """Move waiting requests into free slots, oldest first."""
        while len(self._active) < self._cache.slots and (sequence := self._next_waiting()):
            with self._failing_alone(sequence):
                self._begin(sequence)

    def _begin(self, sequence: Sequence) -> None:
        request, capacity = sequence.request, self._cache.capacity
        prompt = build_prompt(request, sequence.history or (), self._tokenizer, capacity)
        thoughts = self._tokenizer.thought_filter(thinking=request.thinks)
        with self._changed:
            self._waiting.remove(sequence)
            self._active.append(sequence)
        sequence.start(self._cache.acquire(), prompt, self._tokenizer.detokenizer(), capacity, thoughts)
        if request.sampling.temperature == 0:
            sequence.drafter = Drafter(self._acceptance)

    def _next_waiting(self) -> Sequence | None:
        """The oldest request of those owners who are served least now."""
        served = Counter(s.request.owner for s in self._active)
        with self._changed:
            ready = (s for s in self._waiting if s.ready)
            return min(ready, key=lambda sequence: served[sequence.request.owner], default=None)

    def _prefill(self) -> None:
        """Feed a chunk of the oldest prompt that is not fed; after the last one choose the first token."""
        prefilling = [s for s in self._active if s.status is RequestStatus.PREFILL]
        if not prefilling:
            return
        sequence = prefilling[0]
        alone, prefill_only = len(prefilling) == len(self._active), sequence.request.prefill_only
        apart = self._decoder.prefills_apart and not prefill_only
        with self._failing_alone(sequence):
            start = self._cache.length(sequence.slot) or self._load_prefix(sequence)
            end = chunk_end(start, sequence.prompt_tokens, alone=alone, apart=apart)
            last = end == sequence.prompt_tokens
            tokens = sequence.ids[start : None if last else end]  # the last with what the reply begins with
            self._feed([sequence], [tokens], 1 if last and not prefill_only else 0)
            if last and prefill_only and sequence.status is RequestStatus.PREFILL:
                self._retire(sequence, "stop")

    def _load_prefix(self, sequence: Sequence) -> int:
        """Copy what is known of a prompt into its slot, from other slots too; returns its tokens.

        Before its first chunk, not at admission: by then older prompts, which may begin alike, are fed.
        """
        if self._prefixes:
            held = [(s.slot, s.ids[: self._cache.length(s.slot)]) for s in self._active if s is not sequence]
            prompt = sequence.ids[: sequence.prompt_tokens - LAST_FED]
            sequence.cached_tokens = self._prefixes.load(sequence.slot, prompt, held)
        return sequence.cached_tokens

    def _decode(self) -> None:
        """One step for all whose prompt is fed: those with one token to feed as a batch, the others alone.

        ONNX Runtime's attention takes several tokens behind a past for one row only.
        """
        decoding = [s for s in self._active if s.status is RequestStatus.DECODE]
        decoding.sort(key=lambda sequence: sequence.slot)
        batch: list[Sequence] = []
        for sequence in decoding:
            tokens = sequence.ids[self._cache.length(sequence.slot) :]
            draft = sequence.draft() if len(decoding) == 1 else []
            if draft or len(tokens) > 1:
                self._feed([sequence], [[*tokens, *draft]], 1 + len(draft))
            else:
                batch.append(sequence)
        if batch:
            self._feed(batch, [sequence.ids[-1:] for sequence in batch], 1)

    def _feed(self, sequences: list[Sequence], tokens: list[list[int]], logits: int) -> None:
        """One forward pass; then each sequence chooses, and those that are over retire.

        A pass that fails ends all that were in it; what fails after that ends the one that it happens to.
        """
        try:
            slots = [sequence.slot for sequence in sequences]
            ids, exact = np.array(tokens, dtype=np.int64), any(each.needs_exact for each in sequences)
            allowed = sequences[0].allowed if len(sequences) == logits == 1 else None
            results = self._decoder.forward(slots, ids, logits, exact=exact, allowed=allowed)
        except Exception:  # whatever requests do to the engine, the next ones are served
            log.exception("engine.step_failed")
            for sequence in sequences:
                self._fail(sequence, *_BROKEN)
            return
        over: list[tuple[Sequence, FinishReason]] = []
        for sequence, rows, its_tokens in zip(sequences, results, tokens, strict=True):
            with self._failing_alone(sequence):
                if reason := self._choose(sequence, rows, its_tokens):
                    over.append((sequence, reason))
        for sequence, reason in over:
            self._retire(sequence, reason)

    def _choose(self, sequence: Sequence, logits: NDArray[np.float32], fed: list[int]) -> FinishReason | None:
        """Choose from each row of logits, for as long as the drafted tokens are those that were chosen."""
        if len(logits) == 0:
            return None
        drafted = fed[len(fed) - len(logits) + 1 :]
        reason, accepted = sequence.choose_behind(drafted, logits, self._eos)
        if drafted and sequence.drafter:
            sequence.drafter.observe(len(drafted), accepted)
            self._acceptance = sequence.drafter.acceptance
            length = self._cache.length(sequence.slot)
            self._cache.rewind(sequence.slot, length - len(drafted) + accepted)
        return reason

    def _retire(self, sequence: Sequence, reason: FinishReason) -> None:
        """End a reply well; what was computed for it is remembered."""
        with self._failing_alone(sequence):
            sequence.complete(reason)
            self._keep_prefix(sequence, len(sequence.ids))
            self._remove(sequence)

    def _keep_prefix(self, sequence: Sequence, tokens: int) -> None:
        """Remember a request's first ``tokens`` as far as they are computed, before it is removed."""
        if self._prefixes and sequence in self._active:
            length = min(self._cache.length(sequence.slot), tokens)
            pinned = sequence.request.prefill_only and length == sequence.prompt_tokens
            self._prefixes.store(sequence.slot, sequence.ids[:length], pinned=pinned)

    @contextmanager
    def _failing_alone(self, sequence: Sequence) -> Iterator[None]:
        """End this request in what is raised for it, and go on; what nobody expected goes to the log."""
        try:
            yield
        except RequestError as error:
            self._fail(sequence, error.code, str(error))
        except Exception:
            log.exception("engine.sequence_failed")
            self._fail(sequence, *_BROKEN)

    def _fail(self, sequence: Sequence, code: Code, message: str) -> None:
        """End a request in an error; of what was computed for it, the prompt is remembered."""
        try:
            sequence.fail(code, message)
        except Exception:
            log.exception("engine.failure_not_told")
        self._keep_prefix(sequence, sequence.prompt_tokens)
        self._remove(sequence)

    def _remove(self, sequence: Sequence) -> None:
        """Take a request out of the queue, or give its slot back."""
        with self._changed:
            if sequence in self._active:
                self._active.remove(sequence)
                self._cache.release(sequence.slot)
            else:
                self._waiting.remove(sequence)
