"""Hiccups, wrong ports, lenient names: what a real broker and a real node make of them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trustme

from edge_llm.bundle import Bundle
from edge_llm.config import MqttSettings
from edge_llm.convert.prepare import Quantization
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from edge_llm.mqtt.subscriptions import DurableSession, Subscription
from tests.common import eventually
from tests.conversation import Hub
from tests.processes import Broker, Service
from tests.proxy import Proxy


class Node:
    """A connection with a durable session, and what it heard."""

    def __init__(self, port: int, **settings: object) -> None:
        self.heard: list[bytes] = []
        self.sessions: list[bool] = []
        fields = {"host": "127.0.0.1", "port": port} | settings
        self.connection = Connection(
            MqttSettings.model_validate(fields),
            "durable",
            {"in": Subscription(self._on_message)},
            durable=DurableSession(20, self.sessions.append, "echo"),
        )
        self.connection.start()

    def _on_message(self, message: Message) -> None:
        self.heard.append(message.payload)
        message.acknowledge()


@pytest.fixture
def proxy(fresh_broker: Broker) -> Proxy:
    return Proxy(fresh_broker.port)


def test_the_session_lasts_over_both_versions(fresh_broker: Broker, proxy: Proxy) -> None:
    """A hiccup at a start: what waits comes by 3.1.1, and the next connection is by 5 again."""
    hub = Hub(fresh_broker.port, "out")
    first = Node(fresh_broker.port)
    assert first.connection.wait_ready(10)
    first.connection.stop()
    hub.publish("in", "while away")
    proxy.hiccups = 1
    node = Node(proxy.port)
    try:
        eventually(lambda: node.heard == [b"while away"])
        assert (node.connection.protocol, node.sessions) == ("3.1.1", [True])
        assert node.connection.wait_ready(10)  # what waits comes before it is; else the cut is not waited for
        proxy.cut = True
        eventually(lambda: not node.connection.ready)
        hub.publish("in", "while cut")
        node.connection.publish("out", b"said while cut")
        proxy.cut = False
        eventually(lambda: node.heard == [b"while away", b"while cut"])
        assert (node.connection.protocol, node.sessions) == ("5", [True, True])
        eventually(lambda: hub.on("out") == [b"said while cut"])
    finally:
        node.connection.stop()
        hub.close()


def test_two_nodes_of_one_id_are_named(fresh_broker: Broker) -> None:
    one, two = Node(fresh_broker.port), Node(fresh_broker.port)
    try:
        eventually(lambda: one.connection.contested or two.connection.contested, 30)
        text = one.connection.contested or two.connection.contested
        # mosquitto 2.0.11 does not say why it ends the older connection; newer ones do.
        assert text
        assert text.replace("seems to use", "uses") == (
            "another client uses the id durable: give each node its own node.id"
        )
    finally:
        one.connection.stop()
        two.connection.stop()


def test_what_cannot_be_sent_at_all_stops_nothing(fresh_broker: Broker) -> None:
    node, outcomes = Node(fresh_broker.port), list[Any]()
    hub = Hub(fresh_broker.port, "out")
    try:
        for topic in ("out/#", "x" * 70000, "\ud800"):
            node.connection.publish(topic, b"-", on_sent=outcomes.append)
        node.connection.publish("out", b"-")
        eventually(lambda: hub.on("out") == [b"-"])
        assert len(outcomes) == 3
    finally:
        node.connection.stop()
        hub.close()


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[Broker]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    files = f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem\n"
    broker = Broker(tmp_path, f"listener {{port}} 127.0.0.1\n{files}allow_anonymous true\nuser root\n")
    broker.start()
    yield broker
    broker.kill()


def check(tmp_path: Path, bundle: Bundle, mqtt: str) -> dict[str, str]:
    config = tmp_path / "edge_llm.yaml"
    config.write_text(f"mqtt: {{host: localhost, {mqtt}}}\nengine: {{bundle: {bundle.path}}}\n")
    command = [sys.executable, "-m", "edge_llm.cli", "check", "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return {each["part"]: each["text"] for each in json.loads(done.stdout)["findings"]}


@pytest.mark.long
def test_a_wrong_port_is_named(
    tls_broker: Broker, fresh_broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    found = check(tmp_path, bundle("int8"), f"port: {tls_broker.port}")
    assert "it speaks TLS: set mqtt.tls: true" in found["broker"]
    ca = tmp_path / "ca.pem"
    found = check(tmp_path, bundle("int8"), f"port: {fresh_broker.port}, tls: true, ca_file: {ca}")
    assert "it speaks plain MQTT: set mqtt.tls: false" in found["broker"]
    found = check(tmp_path, bundle("int8"), f"port: {tls_broker.port}, tls: true, ca_file: {ca}")
    assert "MQTT 5, TLS" in found["broker"]


def test_a_node_says_what_is_wrong_with_its_port_and_its_hosts_name(
    tls_broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    for number, (host, port, words) in enumerate(
        (
            ("localhost", tls_broker.port, "it speaks TLS: set mqtt.tls: true"),
            ("x" * 70 + ".example", 1883, "cannot be the name of a host"),
        )
    ):
        log = tmp_path / f"log{number}"
        service = Service(port, bundle("int8"), log, EDGE_LLM_MQTT__HOST=host)
        try:
            eventually(partial(_says, service, words))
            Event().wait(1.5)
            assert service.process.poll() is None
            assert service.log_text().count(words) == 1
        finally:
            assert service.stop() == 0


def _says(service: Service, words: str) -> bool:
    return words in service.log_text()
