"""Cuts time into intervals, and shares each one's joules among the replies by the tokens computed in it.

Intervals end where a reply begins or ends, and once a second between. Nothing here runs on the engine's
thread. Knows nothing of sensors.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import process_time

from edge_llm.contract.frames import Energy, Quality
from edge_llm.contract.node import Power
from edge_llm.host.power.source import Instant, PowerSource, Reading, Unavailable, instant
from edge_llm.host.usage import read_busy_seconds
from edge_llm.telemetry.reply_energy import ReplyEnergyMeter

_IDLE_INTERVALS = 60
_SHORTEST_IDLE_S = 0.5
"""The idle machine's power is the lowest tenth of the last intervals without a reply, none of them shorter:
in the others something else may have been busy."""


def source_quality(source: PowerSource) -> Quality:
    """The quality of a source's own figures."""
    if isinstance(source, Unavailable):
        return "none"
    return "estimated" if source.estimated else "measured"


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """Processor time since some beginning: of the whole machine, and of this process."""

    busy: float
    service: float


def read_cpu_seconds() -> CpuSeconds:
    """Read the processor time up to now."""
    return CpuSeconds(read_busy_seconds(), process_time())


@dataclass(frozen=True, slots=True)
class _Interval:
    """Joules of one interval, by what they are; None where they cannot be known."""

    seconds: float = 0.0
    package: float | None = 0.0
    dram: float | None = 0.0
    service: float | None = 0.0
    reason: str | None = None

    def plus(self, other: "_Interval") -> "_Interval":
        """Return the sum of two intervals; a figure that one of them lacks is None."""
        return _Interval(
            self.seconds + other.seconds,
            _sum(self.package, other.package),
            _sum(self.dram, other.dram),
            _sum(self.service, other.service),
            other.reason or self.reason,
        )


