"""Buttons, scenes, selections and numbers: one topic, and one thing to say on it."""

from edge_llm.contract.house import Capabilities, Range
from edge_llm.house.discovery.entity import STATE
from edge_llm.house.discovery.kinds.fan import named
from edge_llm.house.discovery.parts import Parts, by_name, number, sends, sends_number, sends_word
from edge_llm.house.discovery.unreadable import Unreadable

_SETTABLE = ("temperature", "humidity")
"""Classes of numbers that can be set: a house has no way of saying what another number would be of."""


def button(parts: Parts) -> Capabilities:
    """A button that is pressed by one message."""
    sender = parts.needed("command_topic", "command_template")
    parts.commands["press"] = sends(sender, parts.options.payload("payload_press", "PRESS"))
    return Capabilities(press=True)


def scene(parts: Parts) -> Capabilities:
    """A scene that is activated by one message."""
    sender = parts.needed("command_topic")
    parts.commands["activate"] = sends(sender, parts.options.payload("payload_on", "ON"))
    return Capabilities(activate=True)


def select(parts: Parts) -> Capabilities:
    """A choice among options, of which its state is one."""
    options = by_name(parts.options.words("options"), "options")
    sender = parts.needed("command_topic", "command_template")
    if not options:
        raise Unreadable("options: there is none")
    parts.commands["option"] = sends_word(sender, options)
    parts.reads(STATE, "state_topic", "value_template", named(options))
    parts.reads("option", "state_topic", "value_template", named(options))
    return Capabilities(option=tuple(options))


def number_(parts: Parts) -> Capabilities:
    """A number: it can be set where it is a temperature or a humidity, and else only read."""
    parts.reads(STATE, "state_topic", "value_template", number)
    of = parts.options.text("device_class")
    if of not in _SETTABLE:
        return Capabilities()
    sender = parts.needed("command_topic", "command_template")
    low, high = parts.options.number("min", 1), parts.options.number("max", 100)
    step = parts.options.number("step", 1)
    if not low < high or step <= 0:
        raise Unreadable("min: it is not below max, or step is not above 0")
    unit = (parts.options.text("unit_of_measurement") or "%")[:16]
    allowed = Range(min=low, max=high, step=step, unit=unit)

    def as_device_has_it(value: float) -> float:
        nearest = allowed.nearest(value)
        return int(nearest) if nearest.is_integer() else nearest

    parts.commands[of] = sends_number(sender, as_device_has_it)
    parts.reads(of, "state_topic", "value_template", number)
    return Capabilities(temperature=allowed) if of == "temperature" else Capabilities(humidity=allowed)
