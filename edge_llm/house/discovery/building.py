"""Builds the device that a component is."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import ValidationError

from edge_llm.contract.house import MAX_ID, Capabilities, Device
from edge_llm.house.actions import actions_of
from edge_llm.house.discovery import abbreviations
from edge_llm.house.discovery.config import Component
from edge_llm.house.discovery.entity import AVAILABLE, Entity
from edge_llm.house.discovery.kinds import (
    cleaner,
    climate,
    cover,
    fan,
    humidifier,
    light,
    lock,
    sensor,
    simple,
    switch,
)
from edge_llm.house.discovery.options import Options, is_unicode
from edge_llm.house.discovery.parts import Parts, mapped, reader, template_of
from edge_llm.house.discovery.topics import Reserved
from edge_llm.house.discovery.unreadable import Unreadable

KINDS: Mapping[str, Callable[[Parts], Capabilities]] = {
    "binary_sensor": sensor.binary_sensor,
    "button": simple.button,
    "climate": climate.climate,
    "cover": cover.cover,
    "event": sensor.event,
    "fan": fan.fan,
    "humidifier": humidifier.humidifier,
    "lawn_mower": cleaner.lawn_mower,
    "light": light.light,
    "lock": lock.lock,
    "number": simple.number_,
    "scene": simple.scene,
    "select": simple.select,
    "sensor": sensor.sensor,
    "siren": switch.siren,
    "switch": switch.switch,
    "vacuum": cleaner.vacuum,
    "valve": cover.valve,
    "water_heater": climate.water_heater,
}
"""Media players are not here: MQTT discovery has none."""
_OPTION_NAMES = frozenset(abbreviations.OPTIONS.values())
_OF_BRIDGE = "/bridge/request/"
"""In command topics of zigbee2mqtt itself: it restarts, or lets devices join. Not marked as settings."""
_Availability = Literal["all", "any", "latest"]


@dataclass(frozen=True, slots=True)
class Built:
    """A device, and the reasons of what could not be read of it."""

    entity: Entity
    problems: tuple[str, ...]


def reason_to_leave_out(component: Component) -> str | None:
    """Why a component is no device of the house, though nothing is wrong with it; None if it is one."""
    if component.kind not in KINDS:
        return "a kind that a house has not"
    options = component.options
    if options.get("entity_category") is not None:
        return "configuration or diagnostics of a device"
    if _OF_BRIDGE in str(options.get("command_topic")):
        return "zigbee2mqtt itself"
    if options.get("enabled_by_default") in (False, "false", "False", "off", "no", 0):
        return "not enabled by default"
    return None


def build(component: Component, reserved: Reserved) -> Built:
    """The device that a component is.

    Raises:
        Unreadable: there is nothing that it can do or tell.
    """
    options = Options(component.options)
    if (options.text("encoding") or "utf-8").lower().replace("_", "-") not in ("utf-8", "utf8"):
        raise Unreadable("encoding: only UTF-8 is read")
    for name, value in component.options.items():
        if name.endswith("topic"):
            reserved.refuse_own(value, name if name in _OPTION_NAMES else "a topic")
    parts = Parts(options, reserved)
    capabilities = KINDS[component.kind](parts)
    availability = _read_availability(parts, component)
    states = [reading for reading in parts.readings if reading.of != AVAILABLE]
    if not parts.commands and not states:
        raise Unreadable("; ".join(parts.problems) or "it has neither commands nor states")
    device = _device(component, options, capabilities)
    wanted = {action.id for action in actions_of(device) if not action.step}
    commands = {name: command for name, command in parts.commands.items() if name in wanted}
    entity = Entity(
        device=device,
        area=component.area,
        commands=commands,
        command_topics=frozenset(parts.command_topics) if commands else frozenset(),
        readings=tuple(parts.readings),
        fingerprint=_fingerprint(component, options),
        availability=availability,
    )
    return Built(entity, tuple(parts.problems))


def _fingerprint(component: Component, options: Options) -> str:
    """Digest of the kind, the class, and every option that was read to make a command."""
    decides = [
        component.kind,
        str(component.options.get("device_class"))[:MAX_ID],
        sorted(options.used.items()),
    ]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _device(component: Component, options: Options, capabilities: Capabilities) -> Device:
    unique_id = options.raw("unique_id")
    unit = options.raw("unit_of_measurement")
    of_class = options.raw("device_class")
    fields: dict[str, Any] = {
        "id": component.id,
        "name": component.name,
        "kind": component.kind,
        "class": of_class if isinstance(of_class, str) and _is_kind(of_class) else None,
        "unique_id": _identifier(unique_id),
        "capabilities": capabilities,
        "attributes": {"unit": unit[:16]} if isinstance(unit, str) and unit.isprintable() else {},
    }
    try:
        return Device.model_validate(fields)
    except ValidationError:
        raise Unreadable("name: no house can have it") from None


def _is_kind(text: str) -> bool:
    return text.isidentifier() and text.isascii() and text.islower() and len(text) <= 64 and text[0] != "_"


def _identifier(value: Any) -> str | None:
    if not isinstance(value, str | int) or not value:
        return None
    text = str(value)
    return text if len(text) <= MAX_ID and is_unicode(text) else None


def _read_availability(parts: Parts, component: Component) -> _Availability:
    """Add the readings that say whether the device is there; returns what they mean together."""
    options = parts.options
    if "availability_topic" in options:
        with parts.part(AVAILABLE):
            _read_one(parts, Options(component.options), "availability_topic", "availability_template")
    for each in options.raw("availability") or ():
        with parts.part(AVAILABLE):
            _read_one(parts, Options(each), "topic", "value_template")
    mode = options.raw("availability_mode")
    return mode if mode in get_args(_Availability) else "latest"


def _read_one(parts: Parts, options: Options, topic: str, template: str) -> None:
    there = options.payload("payload_available", "online")
    gone = options.payload("payload_not_available", "offline")
    found = template_of(options.raw(template), template)
    parts.add_reading(AVAILABLE, options, topic, reader(found, mapped({gone: False, there: True})))
