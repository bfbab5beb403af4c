"""Publishes the house: what is exposed to Assist, where it is, and what it can do."""

import json
import logging
import re
from collections.abc import Iterable
from typing import Any

from homeassistant.components import mqtt
from homeassistant.components.homeassistant.exposed_entities import (
    async_listen_entity_updates,
    async_should_expose,
)
from homeassistant.const import ATTR_DEVICE_CLASS, ATTR_UNIT_OF_MEASUREMENT, EVENT_STATE_CHANGED
from homeassistant.core import CALLBACK_TYPE, Event, EventStateChangedData, HomeAssistant, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import intent
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.start import async_at_started
from homeassistant.util.hass_dict import HassKey

from .capabilities import capabilities_of, clean_name
from .const import ASSISTANT, DOMAIN
from .wire import CLIENT

_LOGGER = logging.getLogger(__name__)
_COALESCE_S = 5.0
"""Seconds in which several changes are published once."""
_MAX_DEVICES, _MAX_AREAS, _MAX_FLOORS, _MAX_ALIASES, _MAX_ID = 2000, 200, 50, 20, 255
_CLASS = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REGISTRIES = (
    ar.EVENT_AREA_REGISTRY_UPDATED,
    dr.EVENT_DEVICE_REGISTRY_UPDATED,
    er.EVENT_ENTITY_REGISTRY_UPDATED,
    fr.EVENT_FLOOR_REGISTRY_UPDATED,
)


class House:
    """Keeps the retained house on a topic true, for all nodes that read it."""

    def __init__(self, hass: HomeAssistant, topic: str) -> None:
        """Publish nothing yet; see ``async_start``."""
        self._hass = hass
        self._topic = topic
        self._published = ""
        self._due: CALLBACK_TYPE | None = None
        self._unsubscribe: list[CALLBACK_TYPE] = []
        self.entries: set[str] = set()
        """Ids of the config entries that it is for."""

    @callback
    def async_start(self) -> None:
        """Publish it as soon as Home Assistant has started, and again as it changes."""
        hass = self._hass
        self._unsubscribe = [
            async_at_started(hass, self._async_publish_at_start),
            async_listen_entity_updates(hass, ASSISTANT, self._on_change),
            hass.bus.async_listen(EVENT_STATE_CHANGED, self._on_change, self._is_change),
            mqtt.async_subscribe_connection_status(hass, self._on_connection),
            *(hass.bus.async_listen(event, self._on_change) for event in _REGISTRIES),
        ]

    async def async_stop(self) -> None:
        """Stop, and take the house from the broker."""
        while self._unsubscribe:
            self._unsubscribe.pop()()
        if self._due:
            self._due()
        try:
            await mqtt.async_publish(self._hass, self._topic, "", qos=1, retain=True)
        except HomeAssistantError:
            _LOGGER.debug("MQTT has gone: the house stays on the broker")

    async def _async_publish_at_start(self, _: HomeAssistant) -> None:
        await self._async_publish()

    @callback
    def _on_connection(self, connected: bool) -> None:
        """Publish it again: the broker may have lost what it retained."""
        if connected:
            self._published = ""
            self._on_change()

    @callback
    def _on_change(self, _: Event[Any] | None = None) -> None:
        if self._due is None and self._hass.is_running:
            self._due = async_call_later(self._hass, _COALESCE_S, self._async_publish)

    @callback
    def _is_change(self, data: EventStateChangedData) -> bool:
        """Whether an entity comes, goes, or is described differently now."""
        old, new = data["old_state"], data["new_state"]
        same = old and new and old.attributes is new.attributes
        if same or (old and new and self._described(old) == self._described(new)):
            return False
        return async_should_expose(self._hass, ASSISTANT, data["entity_id"])

    def _described(self, state: State) -> tuple[Any, ...]:
        attributes = state.attributes
        unit = self._hass.config.units.temperature_unit
        return (
            state.name,
            attributes.get(ATTR_DEVICE_CLASS),
            attributes.get(ATTR_UNIT_OF_MEASUREMENT),
            capabilities_of(state.domain, attributes, unit),
        )

    async def _async_publish(self, *_: object) -> None:
        self._due = None
        payload = json.dumps(describe(self._hass, exposed(self._hass)), ensure_ascii=False)
        if payload == self._published:
            return
        try:
            await mqtt.async_publish(self._hass, self._topic, payload, qos=1, retain=True)
            self._published = payload
        except HomeAssistantError:
            _LOGGER.debug("MQTT is not there: the house is published when it is again")


_HOUSES: HassKey[dict[str, House]] = HassKey(f"{DOMAIN}_houses")


@callback
def async_join_house(hass: HomeAssistant, topic: str, entry_id: str) -> None:
    """Have the house published on a topic, for one more entry."""
    houses = hass.data.setdefault(_HOUSES, {})
    if topic not in houses:
        houses[topic] = House(hass, topic)
        houses[topic].async_start()
    houses[topic].entries.add(entry_id)


async def async_leave_house(hass: HomeAssistant, topic: str, entry_id: str) -> None:
    """End that for one entry; with the last one the house is taken away."""
    house = hass.data[_HOUSES][topic]
    house.entries.discard(entry_id)
    if not house.entries:
        del hass.data[_HOUSES][topic]
        await house.async_stop()


def exposed(hass: HomeAssistant) -> list[State]:
    """The states of all that is exposed to Assist, in a fixed order."""
    states = (s for s in hass.states.async_all() if async_should_expose(hass, ASSISTANT, s.entity_id))
    return sorted(states, key=lambda state: state.entity_id)


def describe(hass: HomeAssistant, states: Iterable[State], *, with_states: bool = False) -> dict[str, Any]:
    """Describe a house of these entities, as the nodes read it."""
    floors = list(fr.async_get(hass).async_list_floors())[:_MAX_FLOORS]
    areas = list(ar.async_get(hass).async_list_areas())[:_MAX_AREAS]
    floor_ids, area_ids = {floor.floor_id for floor in floors}, {area.id for area in areas}
    devices = [
        device for state in states if (device := _device(hass, state, area_ids, with_states=with_states))
    ]
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


def area_of(hass: HomeAssistant, entity_id: str | None, device_id: str | None = None) -> str | None:
    """The id of the area that an entity is in, by itself or by its device."""
    entry = er.async_get(hass).async_get(entity_id) if entity_id else None
    if entry and entry.area_id:
        return entry.area_id
    device_id = entry.device_id if entry and entry.device_id else device_id
    device = dr.async_get(hass).async_get(device_id) if device_id else None
    return dr.async_get_effective_area_id(hass, device) if device else None


def _aliases(names: Iterable[object], name: str = "") -> dict[str, Any]:
    cleaned = sorted({clean for each in names if (clean := clean_name(each)) and clean != name})
    return {"aliases": cleaned[:_MAX_ALIASES]} if cleaned else {}


def _device(
    hass: HomeAssistant, state: State, area_ids: set[str], *, with_states: bool
) -> dict[str, Any] | None:
    attributes = state.attributes
    entry = er.async_get(hass).async_get(state.entity_id)
    names = [clean_name(each) for each in intent.async_get_entity_aliases(hass, entry, state=state)]
    name = next(filter(None, [*names, clean_name(state.name)]), None)
    if name is None:
        return None
    area, device_class = area_of(hass, state.entity_id), str(attributes.get(ATTR_DEVICE_CLASS) or "")
    device = {
        "id": state.entity_id,
        "name": name,
        **_aliases(names, name),
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
