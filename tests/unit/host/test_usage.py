"""Throttling, on machines of every kind; the memory of this process."""

from pathlib import Path

from edge_llm.host.usage import ProcessMemory, read_resident_bytes, read_throttle_count, throttle_files
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


def test_resident_memory_is_told_apart(tmp_path: Path) -> None:
    resident = read_resident_bytes()
    assert resident.keys() == {"anonymous", "mapped", "shared"}
    assert resident["anonymous"] > 10**6
    assert resident["mapped"] > 10**6
    assert read_resident_bytes(root=tmp_path) == {}


def test_this_process_shares_memory() -> None:
    rss_bytes, pss_bytes = ProcessMemory().read()
    assert rss_bytes
    assert pss_bytes
    assert 0 < pss_bytes <= rss_bytes
