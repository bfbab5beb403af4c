"""Shelly: what scripts on its devices announce, of the second generation and of the first."""

from typing import Any

from tests.unit.house.discovery.announced import all_announced, announced, capabilities, said, sent

DEVICE: dict[str, Any] = {"ids": ["shellyplus2pm-0a1b"], "name": "Living room", "mf": "Shelly"}


def test_a_relay_of_the_second_generation_among_several_components() -> None:
    found = all_announced(
        "device/shellyplus2pm-0a1b",
        {
            "dev": DEVICE,
            "o": {"name": "script"},
            "avty_t": "shellyplus2pm-0a1b/online",
            "pl_avail": "true",
            "pl_not_avail": "false",
            "cmps": {
                "relay": {
                    "p": "switch",
                    "name": "Floor lamp",
                    "uniq_id": "0a1b-switch-0",
                    "cmd_t": "shellyplus2pm-0a1b/command/switch:0",
                    "stat_t": "shellyplus2pm-0a1b/status/switch:0",
                    "val_tpl": "{{ 'on' if value_json.output else 'off' }}",
                    "pl_on": "on",
                    "pl_off": "off",
                    "qos": 2,
                },
                "power": {
                    "p": "sensor",
                    "dev_cla": "power",
                    "unit_of_meas": "W",
                    "uniq_id": "0a1b-power-0",
                    "stat_t": "shellyplus2pm-0a1b/status/switch:0",
                    "val_tpl": "{{ value_json.apower | round(1) }}",
                },
                "rssi": {"p": "sensor", "ent_cat": "diagnostic", "uniq_id": "r", "stat_t": "a/b"},
                "gone": {"p": "switch"},
            },
        },
    )
    prefix = "device/shellyplus2pm-0a1b"
    assert set(found) == {f"{prefix}/relay", f"{prefix}/power"}
    relay = found[f"{prefix}/relay"]
    assert relay.device.name == "Living room Floor lamp"
    assert sent(relay, "off") == [("shellyplus2pm-0a1b/command/switch:0", "off")]
    assert relay.commands["off"](None)[0].qos == 2
    assert said(relay, "shellyplus2pm-0a1b/status/switch:0", {"id": 0, "output": True}) == {"state": "on"}
    assert said(relay, "shellyplus2pm-0a1b/online", "false") == {"available": False}
    power = found[f"{prefix}/power"]
    assert power.device.name == "Living room Power"
    assert said(power, "shellyplus2pm-0a1b/status/switch:0", {"apower": 12.34}) == {"state": "12.3"}


def test_a_roller_shutter() -> None:
    shutter = announced(
        "cover/shellyplus2pm-0a1b/cover0",
        {
            "name": None,
            "dev": DEVICE,
            "dev_cla": "shutter",
            "cmd_t": "shellyplus2pm-0a1b/command/cover:0",
            "pl_open": "open",
            "pl_cls": "close",
            "pl_stop": "stop",
            "stat_t": "shellyplus2pm-0a1b/status/cover:0",
            "val_tpl": "{{ value_json.state }}",
            "pos_t": "shellyplus2pm-0a1b/status/cover:0",
            "pos_tpl": "{{ value_json.current_pos }}",
            "set_pos_t": "shellyplus2pm-0a1b/command/cover:0",
            "set_pos_tpl": "pos,{{ position }}",
        },
    )
    assert capabilities(shutter) == {"open_close", "stop", "position"}
    assert sent(shutter, "close") == [("shellyplus2pm-0a1b/command/cover:0", "close")]
    assert sent(shutter, "position", 70.0) == [("shellyplus2pm-0a1b/command/cover:0", "pos,70")]
    status = {"state": "stopped", "current_pos": 70}
    assert said(shutter, "shellyplus2pm-0a1b/status/cover:0", status) == {"state": "open", "position": 70}


def test_a_relay_and_a_dimmer_of_the_first_generation() -> None:
    relay = announced(
        "switch/shelly1-c4/relay0",
        {
            "~": "shellies/shelly1-c4",
            "name": "Boiler",
            "cmd_t": "~/relay/0/command",
            "stat_t": "~/relay/0",
            "pl_on": "on",
            "pl_off": "off",
            "avty_t": "~/online",
            "pl_avail": "true",
            "pl_not_avail": "false",
        },
    )
    assert sent(relay, "on") == [("shellies/shelly1-c4/relay/0/command", "on")]
    assert said(relay, "shellies/shelly1-c4/relay/0", "off") == {"state": "off"}
    dimmer = announced(
        "light/shellydimmer-d5/light0",
        {
            "~": "shellies/shellydimmer-d5",
            "name": "Sofa",
            "cmd_t": "~/light/0/command",
            "stat_t": "~/light/0/status",
            "stat_val_tpl": "{% if value_json.ison %}on{% else %}off{% endif %}",
            "pl_on": "on",
            "pl_off": "off",
            "bri_cmd_t": "~/light/0/set",
            "bri_cmd_tpl": '{"turn":"on","brightness":{{ value }}}',
            "bri_scl": 100,
            "bri_stat_t": "~/light/0/status",
            "bri_val_tpl": "{{ value_json.brightness | float | round }}",
            "on_cmd_type": "first",
        },
    )
    assert sent(dimmer, "brightness", 35.0) == [
        ("shellies/shellydimmer-d5/light/0/command", "on"),
        ("shellies/shellydimmer-d5/light/0/set", '{"turn":"on","brightness":35}'),
    ]
    status = {"ison": True, "brightness": 35}
    assert said(dimmer, "shellies/shellydimmer-d5/light/0/status", status) == {
        "state": "on",
        "brightness": 35,
    }
