"""What devices of zigbee2mqtt are to the house: what they are sent, and what is read of their states."""

from typing import Any

import pytest

from edge_llm.contract.house import Range
from edge_llm.house.actions import USUAL, actions_of, capabilities_of
from edge_llm.house.discovery.entity import AVAILABLE, Entity
from edge_llm.house.discovery.kinds.colors import HEX, name_of, name_of_xy
from tests.unit.house.discovery.exposes.networks import (
    PRODUCTS,
    device,
    ieee,
    network,
    of_product,
    sent,
    told,
)


def _all(product: str) -> list[Entity]:
    return list(network([device(1, "thing", product)]).entities.values())


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_action_of_a_product_has_a_command(product: str) -> None:
    for entity in _all(product):
        needed = {action.id for action in actions_of(entity.device) if not action.step}
        assert set(entity.commands) == needed
        assert entity.command_topics == ({"zigbee2mqtt/thing/set"} if needed else set())


@pytest.mark.parametrize(
    ("product", "kinds"),
    [
        ("bulb", {"light": "light"}),
        ("color bulb", {"light": "light"}),
        ("plug", {"switch": "switch", "power": "sensor:power", "energy": "sensor:energy",
                  "voltage": "sensor:voltage", "current": "sensor:current"}),
        ("contact", {"contact": "binary_sensor:door"}),
        ("motion", {"occupancy": "binary_sensor:occupancy", "illuminance": "sensor:illuminance"}),
        ("climate sensor", {"temperature": "sensor:temperature", "humidity": "sensor:humidity",
                            "pressure": "sensor:atmospheric_pressure"}),
        ("radiator", {"climate": "climate"}),
        ("thermostat", {"climate": "climate", "window_open": "binary_sensor:window", "position": "sensor"}),
        ("curtain", {"cover": "cover"}),
        ("blind", {"cover": "cover", "moving": "sensor", "calibration_time": "sensor"}),
        ("lock", {"lock": "lock"}),
        ("air purifier", {"fan": "fan", "fan_speed": "sensor", "pm25": "sensor:pm25",
                          "air_quality": "sensor"}),
        ("fan", {"fan": "fan"}),
        ("siren", {"siren": "siren"}),
        ("two switches", {"switch_left": "switch", "switch_right": "switch"}),
    ],
)  # fmt: skip
def test_a_product_is_its_parts_without_what_sets_it_up(product: str, kinds: dict[str, str]) -> None:
    found = {
        entity.device.id.rpartition("/")[2]: ":".join(
            part for part in (entity.device.kind, entity.device.device_class) if part
        )
        for entity in _all(product)
    }
    assert found == kinds


def test_ids_and_names_are_those_that_home_assistant_is_told() -> None:
    left = of_product("two switches", "switch_left").device
    assert (left.name, left.unique_id) == ("kitchen/thing Left", f"{ieee(1)}_switch_left_zigbee2mqtt")
    light = of_product("bulb", "light").device
    assert (light.name, light.unique_id) == ("kitchen/thing", f"{ieee(1)}_light_zigbee2mqtt")
    sensor = of_product("climate sensor", "temperature").device
    assert (sensor.name, sensor.unique_id) == (
        "kitchen/thing Temperature",
        f"{ieee(1)}_temperature_zigbee2mqtt",
    )


