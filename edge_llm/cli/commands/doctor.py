"""`edge-llm doctor`: shows what this host offers for inference and telemetry; changes nothing."""

import argparse
import json
import platform
import resource
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from edge_llm.config import EngineSettings, HouseSettings, TelemetrySettings, load_settings
from edge_llm.host.cgroup import read_limits
from edge_llm.host.cpu import plan_pinning, read_caches, read_model_name, read_topology
from edge_llm.host.cpu_list import format_cpu_list
from edge_llm.host.instructions import integer_instructions, prefill_graph_refused, read_flags
from edge_llm.host.memory import read_memory
from edge_llm.host.power.choose import choose_source, survey
from edge_llm.host.power.rapl import UDEV_RULE
from edge_llm.host.usage import read_temperature, read_throttle_count, throttle_files
from edge_llm.telemetry.energy import source_quality
from edge_llm.telemetry.machine import read_pressures

_UDEV_FILE = "/etc/udev/rules.d/70-edge-llm-rapl.rules"


def run(options: argparse.Namespace) -> int:
    """Show cores, memory, limits, sensors and the pinning plan of the configuration."""
    settings = load_settings(options.config)
    report = _report(settings.engine) | report_sensors(settings.telemetry) | _report_house(settings.house)
    if options.json:
        print(json.dumps(report))
    else:
        print(*_lines(report), *sensor_lines(report), _house_line(report), sep="\n")
    return 0


def _report(engine: EngineSettings) -> dict[str, Any]:
    topology, limits, flags = read_topology(), read_limits(), read_flags()
    refused = prefill_graph_refused(in_bundle=True, wanted=engine.prefill_graph, flags=flags)
    locked = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    return {
        "cpu": {
            "model": read_model_name(),
            "architecture": platform.machine(),
            "integer_instructions": integer_instructions(flags),
            "logical_cpus": list(topology.cpus),
            "physical_cores": len(topology.cores),
            "performance_cores": sum(core[0] in topology.performance for core in topology.cores),
            "caches_bytes": read_caches(topology.cpus[0]),
        },
        "memory": {
            **read_memory(),
            "lock_limit_bytes": None if locked == resource.RLIM_INFINITY else locked,
        },
        "cgroup": {
            "cpus": limits.cpus,
            "cpuset": limits.cpuset and sorted(limits.cpuset),
            "memory_bytes": limits.memory_bytes,
        },
        "prefill_graph": {"used_if_in_bundle": refused is None, "reason": refused},
        "pinning_plan": asdict(plan_pinning(engine.inference_cores)),
    }


def _report_house(house: HouseSettings) -> dict[str, Any]:
    announced = [each for each in (house.discovery, house.zigbee2mqtt) if each]
    accept = house.accept and str(house.accept)
    return {"house": {"announced_below": announced, "accept": accept, "moved": list(house.act)}}


def _house_line(report: dict[str, Any]) -> str:
    house = report["house"]
    if not (below := " and ".join(house["announced_below"])):
        return "house      no devices that announce themselves; docs/devices.md says how"
    moved = ", ".join(house["moved"]) or "nothing"
    return f"house      devices announced below {below}, accepted: {house['accept'] or 'none'}; moves {moved}"


def _lines(report: dict[str, Any]) -> list[str]:
    cpu, memory, cgroup, plan = (report[part] for part in ("cpu", "memory", "cgroup", "pinning_plan"))
    caches = ", ".join(f"{name} {_size(size)}" for name, size in cpu["caches_bytes"].items())
    limits = (
        f"{cgroup['cpus']:g} CPUs" if cgroup["cpus"] else "no limit on CPU time",
        f"CPUs {format_cpu_list(cgroup['cpuset'])}" if cgroup["cpuset"] else "no cpuset",
        f"{_size(cgroup['memory_bytes'])} of memory" if cgroup["memory_bytes"] else "no limit on memory",
    )
    threads = "one thread each" if plan["mode"] == "pinned" else "as many threads, bound to none"
    available, total = (_size(memory.get(name)) for name in ("available_bytes", "total_bytes"))
    lockable = _size(memory["lock_limit_bytes"], "all of it")
    integers = cpu["integer_instructions"]
    instructions = f"8-bit integers by {integers}" if integers else "no fast 8-bit integers"
    refused = report["prefill_graph"]["reason"]
    prompts = (
        f"not through the prefill graph: {refused}"
        if refused
        else f"through the bundle's prefill graph, by {integers}"
    )
    cores = f"{cpu['physical_cores']} physical, {cpu['performance_cores']} of them for performance"
    return [
        f"processor  {cpu['model'] or 'unknown'}, {cpu['architecture']}; {instructions}",
        f"cores      {cores}; CPUs {format_cpu_list(cpu['logical_cpus'])}",
        f"prompts    {prompts}",
        f"caches     {caches or 'unknown'}",
        f"memory     {available} available of {total}; engine.mlock may lock {lockable}",
        f"cgroup     {', '.join(limits)}",
        f"pinning    {plan['requested']}: CPUs {format_cpu_list(plan['cores'])}, {threads}",
        *(f"           - {reason}" for reason in plan["reasons"]),
    ]


def _size(size_bytes: int | None, without: str = "unknown") -> str:
    if size_bytes is None:
        return without
    if size_bytes < 1 << 20:
        return f"{size_bytes >> 10} KiB"
    return (
        f"{size_bytes / (1 << 30):.1f} GiB" if size_bytes >= 1 << 30 else f"{size_bytes / (1 << 20):.3g} MiB"
    )


def report_sensors(settings: TelemetrySettings, root: Path = Path("/")) -> dict[str, Any]:
    """Read temperature, frequency, pressure and power sources, for the report as JSON."""
    frequencies = [each.current for each in psutil.cpu_freq(percpu=True) or ()]
    source = choose_source(settings, root)
    return {
        "sensors": {
            "temperature_celsius": read_temperature(),
            "frequency_mhz": round(max(frequencies)) if frequencies else None,
            "throttle_count": read_throttle_count(throttle_files(root)),
        },
        "pressure": read_pressures(root).model_dump(),
        "power": {
            "source": source.name,
            "method": source.method,
            "quality": source_quality(source),
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
    """Format the report of the sensors for people, with what to do if one cannot be read."""
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
        yield "power      none; a metering plug (telemetry.meter_topic) would measure it, and"
        yield "           telemetry.tdp_watts would estimate it"
    for name, sensor in power["sensors"].items():
        if not sensor["available"]:
            yield f"           - no {name}: {sensor['reason']}"
    if "udev rule" in (power["sensors"]["rapl"]["reason"] or ""):
        yield f"             write this line to {_UDEV_FILE}:"
        yield f"             {UDEV_RULE}"
        yield "             then: udevadm control --reload && udevadm trigger -c add -s powercap"
