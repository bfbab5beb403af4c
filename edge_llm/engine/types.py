"""What crosses the engine's boundary: requests in, events out. All of it frozen."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str
    token_ids: tuple[int, ...] | None = None
    """An assistant's turn as it was generated; taken in place of ``content``, which may encode otherwise."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How a token is chosen: temperature 0 is greedy, ``top_k`` 0 and ``top_p`` 1 switch those off."""

    temperature: float
    top_k: int
    top_p: float
    seed: int | None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One reply to generate.

    ``expires_at`` and ``deadline`` are time.monotonic() instants after which it is not begun
    (``expired``), and given up (``timeout``). Of those that wait, owners with fewer replies in the making
    come first.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    sampling: SamplingParams
    stop: tuple[str, ...] = ()
    deadline: float | None = None
    expires_at: float | None = None
    owner: Hashable | None = None
    redelivered: bool = False
    """Was taken before, by a process that was killed: it is not refused for the queue's length now."""
    session: Hashable | None = None
    """Requests of one session are served one after the other."""
    history: Callable[[], tuple[Message, ...]] = tuple
    """Turns before ``messages`` (after a system message there), read when the request leaves the queue; where
    the context does not hold them all, the oldest are dropped."""
    prefill_only: bool = False
    """Compute the messages into the prefix cache, pinned, and end without a reply."""


@dataclass(frozen=True, slots=True)
class GenerationStats:
    """Counts and times of one reply; ``ttft_ms`` runs from submission to the first token."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    queue_ms: float
    prefill_ms: float
    ttft_ms: float
    total_ms: float
    tokens_per_second: float
    draft_tokens: int = 0
    accepted_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Queued:
    """The request is taken; so many are served before it."""

    position: int


@dataclass(frozen=True, slots=True)
class Started:
    """The request left the queue and its prefill begins."""

    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """Text that is final: no stop string can take it back, no character of it is incomplete."""

    text: str


@dataclass(frozen=True, slots=True)
class Completion:
    """The reply is whole."""

    text: str
    finish_reason: FinishReason
    stats: GenerationStats
    token_ids: tuple[int, ...] | None = None
    """The reply's tokens; None where a stop string cut the text within them."""
    dropped_messages: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """The reply ended in an error; ``text`` is what was said so far."""

    code: str
    message: str
    text: str


Event = Queued | Started | TokenEvent | Completion | Failure
Emit = Callable[[Event], None]
"""Called on the engine thread (with Queued on the submitting one); must not block.

Exactly one Completion or Failure ends each request.
"""
