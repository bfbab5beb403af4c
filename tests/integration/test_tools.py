"""Tools and schemas against a real node: what docs/mqtt.md shows, the client, the command and the example."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_llm.client import Call, Client, Delta, Done, MqttSettings, RequestError, ToolCall, Turn
from edge_llm.client.info import node_info
from edge_llm.contract.requests import Request, parse
from tests.common import NODE
from tests.conversation import Conversation, Hub
from tests.processes import Broker, Nodes, Service

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/mqtt.md").read_text(encoding="utf-8")
LAMP: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "set_lamp",
        "description": "Switch a room's lamp on or off.",
        "parameters": {
            "type": "object",
            "required": ["room", "state"],
            "properties": {
                "room": {"type": "string", "enum": ["kitchen", "bedroom"]},
                "state": {"type": "string", "enum": ["on", "off"]},
            },
            "additionalProperties": False,
        },
    },
}
READING = {
    "type": "object",
    "required": ["room", "celsius"],
    "properties": {"room": {"enum": ["bath", "kitchen"]}, "celsius": {"type": "integer", "maximum": 50}},
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def service(module_node: Nodes) -> Service:
    return module_node()


@pytest.fixture
def client(service: Service, broker: Broker) -> Iterator[Client]:
    with Client(MqttSettings(host="127.0.0.1", port=broker.port), NODE) as client:
        yield client


def keeps_to(call: ToolCall, tool: dict[str, Any] = LAMP) -> bool:
    function = tool["function"]
    return call.name == function["name"] and jsonschema.Draft202012Validator(function["parameters"]).is_valid(
        call.arguments
    )


def shown(section: str) -> list[dict[str, Any]]:
    """The requests that a section of docs/mqtt.md shows."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    blocks = "\n".join(re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    objects = [json.loads(each) for each in re.split(r"\n(?=\{)", blocks.strip())]
    return [each for each in objects if "type" not in each]


def test_the_pages_requests_are_answered_as_it_says(service: Service, hub: Hub) -> None:
    conversation = Conversation(hub, "docs")
    must, may, schema = [*shown("Tools"), *shown("JSON by a schema")]
    *frames, done = conversation.ask(**must)
    assert done["finish_reason"] == "tool_calls"
    assert all(keeps_to(ToolCall.model_validate(call), must["tools"][0]) for call in done["calls"])
    calls = [frame for frame in frames if frame["type"] == "call"]
    assert [frame["call"] for frame in calls] == done["calls"]
    assert [frame["index"] for frame in calls] == list(range(len(calls)))
    assert done["usage"]["forced_tokens"] > 0
    assert conversation.ask(**may)[-1]["type"] == "done"
    written = json.loads(conversation.ask(**schema)[-1]["text"])
    jsonschema.validate(written, schema["response_format"]["schema"])


def test_a_required_call_is_streamed_whole_and_its_markup_is_in_no_delta(client: Client) -> None:
    frames = list(client.stream("Turn on the lamp in the kitchen.", tools=[LAMP], tool_choice="required"))
    done = frames[-1]
    assert isinstance(done, Done)
    assert done.calls
    assert all(map(keeps_to, done.calls))
    assert tuple(frame.call for frame in frames if isinstance(frame, Call)) == done.calls
    said = "".join(frame.text for frame in frames if isinstance(frame, Delta))
    assert said == done.text
    assert "set_lamp" not in said
    assert "<tool_call>" not in said


def test_auto_ends_in_text_or_in_calls_that_were_offered(client: Client) -> None:
    for question in ("Turn on the lamp in the kitchen.", "What is the capital of Japan?"):
        done = client.ask(question, tools=[LAMP], max_tokens=60)
        assert done.text or done.calls
        assert (done.finish_reason == "tool_calls") <= bool(done.calls)
        assert all(map(keeps_to, done.calls or ()))


def test_none_is_text_though_the_tools_are_in_the_prompt(client: Client) -> None:
    plain = client.ask("Hi", max_tokens=4)
    done = client.ask("Hi", tools=[LAMP], tool_choice="none", max_tokens=4)
    assert done.calls is None
    assert done.usage.prompt_tokens > plain.usage.prompt_tokens


def test_json_by_a_schema_is_whole_and_keeps_to_it(client: Client) -> None:
    frames = list(client.stream("It is 21 degrees in the bath. Write down the reading.", schema=READING))
    done = frames[-1]
    assert isinstance(done, Done)
    assert done.finish_reason == "stop"
    jsonschema.validate(json.loads(done.text), READING)
    assert "".join(frame.text for frame in frames if isinstance(frame, Delta)) == done.text


def test_a_session_goes_on_behind_a_call_with_its_result_alone(client: Client) -> None:
    session = client.session("lamps")
    first = session.ask("Turn on the lamp in the kitchen.", tools=[LAMP], tool_choice="required")
    assert first.calls
    results = [
        Turn(role="tool", tool_call_id=call.id, name=call.name, content="The lamp is on.")
        for call in first.calls
    ]
    second = session.ask(messages=results, tools=[LAMP], tool_choice="none", max_tokens=12)
    # All of the first reply and its prompt, but for its last token and the sequence's end.
    assert second.usage.cached_tokens >= first.usage.prompt_tokens
    kept = session.messages()
    assert kept[1].tool_calls == first.calls
    assert kept[2 : 2 + len(results)] == tuple(results)
    session.forget()


def test_a_schema_that_cannot_be_kept_to_is_a_bad_request_that_names_the_place(client: Client) -> None:
    endless = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    with pytest.raises(RequestError) as refused:
        client.ask("Hi", schema=endless)
    assert refused.value.code == "bad_request"
    assert "response_format" in str(refused.value)


def test_info_says_what_requests_may_ask_for(client: Client, broker: Broker, service: Service) -> None:
    client.wait_online()
    info = node_info(MqttSettings(host="127.0.0.1", port=broker.port), NODE)["info"]
    assert info["features"] == ["tools", "json_schema", "act"]


def test_a_node_without_constraints_says_so_and_refuses(node: Nodes, broker: Broker) -> None:
    node(engine__constraints="off", node__id="plain-pc")
    mqtt = MqttSettings(host="127.0.0.1", port=broker.port)
    assert node_info(mqtt, "plain-pc")["info"]["features"] == []
    with Client(mqtt, "plain-pc") as client:
        for fields in ({"tools": [LAMP]}, {"schema": READING}):
            with pytest.raises(RequestError, match=r"engine\.constraints") as refused:
                client.ask("Hi", **fields)
            assert refused.value.code == "bad_request"
        assert client.ask("Hi", tools=[LAMP], tool_choice="none", max_tokens=4).text


def run(broker: Broker, command: list[str]) -> subprocess.CompletedProcess[str]:
    address = {"EDGE_LLM_MQTT__HOST": "127.0.0.1", "EDGE_LLM_MQTT__PORT": str(broker.port)}
    environment = {**os.environ, **address}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=120, check=True
    )


