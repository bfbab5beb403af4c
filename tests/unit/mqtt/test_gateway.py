"""Delta coalescing and the one terminal frame, with the clock that the gateway reads."""

from threading import Condition

import pytest

from edge_llm.mqtt import gateway
from edge_llm.mqtt.contract import Request
from edge_llm.mqtt.gateway import COALESCE_S, Reply


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(gateway, "monotonic", clock)
    return clock


def texts(reply: Reply, *, connected: bool = True) -> list[str]:
    return [getattr(frame, "text", frame.type) for frame in reply.take("n", connected=connected)]


def test_the_first_delta_goes_at_once_and_the_next_waits_for_time_or_text(clock: Clock) -> None:
    reply = Reply("c", Request(text="?"), Condition())
    reply.delta("On")
    assert texts(reply) == ["On"]
    reply.delta("ce")
    assert texts(reply) == []
    clock.now += COALESCE_S
    reply.delta(" upon")
    assert texts(reply) == ["ce upon"]
    reply.delta("a time there was a house with a lamp")
    assert texts(reply) == ["a time there was a house with a lamp"]


def test_without_a_connection_text_gathers_and_the_terminal_frame_is_still_handed_out(clock: Clock) -> None:
    reply = Reply("c", Request(text="?"), Condition())
    reply.status("prefill", prompt_tokens=1)
    reply.delta("a")
    assert texts(reply, connected=False) == []
    clock.now += 1
    reply.delta("b")
    assert texts(reply) == ["status", "ab"]
    reply.delta("c")
    reply.error("timeout", "too late", text="abc")
    frames = reply.take("n", connected=False)
    assert [(frame.type, frame.seq) for frame in frames] == [("error", 2)]
