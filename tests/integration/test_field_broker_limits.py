"""Brokers that take small messages alone: what does not fit costs one reply, and nobody else anything."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.processes import Broker, Service

Bundles = Callable[[Quantization], Bundle]
# Greedy decoding of this one goes round in circles for as long as it may.
LONG = {"text": "What is the capital of Italy?", "max_tokens": 250}
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
        ("max_packet_size 1000", "3.1.1"),
        ("message_size_limit 1000", "5"),
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
