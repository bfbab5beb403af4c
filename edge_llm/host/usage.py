"""Load, frequency, temperature and throttling of the processors, and the memory of this process."""

from pathlib import Path
from time import monotonic

import psutil

from edge_llm.host.cpu_list import parse_cpu_list
from edge_llm.host.files import read_text

_CPUS = "sys/devices/system/cpu"
_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "x86_pkg_temp", "acpitz")
"""Names of the chips that measure a processor's temperature, best first."""
PSS_EVERY_S = 9.0


_RESIDENT = {"RssAnon:": "anonymous", "RssFile:": "mapped", "RssShmem:": "shared"}
"""Kinds of resident memory, by their names in /proc/PID/status."""


def read_load_percent(root: Path = Path("/")) -> dict[int, float]:
    """Load of each online CPU since the calling thread's last call; a thread's first call is its baseline."""
    per_core = psutil.cpu_percent(percpu=True)
    online = parse_cpu_list(read_text(root / _CPUS / "online") or f"0-{len(per_core) - 1}")
    return dict(zip(online, per_core, strict=False))


def read_busy_seconds() -> float:
    """CPU seconds that the machine has used since it was started, over all CPUs."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def read_frequency_mhz() -> tuple[int, ...] | None:
    """The frequency of each CPU; None where the kernel does not say."""
    return tuple(round(each.current) for each in psutil.cpu_freq(percpu=True) or ()) or None


def read_temperature() -> float | None:
    """The hottest part of the processor in degrees Celsius; None where no sensor is known."""
    chips = psutil.sensors_temperatures()
    found = next((chips[name] for name in _CHIPS if chips.get(name)), [])
    return max((each.current for each in found), default=None)


def throttle_files(root: Path = Path("/")) -> tuple[Path, ...]:
    """The counters of thermal throttling: one of each core, and one of each package (Intel has them)."""
    files: dict[tuple[str, ...], Path] = {}
    for cpu in sorted((root / _CPUS).glob("cpu[0-9]*")):
        package, core = (read_text(cpu / "topology" / name) for name in ("physical_package_id", "core_id"))
        for key, name in (((package, core), "core"), ((package,), "package")):
            path = cpu / "thermal_throttle" / f"{name}_throttle_count"
            if path.exists():
                files.setdefault(key, path)
    return tuple(files.values())


def read_throttle_count(files: tuple[Path, ...]) -> int | None:
    """Throttling events since the machine was started; None where it does not count them."""
    counts = [int(text) for path in files if (text := read_text(path).strip()).isdecimal()]
    return sum(counts) if counts else None


def read_resident_bytes(pid: int | str = "self", root: Path = Path("/")) -> dict[str, int]:
    """Bytes of a process's resident memory: ``anonymous``, ``mapped``, ``shared``, where they are known."""
    lines = (line.split() for line in read_text(root / f"proc/{pid}/status").splitlines())
    return {_RESIDENT[line[0]]: int(line[1]) * 1024 for line in lines if line and line[0] in _RESIDENT}


class ProcessMemory:
    """The memory of this process in bytes: resident, and with what it shares counted in proportion (PSS)."""

    def __init__(self) -> None:
        """Prepare to read."""
        self._process = psutil.Process()
        self._pss_bytes: int | None = None
        self._due = 0.0

    def read(self) -> tuple[int | None, int | None]:
        """Read resident memory and PSS in bytes; PSS may be PSS_EVERY_S old: it is slow to read."""
        try:
            if monotonic() >= self._due:
                self._due = monotonic() + PSS_EVERY_S
                self._pss_bytes = self._process.memory_full_info().pss
            return self._process.memory_info().rss, self._pss_bytes
        except psutil.Error:
            return None, None
