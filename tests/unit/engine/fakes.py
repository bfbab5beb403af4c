"""A model, a tokenizer, a log of events, and a scheduler over them, that take microseconds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge_llm.bundle import KvGeometry
from edge_llm.contract.tools import Tool
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.prefix_cache import PrefixCache
from edge_llm.engine.scheduler import Scheduler
from edge_llm.engine.sequence import Sequence as Request
from edge_llm.engine.text.thoughts import ThoughtFilter
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import Completion, Event, Failure, GenerationRequest, SamplingParams

SAMPLED = SamplingParams(temperature=1, top_k=1, top_p=1, seed=0)
"""Greedy without drafts."""
VOCAB = 128
END = 0
"""The token that ends a reply."""


class FakeDecoder:
    """Holds the ids that each slot was fed, and says each next token by ``choose``; records every pass.

    ``scores`` may be set in place of ``choose``. What a prefix cache loads is not among the ids.
    """

    def __init__(self, slots: int = 1, capacity: int = 4096) -> None:
        self.cache = KVCache(KvGeometry(layers=1, kv_heads=1, head_dim=1), slots, capacity)
        self.fed: dict[int, list[int]] = {slot: [] for slot in range(slots)}
        self.passes: list[tuple[tuple[int, ...], int]] = []
        self.exact: list[bool] = []
        self.prefills_apart = False
        self.on_pass: Callable[[], None] = lambda: None
        self.choose: Callable[[list[int]], int] = lambda _ids: 1
        self.scores: Callable[[list[int]], NDArray[np.float32]] = self._one_choice

    def forward(
        self,
        slots: Sequence[int],
        ids: NDArray[np.int64],
        logits: int,
        *,
        exact: bool = True,
        allowed: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        self.on_pass()
        self.passes.append((tuple(slots), ids.shape[1]))
        self.exact.append(exact)
        result = np.zeros((len(slots), logits, VOCAB), dtype=np.float32)
        for row, slot in enumerate(slots):
            held = self.fed[slot][: self.cache.length(slot)] + ids[row].tolist()
            self.fed[slot] = held
            self.cache.advance(slot, ids.shape[1])
            for position in range(logits):
                end = len(held) - logits + position + 1
                result[row, position] = self.scores(held[:end])
        return result

    def _one_choice(self, ids: list[int]) -> NDArray[np.float32]:
        scores = np.zeros(VOCAB, dtype=np.float32)
        scores[self.choose(ids)] = 1
        return scores


class FakeTokenizer:
    """A token a character, and one for the opening of each turn."""

    vocab_size = VOCAB

    def __init__(self) -> None:
        self.thoughts: ThoughtFilter | None = None

    def encode_chat(
        self,
        turns: Sequence[Turn],
        *,
        open_reply: bool = True,
        thinking: bool = False,
        tools: Sequence[Tool] = (),
    ) -> list[int]:
        ids: list[int] = []
        for turn in turns:
            own = turn.token_ids if isinstance(turn, GeneratedTurn) else tuple(map(ord, turn.content))
            ids += [3 if turn.role == "assistant" else 2, *own]
        return [*ids, 3] if open_reply else ids

    def detokenizer(self) -> "FakeDetokenizer":
        return FakeDetokenizer()

    def thought_filter(self, *, thinking: bool) -> ThoughtFilter | None:
        return self.thoughts


class FakeDetokenizer:
    def push(self, token_id: int) -> str:
        return chr(token_id)

    def finish(self) -> str:
        return ""


@dataclass
class Events:
    """Takes the events of one request."""

    seen: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.seen.append(event)

    @property
    def end(self) -> Completion | Failure | None:
        """The one that ends it; fails where there are two."""
        ends = [event for event in self.seen if isinstance(event, Completion | Failure)]
        assert len(ends) <= 1
        return ends[0] if ends else None

    @property
    def completion(self) -> Completion:
        """The completion that ends it; fails where there is none."""
        assert isinstance(self.end, Completion), self.end
        return self.end


def step(scheduler: Scheduler) -> None:
    """Do what the engine's thread does in one round of its loop."""
    scheduler._drop_ended()
    scheduler._admit()
    scheduler._prefill()
    scheduler._decode()


def finish(scheduler: Scheduler) -> None:
    """Do so until nothing is left to do."""
    while scheduler.steps is not None:
        step(scheduler)


class Bench:
    """A scheduler over the fakes whose steps the test takes."""

    def __init__(self, slots: int = 1, queue_limit: int = 8, *, prefixes: bool = False) -> None:
        self.decoder = FakeDecoder(slots)
        cache = PrefixCache(self.decoder.cache, 10**9) if prefixes else None
        self.tokenizer = FakeTokenizer()
        tokenizer = cast(ChatTokenizer, self.tokenizer)
        self.scheduler = Scheduler(self.decoder, tokenizer, (END,), queue_limit, cache)
        self.order: list[str] = []

    def submit(self, text: str = "hi", max_tokens: int = 3, **fields: object) -> tuple[Request, Events]:
        events = Events()
        values = {"sampling": SAMPLED, **fields}
        request = GenerationRequest((Turn(role="user", content=text),), max_tokens, **values)  # type: ignore[arg-type] # a mixed dict

        def emit(event: object) -> None:
            if isinstance(event, Completion | Failure):
                self.order.append(text)
            events(event)  # type: ignore[arg-type] # an Event

        sequence = Request(request, emit)
        self.scheduler.submit(sequence)
        return sequence, events

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            step(self.scheduler)

    def finish(self) -> None:
        finish(self.scheduler)
