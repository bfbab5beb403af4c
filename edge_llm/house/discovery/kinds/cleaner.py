"""Vacuum cleaners and lawn mowers: they start, and go back to their docks."""

import json

from edge_llm.contract.house import Capabilities
from edge_llm.house.discovery.entity import STATE
from edge_llm.house.discovery.parts import Parts, mapped, sends

_VACUUM_STATES = ("cleaning", "docked", "paused", "idle", "returning", "error")
_MOWER_STATES = ("mowing", "docked", "paused", "returning", "error", "idle")
_USUAL_FEATURES = ("start", "stop", "return_home", "status", "battery", "clean_spot")


def vacuum(parts: Parts) -> Capabilities:
    """A vacuum cleaner, whose states are JSON objects."""
    options = parts.options
    features = options.words("supported_features", _USUAL_FEATURES)
    sender = parts.sender("command_topic")
    starts, docks = (sender is not None and feature in features for feature in ("start", "return_home"))
    if sender and starts:
        parts.commands["start"] = sends(sender, options.payload("payload_start", "start"))
    if sender and docks:
        parts.commands["dock"] = sends(sender, options.payload("payload_return_to_base", "return_to_base"))
    parts.reads(STATE, "state_topic", (), _vacuum_state)
    return Capabilities(start=starts, dock=docks)


def _vacuum_state(text: str) -> str | None:
    values = json.loads(text)
    state = values.get("state") if isinstance(values, dict) else None
    return state if state in _VACUUM_STATES else None


def lawn_mower(parts: Parts) -> Capabilities:
    """A lawn mower, with a topic for each command."""
    done: dict[str, bool] = {}
    for action, option in (("start", "start_mowing"), ("dock", "dock")):
        with parts.part(action):
            sender = parts.sender(f"{option}_command_topic", f"{option}_command_template")
            if sender:
                parts.commands[action] = sends(sender, option)
                done[action] = True
    states = {state: state for state in _MOWER_STATES}
    parts.reads(STATE, "activity_state_topic", "activity_value_template", mapped(states))
    return Capabilities(start=done.get("start", False), dock=done.get("dock", False))
