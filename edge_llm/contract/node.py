"""Version 1 of the MQTT contract: what a node says of itself, info and telemetry."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict

from edge_llm.contract.frames import Payload, Quality
from edge_llm.contract.requests import VERSION


class Limits(Payload):
    """What a request may ask for."""

    request_bytes: int
    context_tokens: int
    queue: int
    requests_per_minute: float
    ttl_s: float


class Pinning(Payload):
    """Where inference was to run, and where its threads may run in fact: lists of CPUs, as 2-5,8."""

    model_config = ConfigDict(from_attributes=True)

    requested: str
    effective: str
    mode: Literal["pinned", "none", "denied"]


class Info(Payload):
    """The node, as retained on its info topic."""

    v: int = VERSION
    version: str
    release: str | None = None
    node: str
    protocol: str
    pool: str | None = None
    model: str
    architecture: str
    quantization: str
    bundle_hash: str
    limits: Limits
    pinning: Pinning


class _Part(Payload):
    model_config = ConfigDict(from_attributes=True)


class Cpu(_Part):
    """Percentages are of the time since the telemetry before: of all CPUs, of each, of those of inference."""

    percent: float | None
    per_core_percent: tuple[float, ...]
    inference_percent: float | None
    frequency_mhz: tuple[float, ...] | None
    temperature_celsius: float | None
    throttle_count: int | None
    """How often the hardware has slowed itself down for heat since the machine was started."""


class Memory(_Part):
    """The node's process, and what the machine has left."""

    rss_bytes: int | None
    pss_bytes: int | None
    available_bytes: int | None
    kv_bytes: int
    prefix_cache_bytes: int


class Pressure(_Part):
    """Percent of the last 10 s in which something waited for it: the kernel's pressure stall information."""

    cpu_some_avg10: float | None
    memory_some_avg10: float | None
    io_some_avg10: float | None


class Power(_Part):
    """Watts are means since the telemetry before; ``reason`` says why some are null."""

    package_watts: float | None
    """What ``source`` covers: the processor's packages, the battery's load, or all behind a plug."""
    dram_watts: float | None
    service_watts: float | None
    """The node's part of ``package_watts`` above the idle machine's, by processor time."""
    energy_joules_total: float | None
    """``package_watts`` over time since the node began; without the times that could not be read."""
    quality: Quality
    """Of ``package_watts``, ``dram_watts`` and the total."""
    service_quality: Quality
    """Of ``service_watts``."""
    source: str | None
    method: str | None
    reason: str | None


class Llm(_Part):
    """Totals since the node began; the others are of the last 100 replies."""

    active: int
    queued: int
    requests_total: int
    rejected_total: int
    errors_total: int
    prompt_tokens_total: int
    cached_tokens_total: int
    completion_tokens_total: int
    energy_joules_total: float | None
    """Of all replies that were measured."""
    tokens_per_second: float | None
    ttft_ms_p50: float | None
    ttft_ms_p95: float | None
    joules_per_token: float | None


class Telemetry(_Part):
    """Published each ``telemetry.period_s``; what cannot be read is null, never 0."""

    v: int = VERSION
    node: str
    seq: int
    time: datetime
    boot_time: datetime
    """When the machine was started."""
    cpu: Cpu
    memory: Memory
    pressure: Pressure
    power: Power
    llm: Llm
    pinning: Pinning

    def encode(self) -> bytes:
        """The payload: JSON with its nulls."""
        return self.model_dump_json().encode()
