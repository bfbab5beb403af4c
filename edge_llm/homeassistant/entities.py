"""Lists the sensors that Home Assistant makes of a node's telemetry and of its replies: data and templates.

Fields, device classes and units: https://www.home-assistant.io/integrations/sensor.mqtt/ and
https://www.home-assistant.io/integrations/sensor/#device-class. A template that renders ``None`` makes the
state unknown.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from edge_llm.contract.frames import Quality

MAX_STATE = 255
"""Maximum length of a state in characters."""
_MAX_ATTRIBUTE = 15_000
"""Maximum bytes of a reply's text; the recorder keeps 16,384 bytes of JSON of all attributes together."""
_WORST_CHARACTER = 6
"""Bytes that one character takes in JSON at worst."""


@dataclass(frozen=True)
class Sensor:
    """One field of the telemetry, shown as a sensor.

    ``path`` leads to the field. ``greatest``: the field is a list, and its greatest value is shown.
    ``divisor`` turns the field's unit into ``unit``. A ``hidden`` sensor has to be enabled by its owner.
    ``attributes`` are further fields of the same section.
    """

    key: str
    name: str
    path: str
    unit: str | None = None
    device_class: str | None = None
    state_class: Literal["measurement", "total_increasing"] | None = "measurement"
    precision: int | None = 0
    divisor: int = 1
    diagnostic: bool = True
    hidden: bool = False
    options: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    greatest: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The paths of all fields that the sensor shows."""
        section = self.path.rpartition(".")[0]
        return self.path, *(f"{section}.{name}" for name in self.attributes)

    @property
    def template(self) -> str:
        """The template that makes a state of a telemetry message; a null makes none."""
        field = f"value_json.{self.path}"
        if self.greatest:  # some or all of the list may be null
            return f"{{{{ ({field} or []) | select('number') | max | default(none) }}}}"
        if self.device_class == "timestamp":
            return f"{{{{ {field} if {field} is string else none }}}}"
        if self.divisor == 1:
            return f"{{{{ {field} | default(none) }}}}"
        return f"{{{{ ({field} / {self.divisor}) | round(6) if {field} is number else none }}}}"

    def config(self) -> dict[str, Any]:
        """The sensor's part of the discovery message, without what all sensors share."""
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
            "json_attributes_template": self._attributes_template(),
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _attributes_template(self) -> str | None:
        if not self.attributes:
            return None
        section = self.path.rpartition(".")[0]
        pairs = ", ".join(f"'{name}': value_json.{section}.get('{name}')" for name in self.attributes)
        return f"{{{{ {{{pairs}}} | tojson }}}}"


def _energy(key: str, name: str, path: str) -> Sensor:
    """A total in the unit of the energy dashboard."""
    return Sensor(key, name, path, "kWh", "energy", "total_increasing", 3, 3_600_000, diagnostic=False)


_QUALITIES: tuple[str, ...] = get_args(Quality)
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
        attributes=("source", "method", "reason"),
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
    Sensor("cpu_busiest", "CPU, busiest core", "cpu.per_core_percent", "%", hidden=True, greatest=True),
    Sensor(
        "cpu_frequency", "CPU frequency", "cpu.frequency_mhz", "MHz", "frequency", hidden=True, greatest=True
    ),
    Sensor("cpu_temperature", "CPU temperature", "cpu.temperature_celsius", "°C", "temperature", precision=1),
    Sensor("throttled", "Throttling events", "cpu.throttle_count", None, None, "total_increasing"),
    Sensor("memory", "Memory", "memory.rss_bytes", "MB", "data_size", divisor=_MB),
    Sensor(
        "memory_pss", "Memory, its share", "memory.pss_bytes", "MB", "data_size", divisor=_MB, hidden=True
    ),
    Sensor(
        "memory_anonymous",
        "Memory, its own",
        "memory.anonymous_bytes",
        "MB",
        "data_size",
        divisor=_MB,
        hidden=True,
    ),
    Sensor(
        "memory_mapped",
        "Memory, mapped files",
        "memory.mapped_bytes",
        "MB",
        "data_size",
        divisor=_MB,
        hidden=True,
    ),
    Sensor(
        "memory_shared", "Memory, shared", "memory.shared_bytes", "MB", "data_size", divisor=_MB, hidden=True
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
        attributes=("requested", "mode"),
    ),
    Sensor(
        "boot_time",
        "Host started",
        "boot_time",
        device_class="timestamp",
        state_class=None,
        hidden=True,
    ),
)
NOT_SHOWN = ("v", "node", "seq", "time", "acts")
"""Fields of the telemetry without a sensor: they are about the message, or what few nodes do."""

REPLY_STATE = (
    f"{{{{ (value_json.get('message') or value_json.get('text') or value_json.type)[:{MAX_STATE}] }}}}"
)
"""Template of the state that a terminal frame makes: its words, or why there are none."""
_REPLY_FIELDS = ("id", "session", "type", "code", "finish_reason", "tokens_per_second", "energy")
REPLY_ATTRIBUTES = (
    "{% set text = value_json.get('text') or '' %}"
    f"{{% set whole = text | tojson | length <= {_MAX_ATTRIBUTE} %}}"
    f"{{% set kept = text if whole else text[:{_MAX_ATTRIBUTE // _WORST_CHARACTER}] %}}"
    "{{ {'text': kept, 'cut': kept != text, "
    + ", ".join(f"'{name}': value_json.get('{name}')" for name in _REPLY_FIELDS)
    + ", 'ttft_ms': (value_json.get('timing_ms') or {}).get('ttft')} | tojson }}"
)
"""Template of its attributes: the whole text and its figures, within what the recorder keeps."""
