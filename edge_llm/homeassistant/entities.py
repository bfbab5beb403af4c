"""The sensors that Home Assistant makes of a node's telemetry, and of its replies: data and templates alone.

Fields, device classes and units: https://www.home-assistant.io/integrations/sensor.mqtt/ and
https://www.home-assistant.io/integrations/sensor/#device-class. A template that renders ``None`` makes the
state unknown.
"""

from dataclasses import dataclass
from typing import Any, Literal

MAX_STATE = 255
"""Characters that a state may have."""
_MAX_ATTRIBUTE = 15_000
"""What the recorder keeps of all attributes together is 16,384 bytes of JSON."""
_WORST_CHARACTER = 6
"""Bytes that one character takes in JSON at worst."""


@dataclass(frozen=True)
class Sensor:
    """One figure; ``value`` is its field in the telemetry, or a template of its own.

    ``divisor`` turns the field's unit into ``unit``. One that is ``hidden`` has to be enabled by its owner.
    """

    key: str
    name: str
    value: str
    unit: str | None = None
    device_class: str | None = None
    state_class: Literal["measurement", "total_increasing"] | None = "measurement"
    precision: int | None = 0
    divisor: int = 1
    diagnostic: bool = True
    hidden: bool = False
    options: tuple[str, ...] = ()
    attributes: str | None = None

    @property
    def template(self) -> str:
        """What makes the state of a telemetry message; what is null there has none."""
        if self.value.startswith("{{"):
            return self.value
        field = f"value_json.{self.value}"
        if self.divisor == 1:
            return f"{{{{ {field} | default(none) }}}}"
        return f"{{{{ ({field} / {self.divisor}) | round(6) if {field} is number else none }}}}"

    def config(self) -> dict[str, Any]:
        """Its part of the discovery message, without what all sensors share."""
        fields = {
            "name": self.name,
            "value_template": self.template,
            "unit_of_measurement": self.unit,
            "device_class": self.device_class,
            "state_class": self.state_class,
            "suggested_display_precision": self.precision if self.state_class else None,
            "entity_category": "diagnostic" if self.diagnostic else None,
            "enabled_by_default": False if self.hidden else None,
            "options": list(self.options) or None,
            "json_attributes_template": self.attributes,
        }
        return {name: value for name, value in fields.items() if value is not None}


def _most(field: str) -> str:
    """The greatest of a list, some or all of which may be null."""
    return f"{{{{ (value_json.{field} or []) | select('number') | max | default(none) }}}}"


def _attributes(group: str, *names: str) -> str:
    pairs = ", ".join(f"'{name}': value_json.{group}.get('{name}')" for name in names)
    return f"{{{{ {{{pairs}}} | tojson }}}}"


def _energy(key: str, name: str, field: str) -> Sensor:
    """A total in the unit of the energy dashboard."""
    return Sensor(key, name, field, "kWh", "energy", "total_increasing", 3, 3_600_000, diagnostic=False)


_QUALITIES = ("measured", "attributed", "estimated", "unavailable")
_MB = 10**6