class EnergyMeter:
    """Reads power, and charges it to the replies that are open."""

    def __init__(
        self,
        source: PowerSource,
        cpu_seconds: Callable[[], CpuSeconds] = read_cpu_seconds,
        clock: Callable[[], Instant] = instant,
    ) -> None:
        """Begin without knowing what the idle machine draws; the first ``sample`` is the baseline."""
        self.measurable = not isinstance(source, Unavailable)
        self._source = source
        self._cpu_seconds = cpu_seconds
        self._clock = clock
        self._lock = Lock()
        self._open: list[ReplyEnergyMeter] = []  # appended to without the lock
        self._were_open = False
        self._then: Instant | None = None
        self._cpu = CpuSeconds(0.0, 0.0)
        self._idle_watts: deque[float] = deque(maxlen=_IDLE_INTERVALS)
        self._period = _Interval()
        self._total_joules: float | None = None
        self._since_s = 0.0
        self._uncharged_joules: float | None = 0.0

    @property
    def open_replies(self) -> tuple[ReplyEnergyMeter, ...]:
        """The replies that wait or are being made."""
        return tuple(self._open)

    def begin(self, reply: ReplyEnergyMeter) -> None:
        """Begin a reply; does not block."""
        reply.begin(self._clock().monotonic)
        self._open.append(reply)

    def sample(self) -> None:
        """End an interval now."""
        with self._lock:
            self._sample()

    def attribute(self, reply: ReplyEnergyMeter, completion_tokens: int) -> Energy:
        """Read power up to now, and return the energy of a closed reply of ``completion_tokens``."""
        with self._lock:
            if reply in self._open:
                self._sample()
            quality = self._own_quality if self._source.covers_machine else self._shared_quality
            return reply.energy(quality, completion_tokens)

    def power(self) -> Power:
        """Power since the call before."""
        with self._lock:
            period, self._period = self._period, _Interval()
            known = period.seconds > 0
            package_watts, dram_watts, service_watts = (
                round(joules / period.seconds, 3) if known and joules is not None else None
                for joules in (period.package, period.dram, period.service)
            )
            return Power(
                package_watts=package_watts,
                dram_watts=dram_watts,
                service_watts=service_watts,
                energy_joules_total=None if self._total_joules is None else round(self._total_joules, 3),
                quality="none" if package_watts is None else self._own_quality,
                service_quality="none" if service_watts is None else self._shared_quality,
                source=self._source.name,
                method=self._source.method,
                reason=period.reason if known else "no time has passed",
            )

    @property
    def _own_quality(self) -> Quality:
        return source_quality(self._source)

    @property
    def _shared_quality(self) -> Quality:
        """The quality of a part of the source's figures: of a measured whole it is attributed."""
        return "attributed" if self._own_quality == "measured" else self._own_quality

    def _sample(self) -> None:
        now, replies = self._clock(), tuple(self._open)
        # One that is closed from here on is charged its last tokens at the next sample.
        ended = [reply for reply in replies if reply.closed]
        then, self._then = self._then, now
        interval = self._measure(now, then, idle=not replies and not self._were_open)
        if then is not None:
            self._period = self._period.plus(interval)
            if interval.package is not None:
                self._total_joules = (self._total_joules or 0.0) + interval.package
        if then is None or not replies:
            self._uncharged_joules, self._since_s = 0.0, now.monotonic
        else:
            spent = interval.package if self._source.covers_machine else interval.service
            if not self._were_open:  # of an interval that began idle, what came after the first request
                began_s = max(min(each.began_s for each in replies), then.monotonic)
                self._since_s = min(began_s, now.monotonic)
                part = (now.monotonic - self._since_s) / interval.seconds if interval.seconds else 0.0
                spent = None if spent is None else spent * part
            self._uncharged_joules = _sum(self._uncharged_joules, spent)
            self._charge(replies, now.monotonic)
        for reply in ended:
            self._open.remove(reply)
        self._were_open = len(replies) > len(ended)

    def _measure(self, now: Instant, then: Instant | None, *, idle: bool) -> _Interval:
        """Read the interval that ends now, and attribute the service's part of it; learn the idle power.

        ``max(0, package - idle) x service CPU time / busy CPU time``.
        """
        reading: Reading = self._source.read(now)
        cpu, before = self._cpu_seconds(), self._cpu
        self._cpu = cpu
        if then is None:
            return _Interval()
        seconds = now.monotonic - then.monotonic
        package, dram, reason = reading.package_joules, reading.dram_joules, reading.reason
        if package is None:
            return _Interval(seconds, None, dram, None, reason)
        if idle and seconds >= _SHORTEST_IDLE_S:
            self._idle_watts.append(package / seconds)
        if not self._idle_watts:
            return _Interval(
                seconds, package, dram, None, reason or "the idle machine's power is not known yet"
            )
        idle_watts = sorted(self._idle_watts)[(len(self._idle_watts) - 1) // 10]
        busy, ours = cpu.busy - before.busy, cpu.service - before.service
        part = min(1.0, ours / busy) if busy > 0 else 1.0  # the machine's time is counted in steps of 10 ms
        return _Interval(seconds, package, dram, max(0.0, package - idle_watts * seconds) * part, reason)

    def _charge(self, replies: tuple[ReplyEnergyMeter, ...], now_s: float) -> None:
        """Share what was spent by the tokens computed meanwhile; as long as there are none it waits."""
        fed = {reply: tokens for reply in replies if (tokens := reply.new_tokens())}
        if not fed:  # the end of a reply, after its last token
            fed = {reply: 1 for reply in replies if reply.closed and reply.has_tokens}
        if not fed:
            return
        spent, since_s = self._uncharged_joules, self._since_s
        self._uncharged_joules, self._since_s = 0.0, now_s
        for reply, tokens in fed.items():
            joules = None if spent is None else spent * tokens / sum(fed.values())
            reply.charge(joules, since_s, now_s, shared=len(fed) > 1)


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
