"""The socket of a connection."""

import socket
from typing import cast

from edge_llm.config import MqttSettings
from edge_llm.mqtt.link import Identity, Link
from tests.unit.mqtt.fake_broker import Channel, FakeBroker


def test_a_packet_does_not_wait_for_the_answer_to_the_one_before() -> None:
    """Nagle's algorithm would hold it back: the note behind an act came 40 ms later, or never."""

    def serve(channel: Channel) -> None:
        channel.accept()
        channel.stopping.wait(10)

    broker = FakeBroker(serve)
    settings = MqttSettings(host="127.0.0.1", port=broker.port)
    link = Link(Identity(settings, None, None, "c", None, None), "5", lambda _message: None)
    link.open()
    opened = cast("socket.socket", link._client.socket())
    assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    link.abandon()
    broker.close()
