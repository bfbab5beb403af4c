"""Binds threads to cores, and reads from /proc which CPUs threads may run on."""

import os
from collections.abc import Iterable
from pathlib import Path

from edge_llm.event_log import EventLog
from edge_llm.host.cpu_list import format_cpu_list, parse_cpu_list
from edge_llm.host.files import read_text

log = EventLog(__name__)


def pin_this_thread(*cpus: int) -> None:
    """Bind the calling thread to logical CPUs; where the host does not allow it, say so and go on."""
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        log.warning("pinning.denied", cpus=format_cpu_list(cpus), reason=error.strerror)


def thread_ids(root: Path = Path("/")) -> frozenset[int]:
    """The threads of this process, as the kernel numbers them."""
    return frozenset(int(path.name) for path in (root / "proc/self/task").iterdir())


def allowed_cpus(threads: Iterable[int], root: Path = Path("/")) -> list[tuple[int, ...]]:
    """The CPUs that each of this process's ``threads`` may run on; one that has ended is left out."""
    tasks = (root / "proc/self/task" / str(thread) for thread in threads)
    return [cpus for task in tasks if (cpus := _allowed(task))]


def _allowed(task: Path) -> tuple[int, ...]:
    for line in read_text(task / "status").splitlines():
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            return parse_cpu_list(value)
    return ()
