"""Requests with tools and schemas through the responder, with an engine whose events the test writes."""

from pathlib import Path
from typing import Any

import pytest

from edge_llm.config import SessionsSettings
from edge_llm.contract.frames import Done, Sessions
from edge_llm.contract.requests import Request
from edge_llm.contract.tools import ToolCall
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.types import CallEvent, Started, TokenEvent
from edge_llm.errors import RequestError
from edge_llm.gateway.reply import Reply
from tests.unit.node.fake_node import Node

TOOLS = [{"type": "function", "function": {"name": "set_lamp", "parameters": {"type": "object"}}}]
SCHEMA = {"type": "json_schema", "schema": {"type": "object"}}
ON = ToolCall(id="call_1", name="set_lamp", arguments={"room": "küche"})
OFF = ToolCall(id="call_2", name="set_lamp", arguments={"room": "bath", "level": None})


def ask(node: Node, **fields: Any) -> Reply:
    request = Request.model_validate({"text": "Light!"} | fields, strict=False)
    reply = node.submit("request", request.model_dump_json(exclude_none=True).encode())
    node.responder.prepare(reply)
    return reply


@pytest.mark.parametrize(
    ("choice", "expected"), [(None, "auto"), ("auto", "auto"), ("none", "none"), ("required", "required")]
)
def test_the_engine_is_given_the_tools_whatever_the_choice_is(choice: str | None, expected: str) -> None:
    node = Node()
    ask(node, tools=TOOLS, tool_choice=choice)
    request = node.engine.sequences[0].request
    assert [tool.function.name for tool in request.tools] == ["set_lamp"]
    assert (request.tool_choice, request.response_schema) == (expected, None)


def test_the_engine_is_given_the_schema_and_a_prefills_tools() -> None:
    node = Node()
    ask(node, response_format=SCHEMA)
    assert node.engine.sequences[0].request.response_schema == {"type": "object"}
    node.submit("prefill", b'{"tools": [{"function": {"name": "set_lamp"}}]}')
    prefill = node.engine.sequences[1].request
    assert (prefill.prefill_only, prefill.turns, len(prefill.tools)) == (True, (), 1)


def test_a_request_without_tools_asks_for_no_constraint() -> None:
    node = Node(constrained=False)
    ask(node)
    request = node.engine.sequences[0].request
    assert (request.tools, request.response_schema) == ((), None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tools": TOOLS}, "tools"),
        ({"tools": TOOLS, "tool_choice": "required"}, "tools"),
        ({"response_format": SCHEMA}, "response_format"),
        ({"response_format": SCHEMA, "tools": TOOLS, "tool_choice": "none"}, "response_format"),
    ],
)
def test_without_constraints_what_needs_them_is_refused_by_the_settings_name(
    fields: dict[str, Any], field: str
) -> None:
    node = Node(constrained=False)
    with pytest.raises(RequestError, match=f"^{field}: .*engine.constraints") as refused:
        ask(node, **fields)
    assert refused.value.code == "bad_request"
    assert node.engine.sequences == []
    ask(node, tools=TOOLS, tool_choice="none")  # whose reply is text
    assert len(node.engine.sequences) == 1


def test_calls_are_streamed_and_all_of_them_are_in_done() -> None:
    node = Node()
    reply = ask(node, tools=TOOLS)
    emit = node.engine.sequences[0].emit
    for event in (Started(5), TokenEvent("Yes. "), CallEvent(0, ON), CallEvent(1, OFF)):
        emit(event)
    frames = [frame for frame in reply.drain(flowing=True) if frame.type != "status"]
    assert [frame.type for frame in frames] == ["delta", "call", "call"]
    node.end(0, "Yes. ", calls=(ON, OFF))
    done = node.terminal(reply)
    assert isinstance(done, Done)
    assert (done.text, done.calls, done.finish_reason) == ("Yes. ", (ON, OFF), "tool_calls")


def test_a_reply_without_calls_has_none() -> None:
    node = Node()
    reply = ask(node, tools=TOOLS)
    node.end(0, "No.")
    assert node.terminal(reply).calls is None


def test_a_session_keeps_calls_with_their_ids_and_the_results_that_a_request_brings(tmp_path: Path) -> None:
    node = Node(SessionsSettings(file=tmp_path / "s.db"))
    first = ask(node, tools=TOOLS, session="s", system="Be brief.")
    node.end(0, "", (4, 5, 6), calls=(ON,))
    node.terminal(first)
    result = Turn(role="tool", tool_call_id="call_1", name="set_lamp", content="")
    second = ask(node, text=None, messages=(result,), tools=TOOLS, session="s")
    history = (
        Turn(role="user", content="Light!"),
        GeneratedTurn(role="assistant", content="", tool_calls=(ON,), token_ids=(4, 5, 6)),
    )
    assert node.engine.histories[node.engine.sequences[1]] == history
    node.end(1, "It is on.", None)
    node.terminal(second)
    shown = node.submit("session", b'{"op": "get", "session": "s"}')
    node.responder.prepare(shown)
    answer = node.terminal(shown)
    assert isinstance(answer, Sessions)
    assert answer.messages == (*history, result, Turn(role="assistant", content="It is on."))
    assert b"token_ids" not in answer.encode()
