"""A house of fixtures for measurements: the services ``build`` and ``set`` make it and set its states."""

from collections.abc import Mapping
from typing import Any

from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers.entity_component import DATA_INSTANCES
from homeassistant.helpers.typing import ConfigType

from .entities import KINDS, Fixture

DOMAIN = "fixture_house"
_ASSISTANT = "conversation"


async def async_setup(hass: HomeAssistant, _: ConfigType) -> bool:
    """Offer both services."""
    house = House(hass)
    hass.services.async_register(DOMAIN, "build", house.async_build)
    hass.services.async_register(DOMAIN, "set", house.async_set)
    return True


class House:
    """The one house that there is."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin with an empty one."""
        self._hass = hass
        self._entities: dict[str, Fixture] = {}

    async def async_build(self, call: ServiceCall) -> None:
        """Replace it by ``floors``, ``areas`` and ``devices``, which have ``states``; expose all of it."""
        await self._async_clear()
        floors, areas = fr.async_get(self._hass), ar.async_get(self._hass)
        made = {floor["id"]: floors.async_create(floor["name"]).floor_id for floor in call.data["floors"]}
        ids = {
            area["id"]: areas.async_create(area["name"], floor_id=made.get(area.get("floor"))).id
            for area in call.data["areas"]
        }
        for device in call.data["devices"]:
            await self._async_add(device, call.data["states"][device["id"]], ids.get(device.get("area")))

    async def _async_add(self, device: Mapping[str, Any], state: Mapping[str, Any], area: str | None) -> None:
        entity_id, kind = device["id"], device["kind"]
        entity = self._entities[entity_id] = KINDS[kind](entity_id, device["name"], state)
        await self._hass.data[DATA_INSTANCES][kind].async_add_entities([entity])
        er.async_get(self._hass).async_update_entity(entity_id, area_id=area)
        async_expose_entity(self._hass, _ASSISTANT, entity_id, True)

    async def _async_clear(self) -> None:
        for entity_id in self._entities:
            er.async_get(self._hass).async_remove(entity_id)  # which removes the entity, too
        self._entities = {}
        await self._hass.async_block_till_done()
        for area in list(ar.async_get(self._hass).async_list_areas()):
            ar.async_get(self._hass).async_delete(area.id)
        for floor in list(fr.async_get(self._hass).async_list_floors()):
            fr.async_get(self._hass).async_delete(floor.floor_id)

    async def async_set(self, call: ServiceCall) -> None:
        """Set the ``states`` of its entities, by their ids."""
        for entity_id, state in call.data["states"].items():
            self._entities[entity_id].take(state)
            self._entities[entity_id].async_write_ha_state()
