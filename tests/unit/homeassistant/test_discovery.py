"""Home Assistant is told of a node, and its templates show the node's telemetry and replies."""

import json
import threading
from collections.abc import Iterator
from typing import Any, get_args
from unittest.mock import create_autospec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_llm.config import HomeAssistantSettings
from edge_llm.contract.frames import Payload, Quality
from edge_llm.contract.node import Telemetry
from edge_llm.contract.topics import ONLINE, Topics
from edge_llm.homeassistant import discovery as discovery_module
from edge_llm.homeassistant.discovery import HomeAssistant, discovery_topic
from edge_llm.homeassistant.entities import NOT_SHOWN, SENSORS
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message
from tests.homeassistant import OBJECT_ID, TELEMETRY, attributes, check, render, state

TOPICS = Topics("edge_llm", "kitchen-pc")


def discovery(**settings: Any) -> dict[str, Any]:
    configured = HomeAssistantSettings(enabled=True, **settings)
    return HomeAssistant(configured, TOPICS, "Qwen2.5-0.5B-Instruct", period_s=10.0).discovery()


COMPONENTS = discovery()["components"]
OF_TELEMETRY = {
    key: each
    for key, each in COMPONENTS.items()
    if each["platform"] == "sensor" and each["state_topic"] == TOPICS.telemetry
}
REPLY = COMPONENTS["reply"]


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [path]
    return [leaf for key, each in value.items() for leaf in leaves(each, (*path, key))]


def nulled(value: Any) -> Any:
    return {key: nulled(each) for key, each in value.items()} if isinstance(value, dict) else None


def test_the_example_is_what_a_node_publishes() -> None:
    """Field for field: what is added to the telemetry has to be shown, below."""
    published = json.loads(Telemetry.model_validate(TELEMETRY).encode())
    assert leaves(published) == leaves(TELEMETRY)


def test_every_sensor_has_a_state_of_its_kind() -> None:
    states = {key: state(each, json.dumps(TELEMETRY)) for key, each in OF_TELEMETRY.items()}
    assert None not in states.values()
    expected = {
        "package_power": "12.5",
        "energy": "1.5",  # kWh
        "reply_energy": "2.2e-05",
        "memory": "583.212345",  # MB
        "cpu_busiest": "80.1",
        "cpu_frequency": "3400.0",
        "power_quality": "measured",
        "inference_cores": "0-1",
        "ttft_p50": "141.2",
    }
    assert {key: states[key] for key in expected} == expected


def test_what_is_null_is_unknown_and_never_zero() -> None:
    """Each figure for itself, all of them, and the lists that hold nothing but nulls."""
    for path in leaves(TELEMETRY):
        telemetry = json.loads(json.dumps(TELEMETRY))
        parent = telemetry
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = None
        for each in OF_TELEMETRY.values():
            state(each, json.dumps(telemetry))
            if "json_attributes_template" in each:
                attributes(each, json.dumps(telemetry))
    nothing = json.dumps(nulled(TELEMETRY))
    assert {state(each, nothing) for each in OF_TELEMETRY.values()} == {None}
    lists = {**TELEMETRY, "cpu": {"per_core_percent": [None], "frequency_mhz": []}}
    for key in ("cpu_busiest", "cpu_frequency"):
        assert state(OF_TELEMETRY[key], json.dumps(lists)) is None


def test_all_of_the_telemetry_is_shown() -> None:
    templates = [
        each.get(name, "")
        for each in OF_TELEMETRY.values()
        for name in ("value_template", "json_attributes_template")
    ]
    shown = " ".join(templates).replace(".get('", ".").replace("')", "")
    for path in leaves(TELEMETRY):
        if path[0] not in NOT_SHOWN:
            assert f"value_json.{'.'.join(path)} " in f"{shown} ".replace(",", " ").replace("}", " "), path


