"""The machine's processors."""

import os

import psutil


def physical_cores() -> int:
    """Cores that this process may use: physical ones, for two threads on one core only share its units."""
    return min(psutil.cpu_count(logical=False) or 1, len(os.sched_getaffinity(0)))
