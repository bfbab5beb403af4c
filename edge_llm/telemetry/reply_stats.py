"""Counts replies: one frozen record for each that ends, and the totals that telemetry makes of them."""

from collections import deque
from dataclasses import dataclass
from math import ceil
from threading import Event

from edge_llm.contract.frames import Energy, TimingMs, Usage
from edge_llm.contract.node import Llm
from edge_llm.errors import Code
from edge_llm.event_log import EventLog
from edge_llm.telemetry.energy import EnergyMeter
from edge_llm.telemetry.reply_energy import ReplyEnergyMeter

log = EventLog(__name__)

WINDOW = 100
"""Replies that times and speeds are taken over."""
_NO_USAGE = Usage(prompt_tokens=0, cached_tokens=0, completion_tokens=0)
_NO_TIMING = TimingMs(queue=0, prefill=0, ttft=0, total=0)


@dataclass(frozen=True, slots=True)
class ReplyRecord:
    """A reply that has ended, with the figures of its terminal frame; one with ``error`` has no figures."""

    usage: Usage = _NO_USAGE
    timing_ms: TimingMs = _NO_TIMING
    energy: Energy | None = None
    error: Code | None = None

    @property
    def decode_s(self) -> float:
        """Seconds from the first token to the last."""
        return (self.timing_ms.total - self.timing_ms.ttft) / 1000


class ReplyStats:
    """Records how replies fare, on whichever thread knows; costs each of them an append."""

    def __init__(self, energy: EnergyMeter) -> None:
        """``energy`` meters the replies."""
        self.energy = energy
        self.requests_total = 0
        self.wake = Event()
        """Wakes the telemetry thread: set when a request begins, and to stop that thread."""
        self._ended: deque[ReplyRecord] = deque()

    def begin(self, meter: ReplyEnergyMeter) -> None:
        """Count a request that was taken."""
        self.requests_total += 1
        self.energy.begin(meter)
        self.wake.set()

    def failed(self, meter: ReplyEnergyMeter, code: Code) -> None:
        """Record that its reply ended in an error."""
        meter.close()
        self._ended.append(ReplyRecord(error=code))

    def completed(self, meter: ReplyEnergyMeter, usage: Usage, timing_ms: TimingMs) -> Energy:
        """Record a whole reply whose meter is closed; returns its energy. Reads files: for no hot path."""
        try:
            energy = self.energy.attribute(meter, usage.completion_tokens)
        except Exception:  # whatever the host's files hold, the reply is sent
            log.exception("energy.failed")
            energy = Energy(quality="none")
        self._ended.append(ReplyRecord(usage, timing_ms, energy))
        return energy

    def drain(self) -> tuple[ReplyRecord, ...]:
        """Take the replies that ended since the last call."""
        return tuple(self._ended.popleft() for _ in range(len(self._ended)))


class Counters:
    """Totals of all replies, and the last ones' records; the telemetry thread's own."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._errors = 0
        self._tokens = [0, 0, 0]
        self._joules: float | None = None
        self._window: deque[ReplyRecord] = deque(maxlen=WINDOW)

    def add(self, replies: tuple[ReplyRecord, ...]) -> None:
        """Take in replies that have ended."""
        for each in replies:
            if each.error:
                self._errors += 1
                continue
            counts = each.usage.prompt_tokens, each.usage.cached_tokens, each.usage.completion_tokens
            self._tokens = [total + count for total, count in zip(self._tokens, counts, strict=True)]
            if each.energy and each.energy.joules is not None:
                self._joules = (self._joules or 0.0) + each.energy.joules
            if each.usage.completion_tokens:
                self._window.append(each)

    def figures(self, stats: ReplyStats, rejected_total: int) -> Llm:
        """The telemetry's figures now."""
        open_replies = stats.energy.open_replies
        ttft_ms = sorted(each.timing_ms.ttft for each in self._window)
        steps = [(each.usage.decode_steps, each.decode_s) for each in self._window if each.usage.decode_steps]
        spent = [
            (each.energy.joules, each.usage.completion_tokens)
            for each in self._window
            if each.energy and each.energy.joules is not None
        ]
        return Llm(
            active=sum(reply.active for reply in open_replies),
            queued=sum(reply.queued for reply in open_replies),
            requests_total=stats.requests_total,
            rejected_total=rejected_total,
            errors_total=self._errors,
            prompt_tokens_total=self._tokens[0],
            cached_tokens_total=self._tokens[1],
            completion_tokens_total=self._tokens[2],
            energy_joules_total=None if self._joules is None else round(self._joules, 3),
            tokens_per_second=_ratio(steps),
            ttft_ms_p50=_percentile(ttft_ms, 0.5),
            ttft_ms_p95=_percentile(ttft_ms, 0.95),
            joules_per_token=_ratio(spent),
        )


def _ratio(pairs: list[tuple[float, int]] | list[tuple[int, float]]) -> float | None:
    divisor = sum(below for _, below in pairs)
    return round(sum(above for above, _ in pairs) / divisor, 3) if divisor else None


def _percentile(ordered: list[float], part: float) -> float | None:
    """The value at ``part`` of the ordered ones (the nearest rank)."""
    return round(ordered[ceil(part * len(ordered)) - 1], 1) if ordered else None
