"""ESPHome with its MQTT client: a topic for each value, mostly without templates."""

from typing import Any

from tests.unit.house.discovery.announced import announced, capabilities, said, sent

COMMON: dict[str, Any] = {
    "avty_t": "desk/status",
    "dev": {"ids": "a0b1c2", "name": "Desk", "sw": "esphome v2025.3.0", "mdl": "esp32dev", "sa": "Office"},
}


def test_a_light() -> None:
    light = announced(
        "light/desk/strip",
        COMMON
        | {
            "schema": "json",
            "name": "Strip",
            "uniq_id": "ESPlightstrip",
            "stat_t": "desk/light/strip/state",
            "cmd_t": "desk/light/strip/command",
            "brightness": True,
            "sup_clrm": ["rgb"],
            "effect": True,
            "fx_list": ["None", "Rainbow"],
        },
    )
    assert light.device.name == "Desk Strip"
    assert light.area == "Office"
    assert capabilities(light) == {"on_off", "brightness", "color"}
    red = '{"state":"ON","color":{"r":255,"g":0,"b":0}}'
    assert sent(light, "color", "red") == [("desk/light/strip/command", red)]
    message = {"state": "ON", "color_mode": "rgb", "brightness": 255, "color": {"r": 0, "g": 255, "b": 0}}
    told = {"state": "on", "brightness": 100, "color": "green"}
    assert said(light, "desk/light/strip/state", message) == told
    assert said(light, "desk/status", "online") == {"available": True}


def test_a_fan() -> None:
    fan = announced(
        "fan/desk/fan",
        COMMON
        | {
            "name": "Fan",
            "stat_t": "desk/fan/fan/state",
            "cmd_t": "desk/fan/fan/command",
            "pct_cmd_t": "desk/fan/fan/speed_level/command",
            "pct_stat_t": "desk/fan/fan/speed_level/state",
            "spd_rng_max": 4,
        },
    )
    assert capabilities(fan) == {"on_off", "speed"}
    assert sent(fan, "speed", 50.0) == [("desk/fan/fan/speed_level/command", "2")]
    assert said(fan, "desk/fan/fan/speed_level/state", "3") == {"speed": 75}


def test_a_cover() -> None:
    cover = announced(
        "cover/desk/blind",
        COMMON
        | {
            "name": "Blind",
            "dev_cla": "blind",
            "stat_t": "desk/cover/blind/state",
            "cmd_t": "desk/cover/blind/command",
            "pos_t": "desk/cover/blind/position/state",
            "set_pos_t": "desk/cover/blind/position/command",
        },
    )
    assert cover.device.device_class == "blind"
    assert sent(cover, "position", 25.0) == [("desk/cover/blind/position/command", "25")]
    assert said(cover, "desk/cover/blind/state", "closing") == {"state": "closing"}
    assert said(cover, "desk/cover/blind/position/state", "25") == {"position": 25}


def test_a_thermostat() -> None:
    climate = announced(
        "climate/desk/heater",
        COMMON
        | {
            "name": "Heater",
            "curr_temp_t": "desk/climate/heater/current_temperature/state",
            "mode_cmd_t": "desk/climate/heater/mode/command",
            "mode_stat_t": "desk/climate/heater/mode/state",
            "modes": ["off", "heat"],
            "temp_cmd_t": "desk/climate/heater/target_temperature/command",
            "temp_stat_t": "desk/climate/heater/target_temperature/state",
            "min_temp": 7,
            "max_temp": 28,
            "temp_step": 0.1,
            "temp_unit": "C",
        },
    )
    assert capabilities(climate) == {"on_off", "temperature", "mode"}
    assert sent(climate, "on") == [("desk/climate/heater/mode/command", "heat")]
    assert sent(climate, "temperature", 20.0) == [("desk/climate/heater/target_temperature/command", "20.0")]
    assert said(climate, "desk/climate/heater/mode/state", "heat") == {"state": "heat"}
    assert said(climate, "desk/climate/heater/current_temperature/state", "19.3") == {
        "current_temperature": 19.3
    }


def test_the_small_ones() -> None:
    button = announced(
        "button/desk/restart", COMMON | {"name": "Feed the fish", "cmd_t": "desk/button/fish/command"}
    )
    assert sent(button, "press") == [("desk/button/fish/command", "PRESS")]
    select = announced(
        "select/desk/mode",
        COMMON
        | {
            "name": "Mode",
            "cmd_t": "desk/select/m/command",
            "stat_t": "desk/select/m/state",
            "options": ["A", "B"],
        },
    )
    assert sent(select, "option", "B") == [("desk/select/m/command", "B")]
    assert sent(select, "option", "C") == []
    assert said(select, "desk/select/m/state", "A") == {"state": "A", "option": "A"}
    number = announced(
        "number/desk/target",
        COMMON
        | {
            "name": "Target",
            "dev_cla": "temperature",
            "cmd_t": "desk/number/t/command",
            "stat_t": "desk/number/t/state",
            "min": 10,
            "max": 30,
            "step": 0.5,
            "unit_of_meas": "°C",
        },
    )
    assert sent(number, "temperature", 21.0) == [("desk/number/t/command", "21")]
    assert sent(number, "temperature", 21.3) == [("desk/number/t/command", "21.5")]
    assert said(number, "desk/number/t/state", "20.5") == {"state": 20.5, "temperature": 20.5}
    lock = announced(
        "lock/desk/cabinet",
        COMMON | {"name": "Cabinet", "cmd_t": "desk/lock/c/command", "stat_t": "desk/lock/c/state"},
    )
    assert sent(lock, "lock") == [("desk/lock/c/command", "LOCK")]
    assert said(lock, "desk/lock/c/state", "UNLOCKED") == {"state": "unlocked"}
