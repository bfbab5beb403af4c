"""Readings of joules, each since the one before: the protocol of all sources of power figures.

Knows nothing of what the joules were spent on.
"""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_SUSPENDED_S = 0.5
"""Seconds by which CLOCK_BOOTTIME may gain on the other clock; more means that the machine was suspended."""
_STILL_S = 1.0
"""Seconds within which the counter of a running machine moves."""
_MOST_WATTS = 2000
"""Above the power of any package. A counter that says more was reset, and one that is not read for as long as
it takes to run through its range at this power may have wrapped twice."""
_SHORTEST_S = 0.01
"""Counters move in steps (RAPL's each 1 ms): within less than this, one step looks like a lot of power."""


class Instant(NamedTuple):
    """Seconds on two clocks, of which only ``boottime`` goes on while the machine is suspended."""

    monotonic: float
    boottime: float


def instant() -> Instant:
    """Read both clocks."""
    return Instant(time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))


class UnreadableError(Exception):
    """There is no figure; the text is the reason, for people."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Joules since the reading before; None where that cannot be known, for ``reason``."""

    package_joules: float | None
    dram_joules: float | None = None
    reason: str | None = None


class PowerSource(ABC):
    """A sensor, a meter or a model that power is read from; by one thread at a time."""

    name: str | None
    method: str | None
    """A description for people."""
    estimated = False
    """The figures are a model's, not a sensor's."""
    covers_machine = False
    """The figures cover the whole machine, as a wall meter's do: a reply is charged all that was drawn while
    it was made, not the service's part of it."""

    @abstractmethod
    def read(self, now: Instant) -> Reading:
        """Read the joules since the call before; the first one only sets the baseline."""


class EnergyCounter:
    """A file that counts microjoules up to ``range_uj``, then from 0 again."""

    def __init__(self, path: Path, range_uj: int | None = None) -> None:
        """Without a range the counter is taken not to wrap."""
        self._path = path
        self._range_uj = range_uj
        self._before: tuple[Instant, int] | None = None

    def joules(self, now: Instant) -> float:
        """Joules since the call before.

        Raises:
            UnreadableError: there is no such figure; the next call counts from this one, if it could read.
        """
        before, self._before = self._before, None
        value = self.value()
        self._before = (now, value)
        if before is None:
            raise UnreadableError("counting has just begun")
        elapsed = now.monotonic - before[0].monotonic
        if now.boottime - before[0].boottime > elapsed + _SUSPENDED_S:
            raise UnreadableError("the machine was suspended meanwhile")
        if self._range_uj and elapsed * _MOST_WATTS > self._range_uj / 1e6:
            raise UnreadableError("it was not read for so long that the counter may have wrapped twice")
        spent = value - before[1]
        if spent < 0 and self._range_uj:
            spent += self._range_uj
        if not 0 <= spent <= 1e6 * _MOST_WATTS * max(elapsed, _SHORTEST_S):
            raise UnreadableError("the counter was reset")
        if spent == 0 and elapsed >= _STILL_S:
            raise UnreadableError(f"{self._path.name} stands still")
        return spent / 1e6

    def value(self) -> int:
        """Microjoules, as the file has them.

        Raises:
            UnreadableError: it cannot be read, or holds no count.
        """
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError as error:
            raise UnreadableError(f"{self._path}: {error.strerror}") from error
        if not (text.isascii() and text.isdecimal()) or (self._range_uj and int(text) > self._range_uj):
            raise UnreadableError(f"{self._path} holds no count: {text!r}")
        return int(text)


def sum_of(counters: list[EnergyCounter], now: Instant) -> float:
    """Sum of what all counters have counted since the call before; each is read, whatever the others say.

    Raises:
        UnreadableError: one has no figure: a sum of the others would pass for the whole.
    """
    total, failed = 0.0, None
    for counter in counters:
        try:
            total += counter.joules(now)
        except UnreadableError as error:
            failed = error
    if failed:
        raise failed
    return total


class Unavailable(PowerSource):
    """The source of a machine that has none: every reading is without a figure."""

    name = method = None

    def __init__(self, reason: str) -> None:
        """``reason`` says what is missing and what to do."""
        self.reason = reason

    def read(self, now: Instant) -> Reading:
        """See ``PowerSource``."""
        del now
        return Reading(None, reason=self.reason)
