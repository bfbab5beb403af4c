"""Kinds of components that no product's file shows: their capabilities, commands and states."""

from typing import Any

import pytest

from edge_llm.house.acts import Value
from edge_llm.house.discovery.kinds.colors import COLORS, hue_saturation, name_of, name_of_xy, xy
from tests.unit.house.discovery.announced import announced, capabilities, refused, said, sent


def test_a_siren() -> None:
    siren = announced("siren/x", {"name": "Siren", "command_topic": "s/set", "state_topic": "s"})
    assert sent(siren, "on") == [("s/set", '{"state":"ON"}')]
    assert said(siren, "s", "ON") == {"state": "on"}
    assert said(siren, "s", {"state": "OFF", "duration": 3}) == {"state": "off"}
    templated = {
        "command_topic": "s/set",
        "command_template": '{"alarm": "{{ value }}"}',
        "command_off_template": "0",
    }
    assert sent(announced("siren/x", templated), "on") == [("s/set", '{"alarm": "ON"}')]
    assert sent(announced("siren/x", templated), "off") == [("s/set", "0")]


def test_a_valve_with_and_without_positions() -> None:
    plain = announced("valve/x", {"command_topic": "v/set", "state_topic": "v", "payload_stop": "HALT"})
    assert capabilities(plain) == {"open_close", "stop"}
    assert [sent(plain, move)[0][1] for move in ("open", "close", "stop")] == ["OPEN", "CLOSE", "HALT"]
    assert said(plain, "v", "closed") == {"state": "closed"}
    assert said(plain, "v", {"state": "opening"}) == {"state": "opening"}
    positioned = announced(
        "valve/x",
        {"command_topic": "v/set", "state_topic": "v", "reports_position": True, "position_open": 255},
    )
    assert capabilities(positioned) == {"open_close", "position"}
    assert sent(positioned, "open") == [("v/set", "255")]
    assert sent(positioned, "position", 20.0) == [("v/set", "51")]
    assert said(positioned, "v", {"position": 255, "state": "opening"}) == {
        "state": "opening",
        "position": 100,
    }
    assert said(positioned, "v", "0") == {"state": "closed", "position": 0}
    assert said(positioned, "v", "fast") == {}


def test_a_cover_whose_positions_are_the_other_way_round() -> None:
    cover = announced(
        "cover/x",
        {
            "command_topic": "c/set",
            "position_topic": "c/at",
            "set_position_topic": "c/go",
            "position_open": 0,
            "position_closed": 100,
        },
    )
    assert sent(cover, "position", 30.0) == [("c/go", "70")]
    assert said(cover, "c/at", "70") == {"position": 30, "state": "open"}
    assert said(cover, "c/at", "100") == {"position": 0, "state": "closed"}
    assert said(cover, "c/at", '{"position": 0}') == {"position": 100, "state": "open"}


def test_a_cover_that_only_closes_cannot_be_opened() -> None:
    cover = announced("cover/x", {"command_topic": "c/set", "payload_open": None, "state_topic": "c"})
    assert capabilities(cover) == {"stop"}
    assert set(cover.commands) == {"stop"}


def test_a_humidifier() -> None:
    humidifier = announced(
        "humidifier/x",
        {
            "command_topic": "h/set",
            "state_topic": "h",
            "target_humidity_command_topic": "h/humidity/set",
            "target_humidity_state_topic": "h/humidity",
            "current_humidity_topic": "h/now",
            "min_humidity": 30,
            "max_humidity": 80,
            "mode_command_topic": "h/mode/set",
            "mode_state_topic": "h/mode",
            "modes": ["auto", "sleep"],
        },
    )
    assert capabilities(humidifier) == {"on_off", "humidity", "mode"}
    assert sent(humidifier, "humidity", 45.0) == [("h/humidity/set", "45")]
    assert sent(humidifier, "humidity", 5.0) == [("h/humidity/set", "30")]
    assert sent(humidifier, "mode", "sleep") == [("h/mode/set", "sleep")]
    assert said(humidifier, "h/humidity", "50") == {"humidity": 50}
    assert said(humidifier, "h/now", "41.5") == {"current_humidity": 41.5}
    assert said(humidifier, "h/mode", "None") == {}