@pytest.mark.parametrize(
    ("product", "part", "action", "value", "expected"),
    [
        ("bulb", "light", "on", None, {"state": "ON"}),
        ("bulb", "light", "off", None, {"state": "OFF"}),
        ("bulb", "light", "brightness", 0.0, {"brightness": 0}),
        ("bulb", "light", "brightness", 0.1, {"brightness": 1}),
        ("bulb", "light", "brightness", 50.0, {"brightness": 127}),
        ("bulb", "light", "brightness", 100, {"brightness": 254}),
        ("bulb", "light", "brightness", 100.5, None),
        ("bulb", "light", "brightness", -1.0, None),
        ("bulb", "light", "brightness", float("nan"), None),
        ("bulb", "light", "brightness", "half", None),
        ("bulb", "light", "brightness", None, None),
        ("color bulb", "light", "color", "red", {"state": "ON", "color": {"hex": "#ff0000"}}),
        ("color bulb", "light", "color", "octarine", None),
        ("plug", "switch", "on", None, {"state": "ON"}),
        ("two switches", "switch_right", "off", None, {"state_right": "OFF"}),
        ("curtain", "cover", "open", None, {"state": "OPEN"}),
        ("curtain", "cover", "close", None, {"state": "CLOSE"}),
        ("curtain", "cover", "stop", None, {"state": "STOP"}),
        ("curtain", "cover", "position", 30.0, {"position": 30}),
        ("lock", "lock", "lock", None, {"state": "LOCK"}),
        ("lock", "lock", "unlock", None, {"state": "UNLOCK"}),
        ("radiator", "climate", "temperature", 21.5, {"occupied_heating_setpoint": 21.5}),
        ("radiator", "climate", "temperature", 21.0, {"occupied_heating_setpoint": 21}),
        ("radiator", "climate", "temperature", 36.0, None),
        ("thermostat", "climate", "temperature", 20, {"current_heating_setpoint": 20}),
        ("thermostat", "climate", "on", None, {"system_mode": "heat"}),
        ("thermostat", "climate", "off", None, {"system_mode": "off"}),
        ("thermostat", "climate", "mode", "auto", {"system_mode": "auto"}),
        ("thermostat", "climate", "mode", "dry", None),
        ("thermostat", "climate", "option", "eco", {"preset": "eco"}),
        ("air purifier", "fan", "on", None, {"fan_state": "ON"}),
        ("air purifier", "fan", "speed", 100.0, {"fan_mode": "9"}),
        ("air purifier", "fan", "speed", 1.0, {"fan_mode": "1"}),
        ("air purifier", "fan", "speed", 0.0, {"fan_state": "OFF"}),
        ("air purifier", "fan", "mode", "auto", {"fan_mode": "auto"}),
        ("fan", "fan", "speed", 0.0, {"state": "OFF"}),
        ("fan", "fan", "speed", 20.0, {"speed": 1}),
        ("fan", "fan", "speed", 100.0, {"speed": 5}),
        ("siren", "siren", "on", None, {"warning": {"mode": "emergency", "duration": 10}}),
        ("siren", "siren", "off", None, {"warning": {"mode": "stop"}}),
    ],
)
def test_an_action_sends_what_zigbee2mqtt_takes(
    product: str, part: str, action: str, value: Any, expected: Any
) -> None:
    assert sent(of_product(product, part), action, value) == expected


@pytest.mark.parametrize(
    ("product", "part", "message", "expected"),
    [
        ("bulb", "light", {"state": "ON", "brightness": 127}, {"state": "on", "brightness": 50}),
        ("bulb", "light", {"state": "OFF", "brightness": 254}, {"state": "off", "brightness": 100}),
        ("bulb", "light", {"state": None, "brightness": "full"}, {}),
        ("bulb", "light", {"brightness": 10**400}, {}),
        ("bulb", "light", {"brightness": True, "state": True}, {}),
        ("color bulb", "light", {"color": {"hue": 350, "saturation": 95}}, {"color": "red"}),
        ("color bulb", "light", {"color": {"x": 0.17, "y": 0.7}}, {"color": "green"}),
        ("color bulb", "light", {"color": {"x": 0.5, "y": 0.4}, "color_mode": "color_temp"},
         {"color": "white"}),
        ("color bulb", "light", {"color": {"x": 0.5, "y": 0}}, {}),
        ("color bulb", "light", {"color": "red"}, {}),
        ("plug", "power", {"power": 12.5, "state": "ON"}, {"state": 12.5}),
        ("contact", "contact", {"contact": False}, {"state": "on"}),
        ("contact", "contact", {"contact": True}, {"state": "off"}),
        ("contact", "contact", {"contact": 0}, {}),
        ("motion", "occupancy", {"occupancy": True}, {"state": "on"}),
        ("climate sensor", "temperature", {"temperature": 21.48}, {"state": 21.48}),
        ("thermostat", "position", {"position": 40}, {"state": 40}),
        ("air purifier", "air_quality", {"air_quality": "good"}, {"state": "good"}),
        ("two switches", "switch_left", {"state_left": "ON", "state_right": "OFF"}, {"state": "on"}),
        ("two switches", "switch_left", {"state_right": "OFF"}, {}),
        ("curtain", "cover", {"state": "OPEN", "position": 30}, {"state": "open", "position": 30}),
        ("curtain", "cover", {"state": "OPEN", "position": 0}, {"state": "closed", "position": 0}),
        ("curtain", "cover", {"state": "CLOSE"}, {"state": "closed"}),
        ("curtain", "cover", {"state": "STOP"}, {}),
        ("blind", "cover", {"state": "CLOSE", "position": 40, "moving": "UP"},
         {"state": "opening", "position": 40}),
        ("blind", "cover", {"moving": "DOWN"}, {"state": "closing"}),
        ("blind", "cover", {"state": "CLOSE", "position": 0, "moving": "DOWN"},
         {"state": "closed", "position": 0}),
        ("blind", "cover", {"state": "OPEN", "position": 50, "moving": "STOP"},
         {"state": "open", "position": 50}),
        ("lock", "lock", {"state": "LOCK", "lock_state": "locked"}, {"state": "locked"}),
        ("lock", "lock", {"state": "UNLOCK"}, {"state": "unlocked"}),
        ("radiator", "climate", {"system_mode": "heat", "running_state": "idle", "local_temperature": 20.1,
         "occupied_heating_setpoint": 21},
         {"state": "heat", "current_temperature": 20.1, "temperature": 21}),
        ("thermostat", "climate", {"system_mode": "off", "preset": "eco"},
         {"state": "off", "mode": "off", "option": "eco"}),
        ("air purifier", "fan", {"fan_state": "ON", "fan_mode": "3"},
         {"state": "on", "speed": 33, "mode": "3"}),
        ("air purifier", "fan", {"fan_mode": "auto"}, {"mode": "auto"}),
        ("fan", "fan", {"state": "ON", "speed": 4}, {"state": "on", "speed": 80}),
        ("siren", "siren", {"warning": {"mode": "stop"}}, {}),
        *(("bulb", "light", message, {}) for message in ("", "ON", "[1]", "[" * 9000, "{", '"', "null")),
    ],
)  # fmt: skip
def test_a_state_is_read(product: str, part: str, message: Any, expected: Any) -> None:
    own = "zigbee2mqtt/kitchen/thing"
    assert told(of_product(product, part), message, own) == expected


