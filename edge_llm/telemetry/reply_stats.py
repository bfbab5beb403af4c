"""Counts replies: one frozen record for each that ends, and the totals that telemetry makes of them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

from edge_llm.telemetry.energy import EnergyAccounts, ReplyEnergy, ReplyEnergyMeter

WINDOW = 100
"""Replies that times and speeds are taken over."""


@dataclass(frozen=True, slots=True)
class ReplyRecord:
    """A reply that has ended; ``error`` is its code where it ended in one, and then there is nothing more."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    ttft_s: float = 0.0
    total_s: float = 0.0
    decode_s: float = 0.0
    """From the first token to the last."""
    energy: ReplyEnergy | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LlmFigures:
    """Totals since the beginning; the figures at the end are of the last WINDOW replies."""

    active: int
    queued: int
    requests_total: int
    rejected_total: int
    errors_total: int
    prompt_tokens_total: int
    cached_tokens_total: int
    completion_tokens_total: int
    energy_joules_total: float | None
    tokens_per_second: float | None
    ttft_ms_p50: float | None
    ttft_ms_p95: float | None
    joules_per_token: float | None


class ReplyStats:
    """Takes in how replies fare, from whichever thread knows; costs each of them an append."""

    def __init__(self, accounts: EnergyAccounts, on_begin: Callable[[], None] = lambda: None) -> None:
        """``on_begin`` must not block."""
        self.requests_total = 0
        self._accounts = accounts
        self._on_begin = on_begin
        self._finished: deque[ReplyRecord] = deque()

    def begin(self, account: ReplyEnergyMeter) -> None:
        """A request was taken."""
        self.requests_total += 1
        self._accounts.open(account)
        self._on_begin()

    def failed(self, account: ReplyEnergyMeter, code: str) -> None:
        """Its reply ended in an error."""
        account.close()
        self._finished.append(ReplyRecord(error=code))

    def completed(self, account: ReplyEnergyMeter, reply: ReplyRecord) -> ReplyEnergy:
        """Its reply is whole and the account closed: read power, and add the energy. Not on a hot path."""
        energy = self._accounts.settle(account)
        self._finished.append(replace(reply, energy=energy))
        return energy

    def drain(self) -> tuple[ReplyRecord, ...]:
        """Those that ended since the last call."""
        return tuple(self._finished.popleft() for _ in range(len(self._finished)))


class Counters:
    """What telemetry knows of all replies; its thread's own."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._errors = 0
        self._tokens = [0, 0, 0]
        self._joules: float | None = None
        self._window: deque[ReplyRecord] = deque(maxlen=WINDOW)

    def add(self, finished: tuple[ReplyRecord, ...]) -> None:
        """Take in replies that have ended."""
        for each in finished:
            if each.error:
                self._errors += 1
                continue
            counts = each.prompt_tokens, each.cached_tokens, each.completion_tokens
            self._tokens = [total + count for total, count in zip(self._tokens, counts, strict=True)]
            if each.energy and each.energy.joules is not None:
                self._joules = (self._joules or 0.0) + each.energy.joules
            if each.completion_tokens:
                self._window.append(each)

    def figures(self, generations: ReplyStats, accounts: EnergyAccounts, rejected: int) -> LlmFigures:
        """The figures now."""
        waiting = accounts.open_accounts
        active = sum(account.started and not account.closed for account in waiting)
        ttft = sorted(each.ttft_s for each in self._window)
        steps = [(each.completion_tokens - 1, each.decode_s) for each in self._window if each.decode_s]
        spent = [
            (each.energy.joules, each.completion_tokens)
            for each in self._window
            if each.energy and each.energy.joules is not None
        ]
        return LlmFigures(
            active=active,
            queued=sum(not account.started and not account.closed for account in waiting),
            requests_total=generations.requests_total,
            rejected_total=rejected,
            errors_total=self._errors,
            prompt_tokens_total=self._tokens[0],
            cached_tokens_total=self._tokens[1],
            completion_tokens_total=self._tokens[2],
            energy_joules_total=None if self._joules is None else round(self._joules, 3),
            tokens_per_second=_ratio(steps),
            ttft_ms_p50=_percentile(ttft, 0.5),
            ttft_ms_p95=_percentile(ttft, 0.95),
            joules_per_token=_ratio(spent),
        )


def _ratio(pairs: list[tuple[float, int]] | list[tuple[int, float]]) -> float | None:
    divisor = sum(below for _, below in pairs)
    return round(sum(above for above, _ in pairs) / divisor, 3) if divisor else None


def _percentile(ordered_s: list[float], part: float) -> float | None:
    """Milliseconds at ``part`` of the ordered values (the nearest rank)."""
    if not ordered_s:
        return None
    return round(1000 * ordered_s[ceil(part * len(ordered_s)) - 1], 1)
