"""Whatever a broker does, the connection survives it: versions, topics, names, sizes, and its threads."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from edge_llm.config import MqttSettings
from edge_llm.mqtt import attempts
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message, Outcome
from edge_llm.mqtt.subscriptions import DurableSession, Subscription
from tests.unit.mqtt.fake_broker import CONNACK, CONNECT, PUBLISH, SUBSCRIBE, Channel, FakeBroker, Serve

Make = Callable[..., tuple[FakeBroker, Connection]]


def eventually(what: Callable[[], object], timeout_s: float = 10.0) -> None:
    until = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < until, "did not happen"
        time.sleep(0.005)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Start a broker that serves connections as it is told, and a connection to it."""
    monkeypatch.setattr(attempts, "_MIN_PAUSE_S", 0.05)
    monkeypatch.setattr(attempts, "_CONNACK_S", 0.2)
    monkeypatch.setattr("edge_llm.mqtt.connection._TURN_S", 0.05)
    monkeypatch.setattr("edge_llm.mqtt.port_probe._STEP_S", 0.1)
    made: list[tuple[FakeBroker, Connection]] = []

    def make(
        *serves: Serve, heard: list[Message] | None = None, durable: bool = True, **settings: object
    ) -> tuple[FakeBroker, Connection]:
        broker = FakeBroker(*serves)
        fields = {"host": "127.0.0.1", "port": broker.port} | settings
        connection = Connection(
            MqttSettings.model_validate(fields),
            "node",
            {"in/+": Subscription((heard if heard is not None else []).append)},
            durable=DurableSession(20, lambda _present: None) if durable else None,
        )
        connection.start()
        made.append((broker, connection))
        return broker, connection

    yield make
    for broker, connection in made:
        connection.stop()
        broker.close()
    assert "mqtt" not in {thread.name for thread in threading.enumerate()}


def close(channel: Channel) -> None:
    channel.read()


def say_nothing(channel: Channel) -> None:
    channel.read()
    channel.stopping.wait(0.6)


def refuse_version(channel: Channel) -> None:
    assert channel.read()[0] == CONNECT
    channel.send(CONNACK, b"\x00\x01")  # as 3.1.1 has it


@pytest.mark.parametrize("hiccup", [close, say_nothing])
def test_one_hiccup_does_not_cost_version_5(make: Make, hiccup: Serve) -> None:
    def serve_once(channel: Channel) -> None:
        channel.accept()
        channel.acknowledge(*channel.read())

    broker, connection = make(hiccup, serve_once, Channel.serve)
    eventually(lambda: connection.ready and connection.protocol == "5")
    assert broker.versions == [5, 4, 5]


def test_a_broker_that_refuses_the_version_is_believed(make: Make) -> None:
    def serve_once(channel: Channel) -> None:
        channel.accept()
        channel.acknowledge(*channel.read())

    broker, connection = make(refuse_version, serve_once, serve_once, Channel.serve)
    eventually(lambda: len(broker.versions) >= 4)
    eventually(lambda: connection.ready)
    assert (broker.versions[0], set(broker.versions[1:])) == (5, {4})


def test_a_topic_that_is_no_utf8_is_acknowledged_and_forgotten(make: Make) -> None:
    heard: list[Message] = []
    acknowledged: list[bytes] = []

    def serve(channel: Channel) -> None:
        channel.accept()
        channel.acknowledge(*channel.read())
        channel.send(PUBLISH, b"\x00\x05in/\xff\xfe" + b"\x00\x07" + b"\x00" + b"?", flags=2)
        channel.send(PUBLISH, b"\x00\x04in/a" + b"\x00\x08" + b"\x00" + b"!", flags=2)
        while True:
            _, _, body = channel.read()
            acknowledged.append(body[:2])

    _, connection = make(serve, heard=heard)
    eventually(lambda: heard)
    heard[0].acknowledge()
    eventually(lambda: acknowledged == [b"\x00\x07", b"\x00\x08"])
    assert [message.payload for message in heard] == [b"!"]
    assert connection.ready


def test_properties_that_cannot_be_read_are_asked_for_without_them(make: Make) -> None:
    """By 3.1.1, which has none: else the broker would hand out the same message for ever."""
    heard: list[Message] = []

    def serve(channel: Channel) -> None:
        channel.accept()
        channel.acknowledge(*channel.read())
        properties = b"\x02\xfe\xfe" if channel.version == 5 else b""
        channel.send(PUBLISH, b"\x00\x04in/a" + b"\x00\x08" + properties + b"!", flags=2)
        while True:
            channel.acknowledge(*channel.read())

    broker, connection = make(serve, heard=heard)
    eventually(lambda: heard)
    assert (connection.protocol, broker.versions) == ("3.1.1", [5, 4])


