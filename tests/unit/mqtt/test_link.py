"""The socket of a connection."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from edge_llm.config import MqttSettings
from edge_llm.mqtt.link import Identity, Link
from edge_llm.mqtt.sending.publication import Publication
from tests.unit.mqtt.fake_broker import Channel, FakeBroker, Serve

_EXCHANGES = 4


@contextmanager
def opened(serve: Serve) -> Iterator[tuple[Link, socket.socket]]:
    broker = FakeBroker(serve)
    settings = MqttSettings(host="127.0.0.1", port=broker.port)
    link = Link(Identity(settings, None, None, "c", None, None), "5", lambda _message: None)
    link.open()
    try:
        yield link, cast("socket.socket", link._client.socket())
    finally:
        link.abandon()
        broker.close()


def test_a_packet_does_not_wait_for_the_answer_to_the_one_before() -> None:
    """Nagle's algorithm would hold it back: the note behind an act came 40 ms later, or never."""

    def serve(channel: Channel) -> None:
        channel.accept()
        channel.stopping.wait(10)

    with opened(serve) as (_link, channel):
        assert channel.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_packet_is_answered_at_once() -> None:
    """A broker with Nagle's algorithm would hold the next one back for as long as the answer is delayed."""

    def serve(channel: Channel) -> None:
        channel.accept()
        for _ in range(_EXCHANGES):
            channel.acknowledge(*channel.read())
        channel.stopping.wait(10)

    answered_at_once: list[int] = []
    wake, waker = socket.socketpair()
    with opened(serve) as (link, channel), wake, waker:
        while len(answered_at_once) <= _EXCHANGES:
            link.turn(wake, 10)
            if link.events:
                answered_at_once.append(channel.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))
                link.events.clear()
                link.publish(Publication("t", b"x"), 1)
    assert all(answered_at_once)
