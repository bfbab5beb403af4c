"""Reads the limits that control groups (versions 1 and 2) set on this process: its own group's, its parents'.

Reads /proc/self/cgroup and /proc/self/mountinfo, and of every group that it can see the files it knows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edge_llm.host.cpu_list import parse_cpu_list
from edge_llm.host.files import read_text

_NO_MEMORY_LIMIT = 1 << 60
"""Version 1 writes "none" as the largest multiple of a page that fits a signed 64-bit number."""


@dataclass(frozen=True)
class CgroupLimits:
    """The tightest limit of each kind; None where there is no limit."""

    cpus: float | None
    """Processor time, in CPUs: 1.5 is 150 ms every 100 ms."""
    cpuset: frozenset[int] | None
    """The logical CPUs that a thread can be bound to."""
    memory_bytes: int | None


def read_limits(root: Path = Path("/")) -> CgroupLimits:
    """Read the limits of this process; a nested group has its own limit and those of its parents."""
    groups = list(_groups(root))
    quotas = [quota for group in groups if (quota := _cpus(group)) is not None]
    sizes = [size for group in groups if (size := _memory_bytes(group)) is not None]
    sets = [cpus for group in groups if (cpus := _cpuset(group))]
    return CgroupLimits(
        cpus=min(quotas, default=None),
        cpuset=frozenset.intersection(*sets) if sets else None,
        memory_bytes=min(sizes, default=None),
    )


def _groups(root: Path) -> Iterator[Path]:
    """The directories of this process's groups in every mounted hierarchy, each from the group upwards."""
    paths = dict(_paths(root))
    for line in read_text(root / "proc/self/mountinfo").splitlines():
        mount, _, filesystem = line.partition(" - ")
        kind, _, options = filesystem.partition(" ")
        if kind not in ("cgroup", "cgroup2"):
            continue
        controllers = [""] if kind == "cgroup2" else options.split(" ")[-1].split(",")
        path = next((paths[name] for name in controllers if name in paths), None)
        if path is None:
            continue
        top, mount_point = mount.split(" ")[3:5]
        # A container may see its own group at the mount point, and be told of it by the host's path.
        seen = path.is_relative_to(top) and ".." not in path.parts
        below = path.relative_to(top).parts if seen else ()
        for depth in range(len(below), -1, -1):
            yield root.joinpath(mount_point.lstrip("/"), *below[:depth])


def _paths(root: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """Controller and path of each line of /proc/self/cgroup; version 2 has the controller ""."""
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, PurePosixPath(path)


def _cpus(group: Path) -> float | None:
    texts = [read_text(group / name) for name in ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")]
    match " ".join(texts).split():
        case [quota, period] if quota.isdigit() and period.isdigit():  # not "max", nor -1
            return int(quota) / int(period)
    return None


def _memory_bytes(group: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = read_text(group / name).strip()
        if text.isdigit() and int(text) < _NO_MEMORY_LIMIT:
            return int(text)
    return None


def _cpuset(group: Path) -> frozenset[int] | None:
    for name in ("cpuset.cpus.effective", "cpuset.effective_cpus"):
        if text := read_text(group / name).strip():
            return frozenset(parse_cpu_list(text))
    return None
