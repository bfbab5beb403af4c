"""Data that crosses the engine's boundary: requests in, events out. All of it frozen."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from edge_llm.contract.frames import FinishReason, TimingMs, Usage
from edge_llm.contract.tools import Schema, Tool, ToolCall, ToolChoice
from edge_llm.contract.turns import Turn
from edge_llm.errors import Code, RequestError


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Parameters of the sampler: temperature 0 is greedy, ``top_k`` 0 and ``top_p`` 1 switch those off.

    The defaults of the others switch them off.
    """

    temperature: float
    top_k: int
    top_p: float
    seed: int | None
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0


FEW_TOKENS = 256
"""Maximum number of allowed tokens for which the head's rows are read one by one."""
GREEDY = SamplingParams(temperature=0, top_k=0, top_p=1, seed=None)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One reply to generate.

    ``expires_at`` and ``deadline`` are time.monotonic() instants after which it is no longer begun
    (``expired``), and given up (``timeout``). Of those that wait, owners with fewer replies in progress
    come first.
    """

    turns: tuple[Turn, ...]
    max_tokens: int
    sampling: SamplingParams = GREEDY
    stop: tuple[str, ...] = ()
    deadline: float | None = None
    expires_at: float | None = None
    owner: Hashable | None = None
    redelivered: bool = False
    """True if an earlier process accepted it: then a full queue does not refuse it."""
    awaits_history: bool = False
    """Stays in the queue until ``Engine.release`` brings the turns before these."""
    prefill_only: bool = False
    """Compute the turns into the prefix cache, pinned, and end without a reply."""
    enable_thinking: bool = False
    """Let a model think aloud that is able to; its thoughts are left out of the reply."""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    response_schema: Schema | None = None
    """The JSON schema that the whole reply keeps to; not together with tools that may be called."""
    measured: bool = False
    """Tell how likely the model found a reply that keeps to ``response_schema``."""
    ignore_eos: bool = False
    """Generate ``max_tokens`` tokens whatever they are, loops too: for measurements."""

    def late(self, now: float, *, begun: bool) -> RequestError | None:
        """Why it is too late for it at ``now``: its time for the reply is over, or that to begin."""
        if self.deadline is not None and now > self.deadline:
            return RequestError("timeout", "the reply took longer than its timeout_s")
        if not begun and self.expires_at is not None and now > self.expires_at:
            return RequestError("expired", "the request waited longer than its ttl_s: it was not begun")
        return None

    @property
    def may_call(self) -> bool:
        """Whether the reply may be calls of tools."""
        return bool(self.tools) and self.tool_choice != "none"

    @property
    def thinks(self) -> bool:
        """Whether the reply may begin with a thought, which no grammar knows."""
        return self.enable_thinking and not self.constrained

    @property
    def constrained(self) -> bool:
        """Whether a grammar has a say in the reply."""
        return not self.prefill_only and (self.may_call or self.response_schema is not None)


@dataclass(frozen=True, slots=True)
class Queued:
    """The request is accepted; ``position`` requests are served before it."""

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
class CallEvent:
    """A call that is whole."""

    index: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class Completion:
    """The reply is complete."""

    text: str
    finish_reason: FinishReason
    usage: Usage
    timing_ms: TimingMs
    token_ids: tuple[int, ...] | None = None
    """The reply's tokens; None where a stop string cut the text, or thoughts were left out of it."""
    calls: tuple[ToolCall, ...] = ()
    probability: float | None = None
    """Probability of the reply among all that its grammar allows, where it was to be measured."""

    @property
    def tokens_per_second(self) -> float:
        """Speed of decoding, from the first token to the last, without forced ones; 0 for fewer than two."""
        steps, decode_ms = self.usage.decode_steps, self.timing_ms.total - self.timing_ms.ttft
        return 1000 * steps / decode_ms if steps > 0 and decode_ms > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """The reply ended in an error; ``text`` is what was said so far."""

    code: Code
    message: str
    text: str


Event = Queued | Started | TokenEvent | CallEvent | Completion | Failure
Emit = Callable[[Event], None]
"""Called on the engine thread (with Queued on the submitting one), never under a lock; must not block.

Exactly one Completion or Failure ends each request.
"""
