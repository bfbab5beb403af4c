"""How busy, how fast and how hot the processors are, and the memory of this process."""

from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psutil

from edge_llm.host.cpu_list import parse_cpu_list
from edge_llm.host.files import read_text

_CPUS = "sys/devices/system/cpu"
_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "x86_pkg_temp", "acpitz")
"""Names of the chips that measure a processor's temperature, best first."""
PSS_EVERY_S = 9.0


@dataclass(frozen=True)
class CpuUsage:
    """Percentages are of the time since the reading before; None is what the host does not say."""

    percent: float | None
    per_core_percent: tuple[float, ...]
    inference_percent: float | None
    frequency_mhz: tuple[float, ...] | None
    temperature_celsius: float | None
    throttle_count: int | None


class CpuReader:
    """Reads the usage since its last reading; for one thread."""

    def __init__(self, inference_cores: tuple[int, ...], root: Path = Path("/")) -> None:
        """``inference_cores`` are logical CPUs."""
        self._inference_cores = inference_cores
        self._root = root
        self._throttle_files = throttle_files(root)
        psutil.cpu_percent(percpu=True)  # the first call of a thread only sets its baseline

    def read(self) -> CpuUsage:
        """What is known now."""
        per_core = tuple(psutil.cpu_percent(percpu=True))
        online = parse_cpu_list(read_text(self._root / _CPUS / "online") or f"0-{len(per_core) - 1}")
        by_cpu = dict(zip(online, per_core, strict=False))
        inference = [by_cpu[cpu] for cpu in self._inference_cores if cpu in by_cpu]
        return CpuUsage(
            percent=_mean(per_core),
            per_core_percent=per_core,
            inference_percent=_mean(inference),
            frequency_mhz=tuple(round(each.current) for each in psutil.cpu_freq(percpu=True) or ()) or None,
            temperature_celsius=read_temperature(),
            throttle_count=read_throttle_count(self._throttle_files),
        )


def _mean(values: tuple[float, ...] | list[float]) -> float | None:
    return round(sum(values) / len(values), 1) if values else None


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


class ProcessMemory:
    """The memory of this process in bytes: resident, and with what it shares counted in proportion (PSS)."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._process = psutil.Process()
        self._pss_bytes: int | None = None
        self._due = 0.0

    def read(self) -> tuple[int | None, int | None]:
        """Resident and PSS; the kernel walks all pages for the latter, so it may be PSS_EVERY_S old."""
        try:
            if monotonic() >= self._due:
                self._due = monotonic() + PSS_EVERY_S
                self._pss_bytes = self._process.memory_full_info().pss
            return self._process.memory_info().rss, self._pss_bytes
        except psutil.Error:
            return None, None
