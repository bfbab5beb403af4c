"""Announcements: topics, abbreviations, names, rooms, and devices with several components."""

import json
from typing import Any

import pytest

from edge_llm.house.discovery.config import Component, place_of, read_components
from edge_llm.house.discovery.unreadable import Unreadable
from tests.unit.house.discovery.announced import all_announced, announced, refused, said, sent


def read(topic: str, config: Any) -> tuple[Component, ...]:
    place = place_of(topic, "homeassistant")
    assert place
    return read_components(place, json.dumps(config).encode())


@pytest.mark.parametrize(
    ("topic", "path"),
    [
        ("homeassistant/light/lamp/config", "light/lamp"),
        ("homeassistant/light/node-1/lamp_2/config", "light/node-1/lamp_2"),
        ("homeassistant/device/node/x/config", "device/node/x"),
        ("homeassistant/light/lamp/state", None),
        ("homeassistant/light/a/b/c/config", None),
        ("homeassistant/light/l amp/config", None),
        ("homeassistant/light//lamp/config", None),
        ("homeassistant/status", None),
        ("home/light/lamp/config", None),
        (f"homeassistant/light/{'x' * 300}/config", None),
    ],
)
def test_topics(topic: str, path: str | None) -> None:
    place = place_of(topic, "homeassistant")
    assert (place.path if place else None) == path


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"name": "Lamp", "device": {"name": "Kitchen"}}, "Kitchen Lamp"),
        ({"name": None, "device": {"name": "Kitchen"}}, "Kitchen"),
        ({"device": {"name": "Kitchen"}, "device_class": "carbon_dioxide"}, "Kitchen Carbon dioxide"),
        ({"device": {"name": "Kitchen"}}, "Kitchen"),
        ({"name": "Lamp"}, "Lamp"),
        ({}, "desk lamp"),
        ({"name": "  a\tb\n c  "}, "a b c"),
        ({"name": "\x00\u202e"}, "desk lamp"),
        ({"name": "x" * 300}, "x" * 100),
        ({"name": 5}, "5"),
        ({"dev": {"name": "Kitchen", "cdev": {"name": "Socket 2", "ids": "b"}}, "name": None}, "Socket 2"),
    ],
)
def test_names(config: dict[str, Any], name: str) -> None:
    assert read("homeassistant/light/desk_lamp/config", config)[0].name == name


def test_short_names_and_the_base_of_topics() -> None:
    component = read(
        "homeassistant/switch/x/config",
        {
            "~": "a/b",
            "cmd_t": "~/set",
            "stat_t": "state/~",
            "pl_on": "~",
            "avty": {"t": "~/there", "pl_avail": "yes", "val_tpl": "{{ value }}"},
        },
    )[0]
    assert component.options["command_topic"] == "a/b/set"
    assert component.options["state_topic"] == "state/a/b"
    assert component.options["payload_on"] == "~"
    there = [{"topic": "a/b/there", "payload_available": "yes", "value_template": "{{ value }}"}]
    assert component.options["availability"] == there


def test_several_components_share_options_and_may_be_of_child_devices() -> None:
    found = all_announced(
        "device/strip",
        {
            "device": {"name": "Strip", "ids": "1", "sa": "Office"},
            "origin": {"name": "test"},
            "avty_t": "strip/there",
            "qos": 1,
            "cmps": {
                "usb": {"p": "switch", "name": "USB", "cmd_t": "strip/usb/set", "uniq_id": "u"},
                "fast": {"p": "switch", "name": "Fast", "cmd_t": "strip/fast/set", "uniq_id": "f", "qos": 0},
            },
            "cdevs": [
                {
                    "ids": "2",
                    "name": "Socket 1",
                    "cmps": {"one": {"p": "switch", "name": None, "cmd_t": "s/1"}},
                }
            ],
        },
    )
    assert {entity.device.name for entity in found.values()} == {"Strip USB", "Strip Fast", "Socket 1"}
    assert {entity.area for entity in found.values()} == {"Office"}
    usb, fast = found["device/strip/usb"], found["device/strip/fast"]
    assert (usb.commands["on"](None)[0].qos, fast.commands["on"](None)[0].qos) == (1, 0)
    assert said(usb, "strip/there", "online") == {"available": True}
    assert sent(found["device/strip/one"], "on") == [("s/1", "ON")]


@pytest.mark.parametrize("mode", ["all", "any", "latest"])
def test_modes_of_availability(mode: str) -> None:
    assert announced("switch/x", {"cmd_t": "a", "avty": {"t": "b"}, "avty_mode": mode}).availability == mode
    assert announced("switch/x", {"cmd_t": "a", "avty_t": "b"}).availability == "latest"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "the payload is no JSON, or is nested too deeply"),
        (b"[]", "the payload is no JSON object"),
        (b"\xff", "the payload is no JSON, or is nested too deeply"),
        (b'{"a": NaN}', "the payload is no JSON, or is nested too deeply"),
        (b'{"a": 1e999}', "the payload is no JSON, or is nested too deeply"),
        (b"[" * 60_000, "the payload is no JSON, or is nested too deeply"),
        (b'{"a":' * 20 + b"1" + b"}" * 20, "the payload is no JSON, or is nested too deeply"),
        (b" " * 70_000, "the payload has more than 65536 bytes"),
        (b'{"~": 5}', "~: it is no text, or longer than 1000 characters"),
        (b'{"availability": 5}', "availability: it is no JSON object"),
        (b'{"name": {}}', "name: it is no text"),
        (b'{"name": "\\ud800"}', "name: it is no UTF-8 text"),
    ],
)
def test_what_is_no_announcement(payload: bytes, reason: str) -> None:
    place = place_of("homeassistant/light/x/config", "homeassistant")
    assert place
    with pytest.raises(Unreadable) as refusal:
        read_components(place, payload)
    assert str(refusal.value) == reason


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"cmps": {}}, "device: it is missing"),
        ({"dev": {}, "cmps": []}, "components: it is no JSON object"),
        ({"dev": {}, "cmps": {"a": 1}}, "components: it is no JSON object"),
        ({"dev": {}, "cmps": {"a": {"x": 1}}}, "components: one has no platform, or there are more than 200"),
        ({"dev": {}, "cmps": {"a/b": {"p": "switch", "x": 1}}}, "components: a key is empty"),
        (
            {"dev": {}, "cmps": {str(n): {"p": "tag", "x": 1} for n in range(201)}},
            "components: one has no platform",
        ),
    ],
)
def test_devices_that_cannot_be_read(config: dict[str, Any], reason: str) -> None:
    assert refused("device/x", config).startswith(reason)