def test_a_water_heater() -> None:
    heater = announced(
        "water_heater/x",
        {
            "mode_command_topic": "w/mode/set",
            "mode_state_topic": "w/mode",
            "modes": ["off", "eco", "gas"],
            "power_command_topic": "w/power/set",
            "temperature_command_topic": "w/temp/set",
            "current_temperature_topic": "w/now",
            "min_temp": 40,
            "max_temp": 65,
        },
    )
    assert capabilities(heater) == {"on_off", "temperature", "mode"}
    assert sent(heater, "on") == [("w/power/set", "ON")]
    assert sent(heater, "temperature", 55.0) == [("w/temp/set", "55.0")]
    assert said(heater, "w/mode", "eco") == {"state": "eco"}


def test_a_lawn_mower() -> None:
    mower = announced(
        "lawn_mower/x",
        {
            "activity_state_topic": "m",
            "activity_value_template": "{{ value_json.activity }}",
            "start_mowing_command_topic": "m/set",
            "start_mowing_command_template": '{"do": "{{ value }}"}',
            "dock_command_topic": "m/dock",
        },
    )
    assert sent(mower, "start") == [("m/set", '{"do": "start_mowing"}')]
    assert sent(mower, "dock") == [("m/dock", "dock")]
    assert said(mower, "m", {"activity": "mowing"}) == {"state": "mowing"}


def test_a_scene_and_an_event() -> None:
    scene = announced(
        "scene/x", {"name": "Cinema", "command_topic": "s", "payload_on": "cinema", "retain": True}
    )
    assert scene.commands["activate"](None)[0].retain
    assert sent(scene, "activate") == [("s", "cinema")]
    event = announced(
        "event/x", {"state_topic": "e", "event_types": ["press", "hold"], "device_class": "button"}
    )
    assert event.commands == {}
    assert said(event, "e", {"event_type": "hold"}) == {"state": "hold"}
    assert said(event, "e", {"event_type": "dance"}) == {}


def test_a_light_with_hue_and_one_with_places_in_the_plane() -> None:
    common = {"command_topic": "l/set", "on_command_type": "first"}
    hue = announced("light/x", common | {"hs_command_topic": "l/hs/set", "hs_state_topic": "l/hs"})
    assert sent(hue, "color", "green") == [("l/set", "ON"), ("l/hs/set", "120.0,100.0")]
    assert said(hue, "l/hs", "2,98") == {"color": "red"}
    assert said(hue, "l/hs", "nonsense") == {}
    plane = announced("light/x", common | {"xy_command_topic": "l/xy/set", "xy_state_topic": "l/xy"})
    assert sent(plane, "color", "red") == [("l/set", "ON"), ("l/xy/set", "0.701,0.299")]
    assert said(plane, "l/xy", "0.136,0.04") == {"color": "blue"}


def test_a_light_with_white_channels_and_one_with_old_flags() -> None:
    white = announced(
        "light/x",
        {"command_topic": "l/set", "rgbw_command_topic": "l/rgbw/set", "rgbw_state_topic": "l/rgbw"},
    )
    assert sent(white, "color", "red") == [("l/rgbw/set", "255,0,0,0"), ("l/set", "ON")]
    assert said(white, "l/rgbw", "0,255,0,0") == {"color": "green"}
    flags = {"schema": "json", "command_topic": "l/set", "brightness": True, "rgb": True, "xy": False}
    old = announced("light/x", flags)
    assert sent(old, "color", "red") == [("l/set", '{"state":"ON","color":{"r":255,"g":0,"b":0}}')]


def test_a_thermostat_of_which_presets_alone_can_be_set() -> None:
    thermostat = announced(
        "climate/x",
        {
            "mode_state_topic": "t/mode",
            "preset_mode_command_topic": "t/preset/set",
            "preset_modes": ["eco", "boost"],
        },
    )
    able = thermostat.device.capabilities
    assert able is not None
    assert (able.on_off, able.mode) == (False, ("eco", "boost"))
    assert sent(thermostat, "mode", "heat") == []
    assert said(thermostat, "t/mode", "heat") == {"state": "heat"}


@pytest.mark.parametrize("value", [None, "half", float("nan"), float("inf")])
def test_what_is_no_number_is_not_sent(value: Value) -> None:
    dimmed = {"command_topic": "a", "brightness_command_topic": "b"}
    lamps = (
        announced("light/x", dimmed),
        announced("light/x", dimmed | {"schema": "json", "brightness": True}),
    )
    assert [sent(lamp, "brightness", value) for lamp in lamps] == [[], []]
    assert sent(announced("cover/x", {"set_position_topic": "a"}), "position", value) == []
    fan = {"command_topic": "a", "percentage_command_topic": "b"}
    assert sent(announced("fan/x", fan), "speed", value) == []
    assert sent(announced("climate/x", {"temperature_command_topic": "a"}), "temperature", value) == []


