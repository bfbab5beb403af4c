"""Version 1 of the MQTT contract: what is asked of a node.

It, ``frames`` (what it answers) and ``node`` (what it says of itself) alone name wire fields.
"""

import hashlib
import json
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import uuid4

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from edge_llm.config import Identifier
from edge_llm.config.sampling import MinP, Penalty, RepetitionPenalty, Temperature, TopK, TopP
from edge_llm.contract.house import ActMode, CallResult, House, Name
from edge_llm.contract.reading import VERSION, Strict, decode, explain, find_id, is_blank, refuse_deeper
from edge_llm.contract.tools import NamedTool, ResponseFormat, ToolChoice, Tools
from edge_llm.contract.turns import Turn
from edge_llm.errors import RequestError

MAX_CUSTOM_DEPTH = 16
"""Maximum depth of nesting in ``custom``, the one field of free form."""
_MAX_CANCEL_BYTES = 1024
_ADDED_FIELDS = frozenset(
    {
        "min_p",
        "repetition_penalty",
        "frequency_penalty",
        "presence_penalty",
        "enable_thinking",
        "tools",
        "tool_choice",
        "response_format",
        "act",
        "context_area",
        "house",
        "results",
    }
)
"""Fields that came later: a request without them has the digest that an older node wrote into its log."""
_MOST_TOKENS = 20_000
_EMPTY = "the prompt is empty"
_ID_FIELDS = {"session": "transaction"}
"""Name of the field that holds the id, by kind of request, where it is not ``id``."""
EVERYTHING = "*"
"""Id in a cancel that stands for all of this client's requests."""


def _not_too_deep(value: Any) -> Any:
    refuse_deeper(value, MAX_CUSTOM_DEPTH)
    return value


Custom = Annotated[Any, AfterValidator(_not_too_deep)]
"""JSON that comes back unchanged in every frame."""
_CUSTOM: TypeAdapter[Any] = TypeAdapter(Custom)


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[Identifier, BeforeValidator(_number_as_text, json_schema_input_type=Identifier | int)]
"""An id; a whole number is taken as its digits: 42 is "42"."""


def _refuse_blank_end(messages: tuple[Turn, ...], text: str | None) -> None:
    """Refuse a prompt that ends in nothing; a tool's result, and a turn with calls, may be empty."""
    last = messages[-1] if messages else Turn(role="user", content=text or "")
    if is_blank(last.content) and last.role != "tool" and not last.tool_calls:
        raise ValueError(_EMPTY)


class Request(Strict):
    """A request for one reply; either ``text`` or ``messages``."""

    v: int = VERSION
    id: Id = Field(default_factory=lambda: uuid4().hex)
    text: str | None = None
    messages: tuple[Turn, ...] | None = Field(None, min_length=1)
    session: Id | None = None
    system: str | None = None
    stream: bool = True
    max_tokens: int | None = Field(None, ge=1)
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    min_p: MinP | None = None
    repetition_penalty: RepetitionPenalty | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field((), max_length=8)
    enable_thinking: bool | None = None
    """Let a model think aloud first that is able to; its thoughts are not part of the reply."""
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    """``auto`` where there are tools."""
    response_format: ResponseFormat | None = None
    act: ActMode = None
    """Take ``text`` as what somebody says to the house; ``required``: as a command, whatever it is."""
    context_area: Name | None = None
    """Where the one who speaks is: id or name of an area of the house."""
    house: House | None = None
    """The house to act in, instead of the one that the node knows."""
    otherwise: Annotated[str, Field(min_length=1)] | None = None
    """The answer where the sentence is no command (``act: auto``); by default the model makes one."""
    results: tuple[CallResult, ...] | None = Field(None, min_length=1, max_length=64)
    """Instead of a sentence: what became of the calls of the last act in this session."""
    timeout_s: float | None = Field(None, gt=0, le=3600)
    ttl_s: float | None = Field(None, gt=0, le=86400)
    """Seconds from its arrival at the node after which the request is no longer begun."""
    custom: Custom = None

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if self.results:
            if self.text is not None or self.messages is not None or not self.act or self.session is None:
                raise ValueError("results: with act and session, without text and messages")
            return self
        if (self.text is None) == (self.messages is None):
            raise ValueError("give either text or messages")
        _refuse_blank_end(self.messages or (), self.text)
        return self

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        names = {tool.function.name for tool in self.tools or ()}
        if isinstance(self.tool_choice, NamedTool) and self.tool_choice.name not in names:
            raise ValueError(f"tool_choice: no tool has the name {self.tool_choice.name}")
        if self.tool_choice == "required" and not names:
            raise ValueError("tool_choice: there are no tools to call")
        if self.response_format and names and self.tool_choice != "none":
            raise ValueError('response_format: with tools, only where tool_choice is "none"')
        return self

    @model_validator(mode="after")
    def _one_sentence(self) -> Self:
        if self.act and self.text is None and not self.results:
            raise ValueError("act: give the sentence as text")
        if self.act and (self.tools or self.response_format):
            raise ValueError("act: not together with tools or response_format")
        if self.otherwise and (self.act != "auto" or self.results):
            raise ValueError('otherwise: with act "auto" and a sentence')
        if not self.act and (self.house or self.context_area):
            raise ValueError("house and context_area go with act")
        return self

    def conversation(self) -> tuple[Turn, ...]:
        """The messages in order, the system prompt first; none where it reports results."""
        turns = self.messages or () if self.text is None else (Turn(role="user", content=self.text),)
        return (Turn(role="system", content=self.system), *turns) if self.system else turns


