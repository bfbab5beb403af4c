"""What is read of a payload: nothing is mistaken, and an id is found whatever else is wrong."""

import hashlib
import json
import time
from typing import Any

import pytest

from edge_llm.config import MqttSettings
from edge_llm.contract.requests import (
    Prefill,
    Request,
    SessionCommand,
    digest,
    parse,
    parse_cancel,
    parse_request_id,
    unreadable,
)
from edge_llm.errors import RequestError

BOM = b"\xef\xbb\xbf"


def read(payload: bytes | str, kind: str = "request") -> Any:
    return parse(kind, payload.encode() if isinstance(payload, str) else payload, 16384)


def refusal(payload: bytes | str, kind: str = "request") -> str:
    with pytest.raises(RequestError) as refused:
        read(payload, kind)
    assert refused.value.code == "bad_request"
    return str(refused.value)


@pytest.mark.parametrize(
    ("payload", "prompt"),
    [
        (BOM + b'{"text": "hi"}', "hi"),
        (BOM + b"hi", "hi"),
        (b' \n\t{"text": "hi"}\n', "hi"),
        ('\xa0{"text": "hi"}', "hi"),
        (b'{"text": "hi"}\0', "hi"),
        (b"hi\0\0", "hi"),
        (b"hi\n", "hi\n"),
        (b'"Good night!"', '"Good night!"'),
        (b"[urgent] Is the door shut?", "[urgent] Is the door shut?"),
        (b"42", "42"),
        (b"null", "null"),
        (b'{"text": "a\\u0000b"}', "a\0b"),
    ],
)
def test_a_brace_decides_and_nothing_else(payload: bytes | str, prompt: str) -> None:
    assert read(payload).text == prompt


def conversation(*turns: tuple[str, str]) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in turns]})


BLANK = [
    *("", " \n", BOM, b"\0"),
    *('{"text": ""}', '{"text": " \\n"}', '{"text": "\\ufeff"}', '{"text": "", "system": "x"}'),
]


@pytest.mark.parametrize(
    "payload", [*BLANK, conversation(("user", "")), conversation(("system", "x"), ("user", " "))]
)
def test_blank_is_blank_in_every_form(payload: bytes | str) -> None:
    assert refusal(payload) == "the prompt is empty"


def test_an_empty_reply_before_is_no_empty_prompt() -> None:
    assert len(read(conversation(("user", "hi"), ("assistant", ""), ("user", "hi?"))).messages) == 3


def test_a_prefill_of_nothing_is_refused_in_every_form() -> None:
    assert refusal(" ", "prefill") == "the prompt is empty"
    assert refusal('{"system": " "}', "prefill") == "the prompt is empty"
    assert isinstance(read('{"system": "rules"}', "prefill"), Prefill)


@pytest.mark.parametrize(
    "payload", ["{", "{room} is cold", '{"text": "hi"', "{'text': 'hi'}", '{"text": "hi"} {}', "{" * 5000]
)
def test_a_brace_without_json_is_told_what_decides(payload: str) -> None:
    text = refusal(payload)
    assert text.startswith("what begins with { is read as JSON, and this is none")
    assert '{"text": "{..."}' in text


def test_a_list_is_not_a_prompt() -> None:
    assert '{"messages": [...]}' in refusal('[{"role": "user", "content": "hi"}]')


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("payload", ["Is it warm?", '{"id": "7", "text": "Is it warm?"}'])
def test_another_encoding_is_not_a_prompt(encoding: str, payload: str) -> None:
    assert "send UTF-8" in refusal(payload.encode(encoding))


def test_a_prompt_in_latin_1_is_refused() -> None:
    assert refusal("Ist es in der Küche warm?".encode("latin-1")) == "not UTF-8 at byte 15"


def test_an_error_names_the_field_in_plain_words() -> None:
    assert refusal('{"id": "7"}') == "give either text or messages"
    assert refusal('{"text": "hi", "max_token": 3}').startswith("max_token: ")


@pytest.mark.parametrize("number", [42, 0, -7])
def test_a_whole_number_is_an_id(number: int) -> None:
    request = read(json.dumps({"id": number, "text": "hi", "session": number}))
    assert (request.id, request.session) == (str(number), str(number))
    same = read(json.dumps({"id": str(number), "text": "hi", "session": str(number)}))
    assert digest("request", request) == digest("request", same)
    command = read(json.dumps({"op": "get", "session": number, "transaction": number}), "session")
    assert isinstance(command, SessionCommand)
    assert (command.session, command.id) == (str(number), str(number))


@pytest.mark.parametrize("wrong", [True, None, 4.5, [42], 10**70, "a b", ""])
def test_no_other_value_is(wrong: object) -> None:
    assert refusal(json.dumps({"id": wrong, "text": "hi"})).startswith("id")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"list\n", "list"),
        (BOM + b"list", "list"),
    ],
)
def test_a_command_in_plain_text_may_end_in_a_line_end(payload: bytes, expected: str) -> None:
    assert read(payload, "session").op == expected


@pytest.mark.parametrize(
    "payload", [b"7", b"7\n", b'"7"', b'{"id": "7"}', b'{"id": 7}', BOM + b'{"id": 7}', b"7\0"]
)
def test_a_cancel_is_read_in_every_form(payload: bytes) -> None:
    assert parse_cancel(payload) == "7"