def test_every_color_is_read_back_as_it_was_set() -> None:
    assert {name: name_of(*hue_saturation(rgb)) for name, rgb in COLORS.items()} == {
        name: name for name in COLORS
    }
    assert {name: name_of_xy(*xy(rgb)) for name, rgb in COLORS.items()} == {name: name for name in COLORS}


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("switch", {}, "command_topic: it is missing"),
        ("switch", {"command_topic": "a", "qos": 3}, "qos: it is none of 0, 1 and 2"),
        (
            "switch",
            {"command_topic": "a", "command_template": "{{ now() }}"},
            "command_template: a template calls",
        ),
        ("light", {"command_topic": "a", "schema": "template"}, "schema: only basic and json are read"),
        ("lock", {"command_topic": "a", "code_format": "^\\d{4}$"}, "lock: code_format: it wants a code"),
        ("select", {"command_topic": "a", "options": []}, "options: there is none"),
        ("sensor", {"name": "x"}, "state_topic: it is missing"),
        ("sensor", {"state_topic": "a", "encoding": "latin-1"}, "encoding: only UTF-8 is read"),
        (
            "sensor",
            {"state_topic": "a", "value_template": "{{ states('x') }}"},
            "state: value_template: a template",
        ),
        ("climate", {"name": "x"}, "it has neither commands nor states"),
        ("button", {"command_topic": "a", "payload_press": {"x": 1}}, "payload_press: it is no text"),
        ("switch", {"command_topic": "a", "retain": "perhaps"}, "retain: it is neither true nor false"),
    ],
)
def test_why_a_device_cannot_be_read(kind: str, options: dict[str, Any], reason: str) -> None:
    assert refused(f"{kind}/x", options).startswith(reason)


def test_a_part_that_cannot_be_read_costs_no_other() -> None:
    from edge_llm.house.discovery.reader import Discovery  # noqa: PLC0415 - the one test with a half device

    discovery = Discovery("edge_llm")
    options = (
        '"command_topic":"a","brightness_command_topic":"b","brightness_command_template":"{{ range(9) }}"'
    )
    discovery.update("homeassistant/light/x/config", f"{{{options}}}".encode())
    assert set(discovery.entities["light/x"].commands) == {"on", "off"}
    reason = "brightness: brightness_command_template: a template calls something that is not evaluated"
    assert discovery.problems == {"homeassistant/light/x/config": reason}


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "a/+/b",
        "a/#",
        "$SYS/x",
        "edge_llm/kitchen/request/c",
        "edge_llm",
        "homeassistant/light/y/config",
        "a\x00b",
        "x" * 65_000 + "/#",
        "\ud800",
        5,
        ["a"],
    ],
)
def test_a_command_topic_that_no_device_may_have(topic: Any) -> None:
    options = {"command_topic": "good", "brightness_command_topic": topic}
    assert "brightness_command_topic: " in refused("light/x", options)


@pytest.mark.parametrize(
    "topic", ["", "#", "a/#", "+/+", "+/b", "a/b+", "$SYS/x", "edge_llm/kitchen/stream/c"]
)
def test_a_state_topic_that_no_device_may_have(topic: str) -> None:
    assert refused("switch/x", {"command_topic": "a", "state_topic": topic}).startswith("state_topic: ")


@pytest.mark.parametrize("topic", ["+/kitchen/stream/c", "+/+/stream/c", "edge_llm/+/stream/c", "+/+/+/a/b"])
def test_a_filter_that_takes_in_what_nodes_say(topic: str) -> None:
    assert "state_topic" in refused("sensor/x", {"state_topic": topic})


def test_a_topic_of_a_node_in_an_option_that_is_not_used() -> None:
    options = {"command_topic": "a", "json_attributes_topic": "edge_llm/kitchen/stream/c"}
    assert refused("switch/x", options) == "json_attributes_topic: it is inside the topics of nodes"
    assert refused("switch/x", {"command_topic": "a", "my own\ntopic": "edge_llm"}).startswith("a topic: ")
