"""The demo's devices at a real broker: they announce themselves, obey as their products do, and tell."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from edge_llm.config import MqttSettings
from edge_llm.demo.devices import Light, Values
from edge_llm.demo.house import HOUSE, SimulatedHouse
from edge_llm.demo.zigbee import BRIDGE, Zigbee
from tests.common import eventually
from tests.conversation import Hub
from tests.processes import Broker

OFFLINE = b'{"state": "offline"}'
ENDS_AT_ONCE = """
import os, sys
from edge_llm.config import MqttSettings
from edge_llm.demo.house import SimulatedHouse
with SimulatedHouse(MqttSettings(host="127.0.0.1", port=int(sys.argv[1]))):
    os._exit(0)
"""


def at(broker: Broker, protocol: str = "5") -> MqttSettings:
    return MqttSettings.model_validate({"host": "127.0.0.1", "port": broker.port, "protocol": protocol})


@pytest.fixture(params=["5", "3.1.1"])
def house(request: pytest.FixtureRequest, broker: Broker) -> Iterator[SimulatedHouse]:
    with SimulatedHouse(at(broker, request.param)) as house:
        yield house


def announced(hub: Hub) -> dict[str, dict[str, Any]]:
    """What was announced, by the device's name."""
    configs = [json.loads(payload) for topic, payload in list(hub.messages) if topic.endswith("/config")]
    return {(config.get("device") or config["dev"])["name"]: config for config in configs}


def test_who_comes_later_finds_every_device_with_its_state_and_that_it_is_there(
    house: SimulatedHouse, hub: Hub
) -> None:
    hub.settle()
    configs = announced(hub)
    assert configs.keys() == {device.name for device in HOUSE}
    for device in HOUSE:
        for topic, payload in (*device.states().items(), device.availability(online=True)):
            assert hub.on(topic) == [payload.encode()]
    assert hub.on(BRIDGE) == [b'{"state": "online"}']
    assert {topic.split("/")[1] for topic, _ in hub.messages if topic.endswith("/config")} == {
        *("light", "switch", "cover", "lock", "climate", "fan", "sensor", "binary_sensor")
    }


def test_the_state_topic_of_each_announcement_has_a_state(house: SimulatedHouse, hub: Hub) -> None:
    hub.settle()
    ends = ("state_topic", "stat_t", "position_topic", "pos_t")
    for config in announced(hub).values():
        told = [
            topic for name, topic in config.items() if name.endswith(ends) and not name.startswith("set_")
        ]
        assert told
        assert all(hub.on(topic.replace("~", config.get("~", ""))) for topic in told)


def last(hub: Hub, topic: str) -> bytes:
    return b"".join(hub.on(topic)[-1:])


def told(hub: Hub, topic: str) -> dict[str, Any]:
    """The last object that a device has told."""
    told: dict[str, Any] = json.loads(last(hub, topic) or "{}")
    return told


