"""Limits the rate at which each client may ask."""

from collections import OrderedDict
from time import monotonic

from edge_llm.errors import RequestError

_BURST_S = 10.0
"""A quiet client may send at once as many requests as its rate allows in this time (seconds)."""
_LEAST_BURST = 5
_MAX_CLIENTS = 1024


class RateLimiter:
    """A token bucket for each client; of too many clients the longest unused is forgotten."""

    def __init__(self, requests_per_minute: float) -> None:
        """Allow each client this rate in the long run."""
        self._per_second = requests_per_minute / 60
        self._burst = max(_LEAST_BURST, self._per_second * _BURST_S)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count a request of ``client``.

        Raises:
            RequestError: rate_limited, with the time until the next one is allowed.
        """
        now = monotonic()
        tokens, since = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        if not allowed:
            wait_ms = 1 + int(1000 * (1 - tokens) / self._per_second)
            raise RequestError(
                "rate_limited",
                f"{60 * self._per_second:g} requests a minute are allowed",
                retry_after_ms=wait_ms,
            )
