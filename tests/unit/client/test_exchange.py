"""Requests that are refused, cancelled, or meet a node that goes away, without a broker."""

import json
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from edge_llm.client import MqttSettings, RequestError
from edge_llm.client.exchange import Exchange
from edge_llm.contract.frames import Error, Status
from edge_llm.contract.requests import Request
from edge_llm.contract.topics import OFFLINE, ONLINE, Topics
from edge_llm.mqtt.message import Message

TOPICS = Topics("edge_llm", "n")
REQUEST = Request(id="r", text="Hello")
QUEUED = Status(id="r", node="n", seq=0, state="queued")
BUSY = Error(id="r", node="n", seq=0, code="busy", message="why", retryable=True, retry_after_ms=1)


class Sent:
    """In place of a connection: remembers what was published."""

    packet_limit = None

    def __init__(self) -> None:
        self.topics: list[str] = []

    def wait_ready(self, timeout_s: float) -> bool:
        return True

    def stop(self) -> None:
        pass

    def publish(self, topic: str, payload: bytes, **_: Any) -> None:
        self.topics.append(topic.split("/")[-2])


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def exchange(sent: Sent) -> Exchange:
    exchange = Exchange(MqttSettings(), TOPICS, "c", "node n")
    exchange._connection = sent  # type: ignore[assignment] # all of it that is used
    says(exchange, ONLINE)
    return exchange


def says(exchange: Exchange, state: bytes) -> None:
    exchange._on_state(Message(TOPICS.state, state))


def hears(exchange: Exchange, frame: Status | Error) -> None:
    exchange._on_frame(Message(TOPICS.stream("c"), frame.encode()))


def begun(exchange: Exchange, *, retry: bool = True) -> Iterator[Any]:
    """A request that the node has taken."""
    frames = exchange.frames(REQUEST, lambda: TOPICS.request("c"), 60, retry=retry)
    sent = exchange._connection
    publish = sent.publish

    def taken(*arguments: Any, **options: Any) -> None:
        publish(*arguments, **options)
        hears(exchange, QUEUED)

    sent.publish = taken  # type: ignore[method-assign] # once
    assert next(frames) == QUEUED
    sent.publish = publish  # type: ignore[method-assign] # as it was
    return frames


def test_documents_and_nodes_of_other_pools_are_no_nodes_of_a_pool(sent: Sent) -> None:
    exchange = Exchange(MqttSettings(), Topics("edge_llm", "+", "p"), "c", "a node of pool p")
    exchange._connection = sent  # type: ignore[assignment] # all of it that is used

    def comes(node: str, **info: Any) -> None:
        topics = Topics("edge_llm", node)
        said = {"node": node, "limits": {"request_bytes": 1000}, **info}
        exchange._on_info(Message(topics.info, json.dumps(said).encode()))
        exchange._on_state(Message(topics.state, ONLINE))

    comes("documents", features=["documents"])
    comes("attic-pc", pool="q")
    with pytest.raises(RequestError, match="a node of pool p is not online"):
        exchange.wait_online(0.01)
    comes("kitchen-pc", pool="p")
    exchange.wait_online(0.01)
    exchange.cancel("r")
    assert sent.topics == ["cancel"]


def test_a_request_that_is_not_to_be_begun_late_has_an_expiry(exchange: Exchange, sent: Sent) -> None:
    expiries = []
    sent.publish = lambda *_, **options: expiries.append(options.get("expiry_s"))  # type: ignore[method-assign] # to look
    for begin_by in (None, monotonic() + 7.5, monotonic() - 1):
        frames = exchange.frames(REQUEST, lambda: TOPICS.request("c"), 0.01, begin_by=begin_by)
        with pytest.raises(RequestError):
            next(frames)
    assert expiries[::2] == [None, 8, 1]  # after each comes the cancel of what nobody waits for


def test_what_no_node_has_begun_in_time_is_not_sent_again(exchange: Exchange, sent: Sent) -> None:
    frames = exchange.frames(REQUEST, lambda: TOPICS.request("c"), 60, begin_by=monotonic() - 1)
    sent.publish = lambda *_, **_options: exchange._ask_again()  # type: ignore[method-assign] # the node is back
    with pytest.raises(RequestError) as late:
        next(frames)
    assert late.value.code == "expired"


def test_a_closed_client_ends_what_waits(exchange: Exchange, sent: Sent) -> None:
    frames = begun(exchange)
    exchange.stop()
    with pytest.raises(RequestError) as closed:
        next(frames)
    assert closed.value.code == "unavailable"


def test_a_refusal_that_may_pass_is_an_error_at_once_where_that_is_wanted(
    exchange: Exchange, sent: Sent
) -> None:
    frames = begun(exchange, retry=False)
    hears(exchange, BUSY)
    with pytest.raises(RequestError) as refused:
        next(frames)
    assert (refused.value.code, refused.value.retry_after_ms) == ("busy", 1)
    assert sent.topics == ["request"]


def test_otherwise_it_is_tried_again(exchange: Exchange, sent: Sent) -> None:
    frames = begun(exchange)
    hears(exchange, BUSY)
    hears(exchange, QUEUED)
    assert next(frames) == QUEUED
    assert sent.topics == ["request", "request"]


@pytest.mark.parametrize("what", ["r", "*"])
def test_what_was_cancelled_is_not_sent_again_when_the_node_is_back(
    exchange: Exchange, sent: Sent, what: str
) -> None:
    frames = begun(exchange)
    says(exchange, OFFLINE)
    exchange.cancel(what)
    says(exchange, ONLINE)
    with pytest.raises(RequestError, match="cancelled while node n could not answer"):
        next(frames)
    assert sent.topics.count("request") == 1
    assert sent.topics[-1] == "cancel"


def test_other_requests_are(exchange: Exchange, sent: Sent) -> None:
    frames = begun(exchange)
    says(exchange, OFFLINE)
    exchange.cancel("another")
    says(exchange, ONLINE)
    hears(exchange, QUEUED)
    assert next(frames) == QUEUED
    assert sent.topics.count("request") == 2
