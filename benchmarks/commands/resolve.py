"""Resolves calls to what they mean in a house: an intent, the entities that it is for, and values.

Expected slots and the calls of contenders go through the same rules, so that different words for the same
act are equal:

- ``name`` (a name or a list of alternatives), ``area`` and ``floor`` are compared without case and accents,
  with names, aliases and ids; without any of the three the whole house is meant.
- The name ``all`` is Home Assistant's word for no name.
- ``domain`` and ``device_class`` (one or a list) narrow it further; without a domain the intent has its own.
- HassTurnOn and HassTurnOff of a name are for what can be acted on; of a place without a domain, for what is
  switched on and off there: not for its locks, covers and valves.
- Of several devices of one name those in the speaker's area are meant, if there are any; so it is with
  HassClimateSetTemperature without a place.
- Calls of one intent with the same values are one act for all their entities. 10 is equal to 10.0.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from edge_llm.contract.house import Area, Device, Floor, House
from edge_llm.contract.tools import ToolCall

Slots = Mapping[str, Any]
Act = tuple[str, tuple[tuple[str, float | str], ...]]
"""An intent and its values."""
Acts = dict[Act, frozenset[str]]
"""What is done, and the entities that it is done to."""

SWITCHED = frozenset(
    {"climate", "fan", "humidifier", "input_boolean", "light", "media_player", "remote", "siren", "switch"}
    | {"water_heater"}
)
"""Domains that "everything in the kitchen" is about."""
_ACTED_ON = SWITCHED | {
    "automation",
    "button",
    "cover",
    "input_button",
    "lock",
    "scene",
    "script",
    "vacuum",
    "valve",
}
_MEDIA = frozenset({"media_player"})
_VACUUM = frozenset({"vacuum"})
DOMAINS: Mapping[str, frozenset[str]] = {
    "HassTurnOn": _ACTED_ON,
    "HassTurnOff": _ACTED_ON,
    "HassLightSet": frozenset({"light"}),
    "HassClimateSetTemperature": frozenset({"climate", "water_heater"}),
    "HassSetPosition": frozenset({"cover", "valve"}),
    "HassStopMoving": frozenset({"cover", "valve"}),
    "HassSetVolume": _MEDIA,
    "HassSetVolumeRelative": _MEDIA,
    "HassMediaPause": _MEDIA,
    "HassMediaUnpause": _MEDIA,
    "HassMediaNext": _MEDIA,
    "HassMediaPrevious": _MEDIA,
    "HassMediaPlayerMute": _MEDIA,
    "HassMediaPlayerUnmute": _MEDIA,
    "HassMediaSearchAndPlay": _MEDIA,
    "HassVacuumStart": _VACUUM,
    "HassVacuumReturnToBase": _VACUUM,
    "HassVacuumCleanArea": _VACUUM,
    "HassFanSetSpeed": frozenset({"fan"}),
    "HassHumidifierSetpoint": frozenset({"humidifier"}),
    "HassHumidifierMode": frozenset({"humidifier"}),
    "HassListAddItem": frozenset({"todo"}),
    "HassListCompleteItem": frozenset({"todo"}),
    "HassShoppingListAddItem": frozenset({"todo"}),
    "HassShoppingListCompleteItem": frozenset({"todo"}),
}
"""Intents about devices, and the domains of those."""
ASKS = frozenset({"HassGetState", "GetLiveContext", "GetDateTime", "HassClimateGetTemperature", "query"})
"""Calls that change nothing."""
_OTHER_NAMES = {
    "HassOpenCover": "HassTurnOn",
    "HassCloseCover": "HassTurnOff",
    "HassShoppingListAddItem": "HassListAddItem",
    "HassShoppingListCompleteItem": "HassListCompleteItem",
}
_PLACES = ("name", "area", "floor")
_NO_VALUES = frozenset({*_PLACES, "domain", "device_class", "state", "is_volume_muted"})


@dataclass(frozen=True)
class Home:
    """A house to measure in; ``same`` gives for ids that stand there twice the one that they count as."""

    house: House
    same: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def areas(self) -> Mapping[str, Area]:
        """Areas by id."""
        return {area.id: area for area in self.house.areas}

    @cached_property
    def floors(self) -> Mapping[str, Floor]:
        """Floors by id."""
        return {floor.id: floor for floor in self.house.floors}

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of all devices."""
        return frozenset(device.id for device in self.house.devices)

    def entity(self, device_id: str) -> str:
        """Return the entity that a device's id counts as."""
        return self.same.get(device_id, device_id)


