"""Publishes the house, and keeps it true."""

import json
import logging
from typing import Any

from homeassistant.components import mqtt
from homeassistant.components.homeassistant.exposed_entities import (
    async_listen_entity_updates,
    async_should_expose,
)
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import (
    CALLBACK_TYPE,
    CoreState,
    Event,
    EventStateChangedData,
    HomeAssistant,
    callback,
)
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.start import async_at_started
from homeassistant.util.hass_dict import HassKey

from ..const import ASSISTANT, DOMAIN
from .description import describe, exposed, key

_LOGGER = logging.getLogger(__name__)
_COALESCE_S = 5.0
"""Seconds in which several changes are published once."""
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
        # Before Home Assistant has started, the house is not whole yet; while it stops, not any more.
        if self._due is None and self._hass.state is CoreState.running:
            self._due = async_call_later(self._hass, _COALESCE_S, self._async_publish)

    @callback
    def _is_change(self, data: EventStateChangedData) -> bool:
        """Whether an entity comes, goes, or is described differently now."""
        old, new = data["old_state"], data["new_state"]
        same = old and new and old.attributes is new.attributes
        if same or (old and new and key(self._hass, old) == key(self._hass, new)):
            return False
        return async_should_expose(self._hass, ASSISTANT, data["entity_id"])

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
