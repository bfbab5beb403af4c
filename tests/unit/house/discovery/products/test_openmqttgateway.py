"""OpenMQTTGateway: beacons that any gateway may have heard, so that states come with wildcards."""

from tests.unit.house.discovery.announced import announced, said, sent

WHERE = "+/+/BTtoMQTT/A4C138000001"


def test_a_thermometer_that_any_gateway_hears() -> None:
    sensor = announced(
        "sensor/A4C138000001-tempc",
        {
            "stat_t": WHERE,
            "dev_cla": "temperature",
            "unit_of_meas": "°C",
            "name": "LYWSD03MMC-tempc",
            "uniq_id": "A4C138000001-tempc",
            "val_tpl": "{{ value_json.tempc | is_defined }}",
            "stat_cla": "measurement",
            "device": {"ids": ["A4C138000001"], "mf": "Xiaomi", "mdl": "LYWSD03MMC", "name": "Cellar"},
        },
    )
    assert sensor.device.name == "Cellar LYWSD03MMC-tempc"
    assert said(sensor, WHERE, {"id": "A4:C1:38:00:00:01", "tempc": 12.4}) == {"state": "12.4"}
    assert said(sensor, WHERE, {"id": "A4:C1:38:00:00:01", "batt": 80}) == {}


def test_a_presence_with_a_condition() -> None:
    presence = announced(
        "binary_sensor/A4C138000002-motion",
        {
            "stat_t": WHERE,
            "dev_cla": "motion",
            "val_tpl": "{% if value_json.get('motion') -%}on"
            "{%- elif value_json.get('motion') is false -%}off{%- endif %}",
            "pl_on": "on",
            "pl_off": "off",
            "device": {"ids": ["A4C138000002"], "name": "Stairs"},
        },
    )
    assert said(presence, WHERE, {"motion": True}) == {"state": "on"}
    assert said(presence, WHERE, {"motion": False}) == {"state": "off"}
    assert said(presence, WHERE, {"lux": 3}) == {}


def test_a_plug_behind_the_gateway() -> None:
    plug = announced(
        "switch/OMG-plug",
        {
            "name": "Fountain",
            "uniq_id": "OMG-plug",
            "stat_t": "home/OMG/433toMQTT",
            "val_tpl": "{{ value_json.value }}",
            "cmd_t": "home/OMG/commands/MQTTto433",
            "pl_on": '{"value":1394004,"protocol":1}',
            "pl_off": '{"value":1394005,"protocol":1}',
            "state_on": 1394004,
            "state_off": 1394005,
            "avty_t": "home/OMG/LWT",
        },
    )
    assert sent(plug, "on") == [("home/OMG/commands/MQTTto433", '{"value":1394004,"protocol":1}')]
    assert said(plug, "home/OMG/433toMQTT", {"value": 1394005}) == {"state": "off"}
