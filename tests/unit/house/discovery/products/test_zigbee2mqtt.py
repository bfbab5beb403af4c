"""Zigbee2MQTT: one topic of states a device, JSON in both directions."""

from typing import Any

from tests.unit.house.discovery.announced import announced, capabilities, said, sent

LAMP = "zigbee2mqtt/kitchen/ceiling lamp"


def config(where: str, **options: Any) -> dict[str, Any]:
    return {
        "availability": [
            {"topic": "zigbee2mqtt/bridge/state", "value_template": "{{ value_json.state }}"},
            {"topic": f"{where}/availability", "value_template": "{{ value_json.state }}"},
        ],
        "availability_mode": "all",
        "device": {"identifiers": ["zigbee2mqtt_0x01"], "name": where.removeprefix("zigbee2mqtt/")},
        "state_topic": where,
        "origin": {"name": "Zigbee2MQTT", "sw": "2.1.0"},
        "unique_id": "0x01_zigbee2mqtt",
        **options,
    }


def test_a_lamp_with_colors() -> None:
    lamp = announced(
        "light/0x01/light",
        config(
            LAMP,
            name=None,
            schema="json",
            command_topic=f"{LAMP}/set",
            brightness=True,
            brightness_scale=254,
            supported_color_modes=["xy", "color_temp"],
            max_mireds=454,
        ),
    )
    assert lamp.device.name == "kitchen/ceiling lamp"
    assert lamp.device.unique_id == "0x01_zigbee2mqtt"
    assert capabilities(lamp) == {"on_off", "brightness", "color"}
    assert sent(lamp, "on") == [(f"{LAMP}/set", '{"state":"ON"}')]
    assert sent(lamp, "off") == [(f"{LAMP}/set", '{"state":"OFF"}')]
    assert sent(lamp, "brightness", 50.0) == [(f"{LAMP}/set", '{"state":"ON","brightness":127}')]
    assert sent(lamp, "brightness", 0.0) == [(f"{LAMP}/set", '{"state":"OFF"}')]
    assert sent(lamp, "color", "blue") == [(f"{LAMP}/set", '{"state":"ON","color":{"x":0.136,"y":0.04}}')]
    assert sent(lamp, "color", "no color") == []
    on = {"state": "ON", "brightness": 127, "color_mode": "xy", "color": {"x": 0.136, "y": 0.04}}
    assert said(lamp, LAMP, on) == {"state": "on", "brightness": 50, "color": "blue"}
    warm = {"state": "OFF", "brightness": 254, "color_mode": "color_temp", "color": {"x": 0.46, "y": 0.41}}
    assert said(lamp, LAMP, warm) == {"state": "off", "brightness": 100}
    assert said(lamp, LAMP, {"linkquality": 80}) == {}
    assert lamp.availability == "all"
    assert said(lamp, "zigbee2mqtt/bridge/state", '{"state":"online"}') == {"available": True}
    assert said(lamp, f"{LAMP}/availability", '{"state":"offline"}') == {"available": False}


def test_a_plug() -> None:
    plug = announced(
        "switch/0x02/switch",
        config(
            "zigbee2mqtt/plug",
            name=None,
            command_topic="zigbee2mqtt/plug/set",
            payload_on="ON",
            payload_off="OFF",
            value_template="{{ value_json.state }}",
        ),
    )
    assert sent(plug, "on") == [("zigbee2mqtt/plug/set", "ON")]
    assert said(plug, "zigbee2mqtt/plug", {"state": "OFF", "power": 3.1}) == {"state": "off"}
    assert said(plug, "zigbee2mqtt/plug", {"power": 3.1}) == {}


def test_a_cover() -> None:
    cover = announced(
        "cover/0x03/cover",
        config(
            "zigbee2mqtt/blind",
            name=None,
            command_topic="zigbee2mqtt/blind/set",
            position_topic="zigbee2mqtt/blind",
            position_template="{{ value_json.position }}",
            set_position_topic="zigbee2mqtt/blind/set",
            set_position_template='{ "position": {{ position }} }',
            value_template="{{ value_json.state }}",
            state_open="OPEN",
            state_closed="CLOSE",
            state_stopped="STOP",
        ),
    )
    assert capabilities(cover) == {"open_close", "stop", "position"}
    moves = [sent(cover, move)[0][1] for move in ("open", "close", "stop")]
    assert moves == ["OPEN", "CLOSE", "STOP"]
    assert sent(cover, "position", 30.0) == [("zigbee2mqtt/blind/set", '{ "position": 30 }')]
    here = {"state": "OPEN", "position": 30}
    assert said(cover, "zigbee2mqtt/blind", here) == {"state": "open", "position": 30}
    assert said(cover, "zigbee2mqtt/blind", {"state": "STOP", "position": 0}) == {
        "state": "closed",
        "position": 0,
    }


