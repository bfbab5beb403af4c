"""Lists of logical CPUs as the kernel and taskset write them: ``2-5,8``; ``0-6:2`` is every second one."""

import re
from collections.abc import Iterable

_PART = re.compile(r"(\d+)(?:-(\d+)(?::([1-9]\d*))?)?")
_MOST_CPUS = 8192
"""Maximum CPU number, above any kernel's: a typing error must not make a list that fills the memory."""


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """The CPUs named, in order, each once.

    Raises:
        ValueError: it is no such list; the text says which part is wrong, and why.
    """
    cpus: set[int] = set()
    for part in text.strip().split(","):
        found = _PART.fullmatch(part.strip())
        if not found:
            raise ValueError(f"{part.strip()!r} is neither a CPU nor a range of CPUs, as in 2-5,8")
        first, last, step = int(found[1]), int(found[2] or found[1]), int(found[3] or 1)
        if last < first:
            raise ValueError(f"{part.strip()!r} ends before it begins")
        if last >= _MOST_CPUS:
            raise ValueError(f"{part.strip()!r}: there is no CPU {last}")
        cpus.update(range(first, last + 1, step))
    return tuple(sorted(cpus))


def format_cpu_list(cpus: Iterable[int]) -> str:
    """The shortest such list: ``2-5,8``."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
