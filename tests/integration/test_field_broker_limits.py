"""Brokers that take small messages alone: what does not fit costs one reply, and nobody else anything."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from edge_llm.client import Client, MqttSettings, RequestError
from edge_llm.convert.prepare import Quantization
from tests.common import NODE, TOPICS, eventually
from tests.conversation import Hub
from tests.processes import Broker, Service

Bundles = Callable[[Quantization], Bundle]
# Greedy decoding of this one goes round in circles for as long as it may.
LONG = {"text": "Write a very long story about a house.", "max_tokens": 250}
SHORT = {"text": "What is the capital of Japan?", "max_tokens": 12}


@contextmanager
def node(
    broker: Broker, bundles: Bundles, tmp_path: Path, version: str, **environment: str
) -> Iterator[Service]:
    service = Service(
        broker.port, bundles("int8"), tmp_path / "log", EDGE_LLM_MQTT__PROTOCOL=version, **environment
    )
    try:
        service.wait_serving()
        yield service
    finally:
        service.process.kill()
        service.process.wait()


@contextmanager
def small_broker(tmp_path: Path, limit: str) -> Iterator[Broker]:
    (tmp_path / "broker").mkdir()
    config = f"listener {{port}} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n{limit}\n"
    broker = Broker(tmp_path / "broker", config)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def frames(hub: Hub, topic: str) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in hub.on(topic)]


def ask(hub: Hub, request_id: str, request: dict[str, Any]) -> dict[str, Any]:
    """The first terminal frame."""
    hub.publish(TOPICS.request("panel"), json.dumps({**request, "id": request_id}))
    found = eventually(
        lambda: [frame for frame in frames(hub, TOPICS.reply("panel")) if frame["id"] == request_id], 30
    )
    return dict(found[0])


@pytest.mark.parametrize(
    ("limit", "version"),
    [
        ("max_packet_size 1000", "5"),
        pytest.param("max_packet_size 1000", "3.1.1", marks=pytest.mark.long),
        pytest.param("message_size_limit 1000", "5", marks=pytest.mark.long),
        ("message_size_limit 1000", "3.1.1"),
    ],
)
def test_a_reply_that_does_not_fit_ends_in_an_error_and_the_others_go_on(
    bundle: Bundles, tmp_path: Path, limit: str, version: str
) -> None:
    with (
        small_broker(tmp_path, limit) as broker,
        node(
            broker,
            bundle,
            tmp_path,
            version,
            EDGE_LLM_SESSIONS__FILE=str(tmp_path / "state.db"),
            EDGE_LLM_HOMEASSISTANT__ENABLED="true",
        ) as service,
    ):
        hub = Hub(broker.port, TOPICS.reply("panel"), TOPICS.stream("panel"), TOPICS.state, version="3.1.1")
        assert ask(hub, "short", SHORT)["type"] == "done"
        error = ask(hub, "long", LONG)
        assert (error["type"], error["code"], error["retryable"]) == ("error", "too_large", False)
        assert "max_packet_size" in error["message"]
        assert ask(hub, "after", SHORT)["type"] == "done"
        assert ask(hub, "long", LONG)["code"] == "too_large"  # again: the same
        eventually(lambda: "homeassistant.left_out" in service.log_text())
        connections = service.log_text().count("mqtt.connected")
        assert connections < 12
        eventually(lambda: "mqtt.left_out" in service.log_text(), 30)  # telemetry
        assert ask(hub, "later", SHORT)["type"] == "done"
        assert service.log_text().count("mqtt.connected") <= connections + 2
        service.stop(signal.SIGKILL)
        eventually(lambda: hub.on(TOPICS.state)[-1] == b"offline")
        service.start()
        eventually(lambda: hub.on(TOPICS.state)[-1] == b"online")
        assert ask(hub, "restarted", SHORT)["type"] == "done"
        assert not [
            each
            for each in frames(hub, TOPICS.reply("panel"))
            if each["id"] not in ("short", "long", "after", "later", "restarted")
        ]
        hub.close()


@pytest.mark.parametrize(
    ("limit", "version", "named"),
    [
        ("max_packet_size 8192", "5", "packets of at most 8192 bytes"),
        ("max_packet_size 8192", "3.1.1", "messages of 4096 bytes, but not of 16384"),
        ("message_size_limit 1000", "5", "not of 1024"),
        ("message_size_limit 1000", "3.1.1", "not of 1024"),
        ("", "5", None),
        ("", "3.1.1", None),
    ],
)
def test_check_names_the_limit(
    bundle: Bundles, tmp_path: Path, limit: str, version: str, named: str | None
) -> None:
    with small_broker(tmp_path, limit) as broker:
        config = tmp_path / "edge_llm.yaml"
        config.write_text(
            f"mqtt: {{host: 127.0.0.1, port: {broker.port}, protocol: '{version}'}}\n"
            f"engine: {{bundle: {bundle('int8').path}}}\n"
        )
        command = [sys.executable, "-m", "edge_llm.cli", "check", "--json", "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        findings = {each["part"]: each["text"] for each in json.loads(done.stdout)["findings"]}
        assert "MQTT" in findings["broker"]
        assert (named or "") in findings.get("packet size", "")
        assert ("packet size" in findings) == (named is not None)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_request_that_the_broker_does_not_take_ends_at_once(
    bundle: Bundles, tmp_path: Path, version: str
) -> None:
    with (
        small_broker(tmp_path, "max_packet_size 1000") as broker,
        node(broker, bundle, tmp_path, version),
        Client(
            MqttSettings.model_validate({"host": "127.0.0.1", "port": broker.port, "protocol": version}),
            NODE,
        ) as client,
    ):
        with pytest.raises(RequestError, match="and the broker"):
            client.ask("Hi " * 700, timeout_s=20)
        assert client.ask("Hi", max_tokens=2, timeout_s=20).finish_reason == "length"
