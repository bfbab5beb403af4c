"""Inference takes the right cores, on machines of every kind."""

import pytest

from edge_llm.errors import ConfigError
from edge_llm.host.cpu import physical_cores, plan_pinning, read_caches, read_model_name
from edge_llm.host.instructions import read_vector_flags
from tests.unit.host.fake_host import V1_CPU, V1_CPUSET, V2, FakeHost

EIGHT = [(cpu,) for cpu in range(8)]
# Four performance cores of two threads and eight efficiency cores, as Intel numbers them.
HYBRID = [(0, 1), (2, 3), (4, 5), (6, 7), *((cpu,) for cpu in range(8, 16))]


def auto(host: FakeHost) -> tuple[int, ...]:
    return plan_pinning("auto", host.root).cores


def reasons(host: FakeHost, requested: str = "auto") -> str:
    return "; ".join(plan_pinning(requested, host.root).reasons)


def test_of_four_plain_cores_one_is_left_to_mqtt(host: FakeHost) -> None:
    host.cores((0,), (1,), (2,), (3,))
    plan = plan_pinning("auto", host.root)
    assert (plan.cores, plan.mode, plan.requested) == ((1, 2, 3), "pinned", "auto")
    assert "4 logical CPUs on 4 physical cores" in plan.reasons[0]
    assert "CPU 0 is left to MQTT" in reasons(host)
    assert physical_cores(host.root) == 4


def test_smt_gives_one_cpu_a_core(host: FakeHost) -> None:
    """Linux numbers second threads after all first ones on most machines, next to them on others."""
    host.cores((0, 4), (1, 5), (2, 6), (3, 7))
    assert auto(host) == (1, 2, 3)
    assert physical_cores(host.root) == 4
    host.cores((0, 1), (2, 3))
    assert auto(host) == (0, 2)
    assert "one CPU a core" in reasons(host)


def test_smt_in_half_a_machine_takes_the_siblings_that_are_allowed(host: FakeHost) -> None:
    host.cores((0, 4), (1, 5), (2, 6), (3, 7), allowed="3-5")
    assert auto(host) == (3, 4, 5)


@pytest.mark.parametrize("source", ["cpu_core/cpus", "cpu_capacity", "cpufreq/cpuinfo_max_freq"])
def test_a_hybrid_gives_all_its_performance_cores(host: FakeHost, source: str) -> None:
    """None is left out: MQTT and telemetry have the efficiency cores."""
    host.cores(*HYBRID)
    if source == "cpu_core/cpus":
        host.write("sys/devices/cpu_core/cpus", "0-7")
        host.write("sys/devices/cpu_atom/cpus", "8-15")
    elif source == "cpu_capacity":
        host.per_cpu(source, lambda cpu: 1024 if cpu < 8 else 640, range(16))
    else:  # with two favoured cores, as Turbo Boost Max has them
        host.per_cpu(
            source, lambda cpu: (5_200_000 if cpu < 4 else 5_000_000) if cpu < 8 else 3_900_000, range(16)
        )
    assert auto(host) == (0, 2, 4, 6)
    assert f"performance cores only, told apart by {source}" in reasons(host)


def test_a_container_on_efficiency_cores_uses_those(host: FakeHost) -> None:
    host.cores(*HYBRID, allowed="10-12")
    host.write("sys/devices/cpu_core/cpus", "0-7")
    host.write("sys/devices/cpu_atom/cpus", "8-15")
    assert auto(host) == (10, 11, 12)


def test_a_vm_of_two_cpus_without_topology_uses_both(host: FakeHost) -> None:
    host.write("sys/devices/system/cpu/online", "0-1")
    host.write("proc/self/status", "Cpus_allowed_list:\t0-1")
    assert auto(host) == (0, 1)


def test_a_container_stays_within_its_cpuset(host: FakeHost) -> None:
    host.cores(*EIGHT, allowed="2-3,6")
    assert auto(host) == (2, 3, 6)


def test_a_quota_of_version_1_limits_the_threads(host: FakeHost) -> None:
    """In a container that is told its path on the host, while its group is at the mount point."""
    host.cores(*EIGHT)
    host.cgroup("4:cpu,cpuacct:/docker/abc\n0::/", V1_CPU.format(top="/docker/abc"))
    host.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", 250_000)
    host.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", 100_000)
    assert auto(host) == (1, 2)
    assert "quota of 2.5 CPUs carries 2" in reasons(host)
    host.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", -1)
    assert len(auto(host)) == 7


