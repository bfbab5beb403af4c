"""The parts of custom_components that need no Home Assistant: what they send and read is the contract's."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from edge_llm.config import DOCUMENTS_ID
from edge_llm.contract import frames
from edge_llm.contract.house import House, parse_house
from edge_llm.contract.node import DocumentsInfo, Papers, RequestLimits, Source
from edge_llm.contract.requests import Request, parse, parse_cancel
from edge_llm.contract.tools import ToolCall
from edge_llm.contract.topics import Topics
from edge_llm.house.actions import ACTIONS, actions_of, capabilities_of
from edge_llm.house.language.words import words_of

INTEGRATION = Path(__file__).parents[2] / "custom_components/edge_llm"
TRANSLATIONS = sorted((INTEGRATION / "translations").glob("*.json"))
HEADER: dict[str, Any] = {"id": "7", "node": "n", "seq": 0, "session": None, "custom": None}


def load(name: str) -> ModuleType:
    """A module of the integration, without the package, which imports Home Assistant."""
    spec = importlib.util.spec_from_file_location(
        f"edge_llm_integration_{Path(name).name}", INTEGRATION / f"{name}.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


wire, capabilities = load("node/wire"), load("house/capabilities")


def house_of(device: dict[str, Any]) -> House:
    return parse_house(json.dumps({"devices": [device]}).encode())


def test_topics_are_those_of_the_contract() -> None:
    ours, theirs = wire.Topics("home/llm", "kitchen-pc"), Topics("home/llm", "kitchen-pc")
    assert ours.request == theirs.request("homeassistant")
    assert ours.cancel == theirs.cancel("homeassistant")
    assert ours.prefill == theirs.prefill("homeassistant")
    assert ours.stream == theirs.stream("homeassistant")
    assert (ours.state, ours.info) == (theirs.state, theirs.info)
    assert theirs.house_source(ours.house) == "homeassistant"


def test_the_documents_service_is_known_by_its_id_and_its_info() -> None:
    info = DocumentsInfo(
        version="1",
        node=DOCUMENTS_ID,
        protocol="5",
        limits=RequestLimits(request_bytes=1, queue=1, requests_per_minute=1, ttl_s=1),
        papers=Papers(documents=1, passages=1),
    )
    assert wire.DOCUMENTS == DOCUMENTS_ID
    assert wire.is_documents(wire.read_info(info.encode()))
    assert not wire.is_documents({"node": "kitchen-pc"})


@pytest.mark.parametrize(
    ("custom", "documents"),
    [
        ({"sources": [{"document": "a.pdf", "title": "A", "heading": "", "page": 3}]}, ["a.pdf"]),
        ({"sources": [{"document": "b.md"}, 5, {}]}, ["b.md"]),
        ({"sources": 5}, []),
        ([1], []),
        (None, []),
    ],
)
def test_sources_are_read_whatever_else_there_is(custom: Any, documents: list[str]) -> None:
    frame = HEADER | {"type": "done", "text": "Hello", "custom": custom}
    _, done = wire.read_frame(json.dumps(frame))
    assert (done.text, [source.document for source in done.sources]) == ("Hello", documents)
    assert {field.name for field in dataclasses.fields(wire.Source)} <= set(Source.model_fields)


def test_a_sentence_is_a_request_and_so_is_what_became_of_its_calls() -> None:
    house = {"v": 1, "source": "homeassistant", "devices": [{"id": "light.a", "name": "A", "kind": "light"}]}
    sentence = wire.sentence("1", "Turn it on", session="s", area="hall", system="Be brief.", house=house)
    request = parse("request", sentence.encode(ttl_s=10).encode(), 65536)
    assert isinstance(request, Request)
    assert (request.act, request.ttl_s, request.context_area) == ("auto", 10, "hall")
    assert request.house == parse_house(json.dumps(house).encode())

    results = wire.report("2", "s", {"call_1": True, "call_2": False})
    reported = parse("request", results.encode().encode(), 65536)
    assert isinstance(reported, Request)
    assert [(r.id, r.ok) for r in reported.results or ()] == [("call_1", True), ("call_2", False)]
    assert parse_cancel(b"01J0") == "01J0"


def test_tools_and_schemas_are_asked_for_as_the_contract_has_them() -> None:
    call = {"id": "c", "name": "GetWeather", "arguments": {}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "{}", "tool_call_id": "c", "name": "GetWeather"},
    ]
    tool = {"type": "function", "function": {"name": "GetWeather", "parameters": {"type": "object"}}}
    for may_call, choice in ((True, None), (False, "none")):
        asked = wire.chat("1", messages, tools=[tool], may_call=may_call).encode(ttl_s=10)
        request = parse("request", asked.encode(), 65536)
        assert isinstance(request, Request)
        assert request.tool_choice == choice
    schema = {"type": "object", "properties": {"rain": {"type": "boolean"}}}
    request = parse("request", wire.chat("1", messages[:2], schema=schema).encode().encode(), 65536)
    assert isinstance(request, Request)
    assert request.response_format
    prefill = wire.Request("1", {"messages": messages[:1], "tools": [tool]})
    assert parse("prefill", prefill.encode().encode(), 65536)


def test_frames_are_read_as_a_node_writes_them() -> None:
    call = ToolCall(id="c", name="HassTurnOn", arguments={"name": "A"}, device_ids=("homeassistant:light.a",))
    done = {"finish_reason": "stop", "model": "m", "tokens_per_second": 1.0}
    usage = frames.Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1)
    timing = frames.TimingMs(queue=0, prefill=0, ttft=1, total=1)
    written = [
        frames.Status(**HEADER, state="queued"),
        frames.Delta(**HEADER, text="Hi"),
        frames.Call(**HEADER, index=0, call=call),
        frames.Done(**HEADER, text="Hi", calls=(call,), usage=usage, timing_ms=timing, **done),
        frames.Done(
            **HEADER, text="?", act=frames.Act(outcome="confirm"), usage=usage, timing_ms=timing, **done
        ),
        frames.Error(**HEADER, code="busy", message="", retryable=True, retry_after_ms=500),
        frames.Error(**HEADER, code="internal", message="", retryable=False),
    ]
    read_call = wire.Call("c", "HassTurnOn", {"name": "A"}, ("light.a",))
    read = [
        wire.Progress(),
        wire.Delta("Hi"),
        read_call,
        wire.Done("Hi", (read_call,), None),
        wire.Done("?", (), "confirm"),
        wire.Failure("busy", 0.5),
        wire.Failure("internal"),
    ]
    assert [wire.read_frame(each.encode()) for each in written] == [("7", each) for each in read]
    assert wire.read_frame(b"{") is wire.read_frame(b"[]") is wire.read_frame(b'{"id": 1}') is None


@pytest.mark.parametrize("conversation", ["01JX", "a b", "ä", "x" * 65])
def test_every_conversation_has_a_legal_session(conversation: str) -> None:
    request = wire.sentence("1", "Hi", session=wire.session_of(conversation)).encode()
    assert parse("request", request.encode(), 65536)


@pytest.mark.parametrize(
    ("domain", "attributes", "actions"),
    [
        ("light", {"supported_color_modes": ["onoff"]}, {"on", "off"}),
        ("light", {"supported_color_modes": ["color_temp", "hs"]}, {"brighter", "color", "brightness"}),
        ("cover", {"supported_features": 3}, {"open", "close"}),
        ("cover", {"supported_features": 15}, {"open", "close", "stop", "position"}),
        ("fan", {"supported_features": 57, "preset_modes": ["eco"]}, {"speed", "mode"}),
        ("lock", {}, {"lock", "unlock"}),
        ("vacuum", {"supported_features": 8208}, {"start", "dock"}),
        ("media_player", {"supported_features": 152509}, {"on", "play", "pause", "volume", "louder"}),
        ("todo", {"supported_features": 1}, {"add_item"}),
        ("select", {"options": ["a", "b"]}, {"option"}),
        ("scene", {}, {"activate"}),
        ("sensor", {"state_class": "measurement"}, set()),
    ],
)
def test_an_entity_can_do_what_its_features_say(
    domain: str, attributes: dict[str, Any], actions: set[str]
) -> None:
    described = capabilities.capabilities_of(domain, attributes)
    device = {"id": "x", "name": "X", "kind": domain, "capabilities": described}
    parsed = house_of(device).devices[0]
    found = {action.id for action in actions_of(parsed)}
    assert found >= actions
    assert bool(found) == bool(actions)


def test_ranges_are_those_of_the_entity() -> None:
    attributes = {"supported_features": 385, "min_temp": 7, "max_temp": 35, "hvac_modes": ["heat", "off"]}
    described = capabilities.capabilities_of("climate", attributes)
    device = house_of({"id": "x", "name": "X", "kind": "climate", "capabilities": described}).devices[0]
    temperature = capabilities_of(device).temperature
    assert temperature
    assert (temperature.min, temperature.max, temperature.step) == (7, 35, 0.5)
    assert described["on_off"]
    assert described["mode"] == ["heat", "off"]


def test_colors_are_known_in_every_language() -> None:
    assert set(capabilities.COLORS) <= set(words_of("en").colors)
    assert "color" in ACTIONS


@pytest.mark.parametrize("name", ["a\nb", "  a  b ", "a" * 300, "\x7f"])
def test_names_are_as_the_contract_takes_them(name: str) -> None:
    clean = capabilities.clean_name(name)
    device = {"id": "x", "name": clean or "x", "kind": "light"}
    assert house_of(device).devices[0].name == (clean or "x")


def keys(tree: Any, path: str = "") -> set[str]:
    if not isinstance(tree, dict):
        return {path}
    return {key for name, part in tree.items() for key in keys(part, f"{path}.{name}")}


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda path: str(path.stem))
def test_translations_say_the_same_things(path: Path) -> None:
    english = json.loads((INTEGRATION / "translations/en.json").read_text())
    assert keys(json.loads(path.read_text())) == keys(english)


def test_what_is_shipped_is_whole() -> None:
    manifest = json.loads((INTEGRATION / "manifest.json").read_text())
    assert manifest["mqtt"] == [Topics("edge_llm", "+").info]
    assert {path.stem for path in TRANSLATIONS} == {"en", "de", "es", "fr", "nl", "zh-Hans"}
    rules = yaml.safe_load((INTEGRATION / "quality_scale.yaml").read_text())["rules"]
    assert all(isinstance(rule, str) or rule["comment"] for rule in rules.values())
