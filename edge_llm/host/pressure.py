"""Pressure stall information: how much of the time something waited for a resource.

https://docs.kernel.org/accounting/psi.html
"""

import re
from dataclasses import dataclass
from pathlib import Path

from edge_llm.host.files import read_text


@dataclass(frozen=True)
class Pressure:
    """Percent of the last 10 s in which at least one task waited; None where the kernel does not say."""

    cpu_some_avg10: float | None
    memory_some_avg10: float | None
    io_some_avg10: float | None


def read_pressure(root: Path = Path("/")) -> Pressure:
    """Of the whole machine."""
    return Pressure(*(_some_avg10(root / "proc/pressure" / name) for name in ("cpu", "memory", "io")))


def _some_avg10(path: Path) -> float | None:
    found = re.search(r"^some avg10=([\d.]+)", read_text(path))
    return float(found[1]) if found else None
