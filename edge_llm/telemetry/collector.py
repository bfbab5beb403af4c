"""A frozen snapshot of the host and of the replies each period, handed to whoever publishes it.

Knows nothing of MQTT, nor of the engine. One thread, ``telemetry``, reads and hands out; it also reads power
once a second while replies are made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic
from typing import Protocol

import psutil

from edge_llm.config import TelemetrySettings
from edge_llm.event_log import EventLog
from edge_llm.host.memory import read_memory
from edge_llm.host.pinning import EffectivePinning
from edge_llm.host.pressure import Pressure, read_pressure
from edge_llm.host.usage import CpuReader, CpuUsage, ProcessMemory
from edge_llm.telemetry.energy import EnergyAccounts, PowerFigures
from edge_llm.telemetry.reply_stats import Counters, LlmFigures, ReplyRecord, ReplyStats

log = EventLog(__name__)

_FIRST_S = 2.0
"""The first snapshot comes early: a hub waits for it."""
_ACTIVE_SAMPLE_S = 1.0
_IDLE_SAMPLE_S = 10.0
"""Power is read so often; counters with a small range wrap within half a minute under full load."""


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """What the engine says of itself."""

    kv_bytes: int
    prefix_cache_bytes: int
    pinning: EffectivePinning


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the process, of its caches, and what the machine has left."""

    rss_bytes: int | None
    pss_bytes: int | None
    available_bytes: int | None
    kv_bytes: int
    prefix_cache_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known at one time; the fields are those of the MQTT contract's Telemetry."""

    seq: int
    time: datetime
    boot_time: datetime
    cpu: CpuUsage
    memory: Memory
    pressure: Pressure
    power: PowerFigures
    llm: LlmFigures
    pinning: EffectivePinning
    finished: tuple[ReplyRecord, ...]
    """Replies that have ended since the snapshot before."""


class Sink(Protocol):
    """Where snapshots go."""

    def emit(self, snapshot: Snapshot) -> None:
        """Take one, on the telemetry thread."""
        ...


class Telemetry:
    """The telemetry thread."""

    def __init__(self, settings: TelemetrySettings, accounts: EnergyAccounts) -> None:
        """Nothing is read before ``start``; ``generations`` may be fed at once."""
        self._settings = settings
        self._accounts = accounts
        self._wake = Event()
        self._stopping = False
        self.generations = ReplyStats(accounts, self._wake.set)
        self._totals = Counters()
        self._memory = ProcessMemory()
        # Once: it moves by a second when the clock is set, and each move would look like a restart.
        self._boot_time = datetime.fromtimestamp(psutil.boot_time(), UTC)
        self._thread: Thread | None = None
        self._seq = 0

    def start(
        self,
        engine: Callable[[], EngineFigures],
        rejected: Callable[[], int],
        inference_cores: tuple[int, ...],
        sinks: tuple[Sink, ...],
    ) -> None:
        """Begin; ``rejected`` counts the requests that were refused."""

        def run() -> None:
            self._run(CpuReader(inference_cores), engine, rejected, sinks)

        self._thread = Thread(target=run, name="telemetry")
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        self._wake.set()
        if self._thread:
            self._thread.join()

    def _run(
        self,
        cpu: CpuReader,
        engine: Callable[[], EngineFigures],
        rejected: Callable[[], int],
        sinks: tuple[Sink, ...],
    ) -> None:
        last = monotonic() - self._settings.period_s + _FIRST_S
        while not self._stopping:
            try:
                self._accounts.sample()
                if monotonic() >= last + self._period():
                    last = monotonic()
                    snapshot = self._snapshot(cpu, engine(), rejected())
                    for sink in sinks:
                        sink.emit(snapshot)
            except Exception:  # whatever a host's files hold, the next period may be better
                log.exception("telemetry.failed")
            self._wake.wait(max(0.0, min(self._sample_s(), last + self._period() - monotonic())))
            self._wake.clear()

    def _period(self) -> float:
        active = self._settings.active_period_s if self._accounts.open_accounts else None
        return active or self._settings.period_s

    def _sample_s(self) -> float:
        measuring = self._accounts.measurable and self._accounts.open_accounts
        return _ACTIVE_SAMPLE_S if measuring else _IDLE_SAMPLE_S

    def _snapshot(self, cpu: CpuReader, engine: EngineFigures, rejected: int) -> Snapshot:
        finished = self.generations.drain()
        self._totals.add(finished)
        rss_bytes, pss_bytes = self._memory.read()
        self._seq += 1
        return Snapshot(
            seq=self._seq - 1,
            time=datetime.now(UTC),
            boot_time=self._boot_time,
            cpu=cpu.read(),
            memory=Memory(
                rss_bytes,
                pss_bytes,
                read_memory().get("available_bytes"),
                engine.kv_bytes,
                engine.prefix_cache_bytes,
            ),
            pressure=read_pressure(),
            power=self._accounts.figures(),
            llm=self._totals.figures(self.generations, self._accounts, rejected),
            pinning=engine.pinning,
            finished=finished,
        )
