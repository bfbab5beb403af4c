"""What replies cost in joules: time is cut into intervals, and each one's energy shared by its tokens.

Intervals end where a reply begins or ends, and once a second between. Nothing here runs on the engine's
thread but ``ReplyEnergyMeter.close``. Knows nothing of where power is read.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from edge_llm.host.power.source import Instant, PowerSource, Reading, Unavailable, instant

Quality = Literal["measured", "attributed", "estimated", "unavailable"]
Progress = tuple[int, float | None]
"""Tokens computed for a reply so far, the prompt's included; when its first one came (time.monotonic)."""

_IDLE_INTERVALS = 60
_SHORTEST_IDLE_S = 0.5
"""The idle machine's power is the lowest tenth of so many intervals without a reply, none of them shorter:
in the others something else may have been busy."""


@dataclass(frozen=True, slots=True)
class ReplyEnergy:
    """Joules of one reply; None where they could not be read.

    ``shared``: other replies were made meanwhile, and this is one's part by its tokens.
    """

    prefill_joules: float | None
    decode_joules: float | None
    quality: Quality
    shared: bool

    @property
    def joules(self) -> float | None:
        """All of them."""
        if self.prefill_joules is None or self.decode_joules is None:
            return None
        return self.prefill_joules + self.decode_joules


@dataclass(frozen=True, slots=True)
class PowerFigures:
    """Mean watts since the figures before, and the total since the beginning; see the MQTT contract."""

    package_watts: float | None
    dram_watts: float | None
    service_watts: float | None
    energy_joules_total: float | None
    quality: Quality
    service_quality: Quality
    source: str | None
    method: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """Processor time since some beginning: of the whole machine, and of this process."""

    busy: float
    service: float


@dataclass(frozen=True, slots=True)
class _Interval:
    """Joules of one interval, by what they are; None where they cannot be known."""

    seconds: float = 0.0
    package: float | None = 0.0
    dram: float | None = 0.0
    service: float | None = 0.0
    reason: str | None = None

    def plus(self, other: "_Interval") -> "_Interval":
        """Both together; what one of them lacks is not known of both."""
        return _Interval(
            self.seconds + other.seconds,
            _sum(self.package, other.package),
            _sum(self.dram, other.dram),
            _sum(self.service, other.service),
            other.reason or self.reason,
        )


class ReplyEnergyMeter:
    """One reply's part of the energy.

    ``progress`` is set by who makes the reply, ``close`` called by the thread that ends it; the rest belongs
    to the accounts' lock.
    """

    def __init__(self) -> None:
        """Of a reply that is not asked for yet."""
        self.began = 0.0
        self.progress: Callable[[], Progress] = lambda: (0, None)
        self.started = False
        self.final: Progress | None = None
        self.tokens = 0
        self.prefill_joules = 0.0
        self.decode_joules = 0.0
        self.shared = False
        self.unread = False

    def close(self, progress: Progress | None = None) -> None:
        """End the reply, at ``progress``; without one it is charged nothing more."""
        self.final = progress or (self.tokens, None)

    @property
    def closed(self) -> bool:
        """Whether the reply has ended."""
        return self.final is not None

    def now(self) -> Progress:
        """How far the reply is, or was in the end."""
        return self.final or self.progress()


