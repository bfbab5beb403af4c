"""Version 1 of the MQTT contract: requests and frames. It and `contract_node` alone name wire fields."""

import json
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from edge_llm.config import Identifier
from edge_llm.errors import RequestError

VERSION = 1
RETRYABLE = frozenset({"busy", "rate_limited", "unavailable"})
"""Codes of errors that may be gone when the same request is sent again."""
MAX_CUSTOM_DEPTH = 16
"""How deep ``custom``, the one field of free form, may be nested."""
_MAX_CANCEL_BYTES = 1024
EVERYTHING = "*"
"""As the id of a cancel: all of this client's requests."""


def _depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def _not_too_deep(value: Any) -> Any:
    if _depth(value) > MAX_CUSTOM_DEPTH:
        raise ValueError(f"nested deeper than {MAX_CUSTOM_DEPTH}")
    return value


Custom = Annotated[Any, AfterValidator(_not_too_deep)]
"""Comes back as it is in every frame."""


class _In(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Payload(BaseModel):
    """What a node publishes."""

    model_config = ConfigDict(frozen=True)

    def encode(self) -> bytes:
        """The payload: JSON without the fields that are not set."""
        return self.model_dump_json(exclude_none=True).encode()


class ChatMessage(_In):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Request(_In):
    """What to answer and how; either ``text`` or ``messages``."""

    v: int = VERSION
    id: Identifier = Field(default_factory=lambda: uuid4().hex)
    text: str | None = None
    messages: tuple[ChatMessage, ...] | None = Field(None, min_length=1)
    session: Identifier | None = None
    system: str | None = None
    stream: bool = True
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=5)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field((), max_length=8)
    timeout_s: float | None = Field(None, gt=0, le=3600)
    ttl_s: float | None = Field(None, gt=0, le=86400)
    """Seconds from its arrival at the node after which the request must not begin any more."""
    custom: Custom = None

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if (self.text is None) == (self.messages is None):
            raise ValueError("give either text or messages")
        return self

    def conversation(self) -> tuple[ChatMessage, ...]:
        """The messages in order, the system prompt first."""
        turns = self.messages or (ChatMessage(role="user", content=self.text or ""),)
        return (ChatMessage(role="system", content=self.system), *turns) if self.system else turns


class Prepare(_In):
    """What later requests will begin with, word for word: their system prompt, or their first messages."""

    v: int = VERSION
    id: Identifier = Field(default_factory=lambda: uuid4().hex)
    session: ClassVar[None] = None
    system: str | None = None
    messages: tuple[ChatMessage, ...] = ()
    custom: Custom = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.system and not self.messages:
            raise ValueError("give system or messages")
        return self

    def conversation(self) -> tuple[ChatMessage, ...]:
        """The messages in order, the system prompt first."""
        return (
            (ChatMessage(role="system", content=self.system), *self.messages)
            if self.system
            else self.messages
        )


class SessionCommand(_In):
    """Look at, or forget, what the node remembers; ``transaction`` comes back as the id of the answer."""

    v: int = VERSION
    op: Literal["list", "get", "reset", "delete"]
    session: Identifier | None = None
    transaction: Identifier = Field(default_factory=lambda: uuid4().hex)
    custom: Custom = None

    @property
    def id(self) -> str:
        """What the answer is known by."""
        return self.transaction

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.op != "list" and self.session is None:
            raise ValueError(f"{self.op} needs a session")
        return self


