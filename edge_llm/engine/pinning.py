"""Compares the pinning plan with the CPUs that the engine's threads may in fact run on."""

from collections.abc import Iterable
from pathlib import Path

from edge_llm.contract.node import Pinning
from edge_llm.host.cpu import PinningPlan
from edge_llm.host.cpu_list import format_cpu_list
from edge_llm.host.pinning import allowed_cpus


def effective_pinning(plan: PinningPlan, threads: Iterable[int], root: Path = Path("/")) -> Pinning:
    """The plan of the engine's ``threads`` and where they may run; a thread that has ended is left out."""
    allowed = allowed_cpus(threads, root)
    as_planned = sorted(allowed) == [(core,) for core in plan.cores]
    return Pinning(
        requested=plan.requested,
        effective=format_cpu_list(cpu for cpus in allowed for cpu in cpus),
        mode="none" if plan.mode == "none" else "pinned" if as_planned else "denied",
    )