def test_a_prompt_of_five_thousand_tokens_is_within_the_default_limit() -> None:
    """Home Assistant's for its demo house: rules, entities and 24 tools are 21 KB, as JSON in JSON more."""
    tools = json.dumps([{"name": f"HassTool{n}", "parameters": {"type": "object"}} for n in range(450)])
    system = "You control a house.\n" + tools
    payload = json.dumps({"messages": [{"role": "system", "content": system}]}).encode()
    assert len(payload) > 30_000
    parsed = parse("prefill", payload, MqttSettings().request_bytes)
    assert isinstance(parsed, Prefill)
    assert parsed.conversation()[0].content == system


LONG = "x" * 20000
UNREADABLE = [
    '{"id": "7", "text": 5}',
    '{"text": "hi", "id": 7}',
    f'{{"id": "7", "text": "{LONG}"}}',
    f'{{"text": "{LONG}", "id": "7"}}',
    f'{{"text": "{LONG}", "custom": {{"id": "8"}}, "id": "7"}}',
    '{"messages": [{"id": "8"}], "id": "7"}',
    '{"text": "say \\"id\\": \\"8\\" twice", "id": "7"}',
    '{"text": "}{][ \\\\", "id" : "7" }',
    '{"custom": "id", "id": "7"}',
    '{"id": "7", "text": "cut',
    '{"id": "7"',
    '{"id": "7", "text": "two"} {"id": "8"}',
    "{'id': '7', 'text': 'hi'}",
    "{id: 7, text: 'it\\'s cold'}",
    '{"id": "\\u0037", "text": 5}',
    "{" + '"id": "7", "v": 2, "text": "hi"}',
    '{"id": "7", "text": ' + "[" * 5000,
]


@pytest.mark.parametrize("payload", UNREADABLE)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_an_id_is_found_whatever_else_is_wrong(payload: str, encoding: str) -> None:
    assert parse_request_id(payload.encode(encoding)) == "7"


def test_an_id_is_found_in_what_is_not_utf_8() -> None:
    assert parse_request_id('{"text": "Küche", "id": "7"}'.encode("latin-1")) == "7"


@pytest.mark.parametrize("wrong", ["a b", "Küche", "x" * 200, "4.5"])
def test_an_id_that_is_itself_wrong_is_given_back(wrong: str) -> None:
    assert parse_request_id(json.dumps({"id": wrong, "text": "hi"}).encode()) == wrong


@pytest.mark.parametrize(
    "payload",
    [
        '{"text": "hi"}',
        '{"id": null}',
        '{"id": {"id": "7"}}',
        '{"id": "' + "x" * 300 + '"}',
        'Is "id": "7" JSON?',
        '[{"id": "7"}]',
        '{"custom": {"id": "7"}}',
        "",
    ],
)
def test_no_id_is_invented_of_something_else(payload: str) -> None:
    found = parse_request_id(payload.encode())
    assert len(found) == 32
    assert found != parse_request_id(payload.encode())


@pytest.mark.parametrize("junk", [b'"', b'\\"', b"{", b'"a":', b"'", b"\\", b"a ", b'{"id":'])
def test_looking_for_an_id_takes_no_time(junk: bytes) -> None:
    """Two megabytes, the most that a broker may hand over."""
    payload = b'{"a": "' + junk * (2**21 // len(junk))
    began = time.process_time()
    for text in (payload, payload.replace(b'"', b"", 2)):
        parse_request_id(text)
    assert time.process_time() - began < 1


def test_custom_comes_back_where_it_can_be_read() -> None:
    assert unreadable("request", b'{"txt": 1, "custom": [1]}', 100).custom == [1]
    assert unreadable("request", b'{"txt": 1, "custom": [1]}', 10).custom is None
    assert unreadable("request", b'{"txt": 1, "custom": [1', 100).custom is None
    deep = b'{"txt": 1, "custom": ' + b"[" * 50 + b"]" * 50 + b"}"
    assert unreadable("request", deep, 1000).custom is None
    assert isinstance(unreadable("session", b'{"transaction": "7"}', 100), Request)


@pytest.mark.parametrize(
    "field",
    [
        '"min_p": 1.1',
        '"min_p": -0.1',
        '"repetition_penalty": 0',
        '"repetition_penalty": 9',
        '"frequency_penalty": 3',
        '"presence_penalty": -2.5',
        '"presence_penalty": "much"',
    ],
)
def test_a_penalty_out_of_range_is_refused_by_its_name(field: str) -> None:
    with pytest.raises(RequestError, match=field.split('"')[1]) as refused:
        parse("request", f'{{"text": "hi", {field}}}'.encode(), 1000)
    assert refused.value.code == "bad_request"


def test_a_request_has_the_digest_that_an_older_node_wrote_into_its_log() -> None:
    """Else a request that comes again after an upgrade would be refused as another one under the same id."""
    older = (
        '{"v":1,"text":"hi","messages":null,"session":null,"system":null,"stream":true,"max_tokens":5,'
        '"temperature":null,"top_p":null,"top_k":null,"seed":null,"stop":[],"timeout_s":null,"ttl_s":null,'
        '"custom":null}'
    )
    request = Request(id="1", text="hi", max_tokens=5)
    assert digest("request", request) == hashlib.sha256(f"request {older}".encode()).digest()
    assert digest("request", request.model_copy(update={"min_p": 0.1})) != digest("request", request)