def test_a_cover_that_tells_of_its_motor() -> None:
    template = (
        '{% if "motor_state" in value_json and value_json.motor_state %} {{ value_json.motor_state }} '
        "{% else %} stopped {% endif %}"
    )
    cover = announced(
        "cover/0x04/cover",
        config(
            "zigbee2mqtt/shade",
            name=None,
            command_topic="zigbee2mqtt/shade/set",
            position_topic="zigbee2mqtt/shade",
            position_template="{{ value_json.position }}",
            set_position_topic="zigbee2mqtt/shade/set",
            set_position_template='{ "position": {{ position }} }',
            value_template=template,
            state_opening="rising",
            state_closing="declining",
            state_stopped="stopped",
        ),
    )
    assert said(cover, "zigbee2mqtt/shade", {"motor_state": "rising", "position": 5})["state"] == "opening"
    assert said(cover, "zigbee2mqtt/shade", {"position": 5})["state"] == "open"
    assert said(cover, "zigbee2mqtt/shade", {"position": 0})["state"] == "closed"


def test_a_lock() -> None:
    lock = announced(
        "lock/0x05/lock",
        config(
            "zigbee2mqtt/front door",
            name=None,
            command_topic="zigbee2mqtt/front door/set",
            payload_lock="LOCK",
            payload_unlock="UNLOCK",
            state_locked="LOCK",
            state_unlocked="UNLOCK",
            value_template="{{ value_json.state }}",
        ),
    )
    assert capabilities(lock) == {"lock"}
    assert sent(lock, "lock") == [("zigbee2mqtt/front door/set", "LOCK")]
    assert sent(lock, "unlock") == [("zigbee2mqtt/front door/set", "UNLOCK")]
    assert said(lock, "zigbee2mqtt/front door", {"state": "LOCK"}) == {"state": "locked"}
    assert said(lock, "zigbee2mqtt/front door", {"state": "UNLOCK"}) == {"state": "unlocked"}


def test_a_radiator_valve() -> None:
    valve = announced(
        "climate/0x06/climate",
        {
            "~": "zigbee2mqtt/radiator",
            "name": None,
            "unique_id": "0x06_climate",
            "device": {"name": "radiator", "ids": "0x06", "sa": "Bath"},
            "action_template": "{% set values = {None:None,'idle':'idle','heat':'heating'} %}"
            "{{ values[value_json.running_state] }}",
            "action_topic": "~",
            "current_temperature_topic": "~",
            "current_temperature_template": "{{ value_json.local_temperature }}",
            "max_temp": "30",
            "min_temp": "5",
            "mode_command_topic": "~/set/system_mode",
            "mode_state_topic": "~",
            "mode_state_template": "{{ value_json.system_mode }}",
            "modes": ["off", "heat", "auto"],
            "preset_mode_command_topic": "~/set/preset",
            "preset_mode_state_topic": "~",
            "preset_mode_value_template": "{{ value_json.preset }}",
            "preset_modes": ["eco", "away"],
            "temp_step": 0.5,
            "temperature_command_topic": "~/set/occupied_heating_setpoint",
            "temperature_state_topic": "~",
            "temperature_state_template": "{{ value_json.occupied_heating_setpoint }}",
            "temperature_unit": "C",
        },
    )
    able = valve.device.capabilities
    assert able is not None
    assert able.mode == ("off", "heat", "auto", "eco", "away")
    assert able.temperature is not None
    assert (able.temperature.min, able.temperature.max, able.temperature.step) == (5, 30, 0.5)
    assert able.temperature.unit == "°C"
    assert valve.area == "Bath"
    set_to = "zigbee2mqtt/radiator/set/occupied_heating_setpoint"
    assert sent(valve, "temperature", 21.4) == [(set_to, "21.5")]
    assert sent(valve, "temperature", 60.0) == [(set_to, "30.0")]
    assert sent(valve, "mode", "auto") == [("zigbee2mqtt/radiator/set/system_mode", "auto")]
    assert sent(valve, "mode", "away") == [("zigbee2mqtt/radiator/set/preset", "away")]
    assert sent(valve, "mode", "party") == []
    assert sent(valve, "on") == [("zigbee2mqtt/radiator/set/system_mode", "heat")]
    assert sent(valve, "off") == [("zigbee2mqtt/radiator/set/system_mode", "off")]
    message = {
        "local_temperature": 19.8,
        "occupied_heating_setpoint": 21.5,
        "system_mode": "heat",
        "preset": "eco",
    }
    assert said(valve, "zigbee2mqtt/radiator", message) == {
        "state": "heat",
        "mode": "eco",
        "temperature": 21.5,
        "current_temperature": 19.8,
    }


