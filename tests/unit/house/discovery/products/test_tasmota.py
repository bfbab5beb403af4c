"""Tasmota, firmware up to 9 with SetOption19: later ones announce themselves in a way of their own."""

from typing import Any

from tests.unit.house.discovery.announced import announced, capabilities, said, sent

COMMON: dict[str, Any] = {
    "~": "attic/",
    "avty_t": "~tele/LWT",
    "pl_avail": "Online",
    "pl_not_avail": "Offline",
    "stat_t": "~tele/STATE",
    "cmd_t": "~cmnd/POWER",
    "pl_off": "OFF",
    "pl_on": "ON",
    "device": {"identifiers": ["A1B2C3"], "name": "Attic", "mf": "Tasmota"},
}


def test_a_relay() -> None:
    relay = announced(
        "switch/A1B2C3_RL_1",
        COMMON | {"name": "Lamp", "val_tpl": "{{value_json.POWER}}", "uniq_id": "A1B2C3_RL_1"},
    )
    assert relay.device.id == "switch/A1B2C3_RL_1"
    assert relay.device.name == "Attic Lamp"
    assert sent(relay, "on") == [("attic/cmnd/POWER", "ON")]
    assert sent(relay, "off") == [("attic/cmnd/POWER", "OFF")]
    assert said(relay, "attic/tele/STATE", {"POWER": "ON", "Wifi": {"RSSI": 90}}) == {"state": "on"}
    assert said(relay, "attic/tele/LWT", "Offline") == {"available": False}


def test_a_light_that_is_turned_on_by_its_brightness() -> None:
    light = announced(
        "light/A1B2C3_LI_1",
        COMMON
        | {
            "name": "Strip",
            "uniq_id": "A1B2C3_LI_1",
            "val_tpl": "{{value_json.POWER}}",
            "bri_cmd_t": "~cmnd/Dimmer",
            "bri_stat_t": "~tele/STATE",
            "bri_scl": 100,
            "on_cmd_type": "brightness",
            "bri_val_tpl": "{{value_json.Dimmer}}",
            "rgb_cmd_t": "~cmnd/Color2",
            "rgb_stat_t": "~tele/STATE",
            "rgb_val_tpl": "{{value_json.Color.split(',')[0:3]|join(',')}}",
        },
    )
    assert capabilities(light) == {"on_off", "brightness", "color"}
    assert sent(light, "on") == [("attic/cmnd/Dimmer", "100")]
    assert sent(light, "off") == [("attic/cmnd/POWER", "OFF")]
    assert sent(light, "brightness", 40.0) == [("attic/cmnd/Dimmer", "40")]
    assert sent(light, "brightness", 0.0) == [("attic/cmnd/POWER", "OFF")]
    assert sent(light, "color", "yellow") == [
        ("attic/cmnd/Color2", "255,255,0"),
        ("attic/cmnd/Dimmer", "100"),
    ]
    message = {"POWER": "ON", "Dimmer": 40, "Color": "255,0,0,0,0"}
    assert said(light, "attic/tele/STATE", message) == {"brightness": 40, "color": "red"} | {"state": "on"}


def test_a_sensor() -> None:
    sensor = announced(
        "sensor/A1B2C3_AM2301_Temperature",
        {
            "name": "Temperature",
            "~": "attic/",
            "stat_t": "~tele/SENSOR",
            "unit_of_meas": "°C",
            "val_tpl": "{{value_json['AM2301'].Temperature}}",
            "dev_cla": "temperature",
            "device": COMMON["device"],
        },
    )
    assert said(sensor, "attic/tele/SENSOR", {"AM2301": {"Temperature": 17.2}}) == {"state": "17.2"}
    assert said(sensor, "attic/tele/SENSOR", {"DS18B20": {"Temperature": 17.2}}) == {}
