"""Reading zigbee2mqtt's lists: what changes, what is refused, and that nothing in them does harm."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_llm.contract.house import MAX_DEVICES
from edge_llm.house.discovery.exposes.entries import Expose, Feature
from edge_llm.house.discovery.zigbee2mqtt import MAX_PAYLOAD_BYTES, MAX_PROBLEMS, Zigbee2Mqtt
from tests.unit.house.discovery.exposes.networks import (
    DEVICES,
    PRODUCTS,
    device,
    group,
    ieee,
    network,
    payload,
    sent,
)

_LAMP = f"zigbee2mqtt/{ieee(1)}/light"
_SWITCH = PRODUCTS["plug"][:1]


def test_only_what_changes_the_entities_is_a_change() -> None:
    read = Zigbee2Mqtt("zigbee2mqtt")
    assert read.update(DEVICES, payload([device(1, "lamp", "bulb")]))
    assert not read.update(DEVICES, payload([device(1, "lamp", "bulb")]))
    assert not read.update(DEVICES, payload([device(1, "lamp", "bulb", software_build_id="2")]))
    assert not read.update("zigbee2mqtt/lamp", b'{"state":"ON"}')
    assert not read.update("zigbee2mqtt/bridge/devices/1", b"[]")
    assert read.update(DEVICES, b"[]")
    assert not read.entities


def test_an_empty_payload_removes_a_list() -> None:
    read = network([device(1, "lamp", "bulb")])
    assert read.update(DEVICES, b"")
    assert not read.entities


def test_a_device_that_is_renamed_keeps_its_id_and_has_other_topics() -> None:
    read = network([device(1, "lamp", "bulb")])
    before = read.entities[_LAMP]
    assert read.update(DEVICES, payload([device(1, "hall/lamp", "bulb")]))
    after = read.entities[_LAMP]
    assert after.device.name == "hall/lamp"
    assert after.command_topics == {"zigbee2mqtt/hall/lamp/set"}
    assert after.fingerprint != before.fingerprint


def test_a_fingerprint_is_of_what_commands_publish_only() -> None:
    first = network([device(1, "lamp", "bulb")]).entities[_LAMP]
    bulb = PRODUCTS["bulb"]
    again = network([device(1, "lamp", [*bulb, *PRODUCTS["contact"]])]).entities[_LAMP]
    other = [bulb[0] | {"features": bulb[0]["features"][:1]}]
    assert again.fingerprint == first.fingerprint
    assert network([device(1, "lamp", other)]).entities[_LAMP].fingerprint != first.fingerprint


def test_another_base_topic_has_other_topics_and_ids() -> None:
    read = Zigbee2Mqtt("home/zigbee")
    assert not read.update(DEVICES, payload([device(1, "lamp", "bulb")]))
    assert read.update("home/zigbee/bridge/devices", payload([device(1, "lamp", "bulb")]))
    ((key, lamp),) = read.entities.items()
    assert key == f"home/zigbee/{ieee(1)}/light"
    assert lamp.device.unique_id == f"{ieee(1)}_light_home/zigbee"
    assert lamp.command_topics == {"home/zigbee/lamp/set"}


@pytest.mark.parametrize(
    "left_out",
    [
        device(1, "Coordinator", [], type="Coordinator", definition=None),
        device(1, "x", "bulb", disabled=True),
    ],
)
def test_a_coordinator_and_what_is_disabled_are_no_devices(left_out: Any) -> None:
    read = network([left_out])
    assert not read.entities
    assert not read.problems


@pytest.mark.parametrize(
    "name",
    ["", " ", "+", "a/#", "kitchen+lamp", "$SYS/lamp", "a\nb", "a\x00b", "\ud800", "/lamp", "lamp/", "a//b",
     "bridge", "bridge/request/device/remove", "bridgehead", "a/set", "a/get/b", "set", "x" * 101],
)  # fmt: skip
def test_a_name_that_is_no_part_of_a_topic_is_refused(name: str) -> None:
    read = network([device(1, name, "bulb"), device(2, "good", "bulb")], [group(1, name, 2)])
    assert set(read.entities) == {f"zigbee2mqtt/{ieee(2)}/light"}
    assert len(read.problems) == 2
    assert all(reason.startswith("its friendly name") for reason in read.problems.values())


@pytest.mark.parametrize(
    "name", ["lamp", "kitchen/ceiling lamp", "Küche/Lampe 2", "厨房/灯", "settee", "a/b/c"]
)
def test_other_names_are_left_as_they_are(name: str) -> None:
    lamp = network([device(1, name, "bulb")]).entities[_LAMP]
    assert lamp.device.name == name
    assert lamp.command_topics == {f"zigbee2mqtt/{name}/set"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{}", "this is no list"),
        (b"[", "this is no JSON"),
        (b"[" * 100_000, "this is no JSON, or is nested too deep"),
        (b"\xff\xfe", "not UTF-8"),
        (b" " * (MAX_PAYLOAD_BYTES + 1), "a list may have"),
        (b"[" + b"0," * MAX_DEVICES + b"0]", "a list may have 2000 entries, this has 2001"),
        (b"[1" + b"0" * 5000 + b"]", "this is no JSON"),
    ],
)
def test_a_list_that_cannot_be_read_leaves_the_one_before(content: bytes, reason: str) -> None:
    read = network([device(1, "lamp", "bulb")])
    assert not read.update(DEVICES, content)
    assert set(read.entities) == {_LAMP}
    assert reason in read.problems[DEVICES]
    assert not read.update(DEVICES, payload([device(1, "lamp", "bulb")]))
    assert not read.problems


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (device(1, "x", "bulb", definition=None), "zigbee2mqtt does not know what it can do"),
        (device(1, "x", [7]), "exposes.0"),
        (device(1, "x", [{"type": "light", "features": [{"access": 7}]}]), "exposes.0.features.0.type"),
        (device(1, "x", [{"type": "numeric", "name": "n", "access": "7"}]), "exposes.0.access"),
        (
            device(1, "x", [{"type": "numeric", "name": "n", "value_min": float("inf")}]),
            "exposes.0.value_min",
        ),
        (device(1, "x", [*_SWITCH, *_SWITCH]), "it has the same switch twice"),
        (device(1, "x" * 99, [_SWITCH[0] | {"endpoint": "left"}]), "switch: name"),
    ],
)
def test_what_cannot_be_read_is_said(entry: dict[str, Any], reason: str) -> None:
    read = network([entry])
    assert reason in read.problems[f"zigbee2mqtt/{ieee(1)}"]


@pytest.mark.parametrize(
    "entry", [None, 1, "x", [], {}, device(1, None, "bulb"), device(1, "x", "bulb", ieee_address="../x")]
)
def test_an_entry_that_is_no_device_is_said_by_its_place(entry: Any) -> None:
    assert list(network([device(2, "ok", "bulb"), entry]).problems) == [f"{DEVICES}#1"]


def test_the_first_of_two_devices_with_one_address_counts() -> None:
    read = network([device(1, "first", "bulb"), device(1, "second", "bulb")])
    assert read.entities[_LAMP].device.name == "first"
    assert "another device has this address" in read.problems[f"zigbee2mqtt/{ieee(1)}"]


def test_one_part_that_cannot_be_read_does_not_take_the_others_along() -> None:
    read = network([device(1, "lamp", [{"type": 1}, *PRODUCTS["bulb"]])])
    assert sent(read.entities[_LAMP], "on") == {"state": "ON"}


def test_a_house_has_at_most_so_many_devices_and_those_that_act_are_kept() -> None:
    numbers = [
        {"type": "numeric", "name": f"n{number}", "property": f"n{number}", "access": 1}
        for number in range(MAX_DEVICES)
    ]
    read = network([device(1, "sensors", numbers), device(2, "lamp", "bulb")], [group(1, "lamps", 2)])
    assert len(read.entities) == MAX_DEVICES
    assert sum(bool(entity.commands) for entity in read.entities.values()) == 2
    assert "a house has at most" in read.problems[DEVICES]


def test_problems_do_not_grow_without_end() -> None:
    assert len(network([device(n, "#", "bulb") for n in range(MAX_PROBLEMS + 500)]).problems) == MAX_PROBLEMS


def test_settings_of_older_versions_are_left_out_by_their_names() -> None:
    older = [
        {"type": "numeric", "name": "linkquality", "property": "linkquality", "access": 1, "unit": "lqi"},
        {"type": "enum", "name": "action", "property": "action", "access": 1, "values": ["single"]},
        {"type": "binary", "name": "led", "property": "led", "access": 7, "value_on": 1, "value_off": 0},
        {"type": "numeric", "name": "n", "property": "n", "access": 1,
         "homeassistant": {"enabledByDefault": False}},
    ]  # fmt: skip
    assert not network([device(1, "x", older)]).entities


_KEYS = {field.alias or name for name, field in {**Feature.model_fields, **Expose.model_fields}.items()}
_WORDS = st.sampled_from(["state", "brightness", "color_xy", "position", "mode", "system_mode", "light",
    "cover", "fan", "climate", "lock", "switch", "binary", "numeric", "enum", "composite", "warning", "stop",
    "ON", "OPEN", "off", "low", "x" * 300, "a/+/#", "\ud800", "", "\x00", "bridge/request"])  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), _WORDS, st.text(max_size=5)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(sorted(_KEYS)), inner, max_size=8)
    ),
    max_leaves=25,
)
_EXPOSES = st.fixed_dictionaries(
    {"type": _WORDS, "access": st.integers(0, 7) | _VALUES},
    optional=dict.fromkeys(sorted(_KEYS - {"type", "access", "features"}), _VALUES)
    | {"features": st.lists(_VALUES, max_size=3) | _VALUES},
)
_ENTRIES = st.one_of(
    _VALUES,
    st.builds(
        lambda number, name, exposes, more: device(number, name, exposes) | more,
        st.integers(0, 3),
        _WORDS,
        st.lists(_EXPOSES, max_size=3),
        st.dictionaries(
            st.sampled_from(["disabled", "endpoints", "definition", "type"]), _VALUES, max_size=1
        ),
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(_ENTRIES, max_size=3),
    st.lists(st.builds(group, st.integers(0, 9) | _VALUES, _WORDS, st.integers(0, 3)), max_size=2),
    _VALUES,
)
def test_whatever_is_in_a_list_nothing_is_raised_and_nothing_else_is_reached(
    devices: list[Any], groups: list[Any], state: Any
) -> None:
    read = network(devices, groups)
    for entity in read.entities.values():
        for topic in entity.command_topics:
            assert topic.startswith("zigbee2mqtt/")
            assert topic.endswith("/set")
            assert not topic.startswith("zigbee2mqtt/bridge")
            assert not {"+", "#", "\x00"} & {*topic}
        for command in entity.commands.values():
            for value in (None, 0.0, 50.0, 1e300, float("nan"), "low", "red"):
                assert {message.topic for message in command(value)} <= entity.command_topics
        for reading in entity.readings:
            reading.read(json.dumps(state))
            reading.read(json.dumps({"state": state, "color": state, "brightness": state}))
