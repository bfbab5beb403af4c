"""What a report of a problem needs to say, without names and words of the household."""

from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_PROMPT
from homeassistant.core import HomeAssistant

from .house.description import describe, exposed
from .node.client import EdgeLlmConfigEntry

_REDACTED = {CONF_PROMPT}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: EdgeLlmConfigEntry
) -> dict[str, Any]:
    """Describe the node, and count the house: it names no device."""
    node = entry.runtime_data
    house = describe(hass, exposed(hass))
    kinds = [device["kind"] for device in house["devices"]]
    return {
        "entry": async_redact_data(dict(entry.data), _REDACTED),
        "subentries": [
            {"type": subentry.subentry_type, "data": async_redact_data(dict(subentry.data), _REDACTED)}
            for subentry in entry.subentries.values()
        ],
        "online": node.online,
        "info": node.info,
        "house": {
            "language": house["language"],
            "floors": len(house["floors"]),
            "areas": len(house["areas"]),
            "devices": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        },
    }
