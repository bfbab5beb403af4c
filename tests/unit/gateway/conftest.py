import pytest

from edge_llm.gateway import rate_limit, reply


class Clock:
    """The time.monotonic() of the gateway, which a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (rate_limit, reply):
        monkeypatch.setattr(module, "monotonic", clock)
    return clock
