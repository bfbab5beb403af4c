"""The limits of control groups, as both versions write them."""

from edge_llm.host.cgroup import CgroupLimits, read_limits
from tests.unit.host.fake_host import V1_CPU, V2, FakeHost


def test_nothing_limits_where_there_are_no_groups(host: FakeHost) -> None:
    assert read_limits(host.root) == CgroupLimits(cpus=None, cpuset=None, memory_bytes=None)


def test_memory_and_cpuset_of_version_2(host: FakeHost) -> None:
    host.cgroup("0::/a/b", V2.format(top="/"))
    host.write("sys/fs/cgroup/a/memory.max", 1_000_000)
    host.write("sys/fs/cgroup/a/b/memory.max", "max")
    host.write("sys/fs/cgroup/cpuset.cpus.effective", "0-7")
    host.write("sys/fs/cgroup/a/b/cpuset.cpus.effective", "2-3")
    assert read_limits(host.root) == CgroupLimits(None, frozenset({2, 3}), 1_000_000)


def test_the_number_that_means_no_memory_limit_is_none(host: FakeHost) -> None:
    memory = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    host.cgroup("5:memory:/box\n4:cpu,cpuacct:/box", memory + V1_CPU.format(top="/"))
    host.write("sys/fs/cgroup/memory/memory.limit_in_bytes", 9223372036854771712)
    assert read_limits(host.root).memory_bytes is None
    host.write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", 512_000_000)
    assert read_limits(host.root).memory_bytes == 512_000_000


def test_a_group_outside_of_what_is_mounted_is_read_at_the_mount(host: FakeHost) -> None:
    """So a process sees it that was moved out of its cgroup namespace."""
    host.cgroup("0::/../sibling", V2.format(top="/"))
    host.write("sys/fs/cgroup/cpu.max", "150000 100000")
    assert read_limits(host.root).cpus == 1.5
