"""`edge-llm check` at brokers that differ from mosquitto, and of the file that describes the house."""

from contextlib import closing
from pathlib import Path

import pytest

from edge_llm.cli.commands.check import Finding, _check_broker, _check_house
from edge_llm.client import broker_limit
from edge_llm.config import HouseSettings, Settings
from tests.unit.mqtt.fake_broker import SUBACK, SUBSCRIBE, Channel, FakeBroker


def serve_without_echo(channel: Channel) -> None:
    """Refuse the topic that a node sends to itself, as an ACL that lists the others does at EMQX."""
    channel.accept()
    while True:
        kind, flags, body = channel.read()
        if kind == SUBSCRIBE and b"/echo" in body:
            channel.send(SUBACK, body[:2] + b"\x00\x87")
        else:
            channel.acknowledge(kind, flags, body)


def test_a_broker_that_keeps_the_node_from_its_echo_topic_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_limit, "_ANSWER_S", 0.2)
    with closing(FakeBroker(serve_without_echo)) as broker:
        settings = Settings.model_validate({"mqtt": {"port": broker.port}})
        found = list(_check_broker(settings))
    assert found == [Finding("ok", "broker", f"localhost:{broker.port}, MQTT 5, plain text")]


def test_the_file_that_describes_the_house_is_read(tmp_path: Path) -> None:
    path = tmp_path / "house.yaml"
    path.write_text("devices: [{id: fan, name: Fan, kind: fan}]")
    assert list(_check_house(HouseSettings())) == []
    assert list(_check_house(HouseSettings(file=path))) == [Finding("ok", "house", f"{path}, 1 devices")]
    path.write_text("devices: [{id: fan, name: Fan}]")
    found = list(_check_house(HouseSettings(file=path)))
    assert found == [Finding("failed", "house", f"house.file: {path}: devices.0.kind: Field required")]
