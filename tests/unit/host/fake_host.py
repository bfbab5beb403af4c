"""Writes the files of /sys and /proc of machines that are not here."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_llm.host.cpu_list import format_cpu_list

CPUS = "sys/devices/system/cpu"
INTEL_RANGE_UJ = 262_143_328_850
AMD_RANGE_UJ = 65_532_610_987
V1_CPU = "33 31 0:30 {top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
V1_CPUSET = "34 31 0:31 {top} /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
V2 = "30 23 0:27 {top} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"


class FakeHost:
    """A root directory to hand to the readers."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: object) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def cores(self, *cores: Iterable[int], allowed: str | None = None) -> None:
        """Physical cores by their logical CPUs; ``allowed`` is this process's affinity."""
        lists = [list(core) for core in cores]
        everything = format_cpu_list(cpu for core in lists for cpu in core)
        self.write(f"{CPUS}/online", everything)
        self.write("proc/self/status", f"Name:\tpython3\nCpus_allowed_list:\t{allowed or everything}")
        for core in lists:
            for cpu in core:
                self.write(f"{CPUS}/cpu{cpu}/topology/thread_siblings_list", format_cpu_list(core))

    def per_cpu(self, name: str, value: Callable[[int], int], cpus: Iterable[int]) -> None:
        for cpu in cpus:
            self.write(f"{CPUS}/cpu{cpu}/{name}", value(cpu))

    def zone(self, zone: str, name: str, energy_uj: int, range_uj: int = INTEL_RANGE_UJ) -> None:
        """A powercap zone, such as ``intel-rapl:0:1``."""
        path = f"sys/class/powercap/{zone}"
        self.write(f"{path}/name", name)
        self.write(f"{path}/energy_uj", energy_uj)
        self.write(f"{path}/max_energy_range_uj", range_uj)

    def count(self, zone: str, energy_uj: int) -> None:
        self.write(f"sys/class/powercap/{zone}/energy_uj", energy_uj)

    def cgroup(self, own: str, mounts: str) -> None:
        self.write("proc/self/cgroup", own)
        (self.root / "proc/self/mountinfo").write_text(f"22 27 0:21 / /proc rw - proc proc rw\n{mounts}")


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user who may not read root's files."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