@pytest.mark.parametrize("topic", ["zigbee2mqtt/kitchen/thing/availability", "zigbee2mqtt/bridge/state"])
@pytest.mark.parametrize(
    ("message", "expected"),
    [("online", True), ("offline", False), ('{"state":"online"}', True), ('{"state":"offline"}', False),
     ("", None), ('{"state":["online"]}', None), ("[]", None)],
)  # fmt: skip
def test_a_device_is_there_as_it_and_its_bridge_say(topic: str, message: str, expected: Any) -> None:
    found = told(of_product("contact", "contact"), message, topic)
    assert found.get(AVAILABLE) == expected


def test_a_contact_has_the_name_of_what_it_is_at() -> None:
    assert of_product("contact", "contact", "kitchen/window").device.name == "kitchen/window"
    assert of_product("motion", "occupancy", "hall/motion").device.name == "hall/motion Occupancy"


def test_ranges_are_those_of_the_device() -> None:
    climate = capabilities_of(of_product("radiator", "climate").device)
    assert climate.temperature == Range(min=5, max=35, step=0.5, unit="°C")
    assert not climate.on_off
    assert capabilities_of(of_product("thermostat", "climate").device).mode == ("heat", "auto", "off")
    assert capabilities_of(of_product("air purifier", "fan").device).mode == ("auto",)
    assert of_product("climate sensor", "temperature").device.attributes == {"unit": "°C"}


def test_a_speed_of_a_fan_that_cannot_be_switched_is_never_nothing() -> None:
    modes = {"type": "enum", "name": "mode", "property": "fan_mode", "access": 7, "values": ["low", "high"]}
    (fan,) = network([device(1, "fan", [{"type": "fan", "features": [modes]}])]).entities.values()
    assert capabilities_of(fan.device).speed == Range(min=1)
    assert sent(fan, "speed", 0) is None
    assert sent(fan, "speed", 100) == {"fan_mode": "high"}


def test_a_thermostat_with_two_temperatures_is_not_set_by_chance() -> None:
    both = [
        {"type": "numeric", "name": f"occupied_{each}_setpoint", "property": f"occupied_{each}_setpoint",
         "access": 7, "value_min": 5, "value_max": 30}
        for each in ("heating", "cooling")
    ]  # fmt: skip
    read = network([device(1, "ac", [{"type": "climate", "features": both}])])
    (climate,) = read.entities.values()
    assert not climate.commands
    assert "heating and one for cooling" in read.problems[f"zigbee2mqtt/{ieee(1)}"]


def test_every_color_is_the_one_that_is_read_back() -> None:
    assert set(HEX) == {*(USUAL["light"].color or ())}
    measured = {  # CIE 1931 of the primaries and secondaries of sRGB
        "red": (0.640, 0.330), "green": (0.300, 0.600), "blue": (0.150, 0.060), "yellow": (0.419, 0.505),
        "purple": (0.321, 0.154), "white": (0.3127, 0.329), "orange": (0.500, 0.440),
    }  # fmt: skip
    for name, (x, y) in measured.items():
        assert name_of_xy(x, y) == name
    assert name_of(330, 60) == "pink"
    assert name_of(174, 71) == "turquoise"
    assert name_of_xy(2, 1) is None


def test_values_that_a_device_cannot_have_make_no_command() -> None:
    state = {"type": "binary", "name": "state", "property": "state", "access": 7, "value_on": "ON"}
    level = {"type": "numeric", "name": "brightness", "property": "brightness", "access": 7, "value_min": 9,
             "value_max": 9}  # fmt: skip
    (light,) = network([device(1, "x", [{"type": "light", "features": [state, level]}])]).entities.values()
    assert not light.commands
    assert not actions_of(light.device)
