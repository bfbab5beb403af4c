"""The part of `edge-llm doctor` on what telemetry can read here, and on what to do where it cannot."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from edge_llm.config import TelemetrySettings
from edge_llm.host.power.choose import choose_source, survey
from edge_llm.host.power.rapl import UDEV_RULE
from edge_llm.host.pressure import read_pressure
from edge_llm.host.usage import read_temperature, read_throttle_count, throttle_files

_UDEV_FILE = "/etc/udev/rules.d/70-edge-llm-rapl.rules"


def report_sensors(settings: TelemetrySettings, root: Path = Path("/")) -> dict[str, Any]:
    """Temperature, pressure and power, for the report as JSON."""
    frequencies = [each.current for each in psutil.cpu_freq(percpu=True) or ()]
    source = choose_source(settings, root)
    return {
        "sensors": {
            "temperature_celsius": read_temperature(),
            "frequency_mhz": round(max(frequencies)) if frequencies else None,
            "throttle_count": read_throttle_count(throttle_files(root)),
        },
        "pressure": asdict(read_pressure(root)),
        "power": {
            "source": source.name,
            "method": source.method,
            "quality": source.quality if source.name else "unavailable",
            "sensors": {
                name: {
                    "available": not isinstance(found, str),
                    "reason": found if isinstance(found, str) else None,
                }
                for name, found in survey(root).items()
            },
        },
    }


def sensor_lines(report: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    sensors, pressure, power = report["sensors"], report["pressure"], report["power"]
    known = (
        ("temperature", sensors["temperature_celsius"], " °C", "modprobe coretemp (Intel) or k10temp (AMD)"),
        (
            "frequency",
            sensors["frequency_mhz"],
            " MHz",
            "the kernel has no cpufreq driver for this processor",
        ),
        ("throttling", sensors["throttle_count"], " times", "only Intel's processors count it"),
    )
    read = [f"{name} {value:g}{unit}" for name, value, unit, _ in known if value is not None]
    yield f"sensors    {', '.join(read) or 'none'}"
    for name, value, _, why in known:
        if value is None:
            yield f"           - no {name}: {why}; a virtual machine has none"
    stalls = ", ".join(
        f"{name.split('_')[0]} {value:g} %" for name, value in pressure.items() if value is not None
    )
    yield f"pressure   {stalls + ' of the last 10 s' if stalls else 'not known: start the kernel with psi=1'}"
    if power["source"]:
        yield f"power      {power['source']}, {power['quality']}: {power['method']}"
    else:
        yield "power      unavailable; a metering plug (telemetry.meter_topic) would measure it, and"
        yield "           telemetry.tdp_watts would estimate it"
    for name, sensor in power["sensors"].items():
        if not sensor["available"]:
            yield f"           - no {name}: {sensor['reason']}"
    if "udev rule" in (power["sensors"]["rapl"]["reason"] or ""):
        yield f"             write this line to {_UDEV_FILE}:"
        yield f"             {UDEV_RULE}"
        yield "             then: udevadm control --reload && udevadm trigger -c add -s powercap"
