"""`edge-llm web` before a real node: OpenAI's and Ollama's own clients, and what the page uses."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import pytest

from edge_llm.contract.house import Area, Device, House
from tests.common import NODE, TOPICS, eventually
from tests.conversation import Hub
from tests.processes import Broker, Nodes, Service, Web

LONG = [{"role": "user", "content": "Write a very long story about a lighthouse."}]
HELLO = [{"role": "user", "content": "What is the capital of Japan?"}]
LAMP: Any = {
    "type": "function",
    "function": {
        "name": "set_lamp",
        "description": "Switch a room's lamp on or off.",
        "parameters": {
            "type": "object",
            "required": ["state"],
            "properties": {"state": {"type": "string", "enum": ["on", "off"]}},
            "additionalProperties": False,
        },
    },
}
READING: dict[str, Any] = {
    "type": "object",
    "required": ["celsius"],
    "properties": {"celsius": {"type": "integer", "maximum": 50}},
    "additionalProperties": False,
}
HOUSE = House(
    areas=(Area(id="kitchen", name="Kitchen"),),
    devices=(Device(id="light.k", name="Ceiling lamp", kind="light", area="kitchen", attributes={}),),
)


@pytest.fixture(scope="module")
def service(module_node: Nodes) -> Service:
    return module_node(mqtt__requests_per_minute=6000, telemetry__period_s=1)


@pytest.fixture(scope="module")
def web(service: Service, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    web = Web(broker, tmp_path_factory.mktemp("web") / "log")
    yield web
    if web.process.poll() is None:
        assert web.stop() == 0


@pytest.fixture
def gpt(web: Web) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{web.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def llama(web: Web) -> Iterator[ollama.Client]:
    with ollama.Client(web.url) as client:
        yield client


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def complete(client: openai.OpenAI, **fields: Any) -> Any:
    """Any kind of completion, of messages as plain dicts."""
    create: Any = client.chat.completions.create
    return create(**({"model": "any"} | fields))


def is_idle(hub: Hub) -> bool:
    """Whether the node's newest telemetry says that nothing is in progress."""
    heard = hub.on(TOPICS.telemetry)
    return bool(heard) and json.loads(heard[-1])["llm"]["active"] == 0


def test_openai_plain_and_streamed(gpt: openai.OpenAI) -> None:
    [model] = gpt.models.list().data
    whole = complete(gpt, model=model.id, messages=HELLO, max_tokens=16, temperature=0)
    assert "Tokyo" in whole.choices[0].message.content
    assert whole.model == model.id
    *chunks, last = complete(
        gpt,
        model=model.id,
        messages=HELLO,
        max_completion_tokens=16,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert last.usage.completion_tokens == whole.usage.completion_tokens


def test_openai_tools_and_schemas(gpt: openai.OpenAI) -> None:
    asked: Any = {"tools": [LAMP], "max_tokens": 60}
    lamp = {"role": "user", "content": "Turn the lamp on."}
    message = complete(gpt, messages=[lamp], tool_choice="required", **asked).choices[0].message
    call = message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)["state"]) in (
        ("set_lamp", "on"),
        ("set_lamp", "off"),
    )
    result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
    told = [lamp, message.model_dump(exclude_none=True), result]
    assert complete(gpt, messages=told, tool_choice="none", **asked).choices[0].message.content
    form = {"type": "json_schema", "json_schema": {"name": "reading", "strict": True, "schema": READING}}
    warm = [{"role": "user", "content": "It is 21 degrees."}]
    reply = complete(gpt, messages=warm, response_format=form, max_tokens=60)
    assert json.loads(reply.choices[0].message.content)["celsius"] <= 50


