"""Pressure stall information: how much of the time something waited for a resource.

https://docs.kernel.org/accounting/psi.html
"""

import re
from pathlib import Path
from typing import Literal

from edge_llm.host.files import read_text


def read_pressure(resource: Literal["cpu", "memory", "io"], root: Path = Path("/")) -> float | None:
    """Percent of the last 10 s in which at least one of the machine's tasks waited for ``resource``.

    None where the kernel does not say.
    """
    found = re.search(r"^some avg10=([\d.]+)", read_text(root / "proc/pressure" / resource))
    return float(found[1]) if found else None
