"""What is wrong with one reply is its own: the publisher goes on, and the request ends."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import create_autospec

import pytest

from edge_llm.contract.frames import Done, Error, Terminal, TimingMs, Usage
from edge_llm.contract.requests import Request
from edge_llm.contract.topics import Topics
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.publisher import Publisher
from edge_llm.gateway.reply import Asked, Reply
from edge_llm.gateway.reply_to import ReplyTo
from edge_llm.gateway.request_log import RequestLog, RequestRecord
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message, OnSent, Outcome

TOPICS = Topics("edge_llm", "n")


class Broker:
    """The connection's half of a broker that takes payloads up to a limit."""

    def __init__(self) -> None:
        self.announced: int | None = None
        self.silent_limit = 10**9
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.connection: Any = create_autospec(Connection, instance=True)
        self.connection.ready, self.connection.congested = True, False
        self.connection.packet_limit = None
        self.connection.room.side_effect = lambda *_: self.announced
        self.connection.publish.side_effect = self._publish

    def _publish(self, topic: str, payload: bytes, *, on_sent: OnSent, **_: object) -> None:
        if len(payload) > min(self.silent_limit, self.announced or 10**9):
            on_sent(Outcome.REFUSED)
            return
        self.sent.append((topic, json.loads(payload)))
        on_sent(Outcome.TAKEN)

    def terminals(self) -> list[dict[str, Any]]:
        return [frame for topic, frame in self.sent if topic == TOPICS.reply("c")]


class Responder:
    def submit(self, reply: Reply) -> None: ...

    def cancel(self, reply: Reply) -> None: ...

    def prepare(self, reply: Reply) -> None:
        if reply.asked.request.id == "unprepared":
            raise RuntimeError("a fault")

    def complete(self, reply: Reply, terminal: Terminal) -> Terminal:
        if terminal.id == "incomplete":
            raise RuntimeError("a fault")
        return terminal


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def request_log() -> RequestLog:
    return RequestLog(None)


Start = Callable[..., tuple[Reply, list[Message]]]


@pytest.fixture
def start(broker: Broker, request_log: RequestLog) -> Iterator[Start]:
    """Take in a request; the list has its message once that is acknowledged."""
    in_flight = InFlight()
    publisher = Publisher(broker.connection, TOPICS, in_flight, request_log, Responder(), 20)
    publisher.start()

    def start(
        request_id: str, custom: object = None, reply_to: ReplyTo | None = None
    ) -> tuple[Reply, list[Message]]:
        acknowledged: list[Message] = []
        message = Message("t", b"", qos1=True, on_acknowledge=acknowledged.append)
        request = Request(id=request_id, text="?", custom=custom)
        record = RequestRecord(request_id, b"", 1, time.time())
        reply = Reply("n", Asked("request", "c", request, message, reply_to), in_flight.changed, record)
        request_log.keep("c", record)
        in_flight.add(reply, request_id)
        in_flight.submitted(reply)
        return reply, acknowledged

    yield start
    publisher.stop()
    assert "publisher" not in {thread.name for thread in threading.enumerate()}


def done(reply: Reply, text: str) -> Done:
    return Done(
        **reply.header(),
        text=text,
        finish_reason="stop",
        model="m",
        usage=Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1),
        timing_ms=TimingMs(queue=0, prefill=0, ttft=0, total=0),
        tokens_per_second=1.0,
    )


def eventually(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + 5
    while not (found := what()):
        assert time.monotonic() < until, "did not happen"
        time.sleep(0.005)
    return found


def test_faults_of_single_replies_end_those_alone(
    start: Start, broker: Broker, request_log: RequestLog
) -> None:
    start("unprepared")
    reply, acknowledged = start("incomplete")
    reply.end(done(reply, "hi"))
    good, _ = start("good")
    good.end(done(good, "hello"))
    frames = eventually(lambda: len(found := broker.terminals()) == 3 and found)
    codes = {frame["id"]: frame.get("code") for frame in frames}
    assert codes == {"unprepared": "internal", "incomplete": "internal", "good": None}
    assert len(eventually(lambda: acknowledged)) == 1
    logged = request_log.find("c", "incomplete")
    assert logged
    assert logged.terminal
    assert json.loads(logged.terminal)["code"] == "internal"


def test_text_that_is_no_unicode_ends_its_reply_alone(start: Start, broker: Broker) -> None:
    """JSON can say half a surrogate pair, and it comes back in ``custom``."""
    first, acknowledged = start("1", custom="\ud800")
    first.status("queued", position=0)
    second, _ = start("2")
    second.delta("a \ud800 b")
    third, _ = start("3")
    third.end(done(third, "hello"))
    frames = eventually(lambda: len(found := broker.terminals()) == 3 and found)
    codes = {frame["id"]: frame.get("code") for frame in frames}
    assert codes == {"1": "internal", "2": "internal", "3": None}
    assert acknowledged


def test_deltas_are_cut_and_a_terminal_that_does_not_fit_says_so(start: Start, broker: Broker) -> None:
    broker.announced = 400
    reply, acknowledged = start("1")
    text = 'He said "ü".\n' * 60
    reply.delta(text)
    eventually(lambda: "".join(frame.get("text", "") for _, frame in broker.sent) == text)
    reply.end(done(reply, text))
    (frame,) = eventually(broker.terminals)
    assert (frame["code"], frame["id"], frame["retryable"]) == ("too_large", "1", False)
    seqs = [frame["seq"] for topic, frame in broker.sent if topic == TOPICS.stream("c")]
    assert seqs == list(range(len(seqs)))
    assert eventually(lambda: acknowledged)


def test_a_terminal_that_the_broker_turns_out_not_to_take_is_replaced(
    start: Start, broker: Broker, request_log: RequestLog
) -> None:
    broker.silent_limit = 400
    reply, acknowledged = start("1")
    reply.end(done(reply, "x" * 1000))
    (frame,) = eventually(broker.terminals)
    assert (frame["code"], frame["id"]) == ("too_large", "1")
    assert len(eventually(lambda: acknowledged)) == 1
    logged = request_log.find("c", "1")
    assert logged
    assert json.loads(logged.terminal or b"")["code"] == "too_large"  # and so if it comes again


def test_where_not_even_the_error_fits_the_request_is_over_all_the_same(start: Start, broker: Broker) -> None:
    broker.silent_limit = 10
    reply, acknowledged = start("1")
    reply.end(done(reply, "x" * 1000))
    assert eventually(lambda: acknowledged)
    assert broker.sent == []


def test_the_first_end_of_a_reply_counts(start: Start, broker: Broker) -> None:
    reply, _ = start("1")
    reply.error("timeout", "late")
    reply.end(done(reply, "hi"))
    frames = eventually(broker.terminals)
    assert [Error.model_validate(frame).code for frame in frames] == ["timeout"]


def test_unavailable_leaves_a_request_to_the_next_process_unless_it_is_told(
    start: Start, broker: Broker, request_log: RequestLog
) -> None:
    left, not_acknowledged = start("left")
    left.error("unavailable", "the node is stopping")
    told, acknowledged = start("told")
    told.error("unavailable", "another node is away", told=True)
    assert eventually(lambda: acknowledged)
    assert [frame["id"] for frame in broker.terminals()] == ["told"]
    assert not_acknowledged == []
    assert request_log.find("c", "left")
    assert request_log.find("c", "told") is None  # it may be asked again
