"""The node as a device of Home Assistant, through a real broker: announced, asked, and taken back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.common import NODE, TOPICS, eventually
from tests.conftest import fresh_broker
from tests.conversation import Conversation, Hub
from tests.homeassistant import attributes, check, state
from tests.processes import Broker, Nodes, clean_environment

DISCOVERY = f"homeassistant/device/{NODE}/config"
STATUS = "homeassistant/status"
RECORDED = Path(__file__).parents[2] / "config/home-assistant/discovery.json"
broker = fresh_broker  # one that forgets everything when it is killed


def retained(broker: Broker) -> dict[str, bytes]:
    """What a newcomer gets, but for what the broker says of itself."""
    hub = Hub(broker.port, "#")
    hub.settle()
    hub.close()
    return {topic: payload for topic, payload in hub.messages if topic != "test/settled"}


def test_home_assistant_finds_the_node_asks_it_and_cancels(node: Nodes, hub: Hub) -> None:
    node(homeassistant__enabled=True)
    message = json.loads(eventually(lambda: hub.on(DISCOVERY))[0])
    check(message)
    parts: dict[str, dict[str, Any]] = message["components"]
    assert eventually(lambda: hub.on(message["availability"][0]["topic"])) == [b"online"]

    for key in ("ask", "prompt"):
        hub.messages.clear()
        hub.publish(parts[key]["command_topic"], "What is the capital of Japan?")
        reply = eventually(lambda: hub.on(parts["reply"]["state_topic"]))[0]
        assert "Tokyo" in (state(parts["reply"], reply) or "")
        assert attributes(parts["reply"], reply)["finish_reason"] == "stop"

    hub.messages.clear()
    hub.publish(parts["ask"]["command_topic"], '{"text": "Count to one thousand.", "max_tokens": 1500}')
    eventually(lambda: hub.on(TOPICS.stream("homeassistant")))
    hub.publish(parts["cancel"]["command_topic"], parts["cancel"]["payload_press"])
    reply = eventually(lambda: hub.on(parts["reply"]["json_attributes_topic"]))[0]
    assert attributes(parts["reply"], reply)["finish_reason"] == "cancelled"


def test_the_recorded_example_is_what_a_node_says(node: Nodes, broker: Broker) -> None:
    """If this fails: write what is announced to the file, by json.dumps with indent=1."""
    node(homeassistant__enabled=True)
    announced = eventually(lambda: retained(broker).get(DISCOVERY))
    assert json.loads(announced) == json.loads(RECORDED.read_text(encoding="utf-8"))


def test_it_is_announced_again_when_either_side_comes_back(node: Nodes, broker: Broker) -> None:
    service = node(homeassistant__enabled=True)
    hub = Hub(broker.port, DISCOVERY, STATUS)
    eventually(lambda: len(hub.on(DISCOVERY)) == 1)
    for birth in ("offline", "online", "online"):  # two at once are one
        hub.publish(STATUS, birth)
    eventually(lambda: len(hub.on(DISCOVERY)) == 2)

    def announced() -> int:
        return service.log_text().count("homeassistant.announced")

    eventually(lambda: announced() == 2)  # the broker has said so: else that one is sent again, too
    broker.kill()
    broker.start()
    eventually(lambda: len(hub.on(DISCOVERY)) == 3)
    hub.publish(STATUS, "online")
    eventually(lambda: len(hub.on(DISCOVERY)) == 4)
    assert len(set(hub.on(DISCOVERY))) == 1
    eventually(lambda: announced() == 4)
    hub.close()


def test_a_node_leaves_home_assistant_alone_until_it_is_enabled(node: Nodes, broker: Broker) -> None:
    service = node()
    hub = Hub(broker.port, "homeassistant/#", TOPICS.reply("marker"))
    hub.publish(STATUS, "online")
    Conversation(hub, "other").settle()
    assert [message for message in hub.messages if message[0] != TOPICS.reply("marker")] == [
        (STATUS, b"online")
    ]
    assert DISCOVERY not in retained(broker)
    assert "gateway.ignored" not in service.log_text()
    hub.close()


def test_switched_off_it_is_taken_back(node: Nodes, broker: Broker) -> None:
    service = node(homeassistant__enabled=True)
    eventually(lambda: DISCOVERY in retained(broker))
    service.stop()
    node(homeassistant__enabled=False)
    eventually(lambda: DISCOVERY not in retained(broker))
    assert retained(broker)[TOPICS.state] == b"online"


def retire(port: int) -> subprocess.CompletedProcess[str]:
    settings = {
        "EDGE_LLM_MQTT__HOST": "127.0.0.1",
        "EDGE_LLM_MQTT__PORT": str(port),
        "EDGE_LLM_NODE__ID": NODE,
    }
    command = [sys.executable, "-m", "edge_llm.cli", "serve", "--retire"]
    environment = clean_environment() | settings
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_retired_node_leaves_nothing_at_the_broker(node: Nodes, broker: Broker) -> None:
    """Neither retained messages nor requests that it would answer if it came back."""
    service = node(homeassistant__enabled=True)
    eventually(lambda: {TOPICS.info, DISCOVERY} <= set(retained(broker)))
    service.kill()
    hub = Hub(broker.port, TOPICS.reply("+"))
    panel = Conversation(hub, "hub")
    panel.send(id="late", text="Hi", max_tokens=4)
    eventually(lambda: retained(broker)[TOPICS.state] == b"offline")
    done = retire(broker.port)
    assert (done.returncode, "service.retired" in done.stderr) == (0, True), done.stderr
    assert retained(broker) == {}

    node()
    panel.send(id="new", text="Hi", max_tokens=4)
    panel.answered(1)
    panel.settle()
    assert [reply["id"] for reply in panel.replies()] == ["new"]
    hub.close()


@pytest.mark.long
def test_retiring_without_a_broker_says_so(broker: Broker) -> None:
    broker.kill()
    done = retire(broker.port)
    broker.start()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("connection refused; nothing was retired")
