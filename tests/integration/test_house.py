"""Houses that are retained at the broker: the node merges them, and its info says what it has."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from tests.common import TOPICS, eventually
from tests.conversation import Conversation, Hub
from tests.processes import Broker, Nodes, Service

FILE = "devices: [{id: fan, name: Fan, kind: fan}]"
LAMP = {"id": "lamp", "name": "Reading lamp", "kind": "light", "area": "study"}
STUDY = {"id": "study", "name": "Study"}


def topic(source: str) -> str:
    return TOPICS.house.replace("+", source)


def publish(hub: Hub, source: str, *devices: dict[str, Any], **fields: Any) -> None:
    hub.publish(topic(source), json.dumps({"devices": devices, **fields}), retain=True)


@pytest.fixture
def hub(fresh_broker: Broker) -> Iterator[Hub]:
    hub = Hub(fresh_broker.port, TOPICS.info, TOPICS.stream("+"), TOPICS.reply("+"))
    yield hub
    hub.close()


@pytest.fixture
def node(fresh_broker: Broker, int8: Bundle, tmp_path: Path) -> Iterator[Nodes]:
    with Nodes(fresh_broker, int8, tmp_path) as nodes:
        yield nodes


def house_info(hub: Hub) -> Any:
    """What the newest info says of the house."""
    return json.loads(hub.on(TOPICS.info)[-1]).get("house")


def info(**fields: Any) -> dict[str, Any]:
    return {"devices": 1, "areas": 1, "sources": ["hub"], "language": "de", "ready": True, **fields}


def test_a_house_that_was_there_first_a_bad_one_and_its_removal(hub: Hub, node: Nodes) -> None:
    publish(hub, "hub", LAMP, areas=[STUDY], language="de")
    service = node()
    eventually(lambda: house_info(hub) == info())
    publish(hub, "hub", LAMP | {"area": "attic"}, areas=[STUDY])
    reason = "devices.0.area: no area has this id"
    eventually(lambda: house_info(hub) == info(problems={"hub": reason}))
    hub.publish(topic("hub"), "", retain=True)
    eventually(lambda: house_info(hub) is None)
    log = service.log_text()
    assert log.count("house.refused") == 1
    assert f'"source": "hub", "code": "bad_request", "reason": "{reason}"' in log
    assert "lamp" not in log.lower()


def test_sources_make_one_house_with_the_file_and_are_heard_again_after_a_restart(
    hub: Hub, node: Nodes, tmp_path: Path
) -> None:
    (tmp_path / "house.yaml").write_text(FILE)
    service: Service = node(house__file=tmp_path / "house.yaml")
    eventually(lambda: house_info(hub) == info(areas=0, sources=["(file)"], language="en"))
    publish(hub, "hub", LAMP, areas=[STUDY], language="de")
    publish(
        hub, "other", LAMP | {"id": "0x1"}, {"id": "desk", "name": "Desk", "kind": "light"}, areas=[STUDY]
    )
    both = info(devices=3, sources=["(file)", "hub", "other"], language="en")
    eventually(lambda: house_info(hub) == both)  # the lamp is one
    assert service.stop() == 0
    hub.publish(topic("other"), "", retain=True)
    hub.messages.clear()
    service.restart()
    left = both | {"devices": 2, "sources": ["(file)", "hub"]}
    eventually(lambda: hub.on(TOPICS.info) and house_info(hub) == left)


def test_what_is_no_house_keeps_nobody_from_being_answered(hub: Hub, node: Nodes) -> None:
    hub.publish(topic("hub"), b"\xff" * 2_000_000, retain=True)
    hub.publish(topic("living room"), b"{}", retain=True)
    node(mqtt__protocol="3.1.1")
    eventually(lambda: house_info(hub))
    assert house_info(hub)["problems"] == {"hub": "a house may have 1048576 bytes, this has 2000000"}
    assert Conversation(hub, "panel").ask(text="Say hello.", max_tokens=4)[-1]["type"] == "done"
    hub.publish(topic("hub"), "", retain=True)
    eventually(lambda: house_info(hub) is None)
