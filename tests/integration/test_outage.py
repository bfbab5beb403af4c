"""Brokers and services that die: what a hub sees, and that everything comes back by itself."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_llm.models.bundle import Bundle
from edge_llm.models.prepare import Quantization
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
    broker.start()
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


def test_requests_that_a_broker_retained_are_not_carried_out(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    """A retained message is a state, not a command: it would come back with every reconnect."""
    hub = Hub(broker.port, TOPICS.stream("ghost"))
    hub.publish(TOPICS.request("ghost"), "Say boo.", retain=True)
    service = Service(broker.port, bundle("int8"), tmp_path / "log")
    eventually(lambda: "gateway.ignored" in service.log_text())
    hub.publish(TOPICS.request("ghost"), b"", retain=True)
    assert service.stop() == 0
    assert "request.accepted" not in service.log_text()
    assert {json.loads(payload)["code"] for payload in hub.on(TOPICS.stream("ghost"))} <= {"bad_request"}
    hub.close()


def test_sigterm_ends_replies_and_says_offline(broker: Broker, service: Service) -> None:
    hub = Hub(broker.port, TOPICS.reply("panel"), TOPICS.state)
    hub.publish(TOPICS.request("panel"), json.dumps(LONG))
    eventually(lambda: "request.accepted" in service.log_text())
    assert service.stop() == 0
    error = json.loads(eventually(lambda: hub.on(TOPICS.reply("panel")))[0])
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    eventually(lambda: hub.on(TOPICS.state)[-1] == b"offline")
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
