"""Topics and frames of edge_llm's MQTT contract, version 1, as far as they are used here.

Imports nothing of Home Assistant, nor of edge_llm, whose packages are not installed there.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

CLIENT = "homeassistant"
"""Client id in the topics: where the broker has an ACL, the user name of Home Assistant."""
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
class Done:
    """The end of a reply: all of its text and calls, whatever was lost of them on the way."""

    text: str
    calls: tuple[Call, ...]
    outcome: str | None
    """Of an act without calls: ``unclear``, ``confirm``, ``impossible`` or ``spoken``."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of a request that has no whole reply; ``code`` says why."""

    code: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The request is waited for, or worked on."""


Frame = Delta | Call | Done | Failure | Progress


@dataclass(frozen=True, slots=True)
class Request:
    """A sentence to the house, or with ``results`` what has become of the calls of the one before."""

    id: str
    session: str | None = None
    text: str | None = None
    area: str | None = None
    system: str | None = None
    house: dict[str, Any] | None = None
    results: dict[str, bool] = field(default_factory=dict)
    """By a call's id: whether it was carried out."""

    def encode(self, ttl_s: float) -> str:
        """The payload; the node does not begin it later than in ``ttl_s`` seconds."""
        fields = {
            "id": self.id,
            "act": True,
            "session": self.session,
            "text": self.text,
            "context_area": self.area,
            "system": self.system,
            "house": self.house,
            "results": [{"id": call, "ok": ok} for call, ok in self.results.items()] or None,
            "ttl_s": ttl_s,
        }
        set_fields = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(set_fields, ensure_ascii=False)


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
            return Done(str(fields["text"]), calls, (fields.get("act") or {}).get("outcome"))
        case "error":
            return Failure(str(fields["code"]))
        case _:
            return Progress()


def _call(fields: dict[str, Any]) -> Call:
    # An id that another source's device has, too, is given the name of its source.
    ids = tuple(str(each).removeprefix(f"{CLIENT}:") for each in fields.get("device_ids") or ())
    return Call(str(fields["id"]), str(fields["name"]), dict(fields["arguments"]), ids)


def session_of(conversation_id: str) -> str:
    """The session of a conversation: its id, or if that is no legal one, a hash of it."""
    if _ID.fullmatch(conversation_id):
        return conversation_id
    return hashlib.sha256(conversation_id.encode()).hexdigest()


def is_node(name: str) -> bool:
    """Whether a name can be a node's."""
    return _ID.fullmatch(name) is not None
