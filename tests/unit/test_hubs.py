"""The files for hubs under config/: what they send and read is what the contract says."""

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edge_llm.config import HomeAssistantSettings
from edge_llm.contract.frames import FRAMES, Error
from edge_llm.contract.requests import Request, parse
from edge_llm.contract.topics import OFFLINE, ONLINE, Topics
from edge_llm.errors import RETRYABLE
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


def number(value: Any, default: int) -> int:
    """Home Assistant's filter ``int``."""
    return int(value) if str(value).isdigit() else default


class Package:
    """The package's script as Home Assistant renders it, with entities and calls of the test's."""

    def __init__(self, *, online: str = "on", limit: str = "65536", running: int = 1) -> None:
        self.package = yaml.safe_load((CONFIG / "home-assistant/edge_llm.yaml").read_text())
        states = {"binary_sensor.edge_llm_online": online, "sensor.edge_llm_request_bytes": limit}
        self._environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
        self._environment.filters["to_json"] = partial(json.dumps, ensure_ascii=False)  # Home Assistant's own
        self._environment.filters["int"] = lambda value, default: (
            int(value) if str(value).isdigit() else default
        )
        self._environment.globals |= {
            "now": lambda: datetime.now(UTC),
            "states": states.get,
            "is_state": lambda entity, state: states[entity] == state,
            "state_attr": lambda entity, name: {("script.edge_llm_ask", "current"): running}[entity, name],
        }
        self.script = self.package["script"]["edge_llm_ask"]
        self.sequence = self.script["sequence"]

    def render(self, template: str, variables: dict[str, Any]) -> Any:
        """What a template becomes: a text, or the value that the text looks like."""
        text = self._environment.from_string(template).render(variables).strip()
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    def run(self, **fields: Any) -> dict[str, Any]:
        """The variables after the script's first step."""
        variables = dict(fields)
        for name, template in self.sequence[0]["variables"].items():
            variables[name] = self.render(template, variables)
        return variables

    def refusal(self, **fields: Any) -> dict[str, Any] | None:
        """The reply that is returned at once; None where the node is asked."""
        step, variables = self.sequence[1], self.run(**fields)
        assert step["then"][0]["response_variable"] == "reply"
        return variables["reply"] if self.render(step["if"], variables) else None


def test_home_assistants_package_asks_and_listens_where_the_node_does() -> None:
    package = Package()
    topics = [*values(package.package, "topic"), *values(package.package, "state_topic")]
    assert len(topics) == 5
    assert all(is_in_the_contract(topic, "homeassistant") for topic in topics)
    (payload,) = (data["payload"] for data in values(package.package, "data") if "payload" in data)
    prompt = """What does "ajar" mean, and 'Küche'? {'a': 1}\n☀"""
    for given in ({}, {"system": "Be brief.", "session": "kitchen"}):
        variables = package.run(prompt=prompt, **given)
        text = package.render(payload, variables)  # ``false`` keeps it from looking like a value
        request = parse("request", text.encode(), 65536)
        assert isinstance(request, Request)
        assert (request.id, request.text, request.stream) == (variables["request_id"], prompt, False)
        assert (request.system, request.session) == (given.get("system"), given.get("session"))
        assert package.refusal(prompt=prompt, **given) is None


@pytest.mark.parametrize(
    ("entities", "code"),
    [
        ({"online": "off"}, "unavailable"),
        ({"online": "unavailable"}, "unavailable"),  # Home Assistant has lost the broker
        ({"online": "unknown"}, "unavailable"),  # there is no such node
        ({"limit": "300"}, "too_large"),
        ({"limit": "unknown"}, None),
        ({"running": 8}, None),
        ({"running": 9}, "busy"),
    ],
)
def test_the_packages_script_ends_at_once_where_no_reply_would_come(
    entities: dict[str, Any], code: str | None
) -> None:
    package = Package(**entities)
    reply = package.refusal(prompt="ü" * 200)
    assert (reply and reply["code"]) == code
    if reply:
        frame = FRAMES.validate_python({**reply, "node": "kitchen-pc", "seq": 0})
        assert isinstance(frame, Error)
        assert frame.retryable == (frame.code in RETRYABLE)
    assert package.script["mode"] == "parallel"
    assert package.script["max"] > 9  # the ninth comes as far as the template


def test_the_packages_script_says_that_nothing_came() -> None:
    package = Package()
    wait, then, stop = package.sequence[2]["parallel"][0]["sequence"]
    assert wait.get("continue_on_timeout", True)  # else the caller gets nothing at all
    assert stop["response_variable"] == "reply"
    template = then["variables"]["reply"]
    frame = {"type": "done", "id": "1", "text": "Yes."}
    waited = SimpleNamespace(trigger=SimpleNamespace(payload_json=frame))
    assert package.render(template, {"wait": waited}) == frame
    nothing = package.render(template, {"wait": SimpleNamespace(trigger=None), "request_id": "1"})
    assert (nothing["type"], nothing["code"], nothing["text"]) == ("error", "timeout", "")


def test_the_packages_entities_show_what_the_node_says() -> None:
    package = Package()
    (online,), (limit,) = (package.package["mqtt"][kind] for kind in ("binary_sensor", "sensor"))
    assert (online["payload_on"].encode(), online["payload_off"].encode()) == (ONLINE, OFFLINE)
    for entity, kind in ((online, "binary_sensor"), (limit, "sensor")):
        entity_id = f"{kind}.{entity['name'].replace(' ', '_')}"  # what Home Assistant makes of the name
        assert entity_id in json.dumps(package.sequence)
    info = {"value_json": {"limits": {"request_bytes": 300}}}
    assert package.render(limit["value_template"], info) == 300
    assert package.render(limit["value_template"], {}) is None  # the node was retired


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
