"""Tools, calls and schemas on the wire: OpenAI's form and the short one, bounds, and one-line refusals."""

import hashlib
import json
import re
from typing import Any

import pytest

from edge_llm.contract.frames import FRAMES, Call, Done, Sessions, TimingMs, Usage
from edge_llm.contract.requests import Prefill, digest, parse
from edge_llm.contract.tools import MAX_DEPTH, MAX_SCHEMA_BYTES, MAX_TOOLS, NamedTool, ToolCall
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.errors import RequestError

DIARY = "the-diary-of-the-house "


def tool(name: str = "set_lamp", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def read(kind: str = "request", **fields: Any) -> Any:
    return parse(kind, json.dumps({"text": "hi"} | fields if kind == "request" else fields).encode(), 2**20)


def call(arguments: Any, **fields: Any) -> dict[str, Any]:
    """An assistant's turn in OpenAI's form, and what goes before and after it."""
    made = {"id": "1", "type": "function", "function": {"name": "set_lamp", "arguments": arguments}, **fields}
    turn = {"role": "assistant", "content": None, "tool_calls": [made]}
    return {
        "text": None,
        "messages": [{"role": "user", "content": "On!"}, turn, {"role": "tool", "content": "done"}],
    }


def refusal(kind: str = "request", **fields: Any) -> str:
    with pytest.raises(RequestError) as refused:
        read(kind, **fields)
    assert refused.value.code == "bad_request"
    text = str(refused.value)
    assert DIARY not in text
    assert len(text) < 300
    assert "\n" not in text
    return text


SCHEMA = {"type": "object", "properties": {"room": {"enum": ["kitchen", None]}}, "default": None}


def test_tools_are_read_in_openais_form_and_their_schemas_are_kept_as_they_are() -> None:
    request = read(tools=[tool(description="Lamps", parameters=SCHEMA, strict=True), tool("other")])
    first, second = request.tools
    assert (first.function.name, first.function.parameters, second.function.parameters) == (
        "set_lamp",
        SCHEMA,
        None,
    )
    assert read("prefill", tools=[tool()]).tools[0].function.name == "set_lamp"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"name": "set_lamp"}, NamedTool(name="set_lamp")),
        ({"type": "function", "function": {"name": "set_lamp"}}, NamedTool(name="set_lamp")),
    ],
)
def test_a_tool_choice_is_read_in_both_forms(choice: Any, expected: Any) -> None:
    assert read(tools=[tool()], tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize(
    "form",
    [
        {"type": "json_schema", "schema": SCHEMA},
        {"type": "json_schema", "json_schema": {"name": "reading", "strict": True, "schema": SCHEMA}},
        {"type": "json_schema", "schema": {"type": "object", "properties": {"schema": SCHEMA}}},
    ],
)
def test_a_response_format_is_read_in_both_forms_and_written_as_it_is_read(form: Any) -> None:
    request = read(response_format=form)
    assert request.response_format.json_schema == form.get("schema", SCHEMA)
    again = parse("request", request.model_dump_json(exclude_none=True).encode(), 9999)
    assert again == request


@pytest.mark.parametrize("arguments", ['{"room": "küche", "level": null}', {"room": "küche", "level": None}])
def test_a_call_is_read_in_both_forms(arguments: Any) -> None:
    expected = ToolCall(id="1", name="set_lamp", arguments={"room": "küche", "level": None})
    openai = read(**call(arguments))
    ours = call({})
    ours["messages"][1]["tool_calls"] = [{"id": "1", "name": "set_lamp", "arguments": arguments}]
    assert openai.messages[1].tool_calls == read(**ours).messages[1].tool_calls == (expected,)
    assert openai.messages[1].content == ""
    again = parse("request", openai.model_dump_json(exclude_none=True).encode(), 9999)
    assert again.conversation() == openai.conversation()  # type: ignore[union-attr] # both are requests


def test_a_call_without_arguments_has_none() -> None:
    assert read(**call("")).messages[1].tool_calls[0].arguments == {}


def test_a_conversation_may_end_in_an_empty_result() -> None:
    body = call("{}")
    body["messages"][-1]["content"] = ""
    assert read(**body).messages[-1] == Turn(role="tool", content="")


DEEP = {"a": json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)}
SCHEMA_FORM = {"type": "json_schema", "schema": {}}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tools": []}, "tools: "),
        ({"tools": [tool(f"t{n}") for n in range(MAX_TOOLS + 1)]}, f"tools: .* {MAX_TOOLS} items"),
        ({"tools": [tool(), tool("b"), tool()]}, "tools: two tools have the name set_lamp"),
        ({"tools": [tool(DIARY)]}, r"tools\.0\.function\.name: "),
        ({"tools": [tool(parameters={"type": "string"})]}, r"tools\.0\.function: parameters: .* object"),
        ({"tools": [tool(parameters=DIARY)]}, r"tools\.0\.function\.parameters: "),
        ({"tools": [tool(parameters={"a": DIARY * 9999})]}, r"tools\.0\.function\.parameters: .* bytes"),
        ({"tools": [tool(parameters=DEEP)]}, r"tools\.0\.function\.parameters: nested deeper than 64"),
        ({"tools": [tool(parameters={"a": float("nan")})]}, r"tools\.0\.function\.parameters: NaN"),
        ({"tools": [tool(parametres={})]}, r"tools\.0\.function\.parametres: "),
        ({"tools": [{"function": {"name": "a"}, "type": "retrieval"}]}, r"tools\.0\.type: "),
        ({"tools": [{"function": {"name": "a"}, "x" * 9999: 1}]}, r"tools\.0\.x{64}: "),
        ({"a\nb": 1}, "^a b: "),
        ({"tool_choice": "required"}, "tool_choice: there are no tools to call"),
        ({"tool_choice": {"name": "set_lamp"}}, "tool_choice: no tool has the name set_lamp"),
        ({"tools": [tool()], "tool_choice": {"name": "b"}}, "tool_choice: no tool has the name b"),
        ({"tools": [tool()], "tool_choice": DIARY}, "^tool_choice: Input should be 'auto'"),
        ({"tools": [tool()], "response_format": SCHEMA_FORM}, 'response_format: .* tool_choice is "none"'),
        ({"response_format": {"type": "json_object"}}, r"response_format\.type: "),
        ({"response_format": {"type": "json_schema"}}, r"response_format\.schema: "),
        ({"response_format": SCHEMA_FORM | {"schema": DEEP}}, r"response_format\.schema: nested deeper"),
        (call(DIARY), r"messages\.1\.tool_calls\.0: arguments: not JSON"),
        (call("[1]"), r"messages\.1\.tool_calls\.0\.arguments: "),
        (call('{"a": NaN}'), r"messages\.1\.tool_calls\.0\.arguments: NaN"),
        (call('{"a": 1e999}'), r"messages\.1\.tool_calls\.0\.arguments: NaN, Infinity"),
        (call('{"a": "\\ud800"}'), r"messages\.1\.tool_calls\.0\.arguments: .* half surrogate pairs"),
        (call(json.dumps(DEEP)), r"messages\.1\.tool_calls\.0\.arguments: nested deeper than 64"),
        (call(DEEP), r"messages\.1\.tool_calls\.0\.arguments: nested deeper than 64"),
        (call({}, function={"arguments": "{}"}), r"messages\.1\.tool_calls\.0\.name: "),
        (
            {"text": None, "messages": [{"role": "user", "content": "x", "tool_calls": [{}]}]},
            r"messages\.0\.tool_calls\.0",
        ),
        ({"text": None, "messages": [{"role": "user"}]}, r"messages\.0: content: "),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_that_names_the_place(fields: dict[str, Any], words: str) -> None:
    text = refusal(**fields)
    assert re.search(words, text), text


