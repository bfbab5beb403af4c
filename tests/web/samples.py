"""What a node tells, as the page is shown it: records of the contract, and the house of the demo."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from edge_llm.contract.frames import Done, Energy, TimingMs, Usage
from edge_llm.contract.node import (
    Cpu,
    HouseInfo,
    Info,
    Limits,
    Llm,
    Memory,
    Pinning,
    Power,
    Pressure,
    Telemetry,
)

PINNING = Pinning(requested="2-3", effective="2-3", mode="pinned")
INFO: dict[str, Any] = json.loads(
    Info(
        version="0.1.0",
        node="cupboard",
        protocol="5",
        model="SmolLM2-135M-Instruct",
        architecture="llama",
        quantization="int8",
        bundle_hash="0" * 64,
        limits=Limits(request_bytes=65536, context_tokens=2048, queue=8, requests_per_minute=60, ttl_s=60),
        pinning=PINNING,
        house=HouseInfo(devices=8, areas=3, sources=("discovery",), language="en", ready=True),
    ).encode()
)


def _device(id_: str, area: str, kind: str, state: str, **more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"class": None, "attributes": {}, "available": True, "moved_by_node": True}
    name = id_.partition(".")[2].replace("_", " ").capitalize()
    return {"id": id_, "name": name, "area": area, "kind": kind, "state": state, **known, **more}


HOUSE: dict[str, Any] = {
    "areas": [
        {"id": "kitchen", "name": "Kitchen"},
        {"id": "living_room", "name": "Living room"},
        {"id": "hall", "name": "Hall"},
    ],
    "devices": [
        _device("light.kitchen_light", "kitchen", "light", "off"),
        _device("switch.coffee_maker", "kitchen", "switch", "off"),
        _device("sensor.kitchen_thermometer", "kitchen", "sensor", "21.5", attributes={"unit": "°C"}),
        _device("light.sofa_lamp", "living_room", "light", "on", attributes={"brightness": 40}),
        _device("cover.blinds", "living_room", "cover", "open", attributes={"position": 100}),
        _device("climate.thermostat", "living_room", "climate", "heat", attributes={"temperature": 20.5}),
        _device("lock.front_door_lock", "hall", "lock", "locked"),
        _device("binary_sensor.front_door", "hall", "binary_sensor", "off", **{"class": "door"}),
    ],
}


def house(**states: str) -> dict[str, Any]:
    """The house with other states, by the part of an id behind its dot."""
    changed = deepcopy(HOUSE)
    for device in changed["devices"]:
        device["state"] = states.get(device["id"].partition(".")[2], device["state"])
    return changed


def telemetry(seq: int = 0, watts: float | None = 9.5) -> dict[str, Any]:
    """Figures of a node, other ones for each ``seq``; without ``watts`` it has no meter."""
    reason = None if watts else "no power meter: RAPL is not readable"
    read: dict[str, Any] = json.loads(
        Telemetry(
            node="cupboard",
            seq=seq,
            time=datetime.now(UTC),
            boot_time=datetime(2026, 1, 1, tzinfo=UTC),
            cpu=Cpu(
                percent=20 + seq * 7 % 40,
                per_core_percent=(12, 30, 80 - seq % 30, 64),
                inference_percent=70,
                frequency_mhz=None,
                temperature_celsius=51,
                throttle_count=0,
            ),
            memory=Memory(
                rss_bytes=480_000_000,
                pss_bytes=455_000_000 + seq * 500_000,
                anonymous_bytes=None,
                mapped_bytes=None,
                shared_bytes=None,
                available_bytes=None,
                kv_bytes=0,
                prefix_cache_bytes=0,
            ),
            pressure=Pressure(cpu_some_avg10=0, memory_some_avg10=0, io_some_avg10=0),
            power=Power(
                package_watts=watts and watts + seq * 5 % 8,
                dram_watts=None,
                service_watts=watts and 4.0,
                energy_joules_total=None,
                quality="measured" if watts else "none",
                service_quality="attributed" if watts else "none",
                source="rapl" if watts else None,
                method=None,
                reason=reason,
            ),
            llm=Llm(
                active=0,
                queued=0,
                requests_total=1,
                rejected_total=0,
                errors_total=0,
                prompt_tokens_total=0,
                cached_tokens_total=0,
                completion_tokens_total=0,
                energy_joules_total=None,
                tokens_per_second=None,
                ttft_ms_p50=None,
                ttft_ms_p95=None,
                joules_per_token=None,
            ),
            pinning=PINNING,
        ).encode()
    )
    return read


def done(text: str, **fields: Any) -> dict[str, Any]:
    """The end of a reply."""
    tokens = len(text.split())
    frame = Done(
        id="1",
        node="cupboard",
        seq=9,
        text=text,
        finish_reason="stop",
        model=INFO["model"],
        usage=Usage(prompt_tokens=9, cached_tokens=0, completion_tokens=tokens),
        timing_ms=TimingMs(queue=0, prefill=30, ttft=42, total=1042),
        tokens_per_second=97.4,
        energy=Energy(joules=5.2, quality="attributed"),
    )
    return {**json.loads(frame.encode()), **fields}


def call(intent: str, device: str, /, **arguments: Any) -> dict[str, Any]:
    """A call for one device of the house."""
    return {"id": f"call_{device}", "name": intent, "arguments": arguments, "device_ids": [device]}
