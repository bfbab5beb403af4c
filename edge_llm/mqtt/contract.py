"""Version 1 of the MQTT contract: every topic and payload. The only file that names wire fields."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge_llm.config import Identifier
from edge_llm.errors import RequestError

VERSION = 1
RETRYABLE = frozenset({"busy", "rate_limited", "unavailable"})
MAX_REQUEST_BYTES = 16 * 1024
EVERYTHING = "*"
"""As the id of a cancel: all of this client's requests."""


@dataclass(frozen=True)
class Topics:
    """The topics of one node: ``{base}/{node}/…``."""

    base: str
    node: str

    def _of(self, *parts: str) -> str:
        return "/".join((self.base, self.node, *parts))

    def request(self, client: str) -> str:
        """In, QoS 1: a request, as JSON or as the plain text of a prompt."""
        return self._of("request", client)

    def cancel(self, client: str) -> str:
        """In, QoS 1: the id of a request to end, or ``*``."""
        return self._of("cancel", client)

    def prepare(self, client: str) -> str:
        """In, QoS 1: messages to compute ahead of the question that will follow them."""
        return self._of("prepare", client)

    def session(self, client: str) -> str:
        """In, QoS 1: a SessionCommand."""
        return self._of("session", client)

    def stream(self, client: str) -> str:
        """Out, QoS 1: every frame of every reply to ``client``."""
        return self._of("stream", client)

    def reply(self, client: str) -> str:
        """Out, QoS 1: the terminal frames alone."""
        return self._of("reply", client)

    @property
    def state(self) -> str:
        """Out, QoS 1, retained, last will: ``online`` or ``offline``."""
        return self._of("state")

    @property
    def info(self) -> str:
        """Out, QoS 1, retained: what this node is and can do."""
        return self._of("info")

    @property
    def inbound(self) -> tuple[str, ...]:
        """The filters that a node subscribes to."""
        return self.request("+"), self.cancel("+"), self.prepare("+"), self.session("+")

    def parse(self, topic: str) -> tuple[str, str]:
        """Kind (``request``, ``cancel``, …) and client of a topic that matches ``inbound``."""
        _, kind, client = topic.rsplit("/", 2)
        return kind, client


ONLINE, OFFLINE = b"online", b"offline"


class _In(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Out(BaseModel):
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
    custom: Any = None

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
    custom: Any = None

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
    custom: Any = None

    @property
    def id(self) -> str:
        """What the answer is known by."""
        return self.transaction

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.op != "list" and self.session is None:
            raise ValueError(f"{self.op} needs a session")
        return self


def parse_session(payload: bytes) -> SessionCommand:
    """A command from JSON, or the bare word ``list``.

    Raises:
        RequestError: too_large, unsupported_version or bad_request.
    """
    return _parse(payload, SessionCommand, "op")


def parse_prepare(payload: bytes) -> Prepare:
    """What to prepare, from JSON or from plain UTF-8 text, which is then the system prompt.

    Raises:
        RequestError: too_large, unsupported_version or bad_request.
    """
    return _parse(payload, Prepare, "system")


def parse_request(payload: bytes) -> Request:
    """A request from JSON (an object) or from plain UTF-8 text, which is then the prompt.

    Raises:
        RequestError: too_large, unsupported_version or bad_request.
    """
    return _parse(payload, Request, "text")


Parsed = TypeVar("Parsed", Request, Prepare, SessionCommand)


def _parse(payload: bytes, kind: type[Parsed], plain_field: str) -> Parsed:
    if len(payload) > MAX_REQUEST_BYTES:
        raise RequestError(
            "too_large", f"a request may have {MAX_REQUEST_BYTES} bytes, this one has {len(payload)}"
        )
    text = _decode(payload)
    if not text.strip():
        raise RequestError("bad_request", "the prompt is empty")
    try:
        if text.lstrip().startswith("{"):
            request = kind.model_validate_json(text)
        else:
            request = kind.model_validate({plain_field: text})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RequestError("bad_request", f"{where}: {first['msg']}" if where else first["msg"]) from error
    if request.v != VERSION:
        raise RequestError("unsupported_version", f"this node speaks version {VERSION}, not {request.v}")
    return request


def parse_request_id(payload: bytes) -> str:
    """The id that a refused request carried, so that its error can name it; else a new one."""
    if len(payload) > MAX_REQUEST_BYTES:
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
    text = _decode(payload[:MAX_REQUEST_BYTES]).strip()
    if not text.startswith("{"):
        return text
    try:
        wanted = json.loads(text)["id"]
    except (ValueError, LookupError, RecursionError) as error:
        raise RequestError("bad_request", 'give the id to cancel: {"id": …}') from error
    return str(wanted)


def _decode(payload: bytes) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError("bad_request", f"not UTF-8 at byte {error.start}") from error


class Frame(_Out):
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
    state: Literal["queued", "prefill"]
    position: int | None = None
    prompt_tokens: int | None = None


class Delta(Frame):
    """The next piece of the reply's text."""

    type: Literal["delta"] = "delta"
    text: str


class Usage(_Out):
    """Token counts of a reply."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    draft_tokens: int = 0
    accepted_tokens: int = 0
    """Speculation: tokens guessed, and how many of them were right."""
    dropped_messages: int = 0
    """Turns of the session that the context did not hold."""


class TimingMs(_Out):
    """Milliseconds; ``ttft`` runs from the request's arrival to its first token."""

    queue: float
    prefill: float
    ttft: float
    total: float


class Done(Frame):
    """Terminal: the whole reply, whatever of its deltas was lost."""

    type: Literal["done"] = "done"
    text: str
    finish_reason: Literal["stop", "length", "cancelled"]
    model: str
    usage: Usage
    timing_ms: TimingMs
    tokens_per_second: float


class Error(Frame):
    """Terminal: why there is no whole reply, and ``text``, what was said so far.

    ``code``: bad_request, too_large, unsupported_version, busy, context_overflow, timeout, unavailable or
    internal.
    """

    type: Literal["error"] = "error"
    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    text: str = ""


class Sessions(Frame):
    """Terminal: the answer to a SessionCommand; ``messages`` only to ``get``."""

    type: Literal["session"] = "session"
    op: Literal["list", "get", "reset", "delete"]
    sessions: tuple[str, ...]
    messages: tuple[ChatMessage, ...] | None = None


class Limits(_Out):
    """What a request may ask for."""

    request_bytes: int = MAX_REQUEST_BYTES
    context_tokens: int
    queue: int


class Pinning(_Out):
    """Where inference was to run, and where its threads may run in fact: lists of CPUs, as 2-5,8."""

    requested: str
    effective: str
    mode: Literal["pinned", "none", "denied"]


class Info(_Out):
    """The node, as retained on its info topic."""

    v: int = VERSION
    version: str
    node: str
    protocol: str
    model: str
    architecture: str
    quantization: str
    bundle_hash: str
    limits: Limits
    pinning: Pinning


TERMINAL = (Done, Error, Sessions)
"""The frames that end a reply."""
Inbound = Request | Prepare | SessionCommand
AnyFrame = Annotated[Status | Delta | Done | Error | Sessions, Field(discriminator="type")]
