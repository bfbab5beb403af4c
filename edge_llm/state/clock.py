"""Tells how old something is, whatever is done to the wall clock.

Within a boot of the machine CLOCK_BOOTTIME counts, which nobody can set and which goes on while the machine
is suspended. Only from one boot to the next is the wall clock asked, and not believed where it cannot be
right.
"""

from math import inf
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import NamedTuple

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNC = Path("/run/systemd/timesync")


class Mark(NamedTuple):
    """One instant on all clocks, to be kept over a restart; ``node`` is the node's own clock."""

    boot: str
    boottime: float
    wall: float
    node: float


def boottime() -> float:
    """Seconds since the machine was started."""
    return clock_gettime(CLOCK_BOOTTIME)


def boot_id() -> str:
    """Name of this boot of the machine; empty where it cannot be read."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def awaits_synchronization(timesync: Path = _TIMESYNC) -> bool:
    """Whether systemd-timesyncd runs here and has not set the clock yet since the machine was started."""
    return timesync.is_dir() and not (timesync / "synchronized").exists()


class NodeClock:
    """Seconds like those of ``time.time()`` at the first start, which no step of the wall clock changes."""

    def __init__(self, before: Mark | None = None) -> None:
        """Go on from ``before``, the last mark of an earlier process."""
        boot, since_boot, wall = boot_id(), boottime(), time()
        gap_s = _gap_s(before, boot, since_boot, wall) if before else None
        begin = wall if before is None else before.node + (since_boot if gap_s is None else gap_s)
        self._boot = boot
        self._offset = begin - since_boot
        self._begin = begin
        self._knows_gap = gap_s is not None

    def now(self) -> float:
        """The time by this clock."""
        return self._offset + boottime()

    def age_s(self, then: float) -> float:
        """Seconds since ``then``, by this clock; infinite where that cannot be known."""
        age_s = self.now() - then
        if age_s < 0 or (then < self._begin and not self._knows_gap):
            return inf
        return age_s

    def mark(self) -> Mark:
        """Read all clocks now, to be kept."""
        return Mark(self._boot, boottime(), time(), self.now())


def _gap_s(before: Mark, boot: str, since_boot: float, wall: float) -> float | None:
    """Seconds since ``before``; None where they cannot be known."""
    if boot and boot == before.boot and since_boot >= before.boottime:
        return since_boot - before.boottime
    gap_s = wall - before.wall
    # It was before this boot: less than the time since then, or a negative one, is a wrong clock's.
    return None if gap_s < since_boot or awaits_synchronization() else gap_s
