"""Adds up the energy of one reply."""

from collections.abc import Callable
from time import monotonic

from edge_llm.contract.frames import Energy, Quality, TimingMs, Usage

Progress = tuple[int, float | None]
"""Tokens computed for a reply so far, the prompt's included; instant of its first token (time.monotonic)."""


def final_progress(usage: Usage, timing_ms: TimingMs) -> Progress:
    """The progress of a reply that ends now."""
    computed = usage.prompt_tokens - usage.cached_tokens + usage.completion_tokens
    decode_s = (timing_ms.total - timing_ms.ttft) / 1000
    return computed, monotonic() - decode_s if usage.completion_tokens else None


class ReplyEnergyMeter:
    """Meters one reply: its state, and its share of the energy.

    Who makes the reply calls ``start`` and ``close``; all else is the EnergyMeter's, under its lock.
    """

    def __init__(self, progress: Callable[[], Progress]) -> None:
        """``progress`` is asked on any thread, until ``close``."""
        self._progress = progress
        self._started = False
        self._final: Progress | None = None
        self.began_s = 0.0
        """The instant at which the reply was asked for."""
        self._tokens = 0
        self._first_token_s: float | None = None
        self._prefill_joules = 0.0
        self._decode_joules = 0.0
        self._shared = False
        self._unread = False

    def start(self) -> None:
        """Note that the reply leaves the queue: its prefill begins."""
        self._started = True

    def close(self, progress: Progress | None = None) -> None:
        """End the reply, at ``progress``; without one it is charged nothing more."""
        self._final = progress or (self._tokens, None)

    @property
    def queued(self) -> bool:
        """The reply waits for its prefill."""
        return not self._started and not self.closed

    @property
    def active(self) -> bool:
        """The reply is being made."""
        return self._started and not self.closed

    @property
    def closed(self) -> bool:
        """The reply has ended."""
        return self._final is not None

    @property
    def has_tokens(self) -> bool:
        """A token was computed for the reply."""
        return self._tokens > 0

    def begin(self, now_s: float) -> None:
        """Note the instant at which the reply was asked for."""
        self.began_s = now_s

    def new_tokens(self) -> int:
        """Count the tokens that were computed since the last call."""
        tokens, self._first_token_s = self._final or self._progress()
        new = max(0, tokens - self._tokens)
        self._tokens += new
        return new

    def charge(self, joules: float | None, since_s: float, until_s: float, *, shared: bool) -> None:
        """Add ``joules``, of which the part before the first token is the prefill's; None: not known."""
        self._shared = self._shared or shared
        if joules is None:
            self._unread = True
            return
        if self._first_token_s is None:
            prefill = 1.0
        elif since_s < until_s:
            prefill = min(1.0, max(0.0, (self._first_token_s - since_s) / (until_s - since_s)))
        else:
            prefill = 0.0
        self._prefill_joules += joules * prefill
        self._decode_joules += joules * (1.0 - prefill)

    def energy(self, quality: Quality, completion_tokens: int) -> Energy:
        """The energy charged so far; without figures if some of it could not be read."""
        if self._unread or quality == "none":
            return Energy(quality="none", shared=self._shared)
        joules = self._prefill_joules + self._decode_joules
        return Energy(
            joules=joules,
            prefill_joules=self._prefill_joules,
            decode_joules=self._decode_joules,
            joules_per_token=joules / completion_tokens if completion_tokens else None,
            quality=quality,
            shared=self._shared,
        )
