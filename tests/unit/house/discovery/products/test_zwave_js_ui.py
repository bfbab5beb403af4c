"""Z-Wave JS UI: a topic for each value, and numbers for the modes of thermostats."""

from tests.unit.house.discovery.announced import announced, capabilities, said, sent


def test_a_dimmer() -> None:
    dimmer = announced(
        "light/node_5/dimmer",
        {
            "name": "Dining_table",
            "brightness_command_topic": "zwave/table/38/0/targetValue/set",
            "brightness_scale": 99,
            "brightness_state_topic": "zwave/table/38/0/currentValue",
            "brightness_value_template": "{{ value_json.value }}",
            "command_topic": "zwave/table/38/0/targetValue/set",
            "on_command_type": "brightness",
            "payload_off": 0,
            "state_topic": "zwave/table/38/0/currentValue",
            "state_value_template": '{{ "0" if value_json.value == 0 else "ON" }}',
        },
    )
    assert sent(dimmer, "off") == [("zwave/table/38/0/targetValue/set", "0")]
    assert sent(dimmer, "brightness", 100.0) == [("zwave/table/38/0/targetValue/set", "99")]
    assert said(dimmer, "zwave/table/38/0/currentValue", {"value": 0})["state"] == "off"
    assert said(dimmer, "zwave/table/38/0/currentValue", {"value": 99}) == {"state": "on", "brightness": 100}


def test_a_thermostat() -> None:
    thermostat = announced(
        "climate/node_6/thermostat",
        {
            "name": "Thermostat",
            "modes": ["off", "heat"],
            "mode_state_topic": "zwave/t/64/0/mode",
            "mode_state_template": '{{ {0: "off", 1: "heat"}[value_json.value] | default("off") }}',
            "mode_command_topic": "zwave/t/64/0/mode/set",
            "mode_command_template": '{{ {"off": 0, "heat": 1}[value] | default("off") }}',
            "temperature_command_topic": "zwave/t/67/0/setpoint/1/set",
            "temperature_state_topic": "zwave/t/67/0/setpoint/1",
            "temperature_state_template": "{{ value_json.value }}",
            "temperature_unit": "F",
            "min_temp": 50,
            "max_temp": 85,
        },
    )
    assert capabilities(thermostat) == {"on_off", "temperature", "mode"}
    assert sent(thermostat, "mode", "heat") == [("zwave/t/64/0/mode/set", "1")]
    assert said(thermostat, "zwave/t/64/0/mode", {"value": 1}) == {"state": "heat"}
    able = thermostat.device.capabilities
    assert able is not None
    assert able.temperature is not None
    assert able.temperature.unit == "°F"


def test_a_shutter_of_99_steps() -> None:
    shutter = announced(
        "cover/node_7/shutter",
        {
            "name": "Shutter",
            "command_topic": "zwave/s/38/0/targetValue/set",
            "payload_open": 99,
            "payload_close": 0,
            "payload_stop": None,
            "position_open": 99,
            "position_closed": 0,
            "position_topic": "zwave/s/38/0/currentValue",
            "position_template": "{{ value_json.value | round(0) }}",
            "set_position_topic": "zwave/s/38/0/targetValue/set",
        },
    )
    assert capabilities(shutter) == {"open_close", "position"}
    assert sent(shutter, "open") == [("zwave/s/38/0/targetValue/set", "99")]
    assert sent(shutter, "position", 50.0) == [("zwave/s/38/0/targetValue/set", "50")]
    assert said(shutter, "zwave/s/38/0/currentValue", {"value": 0}) == {"position": 0, "state": "closed"}
    assert said(shutter, "zwave/s/38/0/currentValue", {"value": 50}) == {"position": 51, "state": "open"}
