"""Sensors and events: states that are read, and nothing to command."""

import json

from edge_llm.contract.house import Capabilities
from edge_llm.house.discovery.entity import STATE
from edge_llm.house.discovery.parts import Parts, mapped, state
from edge_llm.house.discovery.unreadable import Unreadable

_NOTHING = Capabilities()


def sensor(parts: Parts) -> Capabilities:
    """A sensor, whose state is what it measures, as text."""
    _need_state(parts)
    parts.reads(STATE, "state_topic", "value_template", state)
    return _NOTHING


def binary_sensor(parts: Parts) -> Capabilities:
    """A sensor that is on or off."""
    _need_state(parts)
    options = parts.options
    words = {options.payload("payload_off", "OFF"): "off", options.payload("payload_on", "ON"): "on"}
    parts.reads(STATE, "state_topic", "value_template", mapped(words))
    return _NOTHING


def event(parts: Parts) -> Capabilities:
    """Something that happens: its state is the kind of what happened last."""
    _need_state(parts)
    types = frozenset(parts.options.words("event_types"))

    def happened(text: str) -> str | None:
        values = json.loads(text)
        kind = values.get("event_type") if isinstance(values, dict) else None
        return state(kind) if isinstance(kind, str) and kind in types else None

    parts.reads(STATE, "state_topic", "value_template", happened)
    return _NOTHING


def _need_state(parts: Parts) -> None:
    if "state_topic" not in parts.options:
        raise Unreadable("state_topic: it is missing")
