"""Load and memory of this machine, and the pressure of another, as records of the contract."""

import os
from pathlib import Path

from edge_llm.contract.node import Pressure
from edge_llm.telemetry.machine import MachineReader, read_pressures
from tests.unit.host.fake_host import FakeHost


def test_this_machine_has_a_load_of_each_cpu() -> None:
    cores = tuple(sorted(os.sched_getaffinity(0)))
    cpu = MachineReader(cores[:1]).cpu()
    assert len(cpu.per_core_percent) == os.cpu_count()
    assert cpu.percent is not None
    assert 0 <= cpu.percent <= 100
    assert cpu.inference_percent is not None


def test_a_core_that_is_offline_has_no_load() -> None:
    cpu = MachineReader((8191,)).cpu()
    assert cpu.inference_percent is None


def test_the_memory_of_process_machine_and_caches_is_one_record() -> None:
    memory = MachineReader(()).memory(kv_bytes=7, prefix_cache_bytes=5)
    assert memory.rss_bytes
    assert memory.pss_bytes
    assert memory.available_bytes
    assert (memory.kv_bytes, memory.prefix_cache_bytes) == (7, 5)


def test_pressure_is_the_share_of_the_last_seconds(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    unknown = Pressure(cpu_some_avg10=None, memory_some_avg10=None, io_some_avg10=None)
    assert read_pressures(host.root) == unknown
    host.write("proc/pressure/cpu", "some avg10=12.34 avg60=1.00 avg300=0.10 total=5")
    host.write("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=9.00")
    expected = Pressure(cpu_some_avg10=12.34, memory_some_avg10=0.0, io_some_avg10=None)
    assert read_pressures(host.root) == expected
