"""Binds threads to cores, and reads back from /proc what became of it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_llm.event_log import EventLog
from edge_llm.host.cpu import PinningPlan
from edge_llm.host.cpu_list import format_cpu_list, parse_cpu_list
from edge_llm.host.files import read_text

log = EventLog(__name__)


@dataclass(frozen=True)
class EffectivePinning:
    """What became of a plan."""

    requested: str
    """The setting."""
    effective: str
    """The CPUs that the engine's threads may run on, as a list: ``2-5,8``."""
    mode: Literal["pinned", "none", "denied"]
    """``denied``: at least one thread is not where the plan wants it; inference goes on all the same."""


def pin_this_thread(core: int) -> None:
    """Bind the calling thread to one logical CPU; where the host does not allow it, say so and go on."""
    try:
        os.sched_setaffinity(0, {core})
    except OSError as error:
        log.warning("pinning.denied", core=core, reason=error.strerror)


def thread_ids(root: Path = Path("/")) -> frozenset[int]:
    """The threads of this process, as the kernel numbers them."""
    return frozenset(int(path.name) for path in (root / "proc/self/task").iterdir())


def effective_pinning(plan: PinningPlan, threads: Iterable[int], root: Path = Path("/")) -> EffectivePinning:
    """Where the engine's ``threads`` may run, whatever was asked for; one that has ended is left out."""
    tasks = (root / "proc/self/task" / str(thread) for thread in threads)
    allowed = [cpus for task in tasks if (cpus := _allowed(task))]
    as_planned = sorted(allowed) == [(core,) for core in plan.cores]
    return EffectivePinning(
        requested=plan.requested,
        effective=format_cpu_list(cpu for cpus in allowed for cpu in cpus),
        mode="none" if plan.mode == "none" else "pinned" if as_planned else "denied",
    )


def _allowed(task: Path) -> tuple[int, ...]:
    for line in read_text(task / "status").splitlines():
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            return parse_cpu_list(value)
    return ()