class Cancel(_In):
    """What to end: a request's id, or EVERYTHING of this client's."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False, coerce_numbers_to_str=True)

    id: str


Inbound = Request | Prepare | SessionCommand
_PLAIN_FIELDS: dict[str, tuple[type[Inbound], str]] = {
    "request": (Request, "text"),
    "prepare": (Prepare, "system"),
    "session": (SessionCommand, "op"),
}


def parse(kind: str, payload: bytes, max_bytes: int) -> Inbound:
    """What came on a topic of ``kind``, from JSON (an object) or from plain UTF-8 text.

    Plain text is a request's prompt, a prepare's system prompt, or a session's ``list``.

    Raises:
        RequestError: too_large, unsupported_version or bad_request.
    """
    model, plain_field = _PLAIN_FIELDS[kind]
    if len(payload) > max_bytes:
        raise RequestError("too_large", f"a request may have {max_bytes} bytes, this one has {len(payload)}")
    text = _decode(payload)
    if not text.strip():
        raise RequestError("bad_request", "the prompt is empty")
    try:
        if text.lstrip().startswith("{"):
            parsed = model.model_validate_json(text)
        else:
            parsed = model.model_validate({plain_field: text})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RequestError("bad_request", f"{where}: {first['msg']}" if where else first["msg"]) from error
    if parsed.v != VERSION:
        raise RequestError("unsupported_version", f"this node speaks version {VERSION}, not {parsed.v}")
    return parsed


def parse_request_id(payload: bytes, max_bytes: int) -> str:
    """The id that a refused request carried, so that its error can name it; else a new one."""
    if len(payload) > max_bytes:
        return uuid4().hex
    try:
        return Request(id=json.loads(payload)["id"], text="").id
    except (ValueError, LookupError, TypeError, RecursionError):
        return uuid4().hex


def parse_cancel(payload: bytes) -> str:
    """The id to cancel, from ``{"id": …}`` or the bare id; EVERYTHING for all.

    Raises:
        RequestError: bad_request.
    """
    text = _decode(payload[:_MAX_CANCEL_BYTES]).strip()
    if not text.startswith("{"):
        return text
    try:
        return Cancel.model_validate_json(text).id
    except ValidationError as error:
        raise RequestError("bad_request", 'give the id to cancel: {"id": …}') from error


def _decode(payload: bytes) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError("bad_request", f"not UTF-8 at byte {error.start}") from error


class Frame(Payload):
    """What every frame carries; ``seq`` counts the frames of a reply from 0."""

    v: int = VERSION
    type: Literal["status", "delta", "done", "error", "session"]
    id: str
    node: str
    seq: int
    session: str | None = None
    custom: Any = None


class Status(Frame):
    """How far the request is; ``position`` is the number of requests before it."""

    type: Literal["status"] = "status"
    state: Literal["queued", "prefill", "decode"]
    position: int | None = None
    prompt_tokens: int | None = None


class Delta(Frame):
    """The next piece of the reply's text."""

    type: Literal["delta"] = "delta"
    text: str


class Usage(Payload):
    """Token counts of a reply."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    draft_tokens: int = 0
    accepted_tokens: int = 0
    """Speculation: tokens guessed, and how many of them were right."""
    dropped_messages: int = 0
    """Turns of the session that the context did not hold."""


class TimingMs(Payload):
    """Milliseconds; ``ttft`` runs from the request's arrival to its first token."""

    queue: float
    prefill: float
    ttft: float
    total: float


Quality = Literal["measured", "attributed", "estimated", "unavailable"]
"""Of a figure: a sensor's own; a share of it, by the processor time used; a model's; or there is none."""


class Energy(Payload):
    """Joules that the reply took; without figures where ``quality`` is ``unavailable``: telemetry says why.

    Where another reply was made meanwhile (``shared``) each has its part by the tokens computed for it.
    """

    joules: float | None = None
    prefill_joules: float | None = None
    decode_joules: float | None = None
    joules_per_token: float | None = None
    """Of all the joules, prefill included, for each token of the reply."""
    quality: Quality
    shared: bool = False


class Done(Frame):
    """Terminal: the whole reply, whatever of its deltas was lost."""

    type: Literal["done"] = "done"
    text: str
    finish_reason: Literal["stop", "length", "cancelled"]
    model: str
    usage: Usage
    timing_ms: TimingMs
    tokens_per_second: float
    energy: Energy | None = None
    replayed: bool = False
    """The request came again, and this is the reply that it had."""


Code = Literal[
    "bad_request",
    "too_large",
    "expired",
    "busy",
    "rate_limited",
    "id_conflict",
    "context_overflow",
    "timeout",
    "unavailable",
    "unsupported_version",
    "internal",
]


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
    messages: tuple[ChatMessage, ...] | None = None


TERMINAL = (Done, Error, Sessions)
"""The frames that end a reply."""
AnyFrame = Annotated[Status | Delta | Done | Error | Sessions, Field(discriminator="type")]
FRAMES: TypeAdapter[AnyFrame] = TypeAdapter(AnyFrame)
"""Reads any frame from its payload."""