def test_motion_contact_and_temperature() -> None:
    motion = announced(
        "binary_sensor/0x07/occupancy",
        config(
            "zigbee2mqtt/hall motion",
            device_class="occupancy",
            payload_on=True,
            payload_off=False,
            value_template="{{ value_json.occupancy }}",
        ),
    )
    assert motion.device.name == "hall motion Occupancy"
    assert said(motion, "zigbee2mqtt/hall motion", {"occupancy": True}) == {"state": "on"}
    contact = announced(
        "binary_sensor/0x08/contact",
        config(
            "zigbee2mqtt/window",
            device_class="door",
            payload_on=False,
            payload_off=True,
            value_template="{{ value_json.contact }}",
        ),
    )
    assert contact.device.device_class == "door"
    assert said(contact, "zigbee2mqtt/window", {"contact": False}) == {"state": "on"}
    assert said(contact, "zigbee2mqtt/window", {"contact": True}) == {"state": "off"}
    thermometer = announced(
        "sensor/0x09/temperature",
        config(
            "zigbee2mqtt/bath",
            device_class="temperature",
            unit_of_measurement="°C",
            state_class="measurement",
            value_template="{{ value_json.temperature }}",
        ),
    )
    assert thermometer.device.name == "bath Temperature"
    assert thermometer.device.attributes == {"unit": "°C"}
    assert thermometer.commands == {}
    assert said(thermometer, "zigbee2mqtt/bath", {"temperature": 21.5}) == {"state": "21.5"}


def test_a_fan_with_three_speeds() -> None:
    fan = announced(
        "fan/0x0a/fan",
        config(
            "zigbee2mqtt/fan",
            name=None,
            command_topic="zigbee2mqtt/fan/set/fan_state",
            state_value_template="{{ value_json.fan_state }}",
            percentage_command_topic="zigbee2mqtt/fan/set/fan_mode",
            percentage_state_topic="zigbee2mqtt/fan",
            percentage_value_template="{{ {'off':0, 'low':1, 'medium':2, 'high':3}[value_json.fan_mode]"
            " | default('None') }}",
            percentage_command_template="{{ {0:'off', 1:'low', 2:'medium', 3:'high'}[value] | default('') }}",
            speed_range_min=1,
            speed_range_max=3,
            preset_mode_command_topic="zigbee2mqtt/fan/set/fan_mode",
            preset_mode_state_topic="zigbee2mqtt/fan",
            preset_mode_value_template="{{ value_json.fan_mode if value_json.fan_mode in ['smart']"
            " else 'None' | default('None') }}",
            preset_modes=["smart"],
        ),
    )
    assert capabilities(fan) == {"on_off", "speed", "mode"}
    mode = "zigbee2mqtt/fan/set/fan_mode"
    speeds = [sent(fan, "speed", percent) for percent in (10.0, 33.0, 33.333333, 50.0, 66.666667, 100.0)]
    assert [payload for ((_, payload),) in speeds] == ["low", "low", "low", "medium", "medium", "high"]
    assert sent(fan, "speed", 0.0) == [("zigbee2mqtt/fan/set/fan_state", "OFF")]
    assert sent(fan, "mode", "smart") == [(mode, "smart")]
    assert said(fan, "zigbee2mqtt/fan", {"fan_state": "ON", "fan_mode": "medium"}) == {
        "state": "on",
        "speed": 67,
    }
    assert said(fan, "zigbee2mqtt/fan", {"fan_mode": "smart"}) == {"mode": "smart"}
