"""The command that shows what this host offers for inference, and changes nothing."""

import argparse
import json
import resource
from dataclasses import asdict
from typing import Any

from edge_llm.cli.sensors import report_sensors, sensor_lines
from edge_llm.config import load_settings
from edge_llm.host.cgroup import read_limits
from edge_llm.host.cpu import plan_pinning, read_caches, read_model_name, read_topology
from edge_llm.host.cpu_list import format_cpu_list
from edge_llm.host.memory import read_memory


def doctor(options: argparse.Namespace) -> int:
    """Show cores, memory, limits and the pinning plan of the configuration."""
    settings = load_settings(options.config)
    report = _report(settings.engine.inference_cores) | report_sensors(settings.telemetry)
    if options.json:
        print(json.dumps(report))
    else:
        print(*_lines(report), *sensor_lines(report), sep="\n")
    return 0


def _report(inference_cores: str) -> dict[str, Any]:
    topology, limits = read_topology(), read_limits()
    locked = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    return {
        "cpu": {
            "model": read_model_name(),
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
        "pinning_plan": asdict(plan_pinning(inference_cores)),
    }


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
    cores = f"{cpu['physical_cores']} physical, {cpu['performance_cores']} of them for performance"
    return [
        f"processor  {cpu['model'] or 'unknown'}",
        f"cores      {cores}; CPUs {format_cpu_list(cpu['logical_cpus'])}",
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
