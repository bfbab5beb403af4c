"""Delta coalescing and the one terminal frame, with the clock that the gateway reads."""

from threading import Condition

from edge_llm.contract.frames import Error, Status
from edge_llm.contract.requests import Request
from edge_llm.gateway.reply import COALESCE_S, STATUS_EVERY_S, Asked, Reply
from edge_llm.mqtt.message import Message
from tests.unit.gateway.conftest import Clock


def make() -> Reply:
    asked = Asked("request", "c", Request(text="?"), Message("t", b""))
    return Reply("n", asked, Condition())


def texts(reply: Reply, *, flowing: bool = True) -> list[str]:
    return [getattr(frame, "text", frame.type) for frame in reply.drain(flowing=flowing)]


def test_the_first_delta_goes_at_once_and_the_next_waits_for_time_or_text(clock: Clock) -> None:
    reply = make()
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
    reply = make()
    reply.status("prefill", prompt_tokens=1)
    reply.delta("a")
    assert texts(reply, flowing=False) == []
    clock.now += 1
    reply.delta("b")
    assert texts(reply) == ["status", "status", "ab"]
    reply.delta("c")
    reply.error("timeout", "too late", text="abc")
    frames = reply.drain(flowing=False)
    assert [(frame.type, frame.seq) for frame in frames] == [("error", 3)]


def test_a_client_that_hears_nothing_is_told_again_how_far_its_request_is(clock: Clock) -> None:
    reply = make()
    reply.status("queued", position=3)
    assert texts(reply) == ["status"]
    clock.now += STATUS_EVERY_S - 0.1
    assert texts(reply) == []
    clock.now += 0.1
    (frame,) = reply.drain(flowing=True)
    assert isinstance(frame, Status)
    assert (frame.state, frame.position, frame.seq) == ("queued", 3, 1)
    assert texts(reply) == []


def test_a_replayed_frame_keeps_its_number_and_says_so(clock: Clock) -> None:
    reply = make()
    header = reply.header() | {"seq": 7}
    before = Error(**header, code="timeout", message="too late", retryable=False)
    reply.replay(before.encode())
    (frame,) = reply.drain(flowing=True)
    assert isinstance(frame, Error)
    assert (frame.seq, frame.replayed, frame.message) == (7, True, "too late")


def test_a_request_that_comes_again_is_told_where_it_stands(clock: Clock) -> None:
    reply = make()
    reply.repeat(Message("t", b"", qos1=True))  # before anything is known of it
    assert reply.drain(flowing=True) == []
    reply.status("prefill", prompt_tokens=5)
    assert texts(reply) == ["status"]
    reply.repeat(Message("t", b"", qos1=True))
    (frame,) = reply.drain(flowing=True)
    assert isinstance(frame, Status)
    assert (frame.state, frame.prompt_tokens, frame.seq) == ("prefill", 5, 1)
    assert (len(reply.messages), reply.qos1) == (3, True)


def test_without_subscribers_only_the_terminal_frame_is_left(clock: Clock) -> None:
    reply = make()
    reply.delta("a")
    reply.has_subscribers(False)  # noqa: FBT003 - as OnSent is called
    assert texts(reply) == []
    reply.error("internal", "broken")
    assert texts(reply) == [""]
