"""The node as a device of Home Assistant, through a real broker: announced, asked, and taken back."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from tests.conftest import NODE, TOPICS, Broker, Hub, Service, eventually
from tests.homeassistant import attributes, check, state

DISCOVERY = f"homeassistant/device/{NODE}/config"
STATUS = "homeassistant/status"
RECORDED = Path(__file__).parents[2] / "config/home-assistant/discovery.json"
Start = Callable[..., Service]


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """One that forgets everything when it is killed."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def start(own_broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path) -> Iterator[Start]:
    """Starts a service with settings of its section `homeassistant`."""
    services: list[Service] = []

    def start(**settings: str) -> Service:
        environment = {f"EDGE_LLM_HOMEASSISTANT__{name.upper()}": value for name, value in settings.items()}
        log = tmp_path / f"log{len(services)}"
        services.append(Service(own_broker.port, bundle("int8"), log, **environment))
        eventually(lambda: "service.ready" in log.read_text() and "mqtt.connected" in log.read_text())
        return services[-1]

    yield start
    for service in services:
        if service.process.poll() is None:
            service.stop(signal.SIGKILL)


def retained(broker: Broker) -> dict[str, bytes]:
    """What a newcomer gets, but for what the broker says of itself."""
    hub = Hub(broker.port, "#")
    hub.publish("test/end", "end")
    eventually(lambda: hub.on("test/end"))
    hub.close()
    return {topic: payload for topic, payload in hub.messages if topic != "test/end"}


def test_home_assistant_finds_the_node_asks_it_and_cancels(start: Start, own_broker: Broker) -> None:
    start(enabled="true")
    hub = Hub(own_broker.port, "#")
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
    hub.close()


def test_the_recorded_example_is_what_a_node_says(start: Start, own_broker: Broker) -> None:
    """If this fails: write what is announced to the file, by json.dumps with indent=1."""
    start(enabled="true")
    announced = eventually(lambda: retained(own_broker).get(DISCOVERY))
    assert json.loads(announced) == json.loads(RECORDED.read_text(encoding="utf-8"))


def test_it_is_announced_again_when_either_side_comes_back(start: Start, own_broker: Broker) -> None:
    service = start(enabled="true")
    hub = Hub(own_broker.port, DISCOVERY, STATUS)
    eventually(lambda: len(hub.on(DISCOVERY)) == 1)
    for birth in ("offline", "online", "online"):  # two at once are one
        hub.publish(STATUS, birth)
    eventually(lambda: len(hub.on(DISCOVERY)) == 2)
    own_broker.kill()
    own_broker.start()
    eventually(lambda: len(hub.on(DISCOVERY)) == 3)
    hub.publish(STATUS, "online")
    eventually(lambda: len(hub.on(DISCOVERY)) == 4)
    assert len(set(hub.on(DISCOVERY))) == 1
    assert service.log_text().count("homeassistant.announced") == 4
    hub.close()


def test_a_node_leaves_home_assistant_alone_until_it_is_enabled(start: Start, own_broker: Broker) -> None:
    service = start()
    hub = Hub(own_broker.port, "homeassistant/#")
    hub.publish(STATUS, "online")
    eventually(lambda: hub.on(STATUS))
    assert hub.messages == [(STATUS, b"online")]
    assert DISCOVERY not in retained(own_broker)
    assert "gateway.ignored" not in service.log_text()
    hub.close()


def test_switched_off_it_is_taken_back(start: Start, own_broker: Broker) -> None:
    service = start(enabled="true")
    eventually(lambda: DISCOVERY in retained(own_broker))
    service.stop()
    start(enabled="false")
    eventually(lambda: DISCOVERY not in retained(own_broker))
    assert retained(own_broker)[TOPICS.state] == b"online"


def retire(port: int, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_LLM_")}
    settings = {
        "EDGE_LLM_MQTT__HOST": "127.0.0.1",
        "EDGE_LLM_MQTT__PORT": str(port),
        "EDGE_LLM_NODE__ID": NODE,
    }
    command = [sys.executable, "-m", "edge_llm.cli", "serve", "--retire"]
    return subprocess.run(
        command, env=clean | settings | environment, capture_output=True, text=True, check=False
    )


def test_a_retired_node_leaves_nothing_at_the_broker(start: Start, own_broker: Broker) -> None:
    """Neither retained messages nor requests that it would answer if it came back."""
    service = start(enabled="true")
    eventually(lambda: {TOPICS.info, DISCOVERY} <= set(retained(own_broker)))
    service.stop(signal.SIGKILL)
    hub = Hub(own_broker.port, TOPICS.reply("hub"))
    hub.publish(TOPICS.request("hub"), '{"id": "late", "text": "Hi", "max_tokens": 4}')
    eventually(lambda: retained(own_broker)[TOPICS.state] == b"offline")
    done = retire(own_broker.port)
    assert (done.returncode, "service.retired" in done.stderr) == (0, True), done.stderr
    assert retained(own_broker) == {}

    start()
    hub.publish(TOPICS.request("hub"), '{"id": "new", "text": "Hi", "max_tokens": 4}')
    replies = eventually(lambda: hub.on(TOPICS.reply("hub")))
    assert [json.loads(payload)["id"] for payload in replies] == ["new"]
    hub.close()


def test_retiring_without_a_broker_says_so(own_broker: Broker) -> None:
    own_broker.kill()
    done = retire(own_broker.port)
    own_broker.start()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("connection refused; nothing was retired")
