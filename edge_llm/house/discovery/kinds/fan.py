"""Fans: speed in percent, and modes that have names."""

import math
from collections.abc import Mapping

from edge_llm.contract.house import Capabilities, Range
from edge_llm.house.acts import Value
from edge_llm.house.discovery.entity import STATE, Command, Publish
from edge_llm.house.discovery.parts import Parts, Read, Sender, by_name, is_number, mapped, number, sends_word
from edge_llm.house.discovery.unreadable import Unreadable


def fan(parts: Parts) -> Capabilities:
    """A fan that is switched, with a speed or modes where it has topics for them."""
    options = parts.options
    on, off = options.payload("payload_on", "ON"), options.payload("payload_off", "OFF")
    switch = parts.needed("command_topic", "command_template")
    parts.switches(on, off, switch)
    parts.reads(STATE, "state_topic", "state_value_template", mapped({on: "on", off: "off"}))
    speed: Range | None = None
    with parts.part("speed"):
        speed = _speed(parts, switch, off)
    modes: dict[str, str] = {}
    with parts.part("mode"):
        modes = modes_of(parts, "preset_mode_command_topic", "preset_mode_command_template", "preset_modes")
        parts.reads("mode", "preset_mode_state_topic", "preset_mode_value_template", named(modes))
    return Capabilities(on_off=True, speed=speed, mode=tuple(modes) or None)


def modes_of(parts: Parts, topic: str, template: str, words: str) -> dict[str, str]:
    """The modes that can be set, by the names that they are said with; it adds the command.

    Raises:
        Unreadable: the topic, its template or the words cannot be used.
    """
    sender = parts.sender(topic, template)
    modes = by_name(parts.options.words(words), words) if sender else {}
    if sender and modes:
        parts.commands["mode"] = sends_word(sender, modes)
    return modes


def named(words: Mapping[str, str]) -> Read:
    """Reads a word of a device as the name that it is said with."""
    return mapped({word: name for name, word in words.items()})


def _speed(parts: Parts, switch: Sender, off: str) -> Range | None:
    low, high = (
        round(parts.options.number(f"speed_range_{end}", default))
        for end, default in (("min", 1), ("max", 100))
    )
    if not 0 < low < high:
        raise Unreadable("speed_range_min: it is not above 0 and below speed_range_max")
    steps = high - low + 1
    parts.reads("speed", "percentage_state_topic", "percentage_value_template", _percent(low, steps))
    sender = parts.sender("percentage_command_topic", "percentage_command_template")
    if sender is None:
        return None
    parts.commands["speed"] = _sets_speed(sender, switch, off, low, steps)
    return Range(step=max(1, round(100 / steps, 6)))


def _sets_speed(sender: Sender, switch: Sender, off: str, low: int, steps: int) -> Command:
    def command(value: Value) -> tuple[Publish, ...]:
        if not is_number(value):
            return ()
        if value <= 0:
            return switch(off)
        # A third of a hundred is a speed of three, though its decimals end early.
        return sender(math.ceil(round(min(value, 100) * steps / 100, 3)) + low - 1)

    return command


def _percent(low: int, steps: int) -> Read:
    def read(text: str) -> float | None:
        value = number(text)
        percent = None if value is None else round((value - low + 1) * 100 / steps)
        return percent if percent is not None and 0 <= percent <= 100 else None

    return read