def fold(text: str) -> str:
    """Return a name without case, accents, and white space around it."""
    bare = unicodedata.normalize("NFKD", " ".join(text.split()).casefold())
    return "".join(character for character in bare if not unicodedata.combining(character))


def resolve(home: Home, calls: Iterable[tuple[str, Slots]], context_area: str | None = None) -> Acts:
    """Return what expected calls mean, without those that only ask."""
    return _merged((intent, slots, entities(home, intent, slots, context_area)) for intent, slots in calls)


def resolve_calls(home: Home, calls: Iterable[ToolCall], context_area: str | None = None) -> Acts:
    """Return what the calls of a contender mean: those with ``device_ids`` are for these devices."""
    return _merged((call.name, call.arguments, targets(home, call, context_area)) for call in calls)


def targets(home: Home, call: ToolCall, context_area: str | None) -> frozenset[str]:
    """Return the entities that a contender's call is for."""
    if call.device_ids:
        return frozenset(map(home.entity, call.device_ids))
    return entities(home, call.name, call.arguments, context_area)


def exists(home: Home, call: ToolCall, context_area: str | None) -> bool:
    """Tell whether what a call names is in the house; one that is not about devices names nothing."""
    if call.device_ids:
        return home.ids.issuperset(call.device_ids)
    return call.name not in DOMAINS or bool(entities(home, call.name, call.arguments, context_area))


def entities(home: Home, intent: str, slots: Slots, context_area: str | None) -> frozenset[str]:
    """Return the entities that an intent with these slots is for."""
    named, placed = bool(_alternatives(slots.get("name"))), any(slots.get(place) for place in _PLACES)
    domains = _words(slots.get("domain")) or DOMAINS.get(intent, _ACTED_ON)
    if intent in ("HassTurnOn", "HassTurnOff") and not (
        named or slots.get("domain") or slots.get("device_class")
    ):
        domains = SWITCHED
    found = [device for device in home.house.devices if _fits(home, device, slots, domains)]
    if context_area and (named or (intent == "HassClimateSetTemperature" and not placed)):
        here = [device for device in found if _is_in(home, device, (context_area,))]
        found = here or found
    return frozenset(home.entity(device.id) for device in found)


def _fits(home: Home, device: Device, slots: Slots, domains: Iterable[str]) -> bool:
    classes = _words(slots.get("device_class"))
    names, areas, floors = (_alternatives(slots.get(place)) for place in _PLACES)
    return (
        device.kind in domains
        and (not classes or device.device_class in classes)
        and (not names or _called(device, names))
        and (not areas or _is_in(home, device, areas))
        and (not floors or _is_on(home, device, floors))
    )


def _is_in(home: Home, device: Device, areas: Sequence[str]) -> bool:
    return device.area is not None and _called(home.areas[device.area], areas)


def _is_on(home: Home, device: Device, floors: Sequence[str]) -> bool:
    floor = home.areas[device.area].floor if device.area is not None else None
    return floor is not None and _called(home.floors[floor], floors)


def _called(thing: Device | Area | Floor, names: Sequence[str]) -> bool:
    own = {fold(name) for name in (thing.id, thing.name, *thing.aliases)}
    return any(fold(name) in own for name in names)


def _alternatives(value: Any) -> tuple[str, ...]:
    """Names of a slot: one or several."""
    given = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(name) for name in given if name and name != "all")


def _words(value: Any) -> frozenset[str]:
    return frozenset(fold(word) for word in _alternatives(value))


def _merged(acts: Iterable[tuple[str, Slots, frozenset[str]]]) -> Acts:
    merged: Acts = {}
    for name, slots, ids in acts:
        if name in ASKS:
            continue
        intent = _OTHER_NAMES.get(name, name)
        values = tuple(sorted((key, _value(slots[key])) for key in slots if key not in _NO_VALUES))
        merged[intent, values] = merged.get((intent, values), frozenset()) | ids
    return merged


def _value(value: Any) -> float | str:
    """Return a value to compare: a number as a float, all else as folded text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return fold(str(value))
