"""The rate of each client, with a clock of the test's."""

from contextlib import suppress

import pytest

from edge_llm.errors import RequestError
from edge_llm.gateway import rate_limit as module
from edge_llm.gateway.rate_limit import RateLimiter
from tests.unit.gateway.conftest import Clock


def taken(limiter: RateLimiter, client: str, count: int) -> int:
    """Requests of ``count`` that pass."""
    passed = 0
    for _ in range(count):
        with suppress(RequestError):
            limiter.take(client)
            passed += 1
    return passed


def test_a_burst_passes_and_then_the_rate(clock: Clock) -> None:
    limiter = RateLimiter(60)
    assert taken(limiter, "c", 20) == 10  # ten seconds' worth
    clock.now += 3
    assert taken(limiter, "c", 20) == 3
    clock.now += 1000
    assert taken(limiter, "c", 20) == 10


def test_a_slow_rate_allows_a_few_at_once(clock: Clock) -> None:
    assert taken(RateLimiter(0.5), "c", 20) == 5


def test_who_asks_again_after_the_time_that_he_was_told_passes(clock: Clock) -> None:
    limiter = RateLimiter(30)
    taken(limiter, "c", 5)
    with pytest.raises(RequestError) as refused:
        limiter.take("c")
    assert refused.value.code == "rate_limited"
    clock.now += (refused.value.retry_after_ms or 0) / 1000
    limiter.take("c")


def test_clients_do_not_share_a_rate_and_the_longest_unused_is_forgotten(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_CLIENTS", 2)
    limiter = RateLimiter(30)
    assert [taken(limiter, client, 9) for client in "abc"] == [5, 5, 5]
    assert taken(limiter, "c", 1) == 0
    assert taken(limiter, "a", 9) == 5  # forgotten meanwhile
