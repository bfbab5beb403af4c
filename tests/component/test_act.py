"""Sentences by the node's own way: what is asked, carried out and said."""

from typing import Any

import pytest
from homeassistant.components.conversation import AssistantContent, ToolResultContent
from homeassistant.components.conversation.chat_log import DATA_CHAT_LOGS
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser, async_mock_service

from .conftest import AGENT, Expose, Say
from .fakes import TOPIC, FakeNode, call, delta, done, error, spoken, until, words

LIGHT = "light.kitchen"
ON = call("HassTurnOn", LIGHT, name="Kitchen")


@pytest.fixture
def light(hass: HomeAssistant, expose: Expose) -> list[Any]:
    """A light; the calls that switch it on."""
    expose(LIGHT, friendly_name="Kitchen")
    calls: list[Any] = async_mock_service(hass, "light", "turn_on")
    return calls


@pytest.fixture
def broken_light(hass: HomeAssistant, expose: Expose) -> None:
    """A light that cannot be switched on."""
    expose(LIGHT, friendly_name="Kitchen")
    async_mock_service(hass, "light", "turn_on", raise_exception=HomeAssistantError("no power"))


async def test_a_call_is_carried_out_once_and_shown(
    hass: HomeAssistant, node: FakeNode, say: Say, light: list[Any]
) -> None:
    node.reply({"type": "status", "state": "queued"}, ON, done("The kitchen light is on.", ON))
    result = await say("Turn on the kitchen light", extra_system_prompt="It is late.")
    (request,) = node.requests
    assert (request["text"], request["act"], request["ttl_s"]) == ("Turn on the kitchen light", True, 10)
    assert request["system"] == "Be brief.\nIt is late."
    assert request["session"] == result.conversation_id
    (service,) = light
    assert service.data["entity_id"] == [LIGHT]
    assert spoken(result) == "The kitchen light is on."
    assert result.response.response_type.value == "action_done"
    assert [target.id for target in result.response.success_results] == [LIGHT]
    assert not result.continue_conversation
    assert node.on(f"{TOPIC}/cancel/homeassistant") == []

    assert result.conversation_id
    _, _, called, told, said = hass.data[DATA_CHAT_LOGS][result.conversation_id].content
    assert isinstance(called, AssistantContent)
    assert [(tool.tool_name, tool.tool_args) for tool in called.tool_calls or ()] == [
        ("HassTurnOn", {"name": "Kitchen"})
    ]
    assert isinstance(told, ToolResultContent)
    assert told.result.data == {"success": True, "entities": [LIGHT], "failed": []}
    assert isinstance(said, AssistantContent)
    assert said.content == "The kitchen light is on."


async def test_a_call_whose_frame_was_lost_is_carried_out_still(
    node: FakeNode, say: Say, light: list[Any]
) -> None:
    node.reply(done("On.", ON))
    assert spoken(await say("Turn it on")) == "On."
    assert len(light) == 1


async def test_the_text_waits_for_the_calls(node: FakeNode, say: Say, broken_light: None) -> None:
    node.reply(ON, delta("The kitchen light is on."), done("The kitchen light is on.", ON))
    node.reply(done("The kitchen light did not answer.", outcome="spoken"))
    result = await say("Turn it on")
    assert spoken(result) == "The kitchen light did not answer."
    assert result.response.response_type.value == "error"
    assert [target.id for target in result.response.failed_results] == [LIGHT]
    assert node.requests[1]["results"] == [{"id": "c1", "ok": False}]
    assert node.requests[1]["session"] == node.requests[0]["session"]


@pytest.mark.parametrize(
    "reply", [[error("internal")], [done("Hm.")], [done("On.", ON, outcome="spoken")], [error("busy")]]
)
async def test_a_failure_is_said_even_if_the_node_says_nothing(
    node: FakeNode, say: Say, broken_light: None, reply: Any
) -> None:
    node.reply(ON, done("On.", ON))
    node.reply(*reply)
    result = await say("Turn it on")
    assert spoken(result) == words("en", "failed")
    assert result.response.response_type.value == "error"


