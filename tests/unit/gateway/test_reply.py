"""Delta coalescing and the one terminal frame, with the clock that the gateway reads."""

from threading import Condition

import pytest

from edge_llm.contract.frames import Status
from edge_llm.contract.requests import Request
from edge_llm.gateway import reply as replies
from edge_llm.gateway.reply import COALESCE_S, STATUS_EVERY_S, Reply


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(replies, "monotonic", clock)
    return clock


def texts(reply: Reply, *, flowing: bool = True) -> list[str]:
    return [getattr(frame, "text", frame.type) for frame in reply.take("n", flowing=flowing)]


def test_the_first_delta_goes_at_once_and_the_next_waits_for_time_or_text(clock: Clock) -> None:
    reply = Reply("c", Request(text="?"), Condition())
    reply.delta("On")
    assert texts(reply) == ["status", "On"]
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
    assert texts(reply, flowing=False) == []
    clock.now += 1
    reply.delta("b")
    assert texts(reply) == ["status", "status", "ab"]
    reply.delta("c")
    reply.error("timeout", "too late", text="abc")
    frames = reply.take("n", flowing=False)
    assert [(frame.type, frame.seq) for frame in frames] == [("error", 3)]


def test_a_client_that_hears_nothing_is_told_again_how_far_its_request_is(clock: Clock) -> None:
    reply = Reply("c", Request(text="?"), Condition())
    reply.status("queued", position=3)
    assert texts(reply) == ["status"]
    clock.now += STATUS_EVERY_S - 0.1
    assert texts(reply) == []
    clock.now += 0.1
    (frame,) = reply.take("n", flowing=True)
    assert isinstance(frame, Status)
    assert (frame.state, frame.position, frame.seq) == ("queued", 3, 1)
    assert texts(reply) == []
