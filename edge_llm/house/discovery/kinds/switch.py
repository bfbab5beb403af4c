"""Switches and sirens."""

import json

from edge_llm.contract.house import Capabilities
from edge_llm.house.discovery.entity import STATE, Command
from edge_llm.house.discovery.parts import Parts, Sender, mapped, sends

_ON_OFF = Capabilities(on_off=True)


def switch(parts: Parts) -> Capabilities:
    """A switch: two payloads, through a template if there is one."""
    on, off = _payloads(parts)
    parts.switches(on, off, parts.needed("command_topic", "command_template"))
    parts.reads(STATE, "state_topic", "value_template", mapped(_states(parts, on, off)))
    return _ON_OFF


def siren(parts: Parts) -> Capabilities:
    """A siren: without a template its commands are JSON objects with ``state`` in them."""
    on, off = _payloads(parts)
    plain = parts.needed("command_topic")
    whole = parts.needed("command_topic", "command_template", ("state",))
    has_off = "command_off_template" in parts.options
    quiet = parts.needed("command_topic", "command_off_template", ("state",)) if has_off else whole
    parts.commands["on"] = _sounds(plain, whole, on)
    parts.commands["off"] = _sounds(plain, quiet, off)
    states = _states(parts, on, off)
    parts.reads(STATE, "state_topic", "state_value_template", lambda text: states.get(_state(text)))
    return _ON_OFF


def _payloads(parts: Parts) -> tuple[str, str]:
    return parts.options.payload("payload_on", "ON"), parts.options.payload("payload_off", "OFF")


def _states(parts: Parts, on: str, off: str) -> dict[str, str]:
    return {parts.options.payload("state_off", off): "off", parts.options.payload("state_on", on): "on"}


def _sounds(plain: Sender, templated: Sender, state: str) -> Command:
    if templated.template is None:
        return sends(plain, json.dumps({"state": state}, ensure_ascii=False, separators=(",", ":")))
    return lambda _: templated(state, {"state": state})


def _state(text: str) -> str:
    """The state that a message has: in a JSON object, or as it is."""
    values = json.loads(text) if text.startswith("{") else text
    return str(values.get("state")) if isinstance(values, dict) else text