@pytest.mark.parametrize("devices", [("light.secret",), ("light.unknown",), ()])
async def test_what_is_not_exposed_is_not_touched(
    hass: HomeAssistant, node: FakeNode, say: Say, light: list[Any], devices: tuple[str, ...]
) -> None:
    hass.states.async_set("light.secret", "off")
    async_expose_entity(hass, "conversation", "light.secret", False)
    hidden = call("HassTurnOn", *devices)
    node.reply(hidden, done("On.", hidden))
    node.reply(done("There is no such light.", outcome="spoken"))
    result = await say("Turn it on")
    assert spoken(result) == "There is no such light."
    assert light == []
    assert [target.id for target in result.response.failed_results] == list(devices or [None])


async def test_of_several_devices_each_is_told(
    hass: HomeAssistant, node: FakeNode, say: Say, light: list[Any]
) -> None:
    both = call("HassTurnOn", f"homeassistant:{LIGHT}", "light.unknown")
    node.reply(both, done("On.", both))
    node.reply(done("Not all.", outcome="spoken"))
    result = await say("Turn them on")
    assert len(light) == 1
    assert [target.id for target in result.response.success_results] == [LIGHT]
    assert [target.id for target in result.response.failed_results] == ["light.unknown"]


QUESTION = call("HassGetState", "sensor.bath", "light.kitchen")


@pytest.fixture
def states(hass: HomeAssistant, expose: Expose) -> None:
    expose("sensor.bath", "21.46", friendly_name="Bath", unit_of_measurement="°C", device_class="temperature")
    expose(LIGHT, "on", friendly_name="Kitchen")
    expose("climate.hall", "heat", friendly_name="Hall", current_temperature=19.5)


async def test_a_question_is_answered_from_the_states(node: FakeNode, say: Say, states: None) -> None:
    question = call("HassGetState", "sensor.bath", "climate.hall")
    node.reply(question, done("", question))
    node.reply(done("It is 21.5 degrees in the bath.", outcome="spoken"))
    result = await say("How warm is the bath?")
    assert spoken(result) == "It is 21.5 degrees in the bath."
    assert result.response.response_type.value == "query_answer"
    assert [state.entity_id for state in result.response.matched_states] == ["sensor.bath", "climate.hall"]
    house = node.requests[1]["house"]
    assert node.requests[1]["text"] == "How warm is the bath?"
    assert [device["state"] for device in house["devices"]] == ["21.5", "heat, 19.5 °C"]
    assert house["devices"][0]["attributes"] == {"unit": "°C"}


async def test_states_are_told_in_words_if_the_node_cannot(node: FakeNode, say: Say, states: None) -> None:
    node.reply(QUESTION, done("", QUESTION))
    node.reply(error("internal"))
    assert spoken(await say("How warm is the bath?")) == "Bath: 21.46 °C. Kitchen: on."


async def test_a_question_about_nothing_fails(node: FakeNode, say: Say) -> None:
    question = call("HassGetState", "sensor.gone")
    node.reply(question, done("", question))
    node.reply(error("internal"))
    assert spoken(await say("How warm is the bath?")) == words("en", "failed")


async def test_what_was_lost_of_the_deltas_is_said(node: FakeNode, say: Say) -> None:
    node.reply(delta("Good "), done("Good morning."))
    assert spoken(await say("Good morning")) == "Good morning."
    node.reply(done(""))
    assert spoken(await say("Good night")) == ""


@pytest.mark.parametrize("outcome", ["confirm", "unclear"])
async def test_the_node_may_ask_back(node: FakeNode, say: Say, light: list[Any], outcome: str) -> None:
    node.reply(done("The kitchen light?", outcome=outcome))
    asked = await say("Turn it on")
    assert asked.continue_conversation
    node.reply(ON, done("On.", ON))
    answered = await say("Yes", asked.conversation_id)
    assert not answered.continue_conversation
    assert len(light) == 1
    assert node.requests[0]["session"] == node.requests[1]["session"] == asked.conversation_id


