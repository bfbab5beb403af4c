"""Version 1 of the MQTT contract: what a node answers, frame by frame."""

from typing import Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from edge_llm.contract.reading import VERSION
from edge_llm.contract.tools import ToolCall
from edge_llm.contract.turns import Turn
from edge_llm.errors import Code


class Payload(BaseModel):
    """A payload that a node publishes."""

    model_config = ConfigDict(frozen=True)

    def encode(self) -> bytes:
        """The payload: JSON without the fields that are not set."""
        return self.model_dump_json(exclude_none=True).encode()


class Header(TypedDict):
    """Fields that every frame has and that its reply knows."""

    id: str
    node: str
    seq: int
    session: str | None
    custom: Any


class Frame(Payload):
    """A message to the client; ``seq`` counts the frames of a reply from 0."""

    v: int = VERSION
    type: Literal["status", "delta", "call", "done", "error", "session"]
    id: str
    node: str
    seq: int
    session: str | None = None
    custom: Any = None


State = Literal["queued", "prefill", "decode"]


class Status(Frame):
    """Progress of the request; ``position`` is the number of requests before it."""

    type: Literal["status"] = "status"
    state: State
    position: int | None = None
    prompt_tokens: int | None = None


class Delta(Frame):
    """The next piece of the reply's text."""

    type: Literal["delta"] = "delta"
    text: str


class Call(Frame):
    """A call of a tool, as soon as it is whole; its markup is in no delta."""

    type: Literal["call"] = "call"
    index: int
    """Number of the call in its reply, from 0."""
    call: ToolCall


class Usage(Payload):
    """Token counts of a reply."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    draft_tokens: int = 0
    accepted_tokens: int = 0
    """Speculation: tokens guessed, and how many of them were right."""
    forced_tokens: int = 0
    """Tokens that could only be these, by tools or a schema: they were read in the pass of the one before."""
    dropped_messages: int = 0
    """Turns of the session that the context did not hold."""
    loop_tokens: int = 0
    """Tokens at the end of a reply of ``length`` that are the same few ones again and again; 0: no loop."""

    @property
    def decode_steps(self) -> int:
        """Tokens that took the time of decoding: not the first, and not those that were forced."""
        return max(0, self.completion_tokens - self.forced_tokens - 1)


class TimingMs(Payload):
    """Milliseconds; ``ttft`` runs from the request's arrival to its first token."""

    queue: float
    prefill: float
    ttft: float
    total: float


Quality = Literal["measured", "attributed", "estimated", "none"]
"""Origin of a figure of power or energy: a sensor; a share of a sensor's figure, by processor time; a model;
or there is no figure. Home Assistant has ``unavailable`` and ``unknown`` for entities that are gone."""


def _renamed(quality: object) -> object:
    """Read ``unavailable`` as ``none``: older nodes wrote it, in request logs and on the wire."""
    return "none" if quality == "unavailable" else quality


class Energy(Payload):
    """Energy of one reply in joules; no figures where ``quality`` is ``none``: telemetry says why.

    ``shared``: another reply was made meanwhile, and each has its part by the tokens computed for it.
    """

    joules: float | None = None
    prefill_joules: float | None = None
    decode_joules: float | None = None
    joules_per_token: float | None = None
    """``joules``, prefill included, divided by the reply's tokens."""
    quality: Annotated[Quality, BeforeValidator(_renamed)]
    shared: bool = False


FinishReason = Literal["stop", "length", "cancelled", "tool_calls"]


class Act(Payload):
    """Result of an act that has no calls for the client: ``done.text`` says it, or asks, in words."""

    outcome: Literal["unclear", "confirm", "impossible", "spoken", "done", "sent", "failed"]
    """``unclear``: the sentence fits several devices, or none, or lacks a value; ``confirm``: a yes in the
    same session does it; ``impossible``: no such device, or it cannot do that; ``spoken``: an ordinary reply,
    or an answer.

    Of calls that the node has carried out itself: ``done``: the devices' states show it; ``sent``: not all of
    them do; ``failed``: nothing was sent, or not all."""
    candidates: tuple[str, ...] = ()
    """Names of what it may have meant, the likeliest first; of ``sent`` and ``failed`` those concerned."""
    carried_out: tuple[ToolCall, ...] | None = None
    """Calls that the node has carried out itself: nobody else is to."""


class Done(Frame):
    """Terminal: the whole reply, whatever of its deltas was lost."""

    type: Literal["done"] = "done"
    text: str
    calls: tuple[ToolCall, ...] | None = None
    """Calls of tools, if there are any; only whole ones."""
    act: Act | None = None
    """Of an act request that came to no call."""
    finish_reason: FinishReason
    model: str
    usage: Usage
    timing_ms: TimingMs
    tokens_per_second: float
    energy: Energy | None = None
    replayed: bool = False
    """The request came again, and this is the reply that it had."""


class Error(Frame):
    """Terminal: why there is no whole reply, and ``text``, what was said so far.

    The request may be sent again, under the same id, where ``retryable`` says so.
    """

    type: Literal["error"] = "error"
    code: Code
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    text: str = ""
    replayed: bool = False


class Sessions(Frame):
    """Terminal: the answer to a SessionCommand; ``messages`` only to ``get``."""

    type: Literal["session"] = "session"
    op: Literal["list", "get", "reset", "delete"]
    sessions: tuple[str, ...]
    messages: tuple[Turn, ...] | None = None


Terminal = Done | Error | Sessions
"""The frames that end a reply."""
AnyFrame = Annotated[Status | Delta | Call | Done | Error | Sessions, Field(discriminator="type")]
FRAMES: TypeAdapter[AnyFrame] = TypeAdapter(AnyFrame)
"""Reads any frame from its payload."""
