"""Describes the house: what is exposed to Assist, where it is, and what it can do."""

import re
from collections.abc import Iterable
from typing import Any

from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.const import ATTR_DEVICE_CLASS, ATTR_UNIT_OF_MEASUREMENT
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import intent

from ..const import ASSISTANT
from ..node.wire import CLIENT
from .capabilities import capabilities_of, clean_name

_MAX_DEVICES, _MAX_AREAS, _MAX_FLOORS, _MAX_ALIASES, _MAX_ID = 2000, 200, 50, 20, 255
_CLASS = re.compile(r"[a-z][a-z0-9_]{0,63}")


def exposed(hass: HomeAssistant) -> list[State]:
    """The states of all that is exposed to Assist, in a fixed order."""
    states = (s for s in hass.states.async_all() if async_should_expose(hass, ASSISTANT, s.entity_id))
    return sorted(states, key=lambda state: state.entity_id)


def describe(hass: HomeAssistant, states: Iterable[State], *, with_states: bool = False) -> dict[str, Any]:
    """Describe a house of these entities, as the nodes read it."""
    floors = list(fr.async_get(hass).async_list_floors())[:_MAX_FLOORS]
    areas = list(ar.async_get(hass).async_list_areas())[:_MAX_AREAS]
    floor_ids, area_ids = {floor.floor_id for floor in floors}, {area.id for area in areas}
    devices = [_device(hass, state, area_ids, with_states=with_states) for state in states]
    return {
        "v": 1,
        "source": CLIENT,
        "language": hass.config.language,
        "floors": [
            {
                "id": floor.floor_id,
                "name": clean_name(floor.name) or floor.floor_id,
                **_aliases(floor.aliases),
            }
            for floor in floors
        ],
        "areas": [
            {
                "id": area.id,
                "name": clean_name(area.name) or area.id,
                **({"floor": area.floor_id} if area.floor_id in floor_ids else {}),
                **_aliases(area.aliases),
            }
            for area in areas
        ],
        "devices": devices[:_MAX_DEVICES],
    }


def key(hass: HomeAssistant, state: State) -> tuple[Any, ...]:
    """What of a state the description depends on."""
    attributes = state.attributes
    unit = hass.config.units.temperature_unit
    described = capabilities_of(state.domain, attributes, unit)
    return state.name, attributes.get(ATTR_DEVICE_CLASS), _unit(state), described


def area_of(hass: HomeAssistant, entity_id: str | None, device_id: str | None = None) -> str | None:
    """The id of the area that an entity is in, by itself or by its device."""
    entry = er.async_get(hass).async_get(entity_id) if entity_id else None
    if entry and entry.area_id:
        return entry.area_id
    device_id = entry.device_id if entry and entry.device_id else device_id
    device = dr.async_get(hass).async_get(device_id) if device_id else None
    return dr.async_get_effective_area_id(hass, device) if device else None


def names_of(hass: HomeAssistant, state: State) -> list[str]:
    """What an entity is called, as the wire takes it: its name, and its aliases."""
    entry = er.async_get(hass).async_get(state.entity_id)
    names = map(clean_name, intent.async_get_entity_aliases(hass, entry, state=state))
    return list(dict.fromkeys(filter(None, names))) or [clean_name(state.name) or state.entity_id]


def _aliases(names: Iterable[object]) -> dict[str, Any]:
    cleaned = sorted(filter(None, set(map(clean_name, names))))
    return {"aliases": cleaned[:_MAX_ALIASES]} if cleaned else {}


def _device(hass: HomeAssistant, state: State, area_ids: set[str], *, with_states: bool) -> dict[str, Any]:
    attributes = state.attributes
    entry = er.async_get(hass).async_get(state.entity_id)
    name, *aliases = names_of(hass, state)
    area, device_class = area_of(hass, state.entity_id), str(attributes.get(ATTR_DEVICE_CLASS) or "")
    device = {
        "id": state.entity_id,
        "name": name,
        **_aliases(aliases),
        "kind": state.domain,
        "class": device_class if _CLASS.fullmatch(device_class) else None,
        "area": area if area in area_ids else None,
        "unique_id": str(entry.unique_id)[:_MAX_ID] if entry else None,
        "capabilities": capabilities_of(state.domain, attributes, hass.config.units.temperature_unit),
        "state": _spoken_state(hass, state) if with_states else None,
        "attributes": _unit(state),
    }
    return {key: value for key, value in device.items() if value is not None}


def _unit(state: State) -> dict[str, str] | None:
    unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    return {"unit": str(unit)} if unit else None


def _spoken_state(hass: HomeAssistant, state: State) -> str:
    """The state as it is told: a number as it is displayed, and of a thermostat what it measures."""
    measured = state.attributes.get("current_temperature")
    if measured is not None:
        return f"{state.state}, {measured} {hass.config.units.temperature_unit}"
    try:
        return f"{round(float(state.state), 1):g}"
    except ValueError:
        return state.state[:_MAX_ID]