async def test_who_asks_stands_in_an_area(hass: HomeAssistant, node: FakeNode, say: Say) -> None:
    entry = MockConfigEntry()
    entry.add_to_hass(hass)
    areas, devices, entities = ar.async_get(hass), dr.async_get(hass), er.async_get(hass)
    hall, bath = areas.async_create("Hall"), areas.async_create("Bath")
    device = devices.async_get_or_create(config_entry_id=entry.entry_id, identifiers={("test", "1")})
    devices.async_update_device(device.id, area_id=hall.id)
    mine = entities.async_get_or_create("assist_satellite", "test", "1", device_id=device.id)
    other = entities.async_get_or_create("assist_satellite", "test", "2")
    entities.async_update_entity(other.entity_id, area_id=bath.id)
    for place, area in (
        ({"device_id": device.id}, hall.id),
        ({"satellite_id": mine.entity_id}, hall.id),
        ({"satellite_id": other.entity_id, "device_id": device.id}, bath.id),
        ({"satellite_id": "assist_satellite.gone", "device_id": "gone"}, None),
    ):
        node.reply(done("Hello."))
        await say("Hello", **place)
        assert node.requests[-1].get("context_area") == area


async def test_a_conversation_has_a_legal_session(node: FakeNode, say: Say) -> None:
    node.reply(done("Hello."))
    await say("Hello", "a b")
    assert len(node.requests[0]["session"]) == 64


async def test_who_may_not_switch_it_does_not(
    hass: HomeAssistant, node: FakeNode, say: Say, light: list[Any], hass_read_only_user: MockUser
) -> None:
    node.reply(ON, done("On.", ON))
    node.reply(error("internal"))
    result = await say("Turn it on", context=Context(user_id=hass_read_only_user.id))
    assert spoken(result) == words("en", "failed")
    assert light == []


async def test_the_owner_may(
    hass: HomeAssistant, node: FakeNode, say: Say, light: list[Any], hass_owner_user: MockUser
) -> None:
    node.reply(ON, done("On.", ON))
    assert spoken(await say("Turn it on", context=Context(user_id=hass_owner_user.id))) == "On."
    assert light[0].context.user_id == hass_owner_user.id


async def test_an_agent_without_instructions_sends_none(
    hass: HomeAssistant, node: FakeNode, say: Say, entry: MockConfigEntry
) -> None:
    (agent,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(entry, agent, data={})
    await hass.async_block_till_done()
    await until(lambda: entry.runtime_data.online)
    node.reply(done("Hello."))
    await say("Hello")
    assert "system" not in node.requests[0]
    found = hass.states.get(AGENT)
    assert found
    assert found.state != "unavailable"


async def test_the_clock_is_home_assistants_own(node: FakeNode, say: Say) -> None:
    result = await say("What time is it?")
    assert result.response.response_type.value == "action_done"
    assert ":" in spoken(result)
    assert node.requests == []


@pytest.mark.parametrize("sentence", ["what is the weather like", "broadcast dinner is ready"])
async def test_what_nothing_here_does_is_refused(node: FakeNode, say: Say, sentence: str) -> None:
    result = await say(sentence)  # there is no weather, and no voice satellite
    assert spoken(result) == words("en", "cannot")
    assert result.response.response_type.value == "error"
    assert node.requests == []


async def test_who_may_not_do_it_now_may_not_do_it_later(
    hass: HomeAssistant, node: FakeNode, say: Say, light: list[Any], hass_read_only_user: MockUser
) -> None:
    result = await say("turn on the kitchen in 5 minutes", context=Context(user_id=hass_read_only_user.id))
    assert spoken(result) == words("en", "cannot")
    assert node.requests == []


async def test_an_answer_to_the_node_is_the_nodes(node: FakeNode, say: Say) -> None:
    node.reply(done("Unlock the door?", outcome="confirm"))
    asked = await say("Unlock the door")
    node.reply(done("Then not.", outcome="spoken"))
    assert spoken(await say("never mind", asked.conversation_id)) == "Then not."
    await say("never mind", asked.conversation_id)  # which is Home Assistant's again
    assert len(node.requests) == 2
