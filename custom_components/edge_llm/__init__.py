"""edge_llm: a language model in the house, over MQTT, that answers and acts."""

from homeassistant.components import mqtt
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady

from .const import CONF_BASE_TOPIC, CONF_NODE, DOMAIN
from .house.publisher import async_join_house, async_leave_house
from .node.client import EdgeLlmConfigEntry, Node
from .node.wire import Topics

_PLATFORMS = (Platform.AI_TASK, Platform.CONVERSATION)


async def async_setup_entry(hass: HomeAssistant, entry: EdgeLlmConfigEntry) -> bool:
    """Follow a node, describe the house to it, and offer its agents."""
    if not await mqtt.async_wait_for_mqtt_client(hass):
        raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="mqtt_not_ready")
    topics = Topics(entry.data[CONF_BASE_TOPIC], entry.data[CONF_NODE])
    node = entry.runtime_data = Node(hass, topics)
    await node.async_start()
    entry.async_on_unload(node.async_stop)
    entry.async_on_unload(entry.add_update_listener(_async_reload))
    await hass.config_entries.async_forward_entry_setups(entry, _PLATFORMS)
    async_join_house(hass, topics.house, entry.entry_id)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: EdgeLlmConfigEntry) -> bool:
    """End that; the house is taken away with its last node."""
    if not await hass.config_entries.async_unload_platforms(entry, _PLATFORMS):
        return False
    await async_leave_house(hass, entry.runtime_data.topics.house, entry.entry_id)
    return True


async def _async_reload(hass: HomeAssistant, entry: EdgeLlmConfigEntry) -> None:
    """Take a change of the entry or its subentries."""
    await hass.config_entries.async_reload(entry.entry_id)