class EnergyAccounts:
    """Reads power, and charges it to the replies that are open."""

    def __init__(
        self,
        source: PowerSource,
        cpu_seconds: Callable[[], CpuSeconds],
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
        self._total: float | None = None
        self._since = 0.0
        self._uncharged: float | None = 0.0

    @property
    def open_accounts(self) -> tuple[ReplyEnergyMeter, ...]:
        """Of the replies that wait or are made."""
        return tuple(self._open)

    def open(self, account: ReplyEnergyMeter) -> None:
        """Begin a reply; does not block."""
        account.began = self._clock().monotonic
        self._open.append(account)

    def sample(self) -> None:
        """End an interval now."""
        with self._lock:
            self._sample()

    def settle(self, account: ReplyEnergyMeter) -> ReplyEnergy:
        """What a closed account has come to."""
        with self._lock:
            if account in self._open:
                self._sample()
            if account.unread or not self.measurable:
                return ReplyEnergy(None, None, "unavailable", account.shared)
            return ReplyEnergy(
                account.prefill_joules, account.decode_joules, self._reply_quality, account.shared
            )

    def figures(self) -> PowerFigures:
        """Power since the last time that it was asked for."""
        with self._lock:
            period, self._period = self._period, _Interval()
            known = period.seconds > 0
            watts = [
                round(joules / period.seconds, 3) if known and joules is not None else None
                for joules in (period.package, period.dram, period.service)
            ]
            package, dram, service = watts
            return PowerFigures(
                package_watts=package,
                dram_watts=dram,
                service_watts=service,
                energy_joules_total=None if self._total is None else round(self._total, 3),
                quality="unavailable" if package is None else self._source.quality,
                service_quality="unavailable" if service is None else self._shared_quality,
                source=self._source.name,
                method=self._source.method,
                reason=period.reason if known else "no time has passed",
            )

    @property
    def _shared_quality(self) -> Quality:
        return "estimated" if self._source.quality == "estimated" else "attributed"

    @property
    def _reply_quality(self) -> Quality:
        return self._source.quality if self._source.covers_machine else self._shared_quality

    def _sample(self) -> None:
        now, accounts = self._clock(), tuple(self._open)
        then, self._then = self._then, now
        interval = self._measure(now, then, idle=not accounts and not self._were_open)
        if then is not None:
            self._period = self._period.plus(interval)
            if interval.package is not None:
                self._total = (self._total or 0.0) + interval.package
        if then is None or not accounts:
            self._uncharged, self._since = 0.0, now.monotonic
        else:
            spent = interval.package if self._source.covers_machine else interval.service
            if not self._were_open:  # of an interval that began idle, what came after the first request
                self._since = min(max(min(each.began for each in accounts), then.monotonic), now.monotonic)
                part = (now.monotonic - self._since) / interval.seconds if interval.seconds else 0.0
                spent = None if spent is None else spent * part
            self._uncharged = _sum(self._uncharged, spent)
            self._charge(accounts, now.monotonic)
        for account in accounts:
            if account.closed:
                self._open.remove(account)
        self._were_open = any(not account.closed for account in accounts)

    def _measure(self, now: Instant, then: Instant | None, *, idle: bool) -> _Interval:
        """The interval that ends now, with the service's part of it; learns what the idle machine draws.

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

    def _charge(self, accounts: tuple[ReplyEnergyMeter, ...], now: float) -> None:
        """Share what was spent by the tokens computed meanwhile; as long as there are none it waits."""
        fed: dict[ReplyEnergyMeter, int] = {}
        first_tokens: dict[ReplyEnergyMeter, float | None] = {}
        for account in accounts:
            tokens, first_tokens[account] = account.now()
            if tokens > account.tokens:
                fed[account] = tokens - account.tokens
                account.tokens = tokens
        if not fed:  # the end of a reply, after its last token
            fed = {account: 1 for account in accounts if account.closed and account.tokens}
        if not fed:
            return
        spent, since = self._uncharged, self._since
        self._uncharged, self._since = 0.0, now
        for account, tokens in fed.items():
            account.shared = account.shared or len(fed) > 1
            if spent is None:
                account.unread = True
                continue
            joules = spent * tokens / sum(fed.values())
            first = first_tokens[account]
            prefill = 1.0 if first is None else (first - since) / (now - since) if now > since else 0.0
            account.prefill_joules += joules * min(1.0, max(0.0, prefill))
            account.decode_joules += joules * (1.0 - min(1.0, max(0.0, prefill)))


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
