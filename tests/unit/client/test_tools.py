"""Tools, schemas and calls in the Python client, and the example that loops over them."""

import collections
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from edge_llm.client import Call, Client, Delta, Done, MqttSettings, RequestError, Tool, ToolCall, Turn
from edge_llm.contract.requests import Request
from tests.unit.client.scripted import Script, call, client_of, delta, done

EXAMPLE = Path(__file__).parents[3] / "config/python/tools.py"
TOOL = {"type": "function", "function": {"name": "set_lamp", "parameters": {"type": "object"}}}
ON = ToolCall(id="call_1", name="set_lamp", arguments={"room": "kitchen", "state": "on"})
OFF = ToolCall(id="call_2", name="set_lamp", arguments={"room": "bedroom", "state": "off"})


def asked(**fields: Any) -> Request:
    script = Script([[done("ok")]])
    client_of(script).ask(**fields)
    (request,) = script.asked
    assert isinstance(request, Request)
    return request


USER, RESULT = Turn(role="user", content="hi"), Turn(role="tool", tool_call_id="call_1", content="on")
CALLED = Turn(role="assistant", tool_calls=(ON,))


@pytest.mark.parametrize(
    "messages",
    [
        (USER, CALLED, RESULT),
        [USER, CALLED, RESULT],
        [USER, CALLED.model_dump(), {"role": "tool", "tool_call_id": "call_1", "content": "on"}],
        collections.deque([{"role": "user", "content": "hi"}, CALLED, RESULT]),
    ],
)
def test_messages_are_any_sequence_of_turns_or_dicts(messages: Any) -> None:
    assert asked(messages=messages).messages == (USER, CALLED, RESULT)


@pytest.mark.parametrize("tools", [[TOOL], (TOOL,), [Tool.model_validate(TOOL)]])
def test_tools_are_any_sequence_of_tools_or_dicts(tools: Any) -> None:
    request = asked(text="hi", tools=tools, tool_choice={"name": "set_lamp"})
    assert request.tools == (Tool.model_validate(TOOL),)


def test_schema_is_short_for_a_response_format() -> None:
    schema = {"type": "object", "default": None}
    short = asked(text="hi", schema=schema)
    full = asked(text="hi", response_format={"type": "json_schema", "schema": schema})
    assert short.response_format == full.response_format
    assert short.response_format
    assert short.response_format.json_schema == schema


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tools": [TOOL, TOOL]}, "tools: two tools have the name set_lamp"),
        ({"tools": TOOL}, "tools: "),
        ({"messages": "hi", "text": None}, "messages: "),
        ({"temperature": float("nan")}, "temperature: "),
        ({"custom": object()}, "a field has a value that JSON has not"),
        ({"custom": "\ud800"}, "a field has a value that JSON has not"),
    ],
)
def test_what_the_node_would_refuse_is_not_sent(fields: dict[str, Any], words: str) -> None:
    with Client(MqttSettings(port=1), "n", "c") as client, pytest.raises(RequestError, match=words) as error:
        client.ask(**{"text": "hi", **fields})
    assert error.value.code == "bad_request"


def test_ask_returns_calls_as_objects() -> None:
    reply = client_of(Script([[done("", ON, OFF)]])).ask("Light!", tools=[TOOL])
    assert reply.calls
    assert [(each.name, each.arguments["state"]) for each in reply.calls] == [
        ("set_lamp", "on"),
        ("set_lamp", "off"),
    ]


@pytest.mark.parametrize(
    "heard",
    [
        [delta(0, "Yes. "), call(1, 0, ON), call(2, 1, OFF)],
        [delta(0, "Yes. "), call(1, 0, ON)],  # the second one did not fit
        [call(1, 1, OFF)],  # all else was lost
        [],
        [delta(0, "Yes. "), call(1, 0, ON), delta(0, "Yes. "), call(1, 0, ON), call(2, 1, OFF)],  # made again
    ],
)
def test_a_stream_has_each_call_once_and_in_order_whatever_was_lost(heard: list[Any]) -> None:
    *frames, last = client_of(Script([[*heard, done("Yes. ", ON, OFF)]])).stream("Light!", tools=[TOOL])
    assert isinstance(last, Done)
    assert "".join(frame.text for frame in frames if isinstance(frame, Delta)) == "Yes. "
    calls = [(frame.index, frame.call) for frame in frames if isinstance(frame, Call)]
    assert calls == [(0, ON), (1, OFF)]


def loop() -> Any:
    """The example as a module, with lamps of its own."""
    spec = importlib.util.spec_from_file_location("tools_example", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_calls_and_asks_again_until_there_is_an_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = loop()
    ask_state = ToolCall(id="call_3", name="lamp_state", arguments={"room": "kitchen"})
    script = Script([[done("", ON, OFF)], [done("Let me see.", ask_state)], [done("It is on.")]])
    assert example.answer(client_of(script), "Light!", max_tokens=50) == "It is on."
    assert example.LAMPS == {"kitchen": "on", "bedroom": "off"}
    last = script.asked[-1]
    assert isinstance(last, Request)
    assert last.messages
    assert [turn.role for turn in last.messages] == ["user", "assistant", "tool", "tool", "assistant", "tool"]
    assert [turn.content for turn in last.messages[1:]] == [
        "",
        "The lamp in the kitchen is now on.",
        "The lamp in the bedroom is now off.",
        "Let me see.",
        "on",
    ]
    assert (last.tool_choice, last.max_tokens) == ("auto", 50)
    assert capsys.readouterr().err.count("\n") == 3


def test_the_example_ends_with_a_model_that_never_stops_calling() -> None:
    example = loop()
    script = Script([[done("", ON)]] * example.ROUNDS + [[done("Enough.")]])
    assert example.answer(client_of(script), "Light!") == "Enough."
    choices = [request.tool_choice for request in script.asked if isinstance(request, Request)]
    assert choices == ["auto"] * example.ROUNDS + ["none"]
