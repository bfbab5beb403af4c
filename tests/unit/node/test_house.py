"""What comes of the house goes to the catalogue on a thread of its own, and info says what became of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from edge_llm.config import HouseSettings
from edge_llm.contract.house import House
from edge_llm.contract.node import HouseInfo
from edge_llm.errors import ConfigError
from edge_llm.mqtt.message import Message
from edge_llm.node.acts.house_feed import HouseFeed
from tests.common import TOPICS, eventually

FILE = "devices: [{id: a, name: Fan, kind: fan}]"


def lamp(name: str) -> bytes:
    return json.dumps({"devices": [{"id": "lamp", "name": name, "kind": "light"}]}).encode()


class Recorded:
    """A feed with all that it says; ``on_change`` does what a test wants it to."""

    def __init__(self, file: Path | None = None) -> None:
        self.houses: list[House | None] = []
        self.infos: list[HouseInfo | None] = []
        self.acknowledged: list[str] = []
        self.on_change: Callable[[], object] = lambda: None
        self.feed = HouseFeed(HouseSettings(file=file), TOPICS, self._changed, self._publish)

    def _changed(self, house: House | None) -> None:
        self.houses.append(house)
        self.on_change()

    def _publish(self) -> None:
        self.infos.append(self.feed.info)

    def say(self, source: str, payload: bytes) -> None:
        topic = TOPICS.house.replace("+", source)
        message = Message(topic, payload, on_acknowledge=lambda each: self.acknowledged.append(each.topic))
        self.feed.on_message(message)
        assert self.acknowledged.pop() == topic

    def names(self) -> list[list[str] | None]:
        return [[device.name for device in house.devices] if house else None for house in self.houses]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    recorded = Recorded()
    yield recorded
    recorded.feed.stop()


def test_without_a_house_there_is_nothing_to_say(recorded: Recorded) -> None:
    recorded.feed.start()
    recorded.say("hub", b"")
    recorded.say("other", lamp("Lamp"))
    eventually(lambda: recorded.names() == [["Lamp"]])
    recorded.say("other", b"")
    eventually(lambda: recorded.names()[1:] == [None])
    eventually(lambda: recorded.infos[-1] is None)
    assert [info.devices for info in recorded.infos if info] == [1] * (len(recorded.infos) - 1)


def test_a_house_is_ready_when_the_hook_has_returned(recorded: Recorded) -> None:
    compiled = Event()
    recorded.on_change = compiled.wait
    recorded.feed.start()
    recorded.say("hub", lamp("Lamp"))
    first = eventually(lambda: recorded.infos)[0]
    assert first == HouseInfo(devices=1, areas=0, sources=("hub",), language="en", ready=False)
    compiled.set()
    eventually(lambda: recorded.infos == [first, first.model_copy(update={"ready": True})])


def test_the_last_of_several_counts_and_the_network_thread_waits_for_none(recorded: Recorded) -> None:
    compiled = Event()
    recorded.on_change = compiled.wait
    recorded.feed.start()
    recorded.say("hub", lamp("first"))
    eventually(lambda: recorded.houses)
    for name in ("second", "third"):
        recorded.say("hub", lamp(name))
    compiled.set()
    eventually(lambda: recorded.names() == [["first"], ["third"]])


def test_a_problem_is_said_also_where_there_is_no_house(recorded: Recorded) -> None:
    recorded.feed.start()
    recorded.say("hub", b"{")
    info = eventually(lambda: recorded.infos)[0]
    assert (info.devices, info.sources, info.language, info.ready) == (0, (), None, False)
    assert info.problems == {"hub": "this is no JSON, at line 1 column 1"}
    assert recorded.houses == []


def test_a_hook_that_fails_ends_nothing(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError(recorded.names())

    recorded.on_change = fail
    recorded.feed.start()
    recorded.say("hub", lamp("Lamp"))
    eventually(lambda: "house.failed" in caplog.text)
    assert "RuntimeError" in caplog.text
    assert "Lamp" not in caplog.text
    recorded.on_change = lambda: None
    recorded.say("hub", lamp("Other"))
    eventually(lambda: recorded.infos and recorded.infos[-1] and recorded.infos[-1].ready)


def test_a_name_that_is_no_source_is_ignored(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    recorded.feed.start()
    recorded.say("living room", lamp("Lamp"))
    assert "house.ignored" in caplog.text
    assert "living" not in caplog.text
    recorded.say("hub", lamp("Other"))
    eventually(lambda: recorded.names() == [["Other"]])


def test_the_house_of_a_file_is_there_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "house.yaml").write_text(FILE)
    recorded = Recorded(tmp_path / "house.yaml")
    recorded.feed.start()
    eventually(lambda: recorded.names() == [["Fan"]])
    recorded.say("hub", lamp("Lamp"))
    eventually(lambda: recorded.names()[1:] == [["Fan", "Lamp"]])
    recorded.feed.stop()
    assert recorded.feed.info
    assert recorded.feed.info.sources == ("(file)", "hub")


def test_a_file_that_cannot_be_used_keeps_the_node_from_starting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^house\.file: cannot read"):
        Recorded(tmp_path / "nowhere.yaml")
