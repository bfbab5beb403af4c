"""Collects the telemetry of the host and of the replies each period, and hands it to whoever publishes it.

Knows nothing of MQTT. One thread, ``telemetry``, reads and hands out; it also reads power once a second
while replies are made.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread
from time import CLOCK_BOOTTIME, clock_gettime, monotonic, time
from typing import Protocol

import psutil

from edge_llm.config import TelemetrySettings
from edge_llm.contract.node import Acts, Pinning, Telemetry
from edge_llm.event_log import EventLog
from edge_llm.telemetry.machine import MachineReader, read_pressures
from edge_llm.telemetry.reply_stats import Counters, ReplyRecord, ReplyStats

log = EventLog(__name__)

_FIRST_S = 2.0
"""Seconds to the first telemetry, which comes early: a hub waits for it."""
_ACTIVE_SAMPLE_S = 1.0
_IDLE_SAMPLE_S = 10.0
"""Time between readings of power; counters with a small range wrap within half a minute under full load."""

_STEP_S = 2.0
"""A larger difference between two clocks' ways is a step of one of them."""


class Engine(Protocol):
    """The engine's own figures; read on the telemetry thread."""

    @property
    def inference_cores(self) -> tuple[int, ...]:
        """The logical CPUs that are planned for."""

    @property
    def kv_bytes(self) -> int:
        """Memory of the KV cache."""

    @property
    def prefix_cache_bytes(self) -> int:
        """Memory of the prefix cache."""

    @property
    def pinning(self) -> Pinning:
        """The plan, and the CPUs that the engine's threads may run on."""


class Sink(Protocol):
    """A taker of telemetry."""

    def emit(self, telemetry: Telemetry, replies: tuple[ReplyRecord, ...]) -> None:
        """Take the figures, and the replies that ended since those before; on the telemetry thread."""


class Collector:
    """The telemetry thread."""

    def __init__(
        self,
        settings: TelemetrySettings,
        node: str,
        stats: ReplyStats,
        engine: Engine,
        rejected_total: Callable[[], int],
        acts: Callable[[], Acts | None],
        sinks: tuple[Sink, ...],
    ) -> None:
        """Prepare to collect; ``rejected_total`` returns the number of requests that were refused.

        ``acts`` returns what the node has moved itself, if it moves anything.
        """
        self._settings = settings
        self._node = node
        self._stats = stats
        self._engine = engine
        self._rejected_total = rejected_total
        self._acts = acts
        self._sinks = sinks
        self._counters = Counters()
        # Once: it moves by a second when the clock is set, and each move would look like a restart.
        self._boot_time, self._clock_offset_s = _boot_time(), _clock_offset_s()
        self._thread = Thread(target=self._run, name="telemetry")
        self._stopping = False
        self._seq = 0

    def start(self) -> None:
        """Begin to collect; the engine has been started."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, if it was started."""
        self._stopping = True
        self._stats.wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        machine = MachineReader(self._engine.inference_cores)
        last = monotonic() - self._settings.period_s + _FIRST_S
        while not self._stopping:
            try:
                self._stats.energy.sample()
                if monotonic() >= last + self._period_s():
                    last = monotonic()
                    replies = self._stats.drain()
                    telemetry = self._collect(machine, replies)
                    for sink in self._sinks:
                        sink.emit(telemetry, replies)
            except Exception:  # whatever a host's files hold, the next period may be better
                log.exception("telemetry.failed")
            self._stats.wake.wait(max(0.0, min(self._sample_s(), last + self._period_s() - monotonic())))
            self._stats.wake.clear()

    def _period_s(self) -> float:
        active = self._settings.active_period_s if self._stats.energy.open_replies else None
        return active or self._settings.period_s

    def _sample_s(self) -> float:
        measuring = self._stats.energy.measurable and self._stats.energy.open_replies
        return _ACTIVE_SAMPLE_S if measuring else _IDLE_SAMPLE_S

    def _collect(self, machine: MachineReader, replies: tuple[ReplyRecord, ...]) -> Telemetry:
        engine = self._engine
        self._counters.add(replies)
        self._seq += 1
        offset_s = _clock_offset_s()
        if abs(offset_s - self._clock_offset_s) > _STEP_S:  # the clock was set: so was the boot, by its time
            self._boot_time, self._clock_offset_s = _boot_time(), offset_s
        return Telemetry(
            node=self._node,
            seq=self._seq - 1,
            time=datetime.now(UTC),
            boot_time=self._boot_time,
            cpu=machine.cpu(),
            memory=machine.memory(engine.kv_bytes, engine.prefix_cache_bytes),
            pressure=read_pressures(),
            power=self._stats.energy.power(),
            llm=self._counters.figures(self._stats, self._rejected_total()),
            pinning=engine.pinning,
            acts=self._acts(),
        )


def _boot_time() -> datetime:
    return datetime.fromtimestamp(psutil.boot_time(), UTC)


def _clock_offset_s() -> float:
    """The instant of the machine's start by the wall clock of now."""
    return time() - clock_gettime(CLOCK_BOOTTIME)