def test_every_field_of_the_contract_has_one_row() -> None:
    """A new field of the telemetry needs a row here, or a place among those that have none."""
    declared = []
    for name, field in Telemetry.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Payload):
            declared += [f"{name}.{each}" for each in field.annotation.model_fields]
        else:
            declared.append(name)
    rows = [path for sensor in SENSORS for path in sensor.fields]
    assert sorted(declared) == sorted([*rows, *NOT_SHOWN])


def test_the_qualities_that_may_come_are_the_contracts() -> None:
    for key in ("power_quality", "service_power_quality"):
        assert OF_TELEMETRY[key]["options"] == [*get_args(Quality)]


def test_where_power_comes_from_is_said_beside_its_quality() -> None:
    telemetry = {**TELEMETRY, "power": {"quality": "none", "reason": "no RAPL in this machine"}}
    sensor = OF_TELEMETRY["power_quality"]
    assert state(sensor, json.dumps(telemetry)) == "none"
    assert attributes(sensor, json.dumps(telemetry))["reason"] == "no RAPL in this machine"


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"{", b"offline", b"ONLINE", b"x" * 100_000])
@pytest.mark.parametrize("retained", [True, False])
def test_what_others_retain_on_its_status_topic_hurts_nothing(payload: bytes, *, retained: bool) -> None:
    home_assistant = HomeAssistant(HomeAssistantSettings(enabled=True), TOPICS, "m", period_s=10.0)
    connection = create_autospec(Connection)
    home_assistant.on_status(connection, Message("homeassistant/status", payload, retained=retained))
    home_assistant.stop()
    connection.publish.assert_not_called()


def test_no_quality_is_a_word_that_home_assistant_keeps_for_entities_that_are_gone() -> None:
    options = {option for each in OF_TELEMETRY.values() for option in each.get("options", ())}
    assert "none" in options
    assert not options & {"unavailable", "unknown", "None", ""}


def reply(**fields: Any) -> str:
    return json.dumps({"v": 1, "id": "42", "node": "kitchen-pc", "seq": 3, **fields})


def test_the_last_reply_is_its_words_or_why_there_are_none() -> None:
    done = reply(type="done", text="Sleep well, sir.", finish_reason="stop", timing_ms={"ttft": 38.5})
    assert state(REPLY, done) == "Sleep well, sir."
    assert attributes(REPLY, done)["ttft_ms"] == 38.5
    assert attributes(REPLY, done)["cut"] is False
    error = reply(type="error", code="timeout", message="it took too long", text="Sleep")
    assert state(REPLY, error) == "it took too long"
    assert attributes(REPLY, error)["text"] == "Sleep"
    assert attributes(REPLY, error)["code"] == "timeout"
    assert state(REPLY, reply(type="done", text="", finish_reason="cancelled")) == "done"
    assert state(REPLY, reply(type="session", op="list", sessions=["a"])) == "session"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=400), st.integers(1, 60))
def test_a_long_reply_is_whole_as_an_attribute_as_far_as_the_recorder_allows(part: str, times: int) -> None:
    text = part * times
    done = reply(type="done", text=text, finish_reason="stop", session="s" * 64)
    assert len(render(REPLY["value_template"], done)) <= 255
    found = attributes(REPLY, done)
    assert found["text"] == text or (found["cut"] and len(found["text"]) == 2500)
    assert found["cut"] == (found["text"] != text)


def test_a_reply_of_common_length_is_not_cut() -> None:
    text = "Öffne das Fenster. " * 500
    found = attributes(REPLY, reply(type="done", text=text, finish_reason="stop"))
    assert (found["text"], found["cut"]) == (text, False)


