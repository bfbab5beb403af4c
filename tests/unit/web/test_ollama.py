"""Ollama's API over a scripted node."""

import json
from typing import Any

import httpx
import pytest

from edge_llm.client import ToolCall
from edge_llm.errors import RequestError
from tests.unit.client.scripted import call, done
from tests.unit.web.parts import SAID, Node, Web, ended

HELLO = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}
LAMP = ToolCall(id="call_1", name="set_lamp", arguments={"state": "on"})
TOOL = {"type": "function", "function": {"name": "set_lamp", "parameters": {"type": "object"}}}


def ask(web: Web, **fields: Any) -> httpx.Response:
    return web.post("/api/chat", {**HELLO, **fields})


def asked(**fields: Any) -> Any:
    web = Web()
    answer = ask(web, **fields)
    assert answer.status_code == 200, answer.text
    return web.node.request


def test_a_stream_is_lines_of_json() -> None:
    answer = ask(Web())
    assert answer.headers["content-type"] == "application/x-ndjson"
    *pieces, last = (json.loads(line) for line in answer.text.splitlines())
    assert [piece["message"]["content"] for piece in pieces] == ["Hel", "lo"]
    assert not any(piece["done"] for piece in pieces)
    assert (last["done"], last["done_reason"], last["message"]["content"]) == (True, "stop", "")
    assert (last["prompt_eval_count"], last["eval_count"]) == (1, 1)


def test_a_whole_reply() -> None:
    reply = ask(Web(Node([ended("Hello", finish_reason="length")])), stream=False).json()
    assert reply["message"] == {"role": "assistant", "content": "Hello"}
    assert (reply["model"], reply["done"], reply["done_reason"]) == ("any", True, "length")


def test_calls_of_tools() -> None:
    made = {"id": "call_1", "function": {"name": "set_lamp", "arguments": {"state": "on"}}}
    node = Node([call(0, 0, LAMP), done("", LAMP)], [call(0, 0, LAMP), done("", LAMP)])
    web = Web(node)
    piece, last = (json.loads(line) for line in ask(web, tools=[TOOL]).text.splitlines())
    assert piece["message"]["tool_calls"] == [made]
    assert last["done_reason"] == "stop"
    assert ask(web, tools=[TOOL], stream=False).json()["message"]["tool_calls"] == [made]


def test_calls_without_ids_find_their_results() -> None:
    def called(name: str) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": {}}}

    messages = [
        {"role": "user", "content": "Do it"},
        {"role": "assistant", "tool_calls": [called("a"), called("b")]},
        {"role": "tool", "tool_name": "b", "content": "B"},
        {"role": "tool", "content": "A"},
    ]
    _, assistant, second, first = asked(messages=messages).messages
    by_name = {each.name: each.id for each in assistant.tool_calls}
    assert (second.tool_call_id, first.tool_call_id) == (by_name["b"], by_name["a"])


def test_options() -> None:
    options = {
        "num_predict": 7,
        "temperature": 0,
        "top_k": 3,
        "seed": 5,
        "stop": ["x"],
        "repeat_penalty": 1.1,
    }
    request = asked(options={**options, "num_ctx": 8192, "mirostat": 1}, keep_alive="5m", think=False)
    assert (request.max_tokens, request.temperature, request.top_k, request.seed) == (7, 0, 3, 5)
    assert (request.stop, request.repetition_penalty, request.enable_thinking) == (("x",), 1.1, False)


@pytest.mark.parametrize(("given", "most"), [(None, None), (-1, 512), (-2, 512), (10**9, 512), (5, 5)])
def test_the_length_is_cut_to_what_the_node_has(given: int | None, most: int | None) -> None:
    assert asked(options={"num_predict": given}).max_tokens == most


def test_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert asked(format=schema).response_format.json_schema == schema
    assert asked(format="json").response_format.json_schema == {"type": "object"}
    assert asked(format="").response_format is None


def test_a_request_without_messages_loads_what_is_loaded() -> None:
    web = Web()
    assert ask(web, messages=[]).json()["done_reason"] == "load"
    assert web.node.asked == []


def test_images_cannot_be_read() -> None:
    answer = ask(Web(), messages=[{"role": "user", "content": "What is it?", "images": ["aGk="]}])
    assert (answer.status_code, "images" in answer.json()["error"]) == (400, True)


def test_errors() -> None:
    busy = ask(Web(Node([RequestError("busy", "why", retry_after_ms=3000)])))
    assert (busy.status_code, busy.json()["error"], busy.headers["retry-after"]) == (503, "why", "3")
    overflow = ask(Web(Node([RequestError("context_overflow", "why")])))
    assert (overflow.status_code, overflow.json()["code"]) == (400, "context_overflow")
    late = ask(Web(Node([*SAID[:2], RequestError("timeout", "why")])))
    assert json.loads(late.text.splitlines()[-1])["error"] == "why"
    assert Web().get("/api/nothing").json()["error"] == "Not Found"


def test_what_clients_look_at_first() -> None:
    web = Web()
    assert int(web.get("/api/version").json()["version"].split(".")[1]) >= 5
    [model] = web.get("/api/tags").json()["models"]
    assert model["name"] == model["model"] == "Tiny 1B:latest"
    shown = web.post("/api/show", {"model": model["name"]}).json()
    assert shown["capabilities"] == ["completion", "tools"]
    assert shown["model_info"]["llama.context_length"] == 512
    assert web.get("/api/ps").json() == {"models": []}  # it is offline
    assert Web(known=False).get("/api/tags").status_code == 503
