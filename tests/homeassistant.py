"""What Home Assistant's documentation allows in a device discovery message, and how it renders templates.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload,
https://www.home-assistant.io/integrations/{sensor,notify,button,text}.mqtt/ and, for device classes with
their units and state classes, https://www.home-assistant.io/integrations/sensor/#device-class. Compared with
the schemas of `homeassistant` 2026.11.0.
"""

import json
import re
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

MESSAGE = {"device", "origin", "components", "availability"}
DEVICE = {
    "identifiers",
    "connections",
    "manufacturer",
    "model",
    "model_id",
    "name",
    "hw_version",
    "serial_number",
    "sw_version",
    "via_device",
    "suggested_area",
    "configuration_url",
}
ORIGIN = {"name", "sw_version", "support_url"}
ENTITY = {
    "platform",
    "unique_id",
    "default_entity_id",
    "name",
    "icon",
    "entity_category",
    "enabled_by_default",
    "json_attributes_topic",
    "json_attributes_template",
    "qos",
    "encoding",
}
COMMAND = ENTITY | {"command_topic", "command_template", "retain"}
PLATFORMS = {
    "sensor": ENTITY
    | {
        "state_topic",
        "value_template",
        "device_class",
        "state_class",
        "unit_of_measurement",
        "suggested_display_precision",
        "expire_after",
        "force_update",
        "last_reset_value_template",
        "options",
    },
    "notify": COMMAND,
    "button": COMMAND | {"payload_press", "device_class"},
    "text": COMMAND | {"min", "max", "mode", "pattern", "state_topic", "value_template"},
}
REQUIRED = {
    "sensor": "state_topic",
    "notify": "command_topic",
    "button": "command_topic",
    "text": "command_topic",
}
UNITS: dict[str, set[str | None]] = {
    "data_size": {"B", "kB", "MB", "GB", "KiB", "MiB", "GiB"},
    "duration": {"d", "h", "min", "s", "ms", "µs"},
    "energy": {"J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh"},
    "enum": {None},
    "frequency": {"Hz", "kHz", "MHz", "GHz"},
    "power": {"mW", "W", "kW", "MW", "GW", "TW"},
    "temperature": {"°C", "°F", "K"},
    "timestamp": {None},
}
ANY_STATE_CLASS: set[str | None] = {"measurement", "total", "total_increasing"}
STATE_CLASSES: dict[str, set[str | None]] = {
    "data_size": ANY_STATE_CLASS,
    "duration": ANY_STATE_CLASS,
    "energy": {"total", "total_increasing"},
    "enum": {None},
    "frequency": {"measurement"},
    "power": {"measurement"},
    "temperature": {"measurement"},
    "timestamp": {None},
}
TELEMETRY: dict[str, Any] = {
    "v": 1,
    "node": "kitchen-pc",
    "seq": 7,
    "time": "2026-11-25T10:00:00+00:00",
    "boot_time": "2026-11-20T08:00:00+00:00",
    "cpu": {
        "percent": 41.3,
        "per_core_percent": [80.1, 2.5],
        "inference_percent": 80.1,
        "frequency_mhz": [3400.0, 1400.0],
        "temperature_celsius": 61.5,
        "throttle_count": 2,
    },
    "memory": {
        "rss_bytes": 583_212_345,
        "pss_bytes": 570_000_000,
        "anonymous_bytes": 183_212_345,
        "mapped_bytes": 400_000_000,
        "shared_bytes": 0,
        "available_bytes": 7_100_000_000,
        "kv_bytes": 25_165_824,
        "prefix_cache_bytes": 1_048_576,
    },
    "pressure": {"cpu_some_avg10": 1.25, "memory_some_avg10": 0.0, "io_some_avg10": 0.5},
    "power": {
        "package_watts": 12.5,
        "dram_watts": 1.1,
        "service_watts": 7.25,
        "energy_joules_total": 5_400_000.0,
        "quality": "measured",
        "service_quality": "attributed",
        "source": "rapl",
        "method": "powercap",
        "reason": None,
    },
    "llm": {
        "active": 1,
        "queued": 0,
        "requests_total": 12,
        "rejected_total": 1,
        "errors_total": 0,
        "prompt_tokens_total": 900,
        "cached_tokens_total": 400,
        "completion_tokens_total": 350,
        "energy_joules_total": 80.5,
        "tokens_per_second": 31.4,
        "ttft_ms_p50": 141.2,
        "ttft_ms_p95": 420.0,
        "joules_per_token": 0.23,
    },
    "pinning": {"requested": "auto", "effective": "0-1", "mode": "pinned"},
    "acts": None,
}
"""What a node publishes where everything can be read."""
OBJECT_ID = re.compile(r"[a-zA-Z0-9_-]+")
"""What may stand in a discovery topic between ``device/`` and ``/config``."""
MAX_STATE_CHARACTERS = 255
MAX_ATTRIBUTES_BYTES = 16_384
"""Of the recorder: it keeps no attributes above it."""


