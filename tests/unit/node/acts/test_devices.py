"""What a node hears of devices is bounded, costs no other, and is followed whatever happens at a time."""

import json
from collections.abc import Callable, Iterator, Mapping
from threading import Condition
from typing import Any

import pytest

from edge_llm.config import HouseSettings, MqttSettings
from edge_llm.contract.house import House
from edge_llm.contract.topics import Topics
from edge_llm.house.announced.sources import DeviceSources
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import Subscription
from edge_llm.node.acts import devices
from edge_llm.node.acts.devices import DeviceFeed
from tests.common import eventually

SWITCH = {"cmd_t": "lamp/set", "stat_t": "lamp"}
PREFIX = "homeassistant"


class FakeConnection:
    """What the feed has subscribed to on demand, and a way to hand it messages."""

    ready = True

    def __init__(
        self,
        _mqtt: MqttSettings,
        _client_id: str,
        subscriptions: Mapping[str, Subscription],
        on_ready: Callable[[], None],
        durable: object = None,
    ) -> None:
        self.subscribed: set[str] = set()
        self.on_ready = on_ready
        self._taker = subscriptions["#"].on_message

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def subscribe(self, *topics: str) -> None:
        self.subscribed |= {*topics}

    def unsubscribe(self, topic: str) -> None:
        self.subscribed.discard(topic)

    def hear(self, topic: str, payload: bytes) -> None:
        self._taker(Message(topic, payload))

    def announce(self, name: str, **options: Any) -> None:
        payload = json.dumps(SWITCH | {"name": name, "uniq_id": name} | options)
        self.hear(f"{PREFIX}/switch/{name}/config", payload.encode())


class Feed:
    """A feed at a fake connection, with the houses that it makes."""

    def __init__(self) -> None:
        settings = HouseSettings(discovery=PREFIX, accept="all", act=("switch",))
        self.houses: list[House] = []
        self.feed = DeviceFeed(
            settings,
            MqttSettings(),
            Topics("edge_llm", "kitchen-pc"),
            lambda house, _problem: self.houses.append(house),
            Condition(),
        )
        connection: Any = self.feed._connection
        self.connection: FakeConnection = connection

    def names(self) -> set[str]:
        return {device.name for device in self.houses[-1].devices} if self.houses else set()


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    monkeypatch.setattr(devices, "Connection", FakeConnection)
    monkeypatch.setattr(devices, "_SETTLE_S", 0.01)
    feed = Feed()
    yield feed
    feed.feed.stop()


def test_one_that_nobody_can_read_costs_no_other(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come in hundreds: what is wrong with one must not take the others along."""
    update = DeviceSources.update

    def fail(self: DeviceSources, topic: str, payload: bytes) -> bool:
        if b"bad" in payload:
            raise KeyError("a fault of ours")
        return update(self, topic, payload)

    monkeypatch.setattr(DeviceSources, "update", fail)
    for name in ("one", "bad", "two"):
        feed.connection.announce(name)
    feed.feed.start()
    eventually(lambda: feed.names() == {"one", "two"})


def test_what_waits_is_bounded_even_if_it_is_empty(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_MOST_PENDING_BYTES", 5000)
    for number in range(1000):
        feed.connection.hear(f"{PREFIX}/switch/{number}/config", b"")
    assert 0 < len(feed.feed._pending) <= 10


def test_after_a_connection_the_devices_that_are_there_now_are_followed(feed: Feed) -> None:
    feed.connection.announce("one", stat_t="one")
    feed.feed.start()
    eventually(lambda: feed.connection.subscribed == {"one"})
    feed.connection.subscribed.clear()
    feed.connection.on_ready()
    assert feed.connection.subscribed == {"one"}
    feed.connection.announce("one", stat_t="other")
    eventually(lambda: feed.connection.subscribed == {"other"})