@pytest.mark.parametrize(
    ("settings", "topic", "name", "entity"),
    [
        ({}, "homeassistant/device/kitchen-pc/config", "edge_llm kitchen-pc", "kitchen_pc"),
        (
            {"prefix": "ha/discovery", "object_id": "Butler-1", "name": "Butler", "client": "ha"},
            "ha/discovery/device/Butler-1/config",
            "Butler",
            "butler_1",
        ),
    ],
)
def test_names_are_the_owners(settings: dict[str, str], topic: str, name: str, entity: str) -> None:
    message = discovery(**settings)
    check(message)
    assert discovery_topic(HomeAssistantSettings(**settings), TOPICS) == topic
    assert message["device"]["name"] == name
    assert message["components"]["energy"]["default_entity_id"] == f"sensor.{entity}_energy"
    assert message["components"]["ask"]["command_topic"].endswith(
        f"/{settings.get('client', 'homeassistant')}"
    )


def test_a_node_whose_id_has_a_dot_is_found_too() -> None:
    topic = discovery_topic(HomeAssistantSettings(), Topics("edge_llm", "pc.kitchen"))
    assert OBJECT_ID.fullmatch(topic.split("/")[2])


STATUS = "homeassistant/status"


def timers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "homeassistant"]


@pytest.fixture
def home_assistant(monkeypatch: pytest.MonkeyPatch) -> Iterator[HomeAssistant]:
    monkeypatch.setattr(discovery_module, "_JITTER_S", (0.01, 0.02))
    home_assistant = HomeAssistant(HomeAssistantSettings(enabled=True), TOPICS, "a model", period_s=10.0)
    yield home_assistant
    home_assistant.stop()
    assert timers() == []


@pytest.fixture
def connection() -> Any:
    connection = create_autospec(Connection, instance=True)
    connection.ready = True
    return connection


def test_a_node_is_announced_once_after_home_assistant_has_started(
    home_assistant: HomeAssistant, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery_module, "_JITTER_S", (0.2, 0.2))  # the second message comes before
    assert home_assistant.subscriptions == (STATUS,)
    acknowledged: list[Message] = []
    messages = [Message(STATUS, ONLINE, on_acknowledge=acknowledged.append) for _ in range(2)]
    for message in messages:
        home_assistant.on_status(connection, message)
    assert acknowledged == messages
    for timer in timers():
        timer.join()
    assert connection.publish.call_count == 1
    (topic, payload), options = connection.publish.call_args
    assert topic == discovery_topic(HomeAssistantSettings(), TOPICS)
    assert json.loads(payload) == home_assistant.discovery()
    assert options["retain"] is True


def test_it_is_announced_again_at_the_next_start(home_assistant: HomeAssistant, connection: Any) -> None:
    for count in (1, 2):
        home_assistant.on_status(connection, Message(STATUS, ONLINE))
        for timer in timers():
            timer.join()
        assert connection.publish.call_count == count


@pytest.mark.parametrize(("payload", "retained"), [(ONLINE, True), (b"offline", False)])
def test_what_is_no_start_is_acknowledged_alone(
    home_assistant: HomeAssistant,
    connection: Any,
    payload: bytes,
    retained: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    acknowledged: list[Message] = []
    message = Message(STATUS, payload, retained=retained, on_acknowledge=acknowledged.append)
    home_assistant.on_status(connection, message)
    assert acknowledged == [message]
    assert timers() == []


def test_a_node_that_stops_announces_itself_no_more(
    home_assistant: HomeAssistant, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery_module, "_JITTER_S", (3600, 3600))
    home_assistant.on_status(connection, Message(STATUS, ONLINE))
    assert len(timers()) == 1
    home_assistant.stop()
    assert timers() == []
    connection.publish.assert_not_called()


def test_a_node_without_a_broker_leaves_it_to_the_next_connection(
    home_assistant: HomeAssistant, connection: Any
) -> None:
    connection.ready = False
    home_assistant.on_status(connection, Message(STATUS, ONLINE))
    for timer in timers():
        timer.join()
    connection.publish.assert_not_called()
    home_assistant.announce(connection)
    assert connection.publish.call_count == 1


def test_a_status_after_the_stop_changes_nothing(home_assistant: HomeAssistant, connection: Any) -> None:
    home_assistant.stop()
    home_assistant.on_status(connection, Message(STATUS, ONLINE))
    assert timers() == []
