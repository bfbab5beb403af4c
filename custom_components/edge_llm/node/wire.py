"""Topics and frames of edge_llm's MQTT contract, version 1, as far as they are used here.

Imports nothing of Home Assistant, nor of edge_llm, whose packages are not installed there.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CLIENT = "homeassistant"
"""Client id in the topics: where the broker has an ACL, the user name of Home Assistant."""
DOCUMENTS = "documents"
"""Node id of `edge-llm documents` in the topics, and its feature."""
ONLINE = "online"
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics of one node, and of the house that all nodes read."""

    base: str
    node: str

    @property
    def request(self) -> str:
        """Out: a request."""
        return f"{self.base}/{self.node}/request/{CLIENT}"

    @property
    def cancel(self) -> str:
        """Out: the id of a request to end."""
        return f"{self.base}/{self.node}/cancel/{CLIENT}"

    @property
    def prefill(self) -> str:
        """Out: the beginning of later requests, to be computed ahead."""
        return f"{self.base}/{self.node}/prefill/{CLIENT}"

    @property
    def stream(self) -> str:
        """In: the frames of all replies to Home Assistant."""
        return f"{self.base}/{self.node}/stream/{CLIENT}"

    @property
    def state(self) -> str:
        """In, retained: ``online`` or ``offline``."""
        return f"{self.base}/{self.node}/state"

    @property
    def info(self) -> str:
        """In, retained: what the node is and can do."""
        return f"{self.base}/{self.node}/info"

    @property
    def house(self) -> str:
        """Out, retained: the house, as Home Assistant describes it."""
        return f"{self.base}/house/{CLIENT}"


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a reply's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call to carry out, for the entities ``entity_ids``."""

    id: str
    name: str
    arguments: dict[str, Any]
    entity_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A passage of the household's papers that a reply was made from."""

    document: str
    heading: str
    page: int | None


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a reply: all of its text and calls, whatever was lost of them on the way."""

    text: str
    calls: tuple[Call, ...]
    outcome: str | None
    """Of an act without calls: ``unclear``, ``confirm``, ``impossible`` or ``spoken``."""
    sources: tuple[Source, ...] = ()
    """Of a reply of the documents service, the best one first."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of a request that has no whole reply; ``code`` says why."""

    code: str
    retry_after_s: float | None = None
    """Seconds after which the same request may be sent again, if it may."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The request is waited for, or worked on."""


Frame = Delta | Call | Done | Failure | Progress


@dataclass(frozen=True, slots=True)
class Request:
    """A request; fields that are None are left out."""

    id: str
    fields: dict[str, Any]

    def encode(self, **more: object) -> str:
        """The payload, with more fields."""
        fields = {"id": self.id} | self.fields | more
        return json.dumps({k: v for k, v in fields.items() if v is not None}, ensure_ascii=False)


def sentence(
    request_id: str,
    text: str,
    *,
    session: str | None = None,
    area: str | None = None,
    system: str | None = None,
    house: dict[str, Any] | None = None,
) -> Request:
    """A sentence to the house, or to ``house``, spoken in ``area``; ``system`` is for what is no command."""
    fields = {"text": text, "session": session, "context_area": area, "system": system, "house": house}
    return Request(request_id, {"act": True, **fields})


def report(request_id: str, session: str, results: Mapping[str, bool]) -> Request:
    """What has become of the calls of the sentence before: by id, whether each was carried out."""
    listed = [{"id": call, "ok": ok} for call, ok in results.items()]
    return Request(request_id, {"act": True, "session": session, "results": listed})


def chat(
    request_id: str,
    messages: list[dict[str, Any]],
    *,
    tools: list[dict[str, Any]] | None = None,
    may_call: bool = True,
    schema: dict[str, Any] | None = None,
) -> Request:
    """Messages to answer: with tools to call, or as JSON by a schema."""
    form = {"type": "json_schema", "schema": schema} if schema else None
    choice = "none" if tools and not (may_call and not schema) else None
    fields = {"messages": messages, "tools": tools or None, "tool_choice": choice, "response_format": form}
    return Request(request_id, fields)


def read_info(payload: str | bytes | bytearray) -> dict[str, Any] | None:
    """Read a node's info; None if it is empty, or none."""
    try:
        info = json.loads(payload)
    except ValueError:
        return None
    return info if isinstance(info, dict) and isinstance(info.get("node"), str) else None


def read_frame(payload: str | bytes | bytearray) -> tuple[str, Frame] | None:
    """Read the id of a request and a frame of its reply; None if it is none."""
    try:
        fields = json.loads(payload)
        return str(fields["id"]), _frame(fields)
    except (ValueError, LookupError, TypeError):
        return None


def _frame(fields: dict[str, Any]) -> Frame:
    match fields["type"]:
        case "delta":
            return Delta(str(fields["text"]))
        case "call":
            return _call(fields["call"])
        case "done":
            calls = tuple(_call(call) for call in fields.get("calls") or ())
            outcome = (fields.get("act") or {}).get("outcome")
            return Done(str(fields["text"]), calls, outcome, _sources(fields.get("custom")))
        case "error":
            after_ms = fields.get("retry_after_ms") if fields.get("retryable") else None
            return Failure(str(fields["code"]), None if after_ms is None else after_ms / 1000)
        case _:
            return Progress()


def _call(fields: dict[str, Any]) -> Call:
    # An id that another source's device has, too, is given the name of its source.
    ids = tuple(str(each).removeprefix(f"{CLIENT}:") for each in fields.get("device_ids") or ())
    return Call(str(fields["id"]), str(fields["name"]), dict(fields["arguments"]), ids)


def _sources(custom: Any) -> tuple[Source, ...]:
    # Whoever asks may have any custom: what is not as the service writes it is none of its sources.
    listed = custom.get("sources") if isinstance(custom, dict) else None
    found = (each for each in listed if isinstance(each, dict)) if isinstance(listed, list) else ()
    return tuple(
        Source(str(each["document"]), str(each.get("heading") or ""), each.get("page"))
        for each in found
        if "document" in each
    )


def is_documents(info: Mapping[str, Any]) -> bool:
    """Whether an info is the documents service's: it is asked as a node is, and is none."""
    return DOCUMENTS in (info.get("features") or ())


def session_of(conversation_id: str) -> str:
    """The session of a conversation: its id, or if that is no legal one, a hash of it."""
    if _ID.fullmatch(conversation_id):
        return conversation_id
    return hashlib.sha256(conversation_id.encode()).hexdigest()


def is_node(name: str) -> bool:
    """Whether a name can be a node's."""
    return _ID.fullmatch(name) is not None