@pytest.mark.parametrize("levels", [900, 10_000, 100_000])
@pytest.mark.parametrize("where", ["tools", "response_format", "arguments", "arguments as a string"])
def test_ten_thousand_nested_lists_are_a_bad_request(where: str, levels: int) -> None:
    deep = "[" * levels + "]" * levels
    texts = {
        "tools": f'{{"text": "x", "tools": [{{"function": {{"name": "f", "parameters": {deep}}}}}]}}',
        "response_format": f'{{"text": "x", "response_format": {{"type": "json_schema", "schema": {deep}}}}}',
        "arguments": json.dumps(call("@")).replace('"@"', f'{{"a": {deep}}}'),
        "arguments as a string": json.dumps(call(f'{{"a": {deep}}}')),
    }
    with pytest.raises(RequestError) as refused:
        parse("request", texts[where].encode(), 2**20)
    assert refused.value.code == "bad_request"
    assert len(str(refused.value)) < 100


def test_the_bounds_themselves_are_allowed() -> None:
    assert len(read(tools=[tool(f"t{n}") for n in range(MAX_TOOLS)]).tools) == MAX_TOOLS
    largest = {"a": "x" * (MAX_SCHEMA_BYTES - len('{"a": ""}'))}
    assert read(tools=[tool(parameters=largest)]).tools[0].function.parameters == largest
    deepest = {"a": DEEP["a"][0]}
    assert read(tools=[tool(parameters=deepest)]).tools[0].function.parameters == deepest