def test_a_handler_that_fails_ends_nothing(make: Make) -> None:
    acknowledged: list[bytes] = []

    def serve(channel: Channel) -> None:
        channel.accept()
        channel.acknowledge(*channel.read())
        channel.send(PUBLISH, b"\x00\x04in/a" + b"\x00\x08" + b"\x00" + b"!", flags=2)
        acknowledged.append(channel.read()[2][:2])
        channel.stopping.wait(5)

    class Fails(list[Message]):
        def append(self, _message: Message) -> None:
            raise RuntimeError("a fault")

    _, connection = make(serve, heard=Fails())
    eventually(lambda: acknowledged == [b"\x00\x08"])
    assert connection.ready


def test_a_host_that_cannot_be_one_is_named_and_tried_again(make: Make) -> None:
    _, connection = make(Channel.serve, host="x" * 70 + ".example")
    eventually(lambda: connection.failure)
    assert "cannot be the name of a host" in str(connection.failure)
    assert "mqtt" in {thread.name for thread in threading.enumerate()}


def test_a_message_that_the_connection_breaks_at_is_not_sent_a_third_time(make: Make) -> None:
    """And those beside it are."""
    came: list[bytes] = []
    outcomes: dict[bytes, Outcome] = {}

    def serve(channel: Channel) -> None:
        channel.accept()
        while True:
            kind, flags, body = channel.read()
            if kind == PUBLISH:
                came.append(body[-1:])
                if len(body) > 500:
                    return
            channel.acknowledge(kind, flags, body)

    broker, connection = make(serve, protocol="3.1.1")
    eventually(lambda: connection.ready)
    for name, size in ((b"a", 100), (b"B", 600), (b"c", 100), (b"D", 700), (b"e", 100)):
        connection.publish(
            "t",
            name * size,
            on_sent=partial(outcomes.__setitem__, name),
        )
    eventually(lambda: len(outcomes) == 5)
    assert {name for name, outcome in outcomes.items() if outcome is Outcome.REFUSED} == {b"B", b"D"}
    assert came.count(b"B") == 2
    assert came.count(b"D") <= 2
    assert connection.packet_limit is not None
    assert connection.packet_limit < 700
    assert len(broker.versions) <= 5


def test_the_limit_that_the_broker_announces_is_honoured(make: Make) -> None:
    outcomes: list[Outcome] = []
    came: list[int] = []

    def serve(channel: Channel) -> None:
        channel.accept(b"\x27" + (300).to_bytes(4))
        while True:
            kind, flags, body = channel.read()
            if kind == PUBLISH:
                came.append(len(body))
            channel.acknowledge(kind, flags, body)

    _, connection = make(serve)
    eventually(lambda: connection.ready)
    room = connection.room("t", 60)
    assert room is not None
    assert 255 < room < 300
    for size in (room, 300):
        connection.publish("t", b"{" * size, expiry_s=60, on_sent=outcomes.append)
    eventually(lambda: len(outcomes) == 2)
    assert set(outcomes) == {Outcome.TAKEN, Outcome.REFUSED}
    assert len(came) == 1
    assert came[0] <= 300


def test_no_more_is_on_its_way_than_the_broker_allows(make: Make) -> None:
    outcomes: list[Outcome] = []
    most = [0]

    def serve(channel: Channel) -> None:
        channel.accept(b"\x21" + (2).to_bytes(2))  # Receive Maximum
        channel.acknowledge(*channel.read())
        waiting: list[tuple[int, int, bytes]] = []
        channel._connection.settimeout(0.1)
        while not channel.stopping.is_set():
            try:
                waiting.append(channel.read())
                most[0] = max(most[0], len(waiting))
            except TimeoutError:
                while waiting:
                    channel.acknowledge(*waiting.pop(0))

    _, connection = make(serve)
    for _ in range(7):
        connection.publish("t", b"-", on_sent=outcomes.append)
    eventually(lambda: len(outcomes) == 7)
    assert most == [2]


def test_another_client_of_the_same_id_is_named_after_the_third_time(make: Make) -> None:
    def take_over(channel: Channel) -> None:
        channel.accept()
        channel.acknowledge(*channel.read())
        time.sleep(0.05)
        channel.send(14, b"\x8e\x04\x1f\x00\x01x")  # DISCONNECT: Session taken over, with a reason string

    _, connection = make(take_over, take_over, take_over, Channel.serve)
    eventually(lambda: connection.contested)
    assert connection.contested == "another client uses the id node: give each node its own node.id"
    eventually(lambda: connection.ready)
    assert connection.failure == connection.contested


def test_on_3_1_1_it_is_named_as_what_it_may_be(make: Make) -> None:
    def end(channel: Channel) -> None:
        channel.accept()
        channel.acknowledge(*channel.read())
        time.sleep(0.05)

    _, connection = make(end, end, end, Channel.serve, protocol="3.1.1")
    eventually(lambda: connection.contested)
    assert "another client seems to use the id node" in str(connection.contested)


def test_subscriptions_are_asked_for(make: Make) -> None:
    asked: list[bytes] = []

    def serve(channel: Channel) -> None:
        channel.accept()
        kind, flags, body = channel.read()
        assert kind == SUBSCRIBE
        asked.append(body)
        channel.acknowledge(kind, flags, body)
        channel.stopping.wait(5)

    _, connection = make(serve)
    eventually(lambda: connection.ready)
    assert b"in/+" in asked[0]