@pytest.mark.parametrize(
    ("topic", "payload", "name", "values"),
    [
        ("zigbee2mqtt/Kitchen light/set", '{"state": "ON"}', "Kitchen light", {"state": "on"}),
        ("zigbee2mqtt/Kitchen light/set", '{"state": "TOGGLE"}', "Kitchen light", {"state": "on"}),
        ("zigbee2mqtt/Kitchen light/set", "ON", "Kitchen light", {"state": "on"}),
        (
            "zigbee2mqtt/Kitchen light/set",
            '{"brightness": 127}',
            "Kitchen light",
            {"state": "on", "brightness": 50},
        ),
        (
            "zigbee2mqtt/Kitchen light/set/brightness",
            "254",
            "Kitchen light",
            {"state": "on", "brightness": 100},
        ),
        (
            "zigbee2mqtt/Sofa lamp/set",
            '{"state": "ON", "color": {"x": 0.7, "y": 0.3}}',
            "Sofa lamp",
            {"state": "on", "color": "red", "brightness": 50},
        ),
        (
            "zigbee2mqtt/Sofa lamp/set",
            '{"color": {"h": 240, "s": 100}}',
            "Sofa lamp",
            {"state": "off", "color": "blue"},
        ),
        ("zigbee2mqtt/Sofa lamp/set", '{"color": {"hex": "#00FF00"}}', "Sofa lamp", {"color": "green"}),
        (
            "zigbee2mqtt/Sofa lamp/set",
            '{"color": {"r": 255, "g": 165, "b": 0}}',
            "Sofa lamp",
            {"color": "orange"},
        ),
        ("coffee_maker/cmnd/POWER", "ON", "Coffee maker", {"state": "on"}),
        ("coffee_maker/cmnd/POWER", "2", "Coffee maker", {"state": "on"}),
        ("hall_light/cmnd/POWER", "off", "Hall light", {"state": "off", "brightness": 80}),
        ("hall_light/cmnd/Dimmer", "30", "Hall light", {"state": "on", "brightness": 30}),
        ("hall_light/cmnd/Dimmer", "0", "Hall light", {"state": "off", "brightness": 80}),
        ("blinds/cover/blinds/command", "CLOSE", "Blinds", {"state": "closed", "position": 0}),
        ("blinds/cover/blinds/position/command", "40", "Blinds", {"state": "open", "position": 40}),
        ("zigbee2mqtt/Curtain/set", '{ "position": 30 }', "Curtain", {"state": "open", "position": 30}),
        ("zigbee2mqtt/Curtain/set", "CLOSE", "Curtain", {"state": "closed", "position": 0}),
        ("zigbee2mqtt/Front door lock/set", "LOCK", "Front door lock", {"state": "locked"}),
        ("zigbee2mqtt/Thermostat/set/system_mode", "off", "Thermostat", {"state": "off"}),
        ("zigbee2mqtt/Thermostat/set/occupied_heating_setpoint", "22.5", "Thermostat", {"temperature": 22.5}),
        ("zigbee2mqtt/Thermostat/set/occupied_heating_setpoint", "99", "Thermostat", {"temperature": 20.0}),
        ("fan/fan/fan/command", "ON", "Fan", {"state": "on", "speed": 100}),
        ("fan/fan/fan/speed_level/command", "2", "Fan", {"state": "off", "speed": 67}),
    ],
)
def test_a_command_has_the_effect_that_its_product_documents(
    broker: Broker, hub: Hub, topic: str, payload: str, name: str, values: Values
) -> None:
    with SimulatedHouse(at(broker)) as house:
        before = house.states()
        hub.publish(topic, payload)
        eventually(house.received)
        assert house.wait_idle()
        shown = house.state(name)
        assert {key: shown[key] for key in values} == values
        others = {other: state for other, state in house.states().items() if other != name}
        assert others == {other: state for other, state in before.items() if other != name}


def test_what_it_became_is_told_in_the_products_words(house: SimulatedHouse, hub: Hub) -> None:
    hub.publish(
        "zigbee2mqtt/Sofa lamp/set", '{"state": "ON", "brightness": 64, "color": {"x": 0.7, "y": 0.3}}'
    )
    hub.publish("coffee_maker/cmnd/POWER", "ON")
    hub.publish("fan/fan/fan/speed_level/command", "2")
    hub.publish("zigbee2mqtt/Front door lock/set", "LOCK")
    hub.publish("zigbee2mqtt/Thermostat/set/occupied_heating_setpoint", "22.5")
    lamp = {"state": "ON", "brightness": 64, "color_mode": "xy", "color": {"x": 0.7, "y": 0.3}}
    eventually(lambda: told(hub, "zigbee2mqtt/Sofa lamp").items() >= lamp.items())
    eventually(lambda: told(hub, "coffee_maker/tele/STATE").get("POWER") == "ON")
    eventually(lambda: last(hub, "fan/fan/fan/speed_level/state") == b"2")
    eventually(lambda: told(hub, "zigbee2mqtt/Front door lock").get("state") == "LOCK")
    eventually(lambda: told(hub, "zigbee2mqtt/Thermostat").get("occupied_heating_setpoint") == 22.5)


def test_a_cover_moves_before_it_arrives_and_can_be_stopped_halfway(house: SimulatedHouse, hub: Hub) -> None:
    hub.settle()
    hub.publish("blinds/cover/blinds/command", "CLOSE")
    eventually(lambda: last(hub, "blinds/cover/blinds/state") == b"closed")
    assert hub.on("blinds/cover/blinds/state") == [b"open", b"closing", b"closed"]
    hub.publish("blinds/cover/blinds/command", "OPEN")
    eventually(lambda: house.state("Blinds")["state"] == "opening")
    hub.publish("blinds/cover/blinds/command", "STOP")
    eventually(lambda: last(hub, "blinds/cover/blinds/position/state") == b"50")
    assert house.wait_idle()
    assert house.state("Blinds") == {"state": "open", "position": 50}


