"""The example broker configuration with several users: who is let in, and what each of them can reach."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any

import paho.mqtt.client as paho
import pytest
import trustme

from edge_llm.bundle import Bundle
from edge_llm.client import Client, MqttSettings, RequestError
from tests.common import NODE, TOPICS, eventually
from tests.conversation import LONG, Conversation, Hub
from tests.processes import Broker, Documents, Nodes, Service

CONFIG = Path(__file__).parents[2] / "config/mosquitto"
USERS = {
    NODE: "node's secret",
    "hub": "hub's secret",
    "guest": "guest's secret",
    "bath-pc": "of another node",
    "homeassistant": "its secret",
    "documents": "of the papers",
}


def settled(user: str) -> str:
    """A topic that this user may write to and read."""
    return f"edge_llm/{user}/settled"


@dataclass
class SecureBroker:
    """A broker from the example's files, its directory, and how a user connects."""

    broker: Broker
    directory: Path

    @property
    def port(self) -> int:
        return self.broker.port

    def settings(self, user: str | None, **fields: object) -> MqttSettings:
        values = {
            "host": "localhost",
            "port": self.port,
            "tls": True,
            "ca_file": self.directory / "ca.pem",
            "username": user,
            "password": user and USERS[user],
        }
        return MqttSettings.model_validate(values | fields)

    def hub(self, user: str, *topics: str) -> Hub:
        def prepare(client: paho.Client) -> None:
            client.tls_set_context(self.context())
            client.username_pw_set(user, USERS[user])

        return Hub(self.port, *topics, settled(user), prepare=prepare)

    def context(self) -> SSLContext:
        return create_default_context(cafile=str(self.directory / "ca.pem"))


def is_online(client: Client) -> bool:
    with suppress(RequestError):
        client.wait_online()
        return True
    return False


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    directory = tmp_path_factory.mktemp("broker")
    (directory / "certs").mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    authority.cert_pem.write_to_path(str(directory / "certs/ca.crt"))
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(directory / "certs/broker.key"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(directory / "certs/broker.crt"), append=True)
    (directory / "edge_llm.acl").write_text((CONFIG / "edge_llm.acl").read_text())
    passwords = directory / "edge_llm.passwords"
    passwords.touch()
    for user, password in USERS.items():
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, password], check=True)
    config = (CONFIG / "edge_llm.conf").read_text()
    config = re.sub(r"/etc/mosquitto|/var/lib/mosquitto", str(directory), config)
    config = config.replace("listener 8883", "listener {port} 127.0.0.1") + "user root\n"
    broker = Broker(directory, config)
    broker.start()
    yield SecureBroker(broker, directory)
    broker.kill()


@pytest.fixture(scope="module")
def service(
    broker: SecureBroker, int8: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    work = tmp_path_factory.mktemp("service")
    (work / "password").write_text(USERS[NODE] + "\n")
    (work / "password").chmod(0o600)
    settings: dict[str, Any] = {
        "mqtt__host": "localhost",
        "mqtt__tls": True,
        "mqtt__ca_file": broker.directory / "ca.pem",
        "mqtt__username": NODE,
        "mqtt__password_file": work / "password",
        "mqtt__pool": "house",
        "homeassistant__enabled": True,
    }
    with Nodes(broker, int8, work) as node:
        service = node(wait=False, **settings)
        watcher = broker.hub("hub", TOPICS.state)
        eventually(lambda: watcher.on(TOPICS.state) == [b"online"])
        watcher.close()
        yield service


def test_a_user_is_answered_over_tls(broker: SecureBroker, service: Service) -> None:
    with Client(broker.settings("hub"), NODE) as client:
        assert client.name == "hub"
        assert "Tokyo" in client.ask("What is the capital of Japan?").text
    with Client(broker.settings(NODE), NODE) as itself:  # as the health check in its container does
        itself.wait_online()
    with Client(broker.settings("hub"), pool="house") as client:
        assert "Tokyo" in client.ask("What is the capital of Japan?").text
    assert "subscription_refused" not in service.log_text()


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"username": None, "password": None}, "not authorized"),
        ({"password": "wrong"}, "not authorized"),
        ({"tls": False, "ca_file": None}, "no MQTT broker"),
        ({"ca_file": None}, "certificate is not accepted"),  # the system's authorities do not know this one
        ({"host": "127.0.0.1"}, "certificate is not accepted: .*IP address mismatch"),
    ],
)
def test_strangers_and_strange_brokers_are_refused(
    broker: SecureBroker, fields: dict[str, object], why: str
) -> None:
    with Client(broker.settings("hub", **fields), NODE) as client, pytest.raises(RequestError, match=why):
        client.ask("Hi", timeout_s=2)


def test_a_user_cannot_ask_or_listen_or_cancel_as_another(broker: SecureBroker, service: Service) -> None:
    """The broker drops what the ACL forbids; what a guest hears of it is nothing."""
    guest = broker.hub("guest", TOPICS.stream("hub"), TOPICS.reply("hub"), TOPICS.request("+"), "edge_llm/#")
    hub = broker.hub("hub", TOPICS.stream("hub"), TOPICS.reply("hub"))
    mine = Conversation(hub, "hub")
    mine.send(**LONG | {"max_tokens": 100}, id="mine")
    guest.publish(TOPICS.cancel("hub"), "*")
    guest.publish(TOPICS.request("hub"), json.dumps({"id": "forged", "text": "Hi"}))
    guest.publish(TOPICS.state, "offline", retain=True)
    done = mine.ended()[-1]
    assert (done["id"], done["finish_reason"]) == ("mine", "length")
    guest.settle(settled("guest"))
    assert {frame["id"] for frame in mine.frames()} == {"mine"}
    heard = {topic for topic, _ in guest.messages}
    assert heard <= {TOPICS.state, TOPICS.info, TOPICS.telemetry, settled("guest")}
    assert guest.on(TOPICS.state) == [b"online"]
    guest.close()
    hub.close()


