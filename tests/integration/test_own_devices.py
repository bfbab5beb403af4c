"""A node moves devices that announce themselves: the real broker, the real service, devices that obey."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_llm.client import Client, Done
from edge_llm.config import MqttSettings
from edge_llm.demo.house import SimulatedHouse
from tests.common import NODE, TOPICS, eventually
from tests.conversation import Hub
from tests.processes import Broker, Nodes, clean_environment

KINDS = json.dumps(["light", "switch", "cover", "lock", "climate", "fan"])
MOVES: dict[str, Any] = {"house__discovery": "homeassistant", "house__act": KINDS}


@pytest.fixture
def settings(broker: Broker) -> MqttSettings:
    return MqttSettings(host="127.0.0.1", port=broker.port)


@pytest.fixture
def house(settings: MqttSettings) -> Iterator[SimulatedHouse]:
    with SimulatedHouse(settings) as house:
        yield house


@pytest.fixture
def speaker(settings: MqttSettings) -> Iterator[Client]:
    with Client(settings, NODE, "speaker") as client:
        yield client


def info(hub: Hub) -> Any:
    """What the newest info says of the house."""
    return (hub.on(TOPICS.info) and json.loads(hub.on(TOPICS.info)[-1]).get("house")) or {}


def serve(node: Nodes, hub: Hub, **settings: Any) -> None:
    node(**MOVES, house__accept="all", **settings)
    eventually(lambda: info(hub).get("ready"))


def act(client: Client, text: str, **fields: Any) -> Done:
    return client.ask(text, act="auto", **fields)


def outcome(done: Done) -> str | None:
    return done.act.outcome if done.act else None


def edge_llm(broker: Broker, *arguments: str, **settings: str) -> Any:
    """What a command prints with --json."""
    own = {"EDGE_LLM_MQTT__PORT": str(broker.port), "EDGE_LLM_NODE__ID": NODE, **settings}
    command = [sys.executable, "-m", "edge_llm.cli", *arguments, "--json"]
    done = subprocess.run(command, env=clean_environment() | own, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_a_sentence_moves_devices_and_is_done_when_they_show_it(
    house: SimulatedHouse, node: Nodes, hub: Hub, speaker: Client
) -> None:
    serve(node, hub, telemetry__period_s=1)
    done = act(speaker, "Turn on the kitchen light and close the blinds")
    assert (outcome(done), done.calls) == ("done", None)
    assert done.text == "Turned on Kitchen light. Closed Blinds."
    assert done.act
    assert [call.name for call in done.act.carried_out or ()] == ["HassTurnOn", "HassTurnOff"]
    assert house.state("Kitchen light")["state"] == "on"
    assert house.state("Blinds")["state"] in ("closing", "closed")
    assert not [each for each in hub.messages if b'"type":"call"' in each[1]]
    acts = {"carried_out_total": 2, "unconfirmed_total": 0, "refused_total": 0}
    eventually(lambda: acts in [json.loads(each)["acts"] for each in hub.on(TOPICS.telemetry)])

    moved = len(house.received())
    house.set_silent("Kitchen light")
    done = act(speaker, "Turn off the kitchen light")
    assert outcome(done) == "sent"
    assert done.text == "I have sent it, but there is no answer from: Kitchen light."
    assert len(house.received()) == moved + 1


def test_a_blind_is_not_waited_for_until_it_has_arrived(
    house: SimulatedHouse, node: Nodes, hub: Hub, speaker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(node, hub)
    monkeypatch.setattr("edge_llm.demo.house.MOVE_S", 60.0)
    done = act(speaker, "Set the blinds to 40 percent")
    assert (outcome(done), done.text) == ("done", "Set Blinds to 40%.")
    assert house.state("Blinds") == {"state": "closing", "position": 100}


def test_what_is_asked_about_first_is_done_after_a_yes(
    house: SimulatedHouse, node: Nodes, hub: Hub, speaker: Client
) -> None:
    serve(node, hub)
    before = house.state("Front door lock")["state"]
    assert outcome(act(speaker, "Lock the front door", session="s")) == "confirm"
    assert house.state("Front door lock")["state"] == before == "unlocked"
    assert outcome(act(speaker, "yes", session="s")) == "done"
    assert house.state("Front door lock")["state"] == "locked"


def test_questions_are_answered_from_what_devices_tell(
    house: SimulatedHouse, node: Nodes, hub: Hub, speaker: Client
) -> None:
    serve(node, hub)
    eventually(lambda: act(speaker, "Is the coffee maker on?").text == "No. Coffee maker: off.")
    assert "21.5 °C" in act(speaker, "How warm is it in the kitchen?").text
    house.set("Coffee maker", state="on")
    eventually(lambda: act(speaker, "Is the coffee maker on?").text == "Yes. Coffee maker: on.")
    house.set_available("Coffee maker", available=False)
    eventually(lambda: act(speaker, "Is the coffee maker on?").text == "Coffee maker: not available.")


@pytest.mark.long
@pytest.mark.usefixtures("house")
def test_only_what_was_accepted_is_there(broker: Broker, node: Nodes, hub: Hub, tmp_path: Path) -> None:
    accepted = tmp_path / "accepted.json"
    own = {"EDGE_LLM_HOUSE__DISCOVERY": "homeassistant", "EDGE_LLM_HOUSE__ACT": '["light"]'}
    assert "set it to a path" in edge_llm(broker, "house", "accept", **own)
    own["EDGE_LLM_HOUSE__ACCEPT"] = str(accepted)
    node(**MOVES, house__accept=accepted)
    eventually(lambda: "13 devices are not accepted" in str(info(hub).get("problems")))
    assert info(hub)["devices"] == 0
    shown = edge_llm(broker, "house", **own)
    assert (len(shown["not_accepted"]), shown["devices"], shown["unread"]) == (13, [], {})

    assert edge_llm(broker, "house", "accept", **own)["accepted"] == 13
    eventually(lambda: info(hub).get("devices") == 13 and info(hub)["ready"], 20)
    shown = edge_llm(broker, "house", **own)
    assert {each["area"] for each in shown["devices"]} == {"Kitchen", "Living room", "Bedroom", "Hall"}
    assert [each["name"] for each in shown["devices"] if each["moved_by_node"]]
    assert {each["kind"] for each in shown["devices"] if each["moved_by_node"]} == {"light"}

    lamp = next(each["id"] for each in shown["devices"] if each["name"] == "Kitchen light")
    topic = f"homeassistant/{lamp}/config"
    config = json.loads(hub.on(topic)[-1])
    hub.publish(topic, json.dumps(config | {"command_topic": "evil/set", "cmd_t": "evil/set"}), retain=True)
    eventually(lambda: info(hub).get("devices") == 12)
    hub.publish(topic, json.dumps(config), retain=True)
    eventually(lambda: info(hub).get("devices") == 13)


@pytest.mark.long
def test_a_route_is_all_that_a_wall_panel_needs(house: SimulatedHouse, node: Nodes, hub: Hub) -> None:
    route = {
        "topic": "home/{room}/say",
        "answer": "home/{room}/answer",
        "format": "text",
        "act": True,
        "area": "{room}",
    }
    serve(node, hub, routes=json.dumps([route]))
    hub.publish("home/Hall/say", "turn off the light")
    eventually(lambda: hub.on("home/Hall/answer"))
    assert hub.on("home/Hall/answer") == [b"Turned off the lights in Hall."]
    assert house.state("Hall light")["state"] == "off"


@pytest.mark.long
def test_who_describes_a_house_moves_it(
    house: SimulatedHouse, settings: MqttSettings, node: Nodes, hub: Hub, speaker: Client
) -> None:
    serve(node, hub)
    config = next(json.loads(p) for t, p in hub.messages if t.endswith("/config") and b"Kitchen light" in p)
    unique_id = config.get("unique_id") or config["uniq_id"]
    lamp = {"id": "light.hub", "name": "Worktop", "kind": "light", "unique_id": unique_id}
    hub.publish("edge_llm/house/homeassistant", json.dumps({"devices": [lamp]}), retain=True)
    eventually(lambda: info(hub).get("sources") == ["homeassistant", "(devices)"] and info(hub)["ready"])
    try:
        with Client(settings, NODE, "homeassistant") as hub_client:
            calls = act(hub_client, "turn on the worktop").calls
        assert calls
        assert calls[0].device_ids == ("light.hub",)
        assert not house.received("Kitchen light")
        assert act(speaker, "turn on the worktop").text == "Turned on Worktop."
        assert house.state("Kitchen light")["state"] == "on"
    finally:
        hub.publish("edge_llm/house/homeassistant", b"", retain=True)


@pytest.mark.long
def test_of_a_pool_one_node_moves_a_device(
    house: SimulatedHouse, settings: MqttSettings, node: Nodes, hub: Hub
) -> None:
    for name in ("one", "two"):
        node(**MOVES, house__accept="all", node__id=name, mqtt__pool="house")
    eventually(lambda: all(b'"ready":true' in hub.on(f"edge_llm/{n}/info")[-1] for n in ("one", "two")))
    with Client(settings, pool="house", name="wall") as client:
        for number in range(6):
            done = act(client, f"Set the kitchen light to {10 + number} percent")
            assert outcome(done) == "done"
    assert len(house.received("Kitchen light")) == 6
