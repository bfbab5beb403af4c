"""Delta coalescing and the one terminal frame, with the clock that the gateway reads."""

from threading import Condition

from edge_llm.contract.frames import Call, Done, Error, Status, TimingMs, Usage
from edge_llm.contract.requests import Request
from edge_llm.contract.tools import ToolCall
from edge_llm.gateway.reply import COALESCE_S, STATUS_EVERY_S, Asked, Reply
from edge_llm.mqtt.message import Message
from tests.unit.gateway.conftest import Clock

ON = ToolCall(id="call_1", name="set_lamp", arguments={"room": "küche", "level": None})
OFF = ToolCall(id="call_2", name="set_lamp", arguments={"note": "x" * 300})


def make(*, stream: bool = True) -> Reply:
    asked = Asked("request", "c", Request(text="?", stream=stream), Message("t", b""))
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


def test_calls_go_out_at_once_in_order_with_the_text_before_and_after_them(clock: Clock) -> None:
    reply = make()
    reply.delta("On")
    assert texts(reply) == ["status", "On"]
    reply.delta("e ")
    reply.delta("moment. ")
    assert texts(reply) == []
    reply.call(0, ON)
    reply.call(1, OFF)
    reply.delta("Done.")
    frames = reply.drain(flowing=True)
    assert [frame.type for frame in frames] == ["delta", "call", "call", "delta"]
    assert [frame.seq for frame in frames] == [2, 3, 4, 5]
    assert [(call.index, call.call) for call in frames if isinstance(call, Call)] == [(0, ON), (1, OFF)]
    assert [getattr(frame, "text", "") for frame in frames] == ["e moment. ", "", "", "Done."]


def test_a_reply_of_calls_alone_is_being_decoded(clock: Clock) -> None:
    reply = make()
    reply.call(0, ON)
    status, call = reply.drain(flowing=True)
    assert isinstance(status, Status)
    assert (status.state, call.type, call.seq) == ("decode", "call", 1)
    reply.call(1, OFF)
    assert texts(reply) == ["call"]


def test_without_streaming_or_subscribers_there_are_no_calls_but_in_done(clock: Clock) -> None:
    quiet, alone = make(stream=False), make()
    alone.has_subscribers(False)  # noqa: FBT003 - as OnSent is called
    for reply in (quiet, alone):
        reply.call(0, ON)
        assert reply.drain(flowing=True) == []


def test_a_call_that_does_not_fit_is_left_out_and_takes_no_number(clock: Clock) -> None:
    reply = make()
    reply.delta("Yes. ")
    for index, call in enumerate((OFF, ON)):
        reply.call(index, call)
    frames = reply.drain(flowing=True, room=lambda _: 250)
    assert [(frame.type, frame.seq) for frame in frames] == [("status", 0), ("delta", 1), ("call", 2)]
    assert isinstance(frames[-1], Call)
    assert (frames[-1].index, frames[-1].call) == (1, ON)


def test_calls_wait_for_a_connection_and_then_come_in_order(clock: Clock) -> None:
    reply = make()
    reply.delta("a")
    reply.call(0, ON)
    assert texts(reply, flowing=False) == []
    reply.delta("b")
    assert texts(reply) == ["status", "a", "call", "b"]


def test_a_replayed_reply_has_its_calls(clock: Clock) -> None:
    reply = make()
    done = Done(
        **reply.header(),
        text="",
        calls=(ON, OFF),
        finish_reason="tool_calls",
        model="m",
        usage=Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1),
        timing_ms=TimingMs(queue=0, prefill=0, ttft=0, total=0),
        tokens_per_second=1.0,
    )
    reply.replay(done.encode())
    (frame,) = reply.drain(flowing=True)
    assert isinstance(frame, Done)
    assert (frame.calls, frame.replayed) == ((ON, OFF), True)
