"""What the entities of a node have in common."""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity import Entity

from .const import DOMAIN
from .node.client import Node


class EdgeLlmEntity(Entity):
    """Is there while its node is."""

    _attr_has_entity_name = True
    _attr_name = None
    _attr_should_poll = False

    def __init__(self, node: Node, subentry: ConfigSubentry) -> None:
        """Be one device, as ``subentry`` says."""
        self._node = node
        self._attr_unique_id = subentry.subentry_id
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, subentry.subentry_id)},
            name=subentry.title,
            manufacturer="edge_llm",
            entry_type=DeviceEntryType.SERVICE,
        )

    async def async_added_to_hass(self) -> None:
        """Follow the node."""
        await super().async_added_to_hass()
        self.async_on_remove(async_dispatcher_connect(self.hass, self._node.signal, self._on_node))
        self._attr_available = self._node.online
        self._update_device()

    @callback
    def _on_node(self) -> None:
        self._update_device()
        if self._attr_available != self._node.online:
            self._attr_available = self._node.online
            self.async_write_ha_state()

    @callback
    def _update_device(self) -> None:
        """Show the node's model and version: they come after the entity, and change with the node."""
        if self.device_entry and (info := self._node.info):
            dr.async_get(self.hass).async_update_device(
                self.device_entry.id, model=info.get("model"), sw_version=info.get("version")
            )