class Prefill(Strict):
    """The beginning of later requests, word for word: their system prompt, or their first messages."""

    v: int = VERSION
    id: Id = Field(default_factory=lambda: uuid4().hex)
    session: ClassVar[None] = None
    system: str | None = None
    messages: tuple[Turn, ...] = ()
    tools: Tools | None = None
    custom: Custom = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.system and not self.messages and not self.tools:
            raise ValueError("give system, messages or tools")
        if self.system or self.messages:
            _refuse_blank_end(self.messages, self.system)
        return self

    def conversation(self) -> tuple[Turn, ...]:
        """The messages in order, the system prompt first."""
        return (Turn(role="system", content=self.system), *self.messages) if self.system else self.messages


class SessionCommand(Strict):
    """Look at, or forget, what the node remembers; ``transaction`` comes back as the id of the answer."""

    v: int = VERSION
    op: Literal["list", "get", "reset", "delete"]
    session: Id | None = None
    transaction: Id = Field(default_factory=lambda: uuid4().hex)
    custom: Custom = None

    @property
    def id(self) -> str:
        """The transaction, as the id of the answer."""
        return self.transaction

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.op != "list" and self.session is None:
            raise ValueError(f"{self.op} needs a session")
        return self


class Cancel(Strict):
    """The id of a request to end, or EVERYTHING of this client's."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False, coerce_numbers_to_str=True)

    id: str


Inbound = Request | Prefill | SessionCommand
_PLAIN_FIELDS: dict[str, tuple[type[Inbound], str]] = {
    "request": (Request, "text"),
    "prefill": (Prefill, "system"),
    "session": (SessionCommand, "op"),
}


def parse(kind: str, payload: bytes, max_bytes: int) -> Inbound:
    """Read a payload of a topic of ``kind``, from JSON (an object) or from plain UTF-8 text.

    Plain text is a request's prompt, a prefill's system prompt, or a session's ``list``.

    Raises:
        RequestError: too_large, unsupported_version or bad_request.
    """
    model, plain_field = _PLAIN_FIELDS[kind]
    if len(payload) > max_bytes:
        raise RequestError("too_large", f"a request may have {max_bytes} bytes, this one has {len(payload)}")
    text = decode(payload)
    begin = text.strip()
    if is_blank(text):
        raise RequestError("bad_request", _EMPTY)
    if begin.startswith("[") and _is_json(begin):
        raise RequestError("bad_request", 'a JSON request is an object: {"messages": [...]}, not a list')
    try:
        if begin.startswith("{"):
            parsed = model.model_validate_json(begin)
        else:
            parsed = model.model_validate({plain_field: begin if kind == "session" else text})
    except ValidationError as error:
        raise RequestError("bad_request", explain(error)) from error
    if parsed.v != VERSION:
        raise RequestError("unsupported_version", f"this node speaks version {VERSION}, not {parsed.v}")
    return parsed


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def digest(kind: str, request: Inbound) -> bytes:
    """SHA-256 of what is asked: two requests with one id must agree in it, but not in ``otherwise``."""
    unset = {name for name in _ADDED_FIELDS if getattr(request, name, None) is None}
    asked = request.model_dump_json(exclude={"id", "otherwise"} | unset)
    return hashlib.sha256(f"{kind} {asked}".encode()).digest()


def parse_request_id(payload: bytes, most_tokens: int = _MOST_TOKENS, *, kind: str = "request") -> str:
    """The id that a refused request carried, so that its error can name it; else a new one.

    It may be one that no request can have. At most ``most_tokens`` strings and brackets are looked at.
    """
    return find_id(payload, _ID_FIELDS.get(kind, "id"), most_tokens) or uuid4().hex


def unreadable(kind: str, payload: bytes, max_bytes: int) -> Request:
    """Read the id and ``custom`` of a refused request, as far as possible, for its error."""
    custom = None
    if len(payload) <= max_bytes:
        with suppress(ValueError, LookupError, TypeError, RecursionError, RequestError):
            custom = _CUSTOM.validate_python(json.loads(decode(payload))["custom"])
    return Request.model_construct(id=parse_request_id(payload, kind=kind), text="", custom=custom)


def parse_cancel(payload: bytes) -> str:
    """The id to cancel, from ``{"id": …}`` or the bare id; EVERYTHING for all.

    Raises:
        RequestError: bad_request.
    """
    text = decode(payload[:_MAX_CANCEL_BYTES]).strip()
    if not text.startswith("{"):
        return text.strip('"')  # a JSON string
    try:
        return Cancel.model_validate_json(text).id
    except ValidationError as error:
        raise RequestError("bad_request", 'give the id to cancel: {"id": …}') from error
