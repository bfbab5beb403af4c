"""Reads the machine's processors, and chooses those of inference."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_llm.errors import ConfigError
from edge_llm.host.cgroup import read_limits
from edge_llm.host.cpu_list import format_cpu_list, parse_cpu_list
from edge_llm.host.files import read_text

_CPUS = "sys/devices/system/cpu"
_VECTOR_FLAGS = ("avx", "amx", "fma", "f16c", "sse", "ssse")
_ALIKE = 0.8
"""Cores with at least this share of the strongest one's figure are of one kind. Efficiency cores have at most
77 % of the frequency; the favoured cores of one kind differ by less than 10 %."""


@dataclass(frozen=True)
class Topology:
    """The logical CPUs that this process may run on, by physical core."""

    cores: tuple[tuple[int, ...], ...]
    """The CPUs of each physical core, lowest first; in order of their lowest."""
    performance: frozenset[int]
    """CPUs of the strongest kind: all where there is one kind only."""
    kinds_from: str | None
    """The kernel's file that tells the kinds apart; None where there is one kind."""

    @property
    def cpus(self) -> tuple[int, ...]:
        """All of them, in order."""
        return tuple(sorted(cpu for core in self.cores for cpu in core))


@dataclass(frozen=True)
class PinningPlan:
    """The cores planned for inference: one thread for each of ``cores``, the first being the engine's own."""

    requested: str
    """The setting."""
    cores: tuple[int, ...]
    """Logical CPUs."""
    reasons: tuple[str, ...]
    """Reasons for the choice, for people."""
    mode: Literal["pinned", "none"]
    """``none``: as many threads, bound to nothing."""


def physical_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: physical ones, for two threads on one core only share its units."""
    return len(read_topology(root).cores)


def read_topology(root: Path = Path("/")) -> Topology:
    """The allowed CPUs (affinity and cpuset, as /proc/self/status has them) and what /sys says of each."""
    cpus = _allowed(root)
    cores: dict[int, tuple[int, ...]] = {}
    for cpu in cpus:
        siblings = read_text(root / _CPUS / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu)
        core = tuple(sibling for sibling in parse_cpu_list(siblings) if sibling in cpus) or (cpu,)
        cores[core[0]] = core
    performance, kinds_from = _performance(root, cpus)
    return Topology(tuple(cores[first] for first in sorted(cores)), performance, kinds_from)


def read_model_name(root: Path = Path("/")) -> str | None:
    """The processor's own name."""
    for line in read_text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return None


def read_vector_flags(root: Path = Path("/")) -> tuple[str, ...]:
    """The processor's instructions for vectors and matrices, as the kernel names them; in order."""
    for line in read_text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return tuple(sorted(flag for flag in value.split() if flag.startswith(_VECTOR_FLAGS)))
    return ()


def read_caches(cpu: int, root: Path = Path("/")) -> dict[str, int]:
    """Bytes of each cache that ``cpu`` reads data through: ``{"L1": …, "L2": …, "L3": …}``."""
    caches = {}
    for index in sorted((root / _CPUS / f"cpu{cpu}/cache").glob("index*")):
        level, kind, size = (read_text(index / name).strip() for name in ("level", "type", "size"))
        if kind != "Instruction" and size.removesuffix("K").isdigit():
            caches[f"L{level}"] = int(size.removesuffix("K")) * 1024
    return caches


def plan_pinning(requested: str, root: Path = Path("/")) -> PinningPlan:
    """Choose the cores of inference: ``auto``, ``none`` (as many, bound to nothing) or a list (``2-5,8``).

    Raises:
        ConfigError: it is neither, or a CPU in it cannot be had.
    """
    if requested not in ("auto", "none"):
        return _explicit(requested, root)
    topology = read_topology(root)
    cpus, of = _count(topology.cpus, "logical CPU"), _count(topology.cores, "physical core")
    reasons = [f"this process may use {cpus} on {of}"]
    if len(topology.cores) < len(topology.cpus):
        reasons.append("one CPU a core: two threads on one core only share its units")
    cores = [core for core in topology.cores if core[0] in topology.performance]
    if topology.kinds_from:
        reasons.append(f"performance cores only, told apart by {topology.kinds_from}")
    # Efficiency cores serve MQTT and telemetry as well.
    if len(cores) >= 4 and len(cores) == len(topology.cores):
        reasons.append(f"the core of CPU {cores[0][0]} is left to MQTT and telemetry")
        del cores[0]
    chosen = [core[0] for core in cores]
    quota = read_limits(root).cpus
    if quota is not None and len(chosen) > (threads := _threads_under(quota)):
        reasons.append(f"the control group's quota of {quota:g} CPUs carries {threads} of them")
        del chosen[threads:]
    if requested == "none":
        reasons.append("bound to nothing, as configured")
    return PinningPlan(requested, tuple(chosen), tuple(reasons), "none" if requested == "none" else "pinned")


def _explicit(requested: str, root: Path) -> PinningPlan:
    try:
        cores = parse_cpu_list(requested)
    except ValueError as error:
        raise ConfigError(f'engine.inference_cores: {error}; or "auto", or "none"') from error
    # Not only those of the present affinity: an isolated CPU (isolcpus) is in nobody's until it is named.
    online = parse_cpu_list(read_text(root / _CPUS / "online") or format_cpu_list(_allowed(root)))
    cpuset = read_limits(root).cpuset
    available = [cpu for cpu in online if cpuset is None or cpu in cpuset]
    if missing := sorted({*cores} - {*available}):
        raise ConfigError(
            f"engine.inference_cores: CPU {format_cpu_list(missing)} cannot be had here; choose from"
            f' {format_cpu_list(available)}, or "auto"'
        )
    return PinningPlan(requested, cores, ("as configured",), "pinned")


def _threads_under(quota: float) -> int:
    """Whole threads that a quota carries; of four CPUs and more one is left to MQTT and telemetry."""
    whole = int(quota)
    return max(1, whole - 1 if whole >= 4 else whole)


def _allowed(root: Path) -> tuple[int, ...]:
    for line in read_text(root / "proc/self/status").splitlines():
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            return parse_cpu_list(value)
    return tuple(sorted(os.sched_getaffinity(0)))


def _performance(root: Path, cpus: tuple[int, ...]) -> tuple[frozenset[int], str | None]:
    """The CPUs of the strongest kind among ``cpus``, and the file that says so."""
    intel = read_text(root / "sys/devices/cpu_core/cpus").strip()
    if intel and read_text(root / "sys/devices/cpu_atom/cpus").strip():
        strong = frozenset(parse_cpu_list(intel)) & {*cpus}
        return (strong, "cpu_core/cpus") if 0 < len(strong) < len(cpus) else (frozenset(cpus), None)
    for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        texts = {cpu: read_text(root / _CPUS / f"cpu{cpu}" / name).strip() for cpu in cpus}
        if all(text.isdigit() for text in texts.values()):
            strongest = max(map(int, texts.values()))
            strong = frozenset(cpu for cpu in cpus if int(texts[cpu]) >= _ALIKE * strongest)
            return strong, name if len(strong) < len(cpus) else None
    return frozenset(cpus), None


def _count(things: tuple[object, ...], name: str) -> str:
    return f"{len(things)} {name}{'s' if len(things) != 1 else ''}"
