"""Throttling and pressure, on machines of every kind; load and memory of this one."""

import os

from edge_llm.host.pressure import Pressure, read_pressure
from edge_llm.host.usage import CpuReader, ProcessMemory, read_throttle_count, throttle_files
from tests.unit.host import machines
from tests.unit.host.fake_host import FakeHost


def test_throttling_is_counted_once_a_core_and_once_a_package(host: FakeHost) -> None:
    machines.intel_laptop(host)
    assert read_throttle_count(throttle_files(host.root)) == 4 * 5 + 7


def test_on_a_hybrid_each_core_counts(host: FakeHost) -> None:
    machines.hybrid(host)
    assert read_throttle_count(throttle_files(host.root)) == 4 * 2 + 1


def test_a_machine_that_does_not_count_has_not_counted_0(host: FakeHost) -> None:
    machines.amd_zen(host)
    assert read_throttle_count(throttle_files(host.root)) is None


def test_pressure_is_the_share_of_the_last_seconds(host: FakeHost) -> None:
    assert read_pressure(host.root) == Pressure(None, None, None)
    host.write("proc/pressure/cpu", "some avg10=12.34 avg60=1.00 avg300=0.10 total=5")
    host.write("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=9.00")
    assert read_pressure(host.root) == Pressure(12.34, 0.0, None)


def test_this_machine_has_a_load_of_each_cpu() -> None:
    cores = tuple(sorted(os.sched_getaffinity(0)))
    reader = CpuReader(cores[:1])
    usage = reader.read()
    assert len(usage.per_core_percent) == os.cpu_count()
    assert usage.percent is not None
    assert 0 <= usage.percent <= 100
    assert usage.inference_percent is not None


def test_this_process_shares_memory() -> None:
    rss_bytes, pss_bytes = ProcessMemory().read()
    assert rss_bytes
    assert pss_bytes
    assert 0 < pss_bytes <= rss_bytes