SENSORS = (
    Sensor(
        "package_power", "Package power", "power.package_watts", "W", "power", precision=1, diagnostic=False
    ),
    Sensor(
        "service_power", "Service power", "power.service_watts", "W", "power", precision=1, diagnostic=False
    ),
    Sensor("dram_power", "Memory power", "power.dram_watts", "W", "power", precision=1, hidden=True),
    _energy("energy", "Energy", "power.energy_joules_total"),
    _energy("reply_energy", "Energy of replies", "llm.energy_joules_total"),
    Sensor(
        "power_quality",
        "Power quality",
        "power.quality",
        device_class="enum",
        state_class=None,
        options=_QUALITIES,
        attributes=_attributes("power", "source", "method", "reason"),
    ),
    Sensor(
        "service_power_quality",
        "Service power quality",
        "power.service_quality",
        device_class="enum",
        state_class=None,
        options=_QUALITIES,
        hidden=True,
    ),
    Sensor("tokens_per_second", "Speed", "llm.tokens_per_second", "tokens/s", precision=1, diagnostic=False),
    Sensor("ttft_p50", "Time to first token", "llm.ttft_ms_p50", "ms", "duration", diagnostic=False),
    Sensor("ttft_p95", "Time to first token (95 %)", "llm.ttft_ms_p95", "ms", "duration", diagnostic=False),
    Sensor(
        "joules_per_token",
        "Energy per token",
        "llm.joules_per_token",
        "J/token",
        precision=2,
        diagnostic=False,
    ),
    Sensor("active", "Active requests", "llm.active", diagnostic=False),
    Sensor("queued", "Queued requests", "llm.queued", diagnostic=False),
    Sensor("requests", "Requests", "llm.requests_total", None, None, "total_increasing"),
    Sensor("rejected", "Rejected requests", "llm.rejected_total", None, None, "total_increasing"),
    Sensor("errors", "Failed requests", "llm.errors_total", None, None, "total_increasing"),
    Sensor("prompt_tokens", "Prompt tokens", "llm.prompt_tokens_total", "tokens", None, "total_increasing"),
    Sensor("cached_tokens", "Cached tokens", "llm.cached_tokens_total", "tokens", None, "total_increasing"),
    Sensor(
        "completion_tokens", "Reply tokens", "llm.completion_tokens_total", "tokens", None, "total_increasing"
    ),
    Sensor("cpu", "CPU", "cpu.percent", "%"),
    Sensor("cpu_inference", "CPU, inference cores", "cpu.inference_percent", "%"),
    Sensor("cpu_busiest", "CPU, busiest core", _most("cpu.per_core_percent"), "%", hidden=True),
    Sensor("cpu_frequency", "CPU frequency", _most("cpu.frequency_mhz"), "MHz", "frequency", hidden=True),
    Sensor("cpu_temperature", "CPU temperature", "cpu.temperature_celsius", "°C", "temperature", precision=1),
    Sensor("throttled", "Throttling events", "cpu.throttle_count", None, None, "total_increasing"),
    Sensor("memory", "Memory", "memory.rss_bytes", "MB", "data_size", divisor=_MB),
    Sensor(
        "memory_pss", "Memory, its share", "memory.pss_bytes", "MB", "data_size", divisor=_MB, hidden=True
    ),
    Sensor("memory_available", "Memory available", "memory.available_bytes", "MB", "data_size", divisor=_MB),
    Sensor("kv_memory", "KV cache", "memory.kv_bytes", "MB", "data_size", divisor=_MB, hidden=True),
    Sensor(
        "prefix_memory",
        "Prefix cache",
        "memory.prefix_cache_bytes",
        "MB",
        "data_size",
        divisor=_MB,
        hidden=True,
    ),
    Sensor("pressure_cpu", "CPU pressure", "pressure.cpu_some_avg10", "%", precision=1, hidden=True),
    Sensor("pressure_memory", "Memory pressure", "pressure.memory_some_avg10", "%", precision=1, hidden=True),
    Sensor("pressure_io", "I/O pressure", "pressure.io_some_avg10", "%", precision=1, hidden=True),
    Sensor(
        "inference_cores",
        "Inference cores",
        "pinning.effective",
        state_class=None,
        attributes=_attributes("pinning", "requested", "mode"),
    ),
    Sensor(
        "boot_time",
        "Host started",
        "{{ value_json.boot_time if value_json.boot_time is string else none }}",
        device_class="timestamp",
        state_class=None,
        hidden=True,
    ),
)

REPLY_STATE = (
    f"{{{{ (value_json.get('message') or value_json.get('text') or value_json.type)[:{MAX_STATE}] }}}}"
)
"""The state of a terminal frame: its words, or why there are none."""
_REPLY_FIELDS = ("id", "session", "type", "code", "finish_reason", "tokens_per_second", "energy")
REPLY_ATTRIBUTES = (
    "{% set text = value_json.get('text') or '' %}"
    f"{{% set whole = text | tojson | length <= {_MAX_ATTRIBUTE} %}}"
    f"{{% set kept = text if whole else text[:{_MAX_ATTRIBUTE // _WORST_CHARACTER}] %}}"
    "{{ {'text': kept, 'cut': kept != text, "
    + ", ".join(f"'{name}': value_json.get('{name}')" for name in _REPLY_FIELDS)
    + ", 'ttft_ms': (value_json.get('timing_ms') or {}).get('ttft')} | tojson }}"
)
"""The whole text and its figures, within what the recorder keeps."""
