"""The real parts that tests share: the demo model's bundles, a mosquitto, a service process."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import paho.mqtt.client as paho
import pytest
from hypothesis import settings
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_llm.bundle import Bundle, open_bundle
from edge_llm.contract import asyncapi
from edge_llm.contract.topics import OFFLINE, ONLINE, Topics
from edge_llm.convert.prepare import Quantization, prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.convert.sources.source import Source
from edge_llm.demo import free_port

settings.register_profile("untimed", deadline=None)  # a busy machine must not fail a test
settings.load_profile("untimed")

NODE = "kitchen-pc"
TOPICS = Topics("edge_llm", NODE)


def eventually(what: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Wait until ``what`` returns something true, and return that."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.01)
    pytest.fail(f"did not happen within {timeout_s} s: {what}")


@pytest.fixture(scope="session")
def demo_source() -> Source:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge_llm"
    return open_source("demo", cache)


@pytest.fixture(scope="session")
def bundle(demo_source: Source, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Quantization], Bundle]:
    directory = tmp_path_factory.mktemp("bundles")

    def get(quantization: Quantization) -> Bundle:
        path = directory / quantization
        if not path.exists():
            prepare_bundle(demo_source, path, quantization, Progress(quiet=True))
        return open_bundle(path)

    return get


def answers(port: int) -> bool:
    """Whether somebody listens on loopback."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Broker:
    """A real mosquitto on a port of its own, that can be killed and started again."""

    def __init__(self, directory: Path, config: str = "") -> None:
        self.port = free_port()
        self._config = directory / "mosquitto.conf"
        # mosquitto drops, in silence, what is above 1,000 messages a client (max_queued_messages).
        unbounded = "max_queued_messages 0\n"
        open_to_all = f"listener {self.port} 127.0.0.1\nallow_anonymous true\n{unbounded}"
        self._config.write_text(config.replace("{port}", str(self.port)) or open_to_all)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        path = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        assert path, "install mosquitto (scripts/test does)"
        self._process = subprocess.Popen([path, "-c", self._config], stderr=subprocess.DEVNULL)
        eventually(lambda: answers(self.port))

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def fresh_broker(tmp_path: Path) -> Iterator[Broker]:
    """One for each test: it would hand what one of them has left unanswered to the next one's service."""
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.kill()


class Service:
    """A real `edge-llm serve` process."""

    def __init__(self, port: int, bundle: Bundle, log: Path, **environment: str) -> None:
        self.log = log
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_LLM_")}
        self._environment = clean | {
            "EDGE_LLM_MQTT__HOST": "127.0.0.1",
            "EDGE_LLM_MQTT__PORT": str(port),
            "EDGE_LLM_NODE__ID": NODE,
            "EDGE_LLM_ENGINE__BUNDLE": str(bundle.path),
            **environment,
        }
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "edge_llm.cli", "serve"]
            self.process = subprocess.Popen(command, env=self._environment, stderr=log)

    def log_text(self) -> str:
        return self.log.read_text()

    def wait_connected(self) -> None:
        eventually(lambda: "mqtt.connected" in self.log_text())

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(20)


class Hub:
    """A bare paho client that records whatever arrives; it shares no code with the product."""

    def __init__(
        self,
        port: int,
        *topics: str,
        version: str = "5",
        prepare: Callable[[paho.Client], object] = lambda _client: None,
    ) -> None:
        protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
        self.messages: list[tuple[str, bytes]] = []
        self.properties: list[Any] = []
        self.subscribed = 0
        self._topics = [(topic, 1) for topic in topics]
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        prepare(self._client)
        self._client.connect("localhost", port)
        self._client.loop_start()
        eventually(lambda: self.subscribed)

    def _on_connect(self, *_: Any) -> None:
        self._client.subscribe(self._topics)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.properties.append(message.properties)
        self.messages.append((message.topic, bytes(message.payload)))

    def _on_subscribe(self, *_: Any) -> None:
        self.subscribed += 1

    def publish(
        self, topic: str, payload: bytes | str, *, retain: bool = False, qos: int = 1, **properties: Any
    ) -> None:
        """``properties`` are MQTT 5's, by the names that paho has for them."""
        sent = Properties(PacketTypes.PUBLISH) if properties else None  # type: ignore[no-untyped-call]  # paho's
        for name, value in properties.items():
            setattr(sent, name, value)
        self._client.publish(topic, payload, qos, retain, sent).wait_for_publish(10)

    def on(self, topic: str) -> list[bytes]:
        return [payload for its_topic, payload in list(self.messages) if its_topic == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        for topic, payload in self.messages:
            validate(topic, payload)


@cache
def _validator(channel: str) -> jsonschema.Draft202012Validator:
    """For the frames of one kind of topic, without fields that the contract does not name."""
    document = asyncapi.document()
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        schema["additionalProperties"] = False
    names = document["channels"][channel]["messages"]
    options = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return jsonschema.Draft202012Validator({"anyOf": options, "components": {"schemas": schemas}})


def validate(topic: str, payload: bytes) -> None:
    """Hold what a node has published against the AsyncAPI document."""
    parts = topic.split("/")
    if parts[0] == "edge_llm" and len(parts) > 2 and parts[2] in ("stream", "reply", "info", "telemetry"):
        _validator(parts[2]).validate(json.loads(payload))
    if parts[0] == "edge_llm" and len(parts) > 2 and parts[2] == "state":
        assert payload in (ONLINE, OFFLINE)