def test_a_nested_quota_of_version_2_is_the_tightest(host: FakeHost) -> None:
    host.cores(*EIGHT)
    host.cgroup("0::/system.slice/edge_llm.service", V2.format(top="/"))
    host.write("sys/fs/cgroup/system.slice/cpu.max", "300000 100000")
    host.write("sys/fs/cgroup/system.slice/edge_llm.service/cpu.max", "max 100000")
    assert auto(host) == (1, 2, 3)
    host.write("sys/fs/cgroup/system.slice/edge_llm.service/cpu.max", "50000 100000")
    assert auto(host) == (1,)


def test_a_quota_of_four_cpus_leaves_one_of_them(host: FakeHost) -> None:
    """Four busy threads would use the quota up, and MQTT would wait with them."""
    host.cores(*EIGHT)
    host.cgroup("0::/", V2.format(top="/"))
    host.write("sys/fs/cgroup/cpu.max", "400000 100000")
    assert auto(host) == (1, 2, 3)


def test_none_takes_as_many_threads_and_binds_none(host: FakeHost) -> None:
    host.cores(*EIGHT)
    plan = plan_pinning("none", host.root)
    assert (len(plan.cores), plan.mode) == (7, "none")


@pytest.mark.parametrize(
    ("text", "cores"),
    [("2-5,7", (2, 3, 4, 5, 7)), ("0", (0,)), (" 6 , 1-1,1 ", (1, 6)), ("1-7:3", (1, 4, 7))],
)
def test_a_list_is_read_like_tasksets(host: FakeHost, text: str, cores: tuple[int, ...]) -> None:
    host.cores(*EIGHT)
    plan = plan_pinning(text, host.root)
    assert (plan.requested, plan.cores, plan.mode) == (text, cores, "pinned")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is neither a CPU nor a range"),
        ("all", "'all' is neither a CPU nor a range"),
        ("1,,2", "'' is neither"),
        ("-1", "'-1' is neither"),
        ("3-1", "'3-1' ends before it begins"),
        ("1-5:0", "'1-5:0' is neither"),
        ("0-99999999999", "there is no CPU 99999999999"),
        ("6-9", "CPU 8-9 cannot be had here; choose from 0-7"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_the_reason(host: FakeHost, text: str, words: str) -> None:
    host.cores(*EIGHT)
    with pytest.raises(ConfigError, match=r"^engine\.inference_cores: ") as caught:
        plan_pinning(text, host.root)
    assert words in str(caught.value)


def test_a_list_may_name_isolated_cpus_but_none_outside_the_cpuset(host: FakeHost) -> None:
    """isolcpus takes CPUs out of everybody's affinity so that they can be asked for by name."""
    host.cores(*EIGHT, allowed="0-3")
    assert plan_pinning("4-5", host.root).cores == (4, 5)
    host.cgroup("7:cpuset:/box\n0::/", V1_CPUSET.format(top="/"))
    host.write("sys/fs/cgroup/cpuset/box/cpuset.effective_cpus", "0-4")
    with pytest.raises(ConfigError, match="CPU 5 cannot be had here; choose from 0-4"):
        plan_pinning("4-5", host.root)


def test_the_processor_and_its_caches_are_named(host: FakeHost) -> None:
    assert (read_model_name(host.root), read_caches(0, host.root)) == (None, {})
    host.write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Intel(R) N100\n")
    for index, (level, kind, size) in enumerate(
        [
            ("1", "Data", "32K"),
            ("1", "Instruction", "64K"),
            ("2", "Unified", "2048K"),
            ("3", "Unified", "6144K"),
        ]
    ):
        for name, value in (("level", level), ("type", kind), ("size", size)):
            host.write(f"sys/devices/system/cpu/cpu0/cache/index{index}/{name}", value)
    assert read_model_name(host.root) == "Intel(R) N100"
    assert read_caches(0, host.root) == {"L1": 32 << 10, "L2": 2 << 20, "L3": 6 << 20}


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("flags\t\t: fpu vme sse2 avx_vnni avx2 amx_int8 lahf_lm", ("amx_int8", "avx2", "avx_vnni", "sse2")),
        ("Features\t: fp asimd crc32 asimddp i8mm", ("asimd", "asimddp", "i8mm")),
        ("model name\t: X", ()),
    ],
)
def test_the_instructions_for_vectors_tell_kinds_of_processors_apart(
    line: str, kinds: tuple[str, ...], host: FakeHost
) -> None:
    host.write("proc/cpuinfo", f"processor\t: 0\n{line}\n")
    assert read_vector_flags(host.root) == kinds