def test_one_node_cannot_read_or_speak_for_another(broker: SecureBroker, service: Service) -> None:
    other = broker.hub("bath-pc", TOPICS.request("+"), "edge_llm/pool/+/request/+", TOPICS.stream("hub"))
    hub = broker.hub("hub", TOPICS.stream("hub"), TOPICS.reply("hub"))
    other.publish(TOPICS.reply("hub"), json.dumps({"v": 1, "type": "done", "text": "forged"}))
    other.settle(settled("bath-pc"))
    mine = Conversation(hub, "hub")
    mine.ask(id="q1", text="Hi", max_tokens=4)
    assert [reply["id"] for reply in mine.replies()] == ["q1"], hub.messages
    other.settle(settled("bath-pc"))
    assert {its_topic for its_topic, _ in other.messages} == {settled("bath-pc")}
    other.close()
    hub.close()


def test_what_a_node_sends_to_itself_is_for_the_node_alone(broker: SecureBroker) -> None:
    node, guest = broker.hub(NODE, TOPICS.echo), broker.hub("guest", TOPICS.echo)
    guest.publish(TOPICS.echo, "forged")
    guest.settle(settled("guest"))
    node.publish(TOPICS.echo, "own")
    node.settle(settled(NODE))
    guest.settle(settled("guest"))
    assert node.on(TOPICS.echo) == [b"own"]
    assert guest.on(TOPICS.echo) == []
    node.close()
    guest.close()


def test_home_assistant_finds_a_node_that_no_other_user_can_forge(
    broker: SecureBroker, service: Service
) -> None:
    """Nor can another make the nodes announce themselves."""
    topic = f"homeassistant/device/{NODE}/config"
    found = broker.hub("homeassistant", "homeassistant/#", TOPICS.reply("homeassistant"))
    announced = eventually(lambda: found.on(topic))[0]
    ask = json.loads(announced)["components"]["ask"]["command_topic"]
    for name in ("bath-pc", "guest"):
        other = broker.hub(name, topic)
        other.publish(topic, "", retain=True)
        other.publish("homeassistant/status", "online")
        other.settle(settled(name))
        assert {its_topic for its_topic, _ in other.messages} == {settled(name)}
        other.close()
    found.publish(ask, '{"text": "Hi", "max_tokens": 4}')
    eventually(lambda: found.on(TOPICS.reply("homeassistant")))
    assert [message for message in found.messages if message[0].startswith("homeassistant/")] == [
        (topic, announced)
    ]
    found.publish("homeassistant/status", "online")
    eventually(lambda: len(found.on(topic)) == 2)
    found.close()


def test_the_hub_says_which_devices_there_are_and_nodes_alone_read_it(
    broker: SecureBroker, service: Service
) -> None:
    """A node may describe devices under its own name; no other client writes or reads."""
    watcher = broker.hub("guest", TOPICS.info, TOPICS.house)

    def sources() -> list[str]:
        known: list[str] = json.loads(watcher.on(TOPICS.info)[-1]).get("house", {}).get("sources", [])
        return known

    house = json.dumps({"devices": [{"id": "lamp", "name": "Lamp", "kind": "light"}]})
    for user in ("guest", "hub", "bath-pc", NODE, "homeassistant"):
        writer = broker.hub(user, TOPICS.house)
        for source in (user, "other"):
            writer.publish(TOPICS.house.replace("+", source), house, retain=True)
        writer.settle(settled(user))
        expected = {TOPICS.house.replace("+", NODE)} if user == NODE else set()
        assert {topic for topic, _ in writer.messages} - {settled(user)} == expected
        writer.close()
    eventually(lambda: sources() == ["homeassistant", NODE, "other"])
    for source in ("homeassistant", "other"):
        remover = broker.hub("homeassistant")
        remover.publish(TOPICS.house.replace("+", source), "", retain=True)
        remover.close()
    eventually(lambda: sources() == [NODE])
    watcher.settle(settled("guest"))
    assert {topic for topic, _ in watcher.messages} == {TOPICS.info, settled("guest")}
    watcher.close()


def test_no_secret_and_no_prompt_stands_in_the_log(service: Service) -> None:
    log = service.log_text()
    assert not [secret for secret in USERS.values() if secret in log]
    assert "capital" not in log


def test_documents_need_no_lines_of_their_own(broker: SecureBroker, service: Service, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/fridge.md").write_text("# Fridge\n\nThe fridge hums when it is too full.\n")
    settings: dict[str, Any] = {
        "mqtt__host": "localhost",
        "mqtt__tls": True,
        "mqtt__ca_file": broker.directory / "ca.pem",
        "mqtt__username": "documents",
        "mqtt__password": USERS["documents"],
        "documents__folder": tmp_path / "papers",
    }
    documents = Documents(broker.port, None, tmp_path / "log", **settings)
    documents.wait_ready()
    with Client(broker.settings("guest"), "documents") as client:
        eventually(lambda: is_online(client))
        done = client.ask("Why does the fridge hum?", max_tokens=4)
    assert [each["document"] for each in done.custom["sources"]] == ["fridge.md"]
    assert documents.stop() == 0
    assert "subscription_refused" not in documents.log_text()
