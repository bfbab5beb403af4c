"""Sentences to a node at a real zigbee2mqtt, and what the Zigbee devices behind it come to."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from edge_llm.client import Client, Done
from edge_llm.config import MqttSettings
from tests.common import NODE, TOPICS, eventually
from tests.conversation import Hub
from tests.hubs.zigbee2mqtt import devices, process
from tests.hubs.zigbee2mqtt.process import Network
from tests.processes import Broker, Nodes

BRIDGE = "zigbee2mqtt/bridge"
GROUP = "evening lights"
MEMBERS = "bedroom/bedside lamp", "living room/sofa lamp"
SILENT = "garden/fountain"
ACTING: dict[str, Any] = {
    "house__accept": "all",
    "house__act": json.dumps(["light", "switch", "cover", "lock", "climate"]),
    "house__area_pattern": "{area}/{name}",
}
READERS: dict[str, tuple[dict[str, Any], int]] = {
    "own lists": ({"house__zigbee2mqtt": "zigbee2mqtt"}, 21),
    "discovery": ({"house__discovery": "homeassistant"}, 35),
}
"""Settings by which a node reads it, and the number of devices that it sees then."""


@dataclass(frozen=True)
class Step:
    """A sentence, what a device holds afterwards, and what zigbee2mqtt tells of it."""

    text: str
    device: str
    memory: devices.Memory
    state: Mapping[str, Any]
    asks: bool = False


ON, OFF = {1: {"genOnOff": {"onOff": 1}}}, {1: {"genOnOff": {"onOff": 0}}}
BLUE_Y = 0.05 * 0xFFFF
"""Of all colors, blue has the lowest y."""
STEPS = (
    Step("Turn on the ceiling lamp", "kitchen/ceiling lamp", ON, {"state": "ON"}),
    Step(
        "Dim the ceiling lamp to 20 percent",
        "kitchen/ceiling lamp",
        {1: {"genLevelCtrl": {"currentLevel": 51}}},
        {"state": "ON", "brightness": 51},
    ),
    Step("Turn off the ceiling lamp", "kitchen/ceiling lamp", OFF, {"state": "OFF"}),
    Step("Turn on the coffee maker", "kitchen/coffee maker", ON, {"state": "ON"}),
    Step("Turn on the evening lights", MEMBERS[0], ON, {"state": "ON"}),
    Step("Turn off the bedside lamp", MEMBERS[0], OFF, {"state": "OFF"}),
    Step("Make the sofa lamp blue", MEMBERS[1], ON, {"state": "ON", "color_mode": "xy"}),
    Step(
        "Close the blinds",
        "bedroom/blinds",
        {1: {"closuresWindowCovering": {"currentPositionLiftPercentage": 100}}},
        {"state": "CLOSE", "position": 0},
    ),
    Step(
        "Set the blinds to 30 percent",
        "bedroom/blinds",
        {1: {"closuresWindowCovering": {"currentPositionLiftPercentage": 70}}},
        {"state": "OPEN", "position": 30},
    ),
    Step(
        "Unlock the front door",
        "hall/front door lock",
        {1: {"closuresDoorLock": {"lockState": 2}}},
        {"state": "UNLOCK", "lock_state": "unlocked"},
        asks=True,
    ),
    Step(
        "Set the radiator to 23 degrees",
        "living room/radiator",
        {1: {"hvacThermostat": {"occupiedHeatingSetpoint": 2300}}},
        {"occupied_heating_setpoint": 23},
    ),
    Step(
        "Turn on the hall switch left", "hall/switch", {2: ON[1]}, {"state_left": "ON", "state_right": "OFF"}
    ),
)
QUESTIONS = {
    "How warm is it in the bathroom?": r"23[.,]1",
    "Is the kitchen window open?": r"(?i)\bno\b.*\bclosed\b",
    "Is the front door locked?": r"(?i)\byes\b.*\blocked\b",
    "Is the ceiling lamp on?": r"(?i)\bno\b.*\boff\b",
}


class House:
    """One who speaks to the node, and looks at the devices and at what zigbee2mqtt tells."""

    def __init__(self, network: Network, client: Client, hub: Hub) -> None:
        self.network = network
        self._client = client
        self._hub = hub

    def say(self, text: str) -> Done:
        return self._client.ask(text, act="auto", session="house")

    def told(self, device: str) -> dict[str, Any]:
        """The newest state that zigbee2mqtt has published of a device."""
        states = self._hub.on(f"zigbee2mqtt/{device}")
        state: dict[str, Any] = json.loads(states[-1]) if states else {}
        return state

    def wait_told(self, device: str, **state: Any) -> None:
        """Wait until zigbee2mqtt tells this of a device."""
        eventually(lambda: self.told(device).items() >= state.items())

    def request(self, what: str, **fields: object) -> None:
        """Have zigbee2mqtt do something."""
        response = f"{BRIDGE}/response/{what}"
        before = len(self._hub.on(response))
        self._hub.publish(f"{BRIDGE}/request/{what}", json.dumps(fields))
        answers = eventually(lambda: self._hub.on(response)[before:])
        assert json.loads(answers[0])["status"] == "ok", answers

    def is_announced(self, device: str) -> bool:
        """Whether zigbee2mqtt has told Home Assistant of a device."""
        address = devices.address(device)
        return any(
            topic.startswith("homeassistant/") and f"/{address}/" in topic
            for topic, _ in list(self._hub.messages)
        )

    def is_seen(self, number: int) -> bool:
        """Whether the node knows so many devices, and is ready for what is said to them."""
        newest = json.loads((self._hub.on(TOPICS.info) or [b"{}"])[-1])
        house = newest.get("house") or {"ready": False}
        return bool(house["ready"] and house["devices"] == number)

    def report_all(self) -> None:
        """Let every device tell what it holds."""
        for device in devices.DEVICES:
            if device.memory:
                self.network.report(device.name, device.memory)
        eventually(lambda: all(self.told(each.name) for each in devices.DEVICES if each.memory))


@pytest.fixture(params=READERS.values(), ids=list(READERS))
def house(
    request: pytest.FixtureRequest, fresh_broker: Broker, int8: Bundle, tmp_path: Path
) -> Iterator[House]:
    assert process.MODULES.exists(), "scripts/test-hubs installs zigbee2mqtt"
    settings, seen = request.param
    (tmp_path / "zigbee2mqtt").mkdir()
    hub = Hub(fresh_broker.port, "#")
    mqtt = MqttSettings(host="127.0.0.1", port=fresh_broker.port)
    with (
        process.running(fresh_broker.port, tmp_path / "zigbee2mqtt") as network,
        Nodes(fresh_broker, int8, tmp_path) as node,
        Client(mqtt, NODE, "speaker") as client,
    ):
        house = House(network, client, hub)
        house.request("group/add", friendly_name=GROUP)
        for member in MEMBERS:
            house.request("group/members/add", group=GROUP, device=member)
        eventually(lambda: all(house.is_announced(each.name) for each in devices.DEVICES))
        node(**ACTING, **settings)
        eventually(lambda: house.is_seen(seen))
        house.report_all()
        yield house
    hub.close()


def test_sentences_move_zigbee_devices_and_their_states_answer_questions(house: House) -> None:
    for question, answer in QUESTIONS.items():
        assert re.search(answer, house.say(question).text), question
    for step in STEPS:
        done = house.say(step.text)
        if step.asks:
            assert done.act, step
            assert done.act.outcome == "confirm", step
            done = house.say("yes")
        assert done.act, step
        assert done.act.outcome == "done", (step, done.text)
        memory = house.network.memory(step.device)
        for endpoint, clusters in step.memory.items():
            for cluster, attributes in clusters.items():
                assert memory[str(endpoint)][cluster].items() >= attributes.items(), step
        house.wait_told(step.device, **step.state)
    sofa_lamp = house.network.memory(MEMBERS[1])["1"]
    assert sofa_lamp["lightingColorCtrl"]["currentY"] < BLUE_Y
    house.network.report("kitchen/window", ON)
    house.wait_told("kitchen/window", contact=False)
    assert re.search(r"(?i)\byes\b", house.say("Is the kitchen window open?").text)


def test_of_a_device_that_does_not_answer_it_is_said_so(house: House) -> None:
    done = house.say("Turn on the fountain")
    assert done.act
    assert (done.act.outcome, done.act.candidates) == ("sent", ("fountain",))
    assert not house.told(SILENT)
