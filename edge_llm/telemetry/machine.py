"""Reads the machine and this process into the records of the MQTT contract: Cpu, Memory, Pressure."""

from collections.abc import Collection
from pathlib import Path

from edge_llm.contract.node import Cpu, Memory, Pressure
from edge_llm.host.memory import read_memory
from edge_llm.host.pressure import read_pressure
from edge_llm.host.usage import (
    ProcessMemory,
    read_frequency_mhz,
    read_load_percent,
    read_resident_bytes,
    read_temperature,
    read_throttle_count,
    throttle_files,
)


class MachineReader:
    """Reads what varies. Built and used by one thread: loads are since that thread's last reading."""

    def __init__(self, inference_cores: tuple[int, ...], root: Path = Path("/")) -> None:
        """``inference_cores`` are logical CPUs."""
        self._inference_cores = inference_cores
        self._root = root
        self._throttle_files = throttle_files(root)
        self._memory = ProcessMemory()
        read_load_percent(root)  # the baseline

    def cpu(self) -> Cpu:
        """Loads are of the time since the call before."""
        load = read_load_percent(self._root)
        return Cpu(
            percent=_mean(load.values()),
            per_core_percent=tuple(load.values()),
            inference_percent=_mean([load[cpu] for cpu in self._inference_cores if cpu in load]),
            frequency_mhz=read_frequency_mhz(),
            temperature_celsius=read_temperature(),
            throttle_count=read_throttle_count(self._throttle_files),
        )

    def memory(self, kv_bytes: int, prefix_cache_bytes: int) -> Memory:
        """The process's memory and the machine's, beside that of the engine's caches."""
        rss_bytes, pss_bytes = self._memory.read()
        resident = read_resident_bytes(root=self._root)
        return Memory(
            rss_bytes=rss_bytes,
            pss_bytes=pss_bytes,
            anonymous_bytes=resident.get("anonymous"),
            mapped_bytes=resident.get("mapped"),
            shared_bytes=resident.get("shared"),
            available_bytes=read_memory(self._root).get("available_bytes"),
            kv_bytes=kv_bytes,
            prefix_cache_bytes=prefix_cache_bytes,
        )


def read_pressures(root: Path = Path("/")) -> Pressure:
    """Pressure stall information of the whole machine."""
    return Pressure(
        cpu_some_avg10=read_pressure("cpu", root),
        memory_some_avg10=read_pressure("memory", root),
        io_some_avg10=read_pressure("io", root),
    )


def _mean(values: Collection[float]) -> float | None:
    return round(sum(values) / len(values), 1) if values else None
