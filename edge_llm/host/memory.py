"""The machine's memory, and keeping this process's part of it from being paged out."""

import ctypes
import os
from pathlib import Path

from edge_llm.errors import ConfigError
from edge_llm.host.files import read_text

_MCL_CURRENT = 1


def lock_memory() -> None:
    """Lock what this process holds now, model included, into memory until it ends.

    Raises:
        ConfigError: the limit on locked memory forbids it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT):
        reason = os.strerror(ctypes.get_errno())
        raise ConfigError(
            f"engine.mlock: the host refuses to lock the memory ({reason}); set LimitMEMLOCK=infinity in the"
            " unit (in a shell ulimit -l unlimited, for Docker --ulimit memlock=-1), or engine.mlock: false"
        )


def read_memory(root: Path = Path("/")) -> dict[str, int]:
    """``total_bytes`` and ``available_bytes`` of /proc/meminfo; what it lacks is left out."""
    names = {"MemTotal": "total_bytes", "MemAvailable": "available_bytes"}
    fields = (line.split() for line in read_text(root / "proc/meminfo").splitlines())
    return {names[name]: int(kib[0]) * 1024 for label, *kib in fields if (name := label.rstrip(":")) in names}
