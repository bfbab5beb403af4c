"""OpenAI's API over a scripted node: what is asked of it, and what becomes of its frames."""

import json
from typing import Any

import httpx
import pytest

from edge_llm.client import ToolCall
from edge_llm.contract.frames import Usage
from edge_llm.errors import Code, RequestError
from tests.unit.client.scripted import call, delta, done
from tests.unit.web.parts import SAID, Node, Web, ended

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
LAMP = ToolCall(id="call_1", name="set_lamp", arguments={"state": "on"})
TOOL = {
    "type": "function",
    "function": {"name": "set_lamp", "parameters": {"type": "object"}, "strict": True},
}


def ask(web: Web, **fields: Any) -> httpx.Response:
    return web.post("/v1/chat/completions", {**HELLO, **fields})


def asked(**fields: Any) -> Any:
    """The request of the node that one of OpenAI's comes to."""
    web = Web()
    answer = ask(web, **fields)
    assert answer.status_code == 200, answer.text
    return web.node.request


def chunks(answer: httpx.Response) -> list[Any]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert events.pop() == "[DONE]"
    return [json.loads(event) for event in events]


def test_a_whole_reply() -> None:
    usage = Usage(prompt_tokens=7, cached_tokens=5, completion_tokens=2)
    answer = ask(Web(Node([delta(0, "Hello"), ended("Hello", usage=usage)]))).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "total_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 5},
    }


def test_a_stream() -> None:
    first, *middle, last = chunks(ask(Web(), stream=True))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [chunk["choices"][0]["delta"]["content"] for chunk in middle] == ["Hel", "lo"]
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "stop")
    assert len({chunk["id"] for chunk in (first, *middle, last)}) == 1
    assert "usage" not in last


def test_a_stream_with_usage() -> None:
    *before, last = chunks(ask(Web(), stream=True, stream_options={"include_usage": True}))
    assert all(chunk["usage"] is None for chunk in before)
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 2)


def test_calls_of_tools() -> None:
    answer = ask(Web(Node([call(0, 0, LAMP), done("", LAMP)])), tools=[TOOL]).json()
    choice = answer["choices"][0]
    made = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "set_lamp", "arguments": '{"state": "on"}'},
    }
    assert choice["message"] == {"role": "assistant", "content": None, "tool_calls": [made]}
    assert choice["finish_reason"] == "tool_calls"
    _, middle, last = chunks(ask(Web(Node([call(0, 0, LAMP), done("", LAMP)])), tools=[TOOL], stream=True))
    assert middle["choices"][0]["delta"] == {"tool_calls": [{"index": 0, **made}]}
    assert last["choices"][0]["finish_reason"] == "tool_calls"


def test_every_role_and_content_as_parts() -> None:
    messages = [
        {"role": "developer", "content": "Be brief.", "name": "d"},
        {"role": "user", "content": [{"type": "text", "text": "Lamp"}, {"type": "text", "text": "on"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "set_lamp", "arguments": '{"state":"on"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ]
    system, user, assistant, tool = asked(messages=messages).messages
    assert (system.role, system.content) == ("system", "Be brief.")
    assert (user.role, user.content) == ("user", "Lamp\non")
    assert assistant.tool_calls == (ToolCall(id="c1", name="set_lamp", arguments={"state": "on"}),)
    assert (tool.role, tool.tool_call_id, tool.content) == ("tool", "c1", "ok")


def test_parameters() -> None:
    request = asked(
        temperature=0.5, top_p=0.9, seed=-1, stop="END", presence_penalty=1, frequency_penalty=0.5
    )
    assert (request.temperature, request.top_p, request.stop) == (0.5, 0.9, ("END",))
    assert request.seed == 2**63 - 1
    assert (request.presence_penalty, request.frequency_penalty) == (1, 0.5)
    assert asked(stop=["a", "", "b"]).stop == ("a", "b")
    assert asked(stop=None, seed=None, n=1, tools=[], tool_choice="auto", response_format=None).tools is None


def test_unknown_fields_are_ignored() -> None:
    request = asked(
        model="gpt-9", user="u", store=True, logprobs=False, metadata={"a": "b"}, parallel_tool_calls=True
    )
    assert request.text is None


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, None),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 9, "max_tokens": 7}, 9),
        ({"max_tokens": 10**30}, 512),
        ({"max_completion_tokens": 4096}, 512),
    ],
)
def test_the_length_is_cut_to_what_the_node_has(fields: dict[str, int], most: int | None) -> None:
    assert asked(**fields).max_tokens == most


def test_tools_and_which_to_call() -> None:
    request = asked(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "set_lamp"}})
    assert request.tools[0].function.name == "set_lamp"
    assert request.tool_choice.name == "set_lamp"
    assert asked(tools=[TOOL], tool_choice="required").tool_choice == "required"
    assert asked(tool_choice="none").tool_choice is None


def test_response_formats() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}
    assert asked(response_format=wanted).response_format.json_schema == schema
    assert asked(response_format={"type": "json_object"}).response_format.json_schema == {"type": "object"}
    assert asked(response_format={"type": "text"}).response_format is None


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {"messages": "Hello"},
        {"max_tokens": 0},
        {"n": 2},
        {"temperature": 9},
        {"tools": [{"type": "web_search"}]},
        {"response_format": {"type": "json_schema"}},
        {"messages": [{"role": "user", "content": ""}]},
    ],
)
def test_what_cannot_be_done_is_a_bad_request(fields: dict[str, Any]) -> None:
    answer = ask(Web(), **fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_a_bad_request(body: bytes) -> None:
    answer = Web().call("POST", "/v1/chat/completions", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("code", "status", "told", "retry"),
    [
        ("bad_request", 400, "bad_request", "false"),
        ("context_overflow", 400, "context_length_exceeded", "false"),
        ("too_large", 413, "too_large", "false"),
        ("rate_limited", 429, "rate_limited", "true"),
        ("busy", 503, "busy", "true"),
        ("unavailable", 503, "unavailable", "true"),
        ("timeout", 504, "timeout", "false"),
        ("expired", 504, "expired", "false"),
        ("internal", 500, "internal", "false"),
    ],
)
def test_errors_of_the_node(code: Code, status: int, told: str, retry: str, stream: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    error = RequestError(code, "why", retry_after_ms=1500 if retry == "true" else None)
    web = Web(Node([SAID[0], error]))
    answer = ask(web, stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, told)
    assert answer.json()["error"]["message"] == "why"
    assert answer.headers["x-should-retry"] == retry
    assert answer.headers.get("retry-after") == ("2" if retry == "true" else None)
    assert web.node.retries == [False]


def test_an_error_in_the_middle_of_a_stream() -> None:
    answer = ask(Web(Node([*SAID[:2], RequestError("timeout", "why")])), stream=True)
    last = answer.text.strip().split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "timeout"


def test_models() -> None:
    web = Web()
    listed = web.get("/v1/models").json()
    assert [model["id"] for model in listed["data"]] == ["Tiny 1B"]
    assert web.get("/v1/models/org/any").json()["id"] == "Tiny 1B"
    assert Web(known=False).get("/v1/models").status_code == 503


def test_what_is_not_there_has_the_apis_own_shape() -> None:
    web = Web()
    for answer in (web.get("/v1/nothing"), web.get("/v1/chat/completions"), web.post("/v1/embeddings", {})):
        assert answer.status_code in (404, 405)
        assert answer.json()["error"]["type"] == "invalid_request_error"
