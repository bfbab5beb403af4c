"""Names that people use, and errors that whoever asks can recognise, through a real broker."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from edge_llm.cli.main import main
from edge_llm.client import Client, MqttSettings, RequestError
from edge_llm.convert.prepare import Quantization
from edge_llm.errors import ConfigError
from tests.common import NODE, TOPICS, eventually
from tests.conftest import fresh_broker
from tests.conversation import Hub
from tests.processes import Broker, Service

broker = fresh_broker
LIMIT = 2048
ROUTE = {
    "topic": "home/{room}/ask",
    "answer": "home/{room}/answer",
    "session": "{room}",
    "max_tokens": 3,
}


@pytest.fixture
def service(broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path) -> Iterator[Service]:
    service = Service(
        broker.port,
        bundle("int8"),
        tmp_path / "log",
        EDGE_LLM_ROUTES=json.dumps([ROUTE]),
        EDGE_LLM_MQTT__REQUEST_BYTES=str(LIMIT),
        EDGE_LLM_MQTT__RESPONSE_TOPICS='["answers/#"]',
    )
    service.wait_serving()
    yield service
    service.stop(signal.SIGKILL)


def frames(hub: Hub, topic: str, count: int) -> list[dict[str, Any]]:
    payloads = eventually(lambda: len(found := hub.on(topic)) >= count and found)
    return [json.loads(payload) for payload in payloads]


def test_rooms_and_clients_may_be_named_as_people_name_them(broker: Broker, service: Service) -> None:
    hub = Hub(broker.port, "home/+/answer", TOPICS.reply("+"), TOPICS.stream("+"))
    for room in ("living room", "Küche"):
        hub.publish(f"home/{room}/ask", "Hi")
        answer = eventually(partial(hub.on, f"home/{room}/answer"))[0]
        assert b"topic" not in answer
        assert b"session" not in answer
    hub.publish(TOPICS.session("route"), "list")
    assert set(frames(hub, TOPICS.reply("route"), 1)[0]["sessions"]) == {"living-.20room", "K-.C3-.BCche"}
    for name in ("living room", "Küche"):
        hub.publish(TOPICS.request(name), json.dumps({"id": 42, "text": "Hi"}))
        (frame,) = frames(hub, TOPICS.reply(name), 1)
        assert (frame["id"], frame["code"]) == ("42", "bad_request")
        assert hub.on(TOPICS.stream(name)) == []
    assert "living room" in service.log_text()
    hub.publish(TOPICS.request("c"), json.dumps({"id": 42, "text": "Hi", "max_tokens": 1}))
    assert frames(hub, TOPICS.reply("c"), 1)[0]["id"] == "42"
    hub.close()


def test_an_error_carries_the_id_and_the_correlation_of_the_request(broker: Broker, service: Service) -> None:
    hub = Hub(broker.port, TOPICS.reply("c"), TOPICS.stream("c"), "answers/c")
    large = "x" * LIMIT
    wrong = [
        ("too-large", json.dumps({"text": large, "id": "too-large"})),
        ("no-json", '{"id": "no-json", "text": "Hi"'),
        ("blank", '{"id": "blank", "text": ""}'),
        ("field", '{"id": "field", "txt": "Hi"}'),
        ("a b", '{"id": "a b", "text": "Hi"}'),
    ]
    for name, payload in wrong:
        hub.publish(TOPICS.request("c"), payload, CorrelationData=name.encode())
    found = frames(hub, TOPICS.reply("c"), len(wrong))
    assert [frame["id"] for frame in found] == [name for name, _ in wrong]
    assert [frame["code"] for frame in found] == ["too_large", *4 * ["bad_request"]]
    for topic in (TOPICS.reply("c"), TOPICS.stream("c")):
        carried = [
            sent.CorrelationData.decode()
            for (its_topic, _), sent in zip(hub.messages, hub.properties, strict=True)
            if its_topic == topic
        ]
        assert carried == [name for name, _ in wrong]
    before = len(hub.messages)
    for response in ("lock/door", "answers/c"):
        hub.publish(TOPICS.request("c"), '{"id": "r"}', CorrelationData=b"r", ResponseTopic=response)
    eventually(lambda: len(hub.messages) == before + 3)
    assert {topic for topic, _ in hub.messages[before:]} == {
        TOPICS.reply("c"),
        TOPICS.stream("c"),
        "answers/c",
    }
    assert {sent.CorrelationData for sent in hub.properties[before:]} == {b"r"}
    hub.close()


def test_the_client_knows_the_nodes_limits_and_its_own_names_before_it_sends(
    broker: Broker, service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = MqttSettings(host="127.0.0.1", port=broker.port)
    hub = Hub(broker.port, TOPICS.request("+"))
    with Client(settings, NODE, "c") as client:
        began = time.monotonic()
        for ask in (client.ask, client.prefill):
            with pytest.raises(RequestError, match=f"takes requests of {LIMIT} bytes") as refused:
                ask("x" * LIMIT)
            assert refused.value.code == "too_large"
        with pytest.raises(RequestError, match="the prompt is empty"):
            client.ask(" ")
        with pytest.raises(RequestError, match="session"):
            client.ask("Hi", session="living room")
        assert time.monotonic() - began < 8
        assert hub.messages == []
        hub.publish(TOPICS.stream("c"), "no frame")
        hub.publish(TOPICS.info, '{"limits": 7}')
        assert client.ask("Hi" * 200, max_tokens=1).text is not None
    with pytest.raises(ConfigError, match="'living room' cannot be a client id"):
        Client(settings, NODE, "living room")
    hub.close()
    monkeypatch.setenv("EDGE_LLM_MQTT__HOST", "127.0.0.1")
    monkeypatch.setenv("EDGE_LLM_MQTT__PORT", str(broker.port))
    assert main(["ask", "--node", NODE, ""]) == 1
    assert capsys.readouterr().err == "edge-llm: bad_request: the prompt is empty\n"
    assert main(["ask", "--node", NODE, "--as", "living room", "Hi"]) == 78


def test_a_pools_client_is_refused_at_once_where_no_node_takes_so_much(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    service = Service(
        broker.port,
        bundle("int8"),
        tmp_path / "log",
        EDGE_LLM_MQTT__POOL="house",
        EDGE_LLM_MQTT__REQUEST_BYTES=str(LIMIT),
    )
    service.wait_serving()
    settings = MqttSettings(host="127.0.0.1", port=broker.port)
    with Client(settings, pool="house", name="c") as client:
        with pytest.raises(RequestError, match="a node of pool house takes requests of"):
            client.ask("x" * LIMIT)
        assert client.ask("Hi", max_tokens=1).text is not None
    service.stop(signal.SIGKILL)