def check(message: dict[str, Any]) -> None:
    """Hold a device discovery message against the documentation."""
    assert set(message) == MESSAGE
    assert set(message["device"]) <= DEVICE
    assert message["device"]["identifiers"]
    assert set(message["origin"]) <= ORIGIN
    assert message["origin"]["name"]
    assert [set(each) for each in message["availability"]] == [{"topic"}]  # online, offline are the defaults
    components = message["components"].values()
    for field in ("unique_id", "default_entity_id", "name"):
        values = [each[field] for each in components]
        assert len(set(values)) == len(values), field
    for each in components:
        platform = each["platform"]
        assert set(each) <= PLATFORMS[platform], each
        assert REQUIRED[platform] in each, each
        assert re.fullmatch(rf"{platform}\.[a-z0-9_]+", each["default_entity_id"])
        assert each.get("entity_category") in (None, "diagnostic")
        if platform == "sensor":
            _check_sensor(each)
        if platform == "text":
            assert 0 <= each["min"] <= each["max"] <= MAX_STATE_CHARACTERS


def _check_sensor(sensor: dict[str, Any]) -> None:
    device_class, state_class = sensor.get("device_class"), sensor.get("state_class")
    if device_class:
        assert sensor.get("unit_of_measurement") in UNITS[device_class], sensor
        assert state_class in STATE_CLASSES[device_class], sensor
    else:
        assert state_class in {*ANY_STATE_CLASS, None}
    assert (device_class == "enum") == ("options" in sensor), sensor
    assert ("suggested_display_precision" in sensor) <= is_numeric(sensor)
    assert ("json_attributes_template" in sensor) == ("json_attributes_topic" in sensor)


def is_numeric(sensor: dict[str, Any]) -> bool:
    """Whether Home Assistant takes nothing but numbers as the state."""
    return bool(sensor.get("state_class") or sensor.get("unit_of_measurement"))


# StrictUndefined: Home Assistant writes to its log whatever a template uses and a message does not have.
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined)


def render(template: str, payload: bytes | str) -> str:
    """What an MQTT value template makes of a message."""
    compiled = _ENVIRONMENT.from_string(template)
    return compiled.render(value=payload, value_json=json.loads(payload)).strip()


def state(sensor: dict[str, Any], payload: bytes | str) -> str | None:
    """The state that a message gives a sensor; None is unknown."""
    rendered = render(sensor["value_template"], payload)
    if rendered == "None":
        return None
    assert rendered
    assert len(rendered) <= MAX_STATE_CHARACTERS
    if is_numeric(sensor):
        float(rendered)
    if sensor.get("device_class") == "enum":
        assert rendered in sensor["options"]
    return rendered


def attributes(sensor: dict[str, Any], payload: bytes | str) -> dict[str, Any]:
    """The attributes that a message gives a sensor, as small as the recorder wants them."""
    found: dict[str, Any] = json.loads(render(sensor["json_attributes_template"], payload))
    size = len(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode())
    assert size + 500 < MAX_ATTRIBUTES_BYTES  # name, icon and the like are attributes too
    return found
