"""What an open page is shown: all at once, then what changes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from edge_llm.config import HouseSettings, MqttSettings
from edge_llm.contract.house import Area, Device, House
from edge_llm.contract.topics import ONLINE
from edge_llm.mqtt.message import Message
from edge_llm.web.live import stream
from edge_llm.web.live.house import HouseView
from tests.unit.web.parts import INFO, TOPICS, Web

HOUSE = House(
    areas=(Area(id="k", name="Kitchen"),),
    devices=(
        Device(id="lamp", name="Lamp", kind="light", area="k", state="on", attributes={"brightness": 40}),
        Device.model_validate(
            {"id": "door", "name": "Door", "kind": "cover", "class": "garage", "state": "unavailable"}
        ),
    ),
)


async def take(events: AsyncIterator[bytes], count: int) -> list[tuple[str, Any]]:
    """Some events: name and data."""
    found = []
    async for chunk in events:
        name, data = chunk.decode().strip().split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        if len(found) == count:
            break
    return found


def test_everything_is_there_at_once_and_then_what_changes() -> None:
    web = Web()

    async def scene() -> None:
        web.house._on_house(HOUSE)
        events = web.live.events()
        state, documents, info, house = await take(events, 4)
        assert state == ("state", {"state": "offline"})
        assert documents == ("documents", {"state": "offline"})
        assert info == ("info", json.loads(INFO.encode()))
        assert house == ("house", web.house.shown())
        web.feed.info = INFO.model_copy(update={"version": "2"})
        web.changes.notify()
        [(name, data)] = await take(events, 1)
        assert (name, data["version"]) == ("info", "2")
        await events.aclose()  # type: ignore[attr-defined] # of a generator
        assert web.live._open == 0

    web.run(scene())


def test_a_house_that_changes_often_is_sent_twice_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(stream, "monotonic", lambda: now)
    monkeypatch.setattr(stream, "_SILENCE_S", 0.01)
    web = Web()

    async def scene() -> None:
        nonlocal now
        events = web.live.events()
        await take(events, 4)
        for _ in range(5):
            web.house._on_house(HOUSE)
        monkeypatch.setattr(stream, "_HOUSE_EVERY_S", 0.02)
        now += 1
        assert [name for name, _ in await take(events, 1)] == ["house"]
        assert await anext(events) == b": alive\n\n"

    web.run(scene())


def test_a_comment_keeps_it_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_SILENCE_S", 0.01)
    web = Web()

    async def scene() -> None:
        events = web.live.events()
        await take(events, 4)
        assert await anext(events) == b": alive\n\n"

    web.run(scene())


def test_it_ends_with_the_server() -> None:
    web = Web()

    async def scene() -> None:
        events = web.live.events()
        await take(events, 4)
        web.live.stop()
        assert [event async for event in events] == []

    web.run(scene())


def test_pages_are_not_without_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_MOST", 0)
    answer = Web().get("/live")
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")


def test_devices_are_shown_with_their_states() -> None:
    web = Web()
    web.house._on_house(HOUSE)
    shown = web.house.shown()
    assert shown["areas"] == [{"id": "k", "name": "Kitchen"}]
    assert shown["devices"] == [
        {
            "id": "lamp",
            "name": "Lamp",
            "area": "k",
            "kind": "light",
            "class": None,
            "state": "on",
            "attributes": {"brightness": 40},
            "available": True,
            "moved_by_node": False,
        },
        {
            "id": "door",
            "name": "Door",
            "area": None,
            "kind": "cover",
            "class": "garage",
            "state": "unavailable",
            "attributes": {},
            "available": False,
            "moved_by_node": False,
        },
    ]


def test_the_nodes_own_connection_is_not_taken_over() -> None:
    """Two clients with one id end each other's connection."""
    web = Web()
    settings = HouseSettings(discovery="homeassistant", accept="all", act=("light",))
    view = HouseView(settings, MqttSettings(), TOPICS, (), web.changes)
    assert view._devices
    assert view._devices._connection._identity.client_id != f"{TOPICS.client_id}-devices"


def test_anybodys_payloads_change_nothing() -> None:
    feed = Web().feed
    for payload in (b"", b"x", b"{}", b"[" * 10_000):
        feed._on_telemetry(Message(TOPICS.telemetry, payload))
        feed._on_state(Message(TOPICS.state, payload))
    assert (feed.telemetry, feed.state) == (None, "offline")
    feed._on_state(Message(TOPICS.state, ONLINE))
    assert feed.state == "offline"  # the broker is away
    feed._on_info(Message(TOPICS.info, b""))
    assert feed.info is None  # retired
