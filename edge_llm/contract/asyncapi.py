"""The contract as AsyncAPI 3: made from its payloads and `topics`, printed by `edge-llm schema`.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from edge_llm.contract.frames import Call, Delta, Status, Terminal
from edge_llm.contract.house import House
from edge_llm.contract.node import DocumentsInfo, Info, Telemetry
from edge_llm.contract.reading import VERSION
from edge_llm.contract.requests import Cancel, Prefill, Request, SessionCommand
from edge_llm.contract.topics import Topics

_SCHEMAS = "#/components/schemas/{model}"
_TOPICS = Topics("edge_llm", "{node}", "{pool}")


@dataclass(frozen=True)
class Channel:
    """One topic; ``text`` says what a payload that is plain UTF-8 text means, where it may be that."""

    name: str
    address: str
    action: Literal["receive", "send"]
    summary: str
    models: tuple[type[BaseModel], ...] = ()
    text: str | None = None
    retain: bool = False
    qos: int = 1

    @property
    def row(self) -> str:
        """Its row in the table of docs/mqtt.md."""
        topic = self.address.format(node="N", client="C", pool="P", source="S")
        way = "to the node" if self.action == "receive" else "from the node"
        return f"| `{topic}` | {way}{', retained' * self.retain} | {self.summary} |"


CHANNELS = (
    Channel(
        "request",
        _TOPICS.request("{client}"),
        "receive",
        "a prompt as plain text, or a JSON request",
        (Request,),
        "The prompt.",
    ),
    Channel(
        "poolRequest",
        _TOPICS.pool_request("{client}"),
        "receive",
        "the same, to whichever node of the pool is free",
        (Request,),
        "The prompt.",
    ),
    Channel(
        "cancel",
        _TOPICS.cancel("{client}"),
        "receive",
        "the id of a request, or `*` for all of this client's",
        (Cancel,),
        "The id, or * for all.",
    ),
    Channel(
        "prefill",
        _TOPICS.prefill("{client}"),
        "receive",
        "what later requests will begin with, to be computed ahead",
        (Prefill,),
        "The system prompt.",
    ),
    Channel(
        "session",
        _TOPICS.session("{client}"),
        "receive",
        "`list`, or JSON: look at or forget a conversation",
        (SessionCommand,),
        "The op, where that needs no session: list.",
    ),
    Channel(
        "house",
        _TOPICS.house.replace("+", "{source}"),
        "receive",
        "the devices that source `S` knows, for every node; empty: it is forgotten",
        (House,),
        "Nothing: what this source has said is forgotten.",
        retain=True,
    ),
    Channel(
        "stream",
        _TOPICS.stream("{client}"),
        "send",
        "every frame of the reply",
        (Status, Delta, Call, *get_args(Terminal)),
    ),
    Channel("reply", _TOPICS.reply("{client}"), "send", "the terminal frame only", get_args(Terminal)),
    Channel(
        "state",
        _TOPICS.state,
        "send",
        "`online` or `offline` (last will)",
        text="online or offline; the latter is the last will.",
        retain=True,
    ),
    Channel("info", _TOPICS.info, "send", "version, model, limits", (Info, DocumentsInfo), retain=True),
    Channel(
        "telemetry",
        _TOPICS.telemetry,
        "send",
        "load, memory, power, energy, speed",
        (Telemetry,),
        qos=0,
    ),
    Channel(
        "echo",
        _TOPICS.echo,
        "send",
        "the node's messages to itself, which show what the broker drops; not for clients",
        text="In a form that only the node reads. On MQTT 3.1.1 it subscribes to this topic, too.",
    ),
    Channel(
        "acted",
        _TOPICS.acted,
        "send",
        "the node's notes to itself of acts that it has sent; not for clients",
        text="In a form that only the node reads, which subscribes to it where it moves devices.",
    ),
)
_PARAMETERS = {
    "node": "The node's id: node.id of its configuration, and retained on info.",
    "client": "A name that the asker chooses; where the broker has an ACL, its user name.",
    "source": "Who describes the house; with an ACL, its user name.",
    "pool": "The pool's name: mqtt.pool of its nodes.",
}


def table() -> str:
    """The table of topics in docs/mqtt.md."""
    return "\n".join(["| topic | direction | payload |", "|---|---|---|", *(each.row for each in CHANNELS)])


def document() -> dict[str, Any]:
    """The AsyncAPI document."""
    inbound = {model for channel in CHANNELS if channel.action == "receive" for model in channel.models}
    every = list(dict.fromkeys(model for channel in CHANNELS for model in channel.models))
    _, schemas = models_json_schema(
        [(model, "validation" if model in inbound else "serialization") for model in every],
        ref_template=_SCHEMAS,
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "edge_llm",
            "version": f"{VERSION}.0.0",
            "description": "A language model for a smart home, over MQTT. Topics begin with edge_llm/ unless"
            " mqtt.base_topic says otherwise. Operations are the node's: it receives what clients send.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {
            f"{channel.action}{channel.name[0].upper()}{channel.name[1:]}": {
                "action": channel.action,
                "channel": {"$ref": f"#/channels/{channel.name}"},
                "bindings": {
                    "mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}
                },
            }
            for channel in CHANNELS
        },
        "components": {
            "messages": {
                model.__name__: {"payload": {"$ref": _SCHEMAS.format(model=model.__name__)}}
                for model in every
            },
            "schemas": schemas["$defs"],
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    named = [name for name in _PARAMETERS if f"{{{name}}}" in channel.address]
    return {
        "address": channel.address,
        "summary": channel.summary,
        "parameters": {name: {"description": _PARAMETERS[name]} for name in named},
        "messages": dict(_messages(channel)),
    }


def _messages(channel: Channel) -> Iterator[tuple[str, Any]]:
    for model in channel.models:
        yield model.__name__, {"$ref": f"#/components/messages/{model.__name__}"}
    if channel.text:
        words = {"type": "string", "description": channel.text}
        yield "text", {"contentType": "text/plain", "payload": words}


def as_yaml() -> str:
    """The document as it is shipped."""
    head = "# Made from the code: edge-llm schema\n"
    return head + yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=110)
