"""The files for hubs under config/: what they send and read is what the contract says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment

from edge_llm.config import HomeAssistantSettings
from edge_llm.contract.requests import Request, parse
from edge_llm.contract.topics import Topics
from edge_llm.homeassistant.discovery import HomeAssistant
from tests.homeassistant import TELEMETRY

CONFIG = Path(__file__).parents[2] / "config"
TOPICS = Topics("edge_llm", "kitchen-pc")
REPLY = ("text", "message", "type", "id")


def is_in_the_contract(topic: str, client: str) -> bool:
    sent = {TOPICS.stream(client), TOPICS.reply(client), TOPICS.state, TOPICS.info, TOPICS.telemetry}
    return topic in sent or (TOPICS.parse(topic) or ("", ""))[1] == client


def values(tree: Any, name: str) -> Iterator[Any]:
    """What stands under a key, wherever in a document."""
    if isinstance(tree, dict):
        if name in tree:
            yield tree[name]
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from values(each, name)


def test_home_assistants_package_asks_and_listens_where_the_node_does() -> None:
    package = yaml.safe_load((CONFIG / "home-assistant/edge_llm.yaml").read_text())
    topics = list(values(package, "topic"))
    assert len(topics) == 3
    assert all(is_in_the_contract(topic, "homeassistant") for topic in topics)
    (payload,) = (data["payload"] for data in values(package, "data") if "payload" in data)
    environment = Environment(autoescape=False)  # noqa: S701 - not HTML
    environment.filters["to_json"] = json.dumps  # Home Assistant's own
    asked = {"request_id": "ha-1", "prompt": 'What does "ajar" mean?'}
    for given in ({}, {"system": "Be brief.", "session": "kitchen"}):
        request = parse("request", environment.from_string(payload).render(**asked, **given).encode(), 16384)
        assert isinstance(request, Request)
        assert (request.id, request.text, request.stream) == ("ha-1", 'What does "ajar" mean?', False)
        assert (request.system, request.session) == (given.get("system"), given.get("session"))


def test_the_dashboard_shows_what_is_discovered_and_enabled() -> None:
    dashboard = yaml.safe_load((CONFIG / "home-assistant/dashboard.yaml").read_text())
    shown = {entity for entities in values(dashboard, "entities") for entity in entities}
    shown |= {entity for text in values(dashboard, "content") for entity in re.findall(r"sensor\.\w+", text)}
    message = HomeAssistant(HomeAssistantSettings(enabled=True), TOPICS, "a model", 10.0).discovery()
    enabled = {
        each["default_entity_id"]
        for each in message["components"].values()
        if each.get("enabled_by_default", True)
    }
    assert shown <= enabled
    history = [card["entities"] for card in dashboard["views"][0]["cards"] if card["type"] == "history-graph"]
    for figure in ("package_power", "tokens_per_second", "ttft_p50"):
        assert any(f"sensor.kitchen_pc_{figure}" in entities for entities in history)


def test_the_node_red_flow_is_wired_and_speaks_the_contract() -> None:
    """scripts/test-hubs runs it."""
    flow = json.loads((CONFIG / "node-red/flow.json").read_text())
    nodes = {node["id"]: node for node in flow}
    assert len(nodes) == len(flow)
    for node in flow:
        wired = {target for port in node.get("wires", []) for target in port}
        assert wired <= set(nodes)
        assert node.get("broker", "edge_llm_broker") in nodes or node["type"] == "mqtt-broker"
    topics = {node["topic"] for node in flow if node["type"].startswith("mqtt ")}
    assert topics == {TOPICS.request("node-red"), TOPICS.cancel("node-red"), TOPICS.stream("node-red")}


def test_openhabs_things_read_what_is_there_and_its_items_name_them() -> None:
    things = (CONFIG / "openhab/edge_llm.things").read_text()
    items = (CONFIG / "openhab/edge_llm.items").read_text()
    topics = re.findall(r'\w+Topic="([^"]+)"', things)
    assert {TOPICS.state, TOPICS.request("openhab"), TOPICS.cancel("openhab")} <= set(topics)
    assert all(is_in_the_contract(topic, "openhab") for topic in topics)
    channels = re.findall(r"Type \w+ +: (\w+)", things)
    assert channels
    assert sorted(re.findall(r'channel="mqtt:topic:edge_llm:(\w+)"', items)) == sorted(channels)
    for topic, path in re.findall(
        r'stateTopic="([^"]+)", transformationPattern="JSONPATH:\$\.([^"]+)"', things
    ):
        found: Any = TELEMETRY if topic == TOPICS.telemetry else dict.fromkeys(REPLY, "")
        for key in path.split("."):
            found = found[key]


def test_home_assistants_user_in_the_brokers_example_is_the_client_that_asks() -> None:
    users = re.findall(r"edge_llm\.passwords (\S+)", (CONFIG / "mosquitto/edge_llm.conf").read_text())
    assert HomeAssistantSettings().client in users
    assert TOPICS.node in users