def test_openai_errors(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as overflow:
        complete(gpt, messages=[{"role": "user", "content": "hi " * 20_000}])
    assert overflow.value.code == "context_length_exceeded"
    with pytest.raises(openai.APIStatusError) as large:
        complete(gpt, messages=[{"role": "user", "content": "x" * 100_000}])
    assert large.value.status_code == 413
    with pytest.raises(openai.NotFoundError):
        gpt.embeddings.create(model="any", input="x")


def test_ollama(llama: ollama.Client) -> None:
    [model] = llama.list().models
    assert model.model
    assert "tools" in (llama.show(model.model).capabilities or ())
    options = {"num_predict": 16, "temperature": 0}
    whole = llama.chat(model.model, HELLO, options=options)
    assert "Tokyo" in (whole.message.content or "")
    pieces = list(llama.chat(model.model, HELLO, options=options, stream=True))
    assert "".join(piece.message.content or "" for piece in pieces) == whole.message.content
    assert (pieces[-1].done, pieces[-1].eval_count) == (True, whole.eval_count)
    reading = llama.chat(model.model, HELLO, format=READING, options={"num_predict": 60})
    assert json.loads(reading.message.content or "")["celsius"] <= 50
    called = llama.chat(model.model, [{"role": "user", "content": "Lamp on!"}], tools=[LAMP])
    for call in called.message.tool_calls or ():
        assert call.function.arguments["state"] in ("on", "off")
    with pytest.raises(ollama.ResponseError) as overflow:
        llama.chat(model.model, [{"role": "user", "content": "hi " * 20_000}])
    assert overflow.value.status_code == 400


def test_who_closes_a_stream_ends_the_reply(gpt: openai.OpenAI, web: Web, hub: Hub) -> None:
    with complete(gpt, messages=LONG, max_tokens=4000, stream=True) as stream:
        next(iter(stream))
        request_id = next(iter(stream)).id.removeprefix("chatcmpl-")
    with httpx.stream(
        "POST", f"{web.url}/chat", json={"text": LONG[0]["content"], "max_tokens": 4000}
    ) as said:
        page_id = next(frame["id"] for name, frame in events(said) if name == "delta")

    def reasons() -> dict[str, str]:
        replies = map(json.loads, hub.on(TOPICS.reply("web")))
        return {reply["id"]: reply["finish_reason"] for reply in replies}

    eventually(lambda: {request_id, page_id} <= reasons().keys())
    assert {reasons()[each] for each in (request_id, page_id)} == {"cancelled"}
    eventually(lambda: is_idle(hub))


def test_fifty_callers_at_once_get_their_own_words_or_are_told(web: Web) -> None:
    def call(number: int) -> httpx.Response:
        words = [{"role": "user", "content": f"Repeat: number {number}"}]
        return httpx.post(
            f"{web.url}/api/chat",
            json={"model": str(number), "messages": words, "stream": False, "options": {"num_predict": 1}},
            timeout=60,
        )

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(call, range(50)))
    served = [(number, answer.json()) for number, answer in enumerate(answers) if answer.status_code == 200]
    assert served
    assert all(reply["model"] == str(number) for number, reply in served)
    others = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in others} <= {503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in others)


def test_the_pages_conversation_is_remembered_and_forgotten(web: Web, hub: Hub) -> None:
    for text in ("My name is Ada.", "What is my name?"):
        body = {"text": text, "session": "page-1", "max_tokens": 8}
        with httpx.stream("POST", f"{web.url}/chat", json=body, timeout=60) as said:
            *_, (name, done) = events(said)
        assert (name, done["session"]) == ("done", "page-1")
    first = done["usage"]["prompt_tokens"]
    assert httpx.post(f"{web.url}/forget", json={"session": "page-1"}).status_code == 204
    with httpx.stream("POST", f"{web.url}/chat", json=body, timeout=60) as said:
        *_, (name, done) = events(said)
    assert done["usage"]["prompt_tokens"] < first


def test_a_page_that_is_open_sees_the_node_and_its_house(web: Web, hub: Hub) -> None:
    hub.publish(TOPICS.house.replace("+", "tests"), HOUSE.model_dump_json(by_alias=True), retain=True)
    seen: dict[str, Any] = {}
    with httpx.stream("GET", f"{web.url}/live", timeout=60) as live:
        for name, data in events(live):
            seen[name] = data
            if {"state", "info", "telemetry", "house"} <= seen.keys() and seen["house"]["devices"]:
                break
    assert seen["state"] == {"state": "online"}
    assert (seen["info"]["node"], seen["telemetry"]["node"]) == (NODE, NODE)
    [device] = seen["house"]["devices"]
    assert (device["name"], device["area"], device["moved_by_node"]) == ("Ceiling lamp", "kitchen", False)


def test_it_is_small_and_without_an_engine(web: Web) -> None:
    mapped = Path(f"/proc/{web.process.pid}/maps").read_text()
    assert "onnxruntime" not in mapped
    memory = Path(f"/proc/{web.process.pid}/smaps_rollup").read_text()
    [pss_kb] = [int(line.split()[1]) for line in memory.splitlines() if line.startswith("Pss:")]
    assert pss_kb < 80_000


def test_it_ends_in_order_while_pages_are_open(web: Web, service: Service) -> None:
    with httpx.stream("GET", f"{web.url}/live", timeout=60) as live:
        next(events(live))
        assert web.stop() == 0
