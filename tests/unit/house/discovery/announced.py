"""Announcements of devices, and what they come to."""

import json
from collections.abc import Mapping
from typing import Any

from edge_llm.contract.house import Scalar
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import Entity
from edge_llm.house.discovery.reader import Discovery

BASE = "edge_llm"
"""First level of the topics of nodes."""


def announced(place: str, config: Mapping[str, Any]) -> Entity:
    """The one device that is announced at a place, all of which can be read."""
    found = all_announced(place, config)
    assert len(found) == 1
    return next(iter(found.values()))


def all_announced(place: str, config: Mapping[str, Any]) -> Mapping[str, Entity]:
    discovery = Discovery(BASE)
    discovery.update(f"homeassistant/{place}/config", json.dumps(config).encode())
    assert discovery.problems == {}
    return discovery.entities


def refused(place: str, config: Mapping[str, Any]) -> str:
    """The reason why what is announced at a place cannot be read, or not all of it."""
    discovery = Discovery(BASE)
    topic = f"homeassistant/{place}/config"
    discovery.update(topic, json.dumps(config).encode())
    return discovery.problems[topic]


def sent(entity: Entity, action: str, value: Value = None) -> list[tuple[str, str]]:
    """Topics and payloads that an action publishes."""
    messages = entity.commands[action](value)
    assert {message.topic for message in messages} <= entity.command_topics
    return [(message.topic, message.payload) for message in messages]


def said(entity: Entity, topic: str, payload: str | Mapping[str, Any]) -> dict[str, Scalar]:
    """What a message tells of a device, by what it is of."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    told = {each.of: each.read(text) for each in entity.readings if each.topic == topic}
    return {of: value for of, value in told.items() if value is not None}


def capabilities(entity: Entity) -> set[str]:
    """Names of what a device can do."""
    able = entity.device.capabilities
    assert able is not None
    return {name for name, value in able if value}