def test_what_no_device_understands_changes_nothing(house: SimulatedHouse, hub: Hub) -> None:
    before = house.states()
    topics = [topic.replace("+", "brightness") for device in HOUSE for topic in device.commands]
    for topic in topics:
        for payload in (
            "",
            "{",
            "[1]",
            '{"brightness": "much"}',
            '{"color": "red"}',
            '{"color": {"hex": "#1"}}',
            b"\xff",
        ):
            hub.publish(topic, payload)
    hub.publish("coffee_maker/cmnd/Backlog", "POWER ON")
    hub.publish("coffee_maker/cmnd/POWER", "TOGGLE")
    eventually(lambda: house.state("Coffee maker")["state"] == "on")
    assert house.wait_idle()
    assert house.states() == before | {"Coffee maker": {"state": "on"}}


def test_a_silent_device_hears_and_does_nothing(house: SimulatedHouse, hub: Hub) -> None:
    house.set_silent("Coffee maker")
    hub.publish("coffee_maker/cmnd/POWER", "ON")
    received = eventually(lambda: house.received("Coffee maker"))
    assert [(each.topic, each.payload) for each in received] == [("coffee_maker/cmnd/POWER", "ON")]
    assert house.wait_idle()
    assert house.state("Coffee maker") == {"state": "off"}
    house.set_silent("Coffee maker", silent=False)
    hub.publish("coffee_maker/cmnd/POWER", "ON")
    eventually(lambda: house.state("Coffee maker") == {"state": "on"})


def test_a_device_goes_and_comes_back(house: SimulatedHouse, hub: Hub) -> None:
    house.set_available("Kitchen light", available=False)
    eventually(lambda: last(hub, "zigbee2mqtt/Kitchen light/availability") == OFFLINE)
    hub.publish("zigbee2mqtt/Kitchen light/set", "ON")
    eventually(lambda: house.received("Kitchen light"))
    house.set_available("Kitchen light", available=True)
    eventually(lambda: last(hub, "zigbee2mqtt/Kitchen light/availability") != OFFLINE)
    assert house.state("Kitchen light")["state"] == "off"


def test_what_is_changed_by_hand_is_told(broker: Broker, hub: Hub) -> None:
    changes: list[tuple[str, Values, Values]] = []
    with SimulatedHouse(at(broker), on_change=lambda *change: changes.append(change)) as house:
        house.set("Front door", state="on")
        house.set("Sofa lamp", color="red")
        eventually(lambda: told(hub, "zigbee2mqtt/Front door").get("contact") is False)
        assert house.wait_idle()
    lamp = {"state": "off", "brightness": 50}
    assert changes == [
        ("Front door", {"state": "off"}, {"state": "on"}),
        ("Sofa lamp", lamp | {"color": "white"}, lamp | {"color": "red"}),
    ]


def test_many_devices_chat(broker: Broker, hub: Hub) -> None:
    lamps = [Zigbee(f"Lamp {number}", "Kitchen", Light(state="off", brightness=1)) for number in range(60)]
    with SimulatedHouse(at(broker), devices=lamps) as house:
        house.chat(states_per_second=1000)
        eventually(lambda: all(len(hub.on(f"zigbee2mqtt/Lamp {number}")) > 2 for number in range(60)))
        hub.publish("zigbee2mqtt/Lamp 7/set", "ON")
        eventually(lambda: house.state("Lamp 7")["state"] == "on")


def test_two_houses_of_the_same_devices_are_apart(broker: Broker, fresh_broker: Broker, hub: Hub) -> None:
    with SimulatedHouse(at(broker)) as one, SimulatedHouse(at(fresh_broker)) as other:
        hub.publish("coffee_maker/cmnd/POWER", "ON")
        eventually(lambda: one.state("Coffee maker")["state"] == "on")
        assert other.state("Coffee maker")["state"] == "off"
    assert HOUSE[1].device.values == {"state": "off"}


def test_who_comes_later_finds_that_an_ended_house_is_away(broker: Broker, hub: Hub) -> None:
    with SimulatedHouse(at(broker)):
        pass
    hub.settle()
    for device in HOUSE:
        topic, payload = device.availability(online=False)
        assert hub.on(topic)[-1] == payload.encode()
    assert last(hub, BRIDGE) == OFFLINE


def test_the_broker_says_that_a_killed_house_is_away(broker: Broker, hub: Hub) -> None:
    subprocess.run([sys.executable, "-c", ENDS_AT_ONCE, str(broker.port)], check=True, timeout=60)
    eventually(lambda: hub.on(BRIDGE)[-1:] == [OFFLINE])


def test_a_broker_that_forgot_everything_is_told_again(fresh_broker: Broker) -> None:
    with SimulatedHouse(at(fresh_broker)):
        fresh_broker.kill()
        fresh_broker.start()
        hub = Hub(fresh_broker.port, "#")
        eventually(lambda: announced(hub).keys() == {device.name for device in HOUSE})
        hub.close()