def test_a_prefill_needs_something() -> None:
    assert refusal("prefill") == "give system, messages or tools"
    assert refusal("prefill", tools=[tool()], system=" ") == "the prompt is empty"


def test_a_request_with_plain_turns_has_the_digest_that_an_older_node_wrote_into_its_log() -> None:
    older = (
        '{"v":1,"text":null,"messages":[{"role":"system","content":"Be brief."},'
        '{"role":"user","content":"hi"},{"role":"assistant","content":""},{"role":"user","content":"ö?"}],'
        '"session":null,"system":null,"stream":true,"max_tokens":null,'
        '"temperature":null,"top_p":null,"top_k":null,"seed":null,"stop":[],"timeout_s":null,"ttl_s":null,'
        '"custom":null}'
    )
    request = parse("request", json.dumps({"id": "1", **json.loads(older)}).encode(), 9999)
    assert digest("request", request) == hashlib.sha256(f"request {older}".encode()).digest()
    prefill = '{"v":1,"system":"rules","messages":[],"custom":null}'
    assert (
        digest("prefill", Prefill(system="rules")) == hashlib.sha256(f"prefill {prefill}".encode()).digest()
    )


def test_what_is_new_in_a_request_is_in_its_digest() -> None:
    plain = {"id": "1"}
    bodies: list[dict[str, Any]] = [
        plain,
        plain | {"tools": [tool()]},
        plain | {"tools": [tool()], "tool_choice": "required"},
        plain | {"response_format": {"type": "json_schema", "schema": SCHEMA}},
        plain | {"response_format": {"type": "json_schema", "schema": {}}},
        plain | call('{"a": 1}'),
        plain | call('{"a": 2}'),
    ]
    assert len({digest("request", read(**body)) for body in bodies}) == len(bodies)
    assert digest("request", read(**call('{"a":  1}', id="x"))) == digest(
        "request", read(**call({"a": 1}, id="x"))
    )


@pytest.mark.parametrize("device_ids", [(), ("light.a", "light.b")])
def test_calls_come_through_frames_with_their_nulls_and_without_token_ids(
    device_ids: tuple[str, ...],
) -> None:
    arguments = {"room": "kitchen", "level": None}
    made = ToolCall(id="call_1", name="set_lamp", arguments=arguments, device_ids=device_ids)
    frame = Call(id="1", node="n", seq=0, index=0, call=made)
    assert FRAMES.validate_json(frame.encode()) == frame
    done = Done(
        id="1",
        node="n",
        seq=1,
        text="",
        calls=(made,),
        finish_reason="tool_calls",
        model="m",
        usage=Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1, forced_tokens=1),
        timing_ms=TimingMs(queue=0, prefill=0, ttft=0, total=0),
        tokens_per_second=1,
    )
    assert FRAMES.validate_json(done.encode()) == done
    assert b'"calls"' not in done.model_copy(update={"calls": None}).encode()
    turn = GeneratedTurn(role="assistant", content="", tool_calls=(made,), token_ids=(1,))
    kept = Sessions(id="1", node="n", seq=0, op="get", sessions=("s",), messages=(turn,))
    assert b"token_ids" not in kept.encode()
    read_again = FRAMES.validate_json(kept.encode())
    assert isinstance(read_again, Sessions)
    assert read_again.messages == (Turn(role="assistant", content="", tool_calls=(made,)),)