def test_ask_reads_tools_and_schemas_from_files(service: Service, broker: Broker, tmp_path: Path) -> None:
    tools, schema = tmp_path / "tools.json", tmp_path / "schema.json"
    tools.write_text(json.dumps([LAMP]))
    schema.write_text(json.dumps(READING))
    ask = ["-m", "edge_llm.cli", "ask", "It is 21 degrees in the bath.", "--node", NODE]
    done = json.loads(run(broker, [*ask, "--tools", str(tools), "--json"]).stdout.splitlines()[-1])
    assert all(keeps_to(ToolCall.model_validate(call)) for call in done.get("calls", ()))
    jsonschema.validate(json.loads(run(broker, [*ask, "--schema", str(schema)]).stdout), READING)


def test_the_example_loops_until_there_is_an_answer(service: Service, broker: Broker) -> None:
    example = str(ROOT / "config/python/tools.py")
    done = run(broker, [example, f"127.0.0.1:{broker.port}", NODE, "Turn on the lamp in the kitchen."])
    assert done.stdout.strip()
    for line in done.stderr.splitlines():
        assert line.split()[0] in ("lamp_state", "set_lamp")


def test_the_pages_requests_are_in_the_contract() -> None:
    for each in (*shown("Tools"), *shown("JSON by a schema")):
        assert isinstance(parse("request", json.dumps(each).encode(), 65536), Request)
