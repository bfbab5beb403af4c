"""Brokers and services that die: what a hub sees, and that everything comes back by itself."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_llm.bundle import Bundle
from edge_llm.contract.topics import Topics
from edge_llm.convert.prepare import Quantization
from tests.conftest import TOPICS, Broker, Hub, Service, eventually

# Greedy decoding of this one goes round in circles for as long as it may.
LONG = {"text": "What is the capital of Italy?", "max_tokens": 500}


@pytest.fixture(params=["5", "3.1.1"])
def service(
    request: pytest.FixtureRequest,
    broker: Broker,
    bundle: Callable[[Quantization], Bundle],
    tmp_path: Path,
) -> Iterator[Service]:
    service = Service(broker.port, bundle("int8"), tmp_path / "log", EDGE_LLM_MQTT__PROTOCOL=request.param)
    service.wait_connected()
    yield service
    service.process.kill()
    service.process.wait()


def test_a_broker_killed_mid_reply_costs_no_terminal_frame(broker: Broker, service: Service) -> None:
    """The reply goes on without a broker; after its return the hub gets the whole text, once."""
    hub = Hub(broker.port, TOPICS.stream("panel"), TOPICS.reply("panel"))
    hub.publish(TOPICS.request("panel"), json.dumps({**LONG, "id": "story"}))
    eventually(lambda: len(hub.on(TOPICS.stream("panel"))) > 3)
    broker.kill()
    time.sleep(1.5)
    hub.messages.clear()
    # The hub comes back first: nobody keeps for it what is said before.
    service.process.send_signal(signal.SIGSTOP)
    broker.start()
    eventually(lambda: hub.subscribed == 2)
    service.process.send_signal(signal.SIGCONT)
    terminal = eventually(lambda: hub.on(TOPICS.reply("panel")))
    time.sleep(0.5)
    done = json.loads(terminal[0])
    assert (done["type"], done["id"]) == ("done", "story")
    assert done["usage"]["completion_tokens"] > 50
    stream = [json.loads(payload) for payload in hub.on(TOPICS.stream("panel"))]
    numbers = sorted({frame["seq"] for frame in stream})
    assert numbers == list(range(numbers[0], done["seq"] + 1))
    assert {frame["text"] for frame in stream if frame["type"] == "done"} == {done["text"]}
    hub.close()
    log = service.log_text()
    assert log.count("mqtt.connected") == 2
    assert 1 <= log.count("mqtt.disconnected") <= 2  # lost, then refused: one line a change


def test_kill_9_leaves_offline_behind(broker: Broker, service: Service) -> None:
    hub = Hub(broker.port, TOPICS.state)
    assert eventually(lambda: hub.on(TOPICS.state))[-1] == b"online"
    service.stop(signal.SIGKILL)
    eventually(lambda: hub.on(TOPICS.state)[-1] == b"offline")
    service.start()
    eventually(lambda: hub.on(TOPICS.state)[-1] == b"online")
    hub.close()


def test_a_killed_node_answers_after_its_restart(broker: Broker, service: Service) -> None:
    """What it was making, what waited, and what was published while it was away."""
    hub = Hub(broker.port, TOPICS.reply("panel"))
    for number in range(3):
        hub.publish(TOPICS.request("panel"), json.dumps({**LONG, "id": f"q{number}", "max_tokens": 100}))
    eventually(lambda: service.log_text().count("request.accepted") == 3)
    service.stop(signal.SIGKILL)
    hub.publish(TOPICS.request("panel"), json.dumps({"id": "q3", "text": "Hi", "max_tokens": 4}))
    service.start()
    replies = eventually(lambda: len(found := hub.on(TOPICS.reply("panel"))) == 4 and found)
    assert {json.loads(reply)["id"] for reply in replies} == {"q0", "q1", "q2", "q3"}
    assert {json.loads(reply)["type"] for reply in replies} == {"done"}
    hub.close()


def test_requests_that_a_broker_retained_are_not_carried_out(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    """A retained message is a state, not a command: it would come back with every reconnect."""
    topics = Topics("haunted", TOPICS.node)
    hub = Hub(broker.port, topics.stream("ghost"))
    hub.publish(topics.request("ghost"), "Say boo.", retain=True)
    service = Service(broker.port, bundle("int8"), tmp_path / "log", EDGE_LLM_MQTT__BASE_TOPIC="haunted")
    eventually(lambda: "gateway.ignored" in service.log_text())
    hub.publish(topics.request("ghost"), b"", retain=True)
    assert service.stop() == 0
    assert "request.accepted" not in service.log_text()
    assert {json.loads(payload)["code"] for payload in hub.on(topics.stream("ghost"))} <= {"bad_request"}
    hub.close()


def test_a_broker_that_is_away_at_the_start_is_awaited(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    broker.kill()
    service = Service(broker.port, bundle("int8"), tmp_path / "log")
    eventually(lambda: "mqtt.disconnected" in service.log_text())
    time.sleep(2.5)
    assert service.log_text().count("mqtt.disconnected") == 1
    broker.start()
    service.wait_connected()
    assert service.stop() == 0
