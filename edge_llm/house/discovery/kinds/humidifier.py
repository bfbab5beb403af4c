"""Humidifiers and dehumidifiers."""

from edge_llm.contract.house import Capabilities, Range
from edge_llm.house.discovery.entity import STATE
from edge_llm.house.discovery.kinds.fan import modes_of, named
from edge_llm.house.discovery.parts import Parts, mapped, number, sends_number
from edge_llm.house.discovery.unreadable import Unreadable


def humidifier(parts: Parts) -> Capabilities:
    """A humidifier that is switched, with the humidity that is wanted and modes."""
    options = parts.options
    on, off = options.payload("payload_on", "ON"), options.payload("payload_off", "OFF")
    parts.switches(on, off, parts.needed("command_topic", "command_template"))
    parts.reads(STATE, "state_topic", "state_value_template", mapped({on: "on", off: "off"}))
    parts.reads("humidity", "target_humidity_state_topic", "target_humidity_state_template", number)
    parts.reads("current_humidity", "current_humidity_topic", "current_humidity_template", number)
    humidity: Range | None = None
    with parts.part("humidity"):
        humidity = _humidity(parts)
    modes: dict[str, str] = {}
    with parts.part("mode"):
        modes = modes_of(parts, "mode_command_topic", "mode_command_template", "modes")
        parts.reads("mode", "mode_state_topic", "mode_state_template", named(modes))
    return Capabilities(on_off=True, humidity=humidity, mode=tuple(modes) or None)


def _humidity(parts: Parts) -> Range | None:
    sender = parts.sender("target_humidity_command_topic", "target_humidity_command_template")
    low, high = parts.options.number("min_humidity", 0), parts.options.number("max_humidity", 100)
    if sender is None:
        return None
    if not 0 <= low < high <= 100:
        raise Unreadable("min_humidity: it is not below max_humidity, or one is no percentage")
    allowed = Range(min=low, max=high)
    parts.commands["humidity"] = sends_number(sender, lambda value: round(allowed.nearest(value)))
    return allowed
