"""Power that the node does not measure itself: an external meter's values, and a model."""

import json
from collections.abc import Callable
from math import isfinite
from threading import Lock
from typing import Any

from edge_llm.event_log import EventLog
from edge_llm.host.power.source import Instant, PowerSource, Reading, instant

log = EventLog(__name__)

STALE_S = 60
"""A meter that is silent for longer is taken for gone. Plugs report when the load changes, and each some
seconds; Tasmota's TelePeriod of 300 s is too long for replies of some seconds."""


class ExternalMeter(PowerSource):
    """A metering plug: each value is taken to hold until the next (a step function). For any thread.

    A plug measures more than the processor, so its figure is not divided: replies are charged all of it.
    """

    name = "meter"
    method = "external meter, each value held until the next; replies are charged all that it measures"
    covers_machine = True

    def __init__(self, path: str, clock: Callable[[], Instant] = instant) -> None:
        """``path`` leads to the watts in the messages, such as ``ENERGY.Power``; empty: a plain number."""
        self._keys = [key for key in path.split(".") if key]
        self._clock = clock
        self._lock = Lock()
        self._watts: float | None = None
        self._heard = 0.0
        self._counted_to: float | None = None
        self._joules = 0.0
        self._silent = True
        self._refused = False

    def on_payload(self, payload: bytes) -> None:
        """Take a message of the meter; one that holds no watts is ignored, and the first such logged."""
        try:
            watts = float(_at(json.loads(payload), self._keys))
            if not isfinite(watts) or watts < 0:
                raise ValueError("not a power")  # noqa: TRY301 - one way for all that is no power
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
            if not self._refused:
                log.warning("meter.unreadable", error=type(error).__name__, hint="telemetry.meter_path")
            self._refused = True
            return
        with self._lock:
            now = self._clock().monotonic
            self._count(now)
            self._watts, self._heard = watts, now

    def read(self, now: Instant) -> Reading:
        """See ``PowerSource``."""
        with self._lock:
            self._count(now.monotonic)
            joules, self._joules = self._joules, 0.0
            silent, self._silent = self._silent, False
        if silent:
            reason = f"nothing came on telemetry.meter_topic for {STALE_S} s"
            return Reading(None, reason="no value of the meter yet" if self._watts is None else reason)
        return Reading(joules)

    def _count(self, now: float) -> None:
        """Add the joules of the last value up to ``now``."""
        begin = self._counted_to if self._counted_to is not None else now
        end = max(begin, now)
        self._counted_to = end
        if self._watts is None or end > self._heard + STALE_S:
            self._silent = self._silent or end > begin or self._watts is None
            return
        self._joules += self._watts * (end - begin)


def _at(value: Any, keys: list[str]) -> Any:
    for key in keys:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


class TdpModel(PowerSource):
    """A model, not a measurement: the configured TDP times the share of the processor that is busy."""

    name = "tdp"
    estimated = True

    def __init__(self, tdp_watts: float, busy_share: Callable[[], float]) -> None:
        """``busy_share`` gives CPU seconds that were used, over the number of CPUs; it only grows."""
        self.method = f"model: telemetry.tdp_watts ({tdp_watts:g} W) times CPU load"
        self._tdp_watts = tdp_watts
        self._busy_share = busy_share
        self._before: float | None = None

    def read(self, now: Instant) -> Reading:
        """See ``PowerSource``."""
        del now
        before, self._before = self._before, self._busy_share()
        if before is None:
            return Reading(None, reason="counting has just begun")
        return Reading(self._tdp_watts * max(0.0, self._before - before))
