"""Covers and valves: they open, close and stop, and most go to a position; tilting is not read."""

import json
from collections.abc import Mapping
from typing import Any

from edge_llm.contract.house import Capabilities, Range, Scalar
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import STATE, Command, Publish
from edge_llm.house.discovery.parts import Parts, Read, Sender, is_number, mapped, number, reader, sends
from edge_llm.house.discovery.unreadable import Unreadable

_ENDS = ("position_open", "position_closed")
_SET_NAMES = ("position", *_ENDS, "tilt_min", "tilt_max")
_MOVES = {"open": "OPEN", "close": "CLOSE", "stop": "STOP"}


def cover(parts: Parts) -> Capabilities:
    """A cover: it has commands for the ways that have a payload, and a position where that has a topic."""
    moves = _moves(parts, parts.sender("command_topic"), _MOVES)
    scale = _Scale(parts)
    position = False
    with parts.part("position"):
        sender = parts.sender("set_position_topic", "set_position_template", _SET_NAMES)
        position = sender is not None
        if sender:
            parts.commands["position"] = _sets_position(sender, scale, plain=False)
    if position and not {"open", "close"} <= moves:
        # Its ends are positions like others.
        go = parts.commands["position"]
        parts.commands = {"open": lambda _: go(100), "close": lambda _: go(0)} | parts.commands
    _read_cover(parts, scale)
    return _capabilities(parts, "stop" in moves, position)


def valve(parts: Parts) -> Capabilities:
    """A valve: with ``reports_position`` its one topic takes positions, else words."""
    options = parts.options
    sender = parts.needed("command_topic", "command_template", _SET_NAMES)
    scale = _Scale(parts)
    moves = _moves(parts, sender, {"stop": None})
    position = options.flag("reports_position", default=False)
    if position:
        go = parts.commands["position"] = _sets_position(sender, scale, plain=True)
        parts.commands |= {"open": lambda _: go(100), "close": lambda _: go(0)}
    else:
        moves |= _moves(parts, sender, {"open": "OPEN", "close": "CLOSE"})
    words = {
        options.payload("state_opening", "opening"): "opening",
        options.payload("state_closing", "closing"): "closing",
    }
    if not position:
        words |= {
            options.payload("state_open", "open"): "open",
            options.payload("state_closed", "closed"): "closed",
        }

    def state(text: str) -> Scalar:
        values = _object(text)
        word = text if values is None else str(values.get("state"))
        return words.get(word) or (position and _open_or_closed(_percent(values, text, scale))) or None

    parts.reads(STATE, "state_topic", "value_template", state, scale.names)
    if position:
        read: Read = lambda text: _percent(_object(text), text, scale)  # noqa: E731 - the line above has its like
        parts.reads("position", "state_topic", "value_template", read, scale.names)
    return _capabilities(parts, "stop" in moves, position)


class _Scale:
    """Positions of a device, whose range may be the other way round."""

    def __init__(self, parts: Parts) -> None:
        self._open, self._closed = (
            parts.options.number(end, default) for end, default in zip(_ENDS, (100, 0), strict=True)
        )
        if self._open == self._closed:
            raise Unreadable("position_open: it is position_closed, too")
        self.names = {"position_open": round(self._open), "position_closed": round(self._closed)}

    def of_percent(self, percent: float) -> int:
        return round(self._closed + percent / 100 * (self._open - self._closed))

    def percent(self, position: float) -> int:
        share = (position - self._closed) / (self._open - self._closed)
        return max(0, min(100, round(share * 100)))


def _moves(parts: Parts, sender: Sender | None, defaults: Mapping[str, str | None]) -> set[str]:
    """Add the commands whose payload is not null; returns which."""
    found: set[str] = set()
    for move, default in defaults.items():
        name = f"payload_{move}"
        payload = None if parts.options.is_null(name) else parts.options.text(name, default)
        if sender and payload is not None:
            parts.commands[move] = sends(sender, payload)
            found.add(move)
    return found


def _sets_position(sender: Sender, scale: _Scale, *, plain: bool) -> Command:
    extra: dict[str, Any] = {} if plain else {"tilt_min": 0, "tilt_max": 100}

    def command(value: Value) -> tuple[Publish, ...]:
        if not is_number(value):
            return ()
        percent = round(max(0, min(100, value)))
        return sender(scale.of_percent(percent), {"position": percent, **scale.names, **extra})

    return command


def _capabilities(parts: Parts, stops: bool, position: bool) -> Capabilities:  # noqa: FBT001 - two capabilities
    both = {"open", "close"} <= parts.commands.keys()
    if not both:
        parts.commands.pop("open", None)
        parts.commands.pop("close", None)
    return Capabilities(open_close=both, stop=stops, position=Range() if position else None)


def _read_cover(parts: Parts, scale: _Scale) -> None:
    options = parts.options
    states = ("open", "closed", "opening", "closing", "stopped")
    words = {options.payload(f"state_{state}", state): state for state in reversed(states)}
    positions = _positions(parts, scale)
    if positions:
        parts.reads("position", "position_topic", (), positions)
    if "state_topic" not in options:
        if positions:
            parts.reads(STATE, "position_topic", (), lambda text: _open_or_closed(positions(text)))
        return
    # A cover that has stopped is open, or closed if it is at its end: the same message may say so.
    same = positions if options.raw("position_topic") == options.raw("state_topic") else None
    with parts.part(STATE):
        word = reader(parts.value_template("value_template"), mapped(words))

        def state(text: str) -> Scalar:
            said = word(text)
            return (_open_or_closed(same(text)) if same and said == "stopped" else None) or said

        parts.reads(STATE, "state_topic", (), state)


def _positions(parts: Parts, scale: _Scale) -> Read | None:
    """What reads the position of a message; None where the cover tells none."""
    with parts.part("position"):
        if "position_topic" in parts.options:
            template = parts.value_template("position_template", scale.names)
            return reader(template, lambda text: _percent(_object(text), text, scale), scale.names)
    return None


def _object(text: str) -> dict[str, Any] | None:
    values = json.loads(text) if text.startswith("{") else None
    return values if isinstance(values, dict) else None


def _percent(values: dict[str, Any] | None, text: str, scale: _Scale) -> int | None:
    position = number(str(values["position"] if values is not None else text))
    return None if position is None else scale.percent(position)


def _open_or_closed(percent: Scalar) -> str | None:
    return None if percent is None else "closed" if percent == 0 else "open"
