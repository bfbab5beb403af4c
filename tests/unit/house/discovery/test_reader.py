"""Discovery: what is kept of announcements, what changes it, and that hostile ones do no harm."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_llm.house.discovery import abbreviations, building, reader
from edge_llm.house.discovery.as_house import house_of
from edge_llm.house.discovery.reader import Discovery

SWITCH = {"name": "Lamp", "command_topic": "lamp/set", "state_topic": "lamp", "unique_id": "1"}


def update(discovery: Discovery, place: str, config: Any) -> bool:
    payload = b"" if config is None else json.dumps(config).encode()
    return discovery.update(f"homeassistant/{place}/config", payload)


def test_devices_come_change_and_go() -> None:
    discovery = Discovery("edge_llm")
    assert update(discovery, "switch/x", SWITCH)
    first = discovery.entities["switch/x"]
    assert not update(discovery, "switch/x", SWITCH)
    assert update(discovery, "switch/x", SWITCH | {"name": "Tall lamp"})
    renamed = discovery.entities["switch/x"]
    assert (renamed.device.name, renamed.fingerprint) == ("Tall lamp", first.fingerprint)
    assert update(discovery, "switch/x", None)
    assert dict(discovery.entities) == {}
    assert not update(discovery, "switch/x", None)


@pytest.mark.parametrize(
    "change",
    [
        {"command_topic": "other/set"},
        {"payload_on": "on"},
        {"command_template": "{{ value }}!"},
        {"qos": 1},
        {"retain": True},
        {"device_class": "outlet"},
    ],
)
def test_what_decides_a_command_makes_another_fingerprint(change: dict[str, Any]) -> None:
    discovery = Discovery("edge_llm")
    update(discovery, "switch/x", SWITCH)
    before = discovery.entities["switch/x"].fingerprint
    update(discovery, "switch/x", SWITCH | change)
    assert discovery.entities["switch/x"].fingerprint != before


def test_what_decides_no_command_makes_no_other_fingerprint() -> None:
    discovery = Discovery("edge_llm")
    update(discovery, "switch/x", SWITCH)
    before = discovery.entities["switch/x"].fingerprint
    others = {
        "state_topic": "b",
        "value_template": "{{ value }}",
        "device": {"sw": "2"},
        "availability_topic": "c",
    }
    update(discovery, "switch/x", SWITCH | others)
    assert discovery.entities["switch/x"].fingerprint == before


def test_an_announcement_that_cannot_be_read_removes_the_one_before_it() -> None:
    discovery = Discovery("edge_llm")
    update(discovery, "switch/x", SWITCH)
    assert discovery.update("homeassistant/switch/x/config", b"{")
    assert dict(discovery.entities) == {}
    assert "JSON" in discovery.problems["homeassistant/switch/x/config"]
    assert update(discovery, "switch/x", SWITCH)
    assert dict(discovery.problems) == {}


def test_of_two_devices_with_one_unique_id_the_first_stays() -> None:
    discovery = Discovery("edge_llm")
    update(discovery, "switch/x", SWITCH)
    assert not update(discovery, "switch/y", SWITCH | {"command_topic": "evil"})
    assert update(discovery, "light/z", SWITCH)
    assert set(discovery.entities) == {"switch/x", "light/z"}
    assert discovery.problems == {
        "homeassistant/switch/y/config": "unique_id: another device of this kind has it"
    }
    update(discovery, "switch/x", None)
    assert update(discovery, "switch/y", SWITCH | {"command_topic": "evil"})


def test_what_is_left_out_is_counted() -> None:
    discovery = Discovery("edge_llm")
    update(discovery, "switch/a", SWITCH | {"entity_category": "config"})
    update(discovery, "sensor/b", SWITCH | {"enabled_by_default": False})
    update(discovery, "camera/c", SWITCH)
    update(discovery, "tag/d", SWITCH)
    update(discovery, "switch/e", SWITCH | {"command_topic": "zigbee2mqtt/bridge/request/permit_join"})
    discovery.update("homeassistant/status", b"online")
    assert discovery.ignored == {
        "configuration or diagnostics of a device": 1,
        "not enabled by default": 1,
        "zigbee2mqtt itself": 1,
        "a kind that a house has not": 2,
        "a topic that is none of an announcement": 1,
    }
    update(discovery, "tag/d", None)
    assert discovery.ignored["a kind that a house has not"] == 1
    assert not discovery.entities
    assert not discovery.problems


def test_migration_removes_what_was_announced() -> None:
    discovery = Discovery("edge_llm")
    update(discovery, "switch/x", SWITCH)
    assert update(discovery, "switch/x", {"migrate_discovery": True})
    assert dict(discovery.entities) == {}


def test_there_are_as_many_devices_as_a_house_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_DEVICES", 20)
    discovery = Discovery("edge_llm")
    for number in range(25):
        update(discovery, f"switch/x{number}", SWITCH | {"unique_id": number})
    assert len(discovery.entities) == 20
    assert len(discovery.problems) == 5
    update(discovery, "switch/x0", None)
    assert update(discovery, "switch/x24", SWITCH | {"unique_id": 24})


def test_topics_and_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_TOPICS", 10)
    monkeypatch.setattr(reader, "MAX_BYTES", 400)
    discovery = Discovery("edge_llm")
    for number in range(12):
        update(discovery, f"switch/x{number}", SWITCH | {"unique_id": number})
    assert len(discovery.entities) == 400 // len(json.dumps(SWITCH))
    assert sum(discovery.ignored.values()) == 2


def test_the_prefix_is_configurable_and_closed_to_commands() -> None:
    discovery = Discovery("edge_llm", prefix="ha/discovery")
    assert discovery.filters == ("ha/discovery/+/+/config", "ha/discovery/+/+/+/config")
    assert discovery.update("ha/discovery/switch/x/config", json.dumps(SWITCH).encode())
    evil = SWITCH | {"command_topic": "ha/discovery/switch/y/config", "unique_id": "2"}
    assert not discovery.update("ha/discovery/switch/z/config", json.dumps(evil).encode())


@pytest.mark.parametrize(
    "topic",
    [
        "home/kitchen/say",
        "home/+/say",
        "home/kitchen/+",
        "lamp/\uffff/set",
        "lamp/\ufdd0/set",
        "/".join("x" * 101),
        "x" * 1001,
    ],
)
@pytest.mark.parametrize("option", ["command_topic", "state_topic", "availability_topic"])
def test_no_device_names_a_routes_topic_or_one_that_ends_a_connection(topic: str, option: str) -> None:
    discovery = Discovery("edge_llm", routes=("home/+/say", "home/+/answer"))
    update(discovery, "switch/x", SWITCH | {option: topic})
    assert not any(
        topic in (*each.command_topics, *(reading.topic for reading in each.readings))
        for each in discovery.entities.values()
    )
    assert discovery.problems
    update(discovery, "switch/x", SWITCH | {option: "home/kitchen/saying"})
    assert discovery.entities


def test_of_many_reasons_few_are_kept() -> None:
    discovery = Discovery("edge_llm")
    bad = {str(number): {"p": "switch", "cmd_t": f"{number}/+"} for number in range(200)}
    update(discovery, "device/x", {"dev": {"ids": "1"}, "o": {"name": "x"}, "cmps": bad})
    assert discovery.problems
    assert all(len(each.problems) == 1 for each in discovery._topics.values())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(
        ["{{ value_json.a }}", "{{ value ** 9 }}", "a/b", "#", "~", "~/x", "\ud800", "x" * 5000, 10**400]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
OPTION_NAMES = st.sampled_from(
    [*abbreviations.OPTIONS, *abbreviations.OPTIONS.values(), "~", "schema", "brightness"]
)
KINDS = st.sampled_from(["device", "camera", *building.KINDS])
TOPIC_LIKE = st.sampled_from(
    ["a/b", "c/d/set", "+/+/x/y", "edge_llm/n/stream/c", "homeassistant/light/x/config"]
)
CONFIGS = st.dictionaries(OPTION_NAMES, JSON | TOPIC_LIKE, max_size=10)
COMMANDED = CONFIGS.map(lambda each: {"cmd_t": "a/set", "stat_t": "a", "dev": {"name": "x"}} | each)


def exercised(discovery: Discovery) -> None:
    """Use all that there is of every device."""
    for entity in discovery.entities.values():
        for command in entity.commands.values():
            for value in (None, 0.0, 50.0, 1e300, float("nan"), "red", "off", "x"):
                for message in command(value):
                    assert message.topic in entity.command_topics
                    assert not message.topic.startswith(("edge_llm/", "homeassistant/", "$"))
                    message.payload.encode()
        for reading in entity.readings:
            for payload in (
                "",
                "ON",
                "1e999",
                "[" * 3000,
                '{"a": 1}',
                '{"state": {}, "brightness": 1e308}',
                "\x00",
            ):
                reading.read(payload)


@settings(max_examples=200, deadline=None)
@given(kind=KINDS, config=CONFIGS | COMMANDED, raw=st.none() | st.binary(max_size=60))
def test_hostile_announcements_raise_nothing(kind: str, config: dict[str, Any], raw: bytes | None) -> None:
    discovery = Discovery("edge_llm")
    discovery.update(
        f"homeassistant/{kind}/n/x/config", raw if raw is not None else json.dumps(config).encode()
    )
    exercised(discovery)
    house_of(discovery.entities, "en", "{area}/{name}")
    assert all("\n" not in reason and len(reason) <= 300 for reason in discovery.problems.values())


def test_a_flood_is_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_DEVICES", 50)
    monkeypatch.setattr(reader, "MAX_PROBLEMS", 40)
    discovery = Discovery("edge_llm")
    sizes: list[int] = []
    tracemalloc.start()
    try:
        for number in range(600):
            tail = str(number)
            config = SWITCH | {
                "unique_id": tail,
                "name": tail + "x" * 500,
                "value_template": "{{ value_json.a ~ value_json.b }}" + tail,
                "state_topic": "y" * 1000,
            }
            update(discovery, f"switch/x{number}", config if number % 2 else SWITCH | {"command_topic": "#"})
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert (len(discovery.entities), len(discovery.problems)) == (50, 40)
    assert sizes[-1] - sizes[100] < 500 * 4000  # a reason and a parsed template a topic, at most
