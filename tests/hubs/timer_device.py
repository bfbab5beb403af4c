"""A component for the tests' Home Assistant: gives a device timers, as a voice satellite has them."""

import json
from pathlib import Path

DOMAIN = "timer_device"
MANIFEST = {
    "domain": DOMAIN,
    "name": DOMAIN,
    "version": "1",
    "codeowners": [],
    "dependencies": ["intent"],
    "documentation": "",
    "iot_class": "calculated",
}
SOURCE = """
from homeassistant.components.intent import async_register_timer_handler

async def async_setup(hass, config):
    def on_timer(event, timer):
        hass.states.async_set(f"timer_device.{timer.name or 'unnamed'}", event, {"seconds": timer.seconds})

    async def register(call):
        async_register_timer_handler(hass, call.data["device_id"], on_timer)

    hass.services.async_register("timer_device", "register", register)
    return True
"""


def install(directory: Path) -> None:
    """Put it into a configuration directory, whose configuration has to name it."""
    component = directory / "custom_components" / DOMAIN
    component.mkdir()
    (component / "manifest.json").write_text(json.dumps(MANIFEST))
    (component / "__init__.py").write_text(SOURCE)
