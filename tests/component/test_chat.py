"""Answers by the tools of LLM APIs, and what is computed ahead."""

from typing import Any
from unittest.mock import MagicMock

import probatio as vol
import pytest
from homeassistant.components.conversation import async_get_conversation_languages, async_prepare_agent
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import llm
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from .conftest import AGENT, Expose, Say, subentry
from .fakes import TOPIC, FakeNode, call, delta, done, error, spoken, until


class Tool(llm.Tool):
    """Remembers what it was called with."""

    integration = "test"
    description = "Tells the weather."
    parameters = vol.Schema(
        {vol.Required("day"): str, vol.Optional("area"): str, vol.Required("floor"): str, "n": int}
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.called: list[dict[str, Any]] = []

    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        self.called.append(tool_input.tool_args)
        if tool_input.tool_args["day"] == "never":
            raise HomeAssistantError("There is no such day")
        return llm.ToolResult(data={"rain": True})


class Api(llm.API):
    """Has the tools that it is given."""

    def __init__(self, hass: HomeAssistant, api_id: str, *tools: llm.Tool) -> None:
        super().__init__(hass=hass, id=api_id, name=api_id)
        self.tools = list(tools)

    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> llm.APIInstance:
        return llm.APIInstance(self, "Use the tools.", llm_context, self.tools)


@pytest.fixture
def weather(hass: HomeAssistant) -> Tool:
    tool = Tool("weather")
    llm.async_register_api(hass, Api(hass, "test", tool, Tool("a name with spaces")))
    return tool


@pytest.fixture
def subentries() -> list[ConfigSubentryData]:
    return [subentry("conversation", prompt="Be brief.", llm_hass_api=["test"])]


def asked(day: str = "today", **more: Any) -> dict[str, Any]:
    return call("weather", day=day, floor="", **more)


async def test_a_tool_is_called_and_its_result_told(node: FakeNode, say: Say, weather: Tool) -> None:
    node.reply(done("", asked(area=None, n=0)))
    node.reply(delta("It "), done("It rains."))
    result = await say("Does it rain?", extra_system_prompt="It is late.")
    assert spoken(result) == "It rains."
    assert weather.called == [{"day": "today", "n": 0}]
    first, second = node.requests
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    system = first["messages"][0]["content"]
    assert all(part in system for part in ("Be brief.", "Use the tools.", "It is late."))
    assert "tool_choice" not in first
    *_, called, told = second["messages"]
    (tool_call,) = called["tool_calls"]
    assert (tool_call["name"], tool_call["arguments"]) == ("weather", {"day": "today", "n": 0})
    assert (told["role"], told["tool_call_id"], told["content"]) == ("tool", tool_call["id"], '{"rain":true}')


async def test_tools_are_described_with_what_there_is(
    hass: HomeAssistant, node: FakeNode, say: Say, weather: Tool
) -> None:
    ar.async_get(hass).async_create("Hall")
    node.reply(done("Yes."))
    await say("Does it rain?")
    (tool,) = node.requests[0]["tools"]  # the other one's name is none
    assert (tool["function"]["name"], tool["function"]["description"]) == ("weather", "Tells the weather.")
    parameters = tool["function"]["parameters"]
    assert parameters["properties"]["area"] == {"type": "string", "enum": ["Hall"]}
    assert parameters["properties"]["floor"] == {"type": "string"}  # it is required, though there is none
    assert set(parameters["properties"]) == {"day", "area", "floor", "n"}
    assert sorted(parameters["required"]) == ["day", "floor"]


async def test_an_argument_for_which_there_is_nothing_is_left_out(
    hass: HomeAssistant, node: FakeNode, say: Say, weather: Tool
) -> None:
    fr.async_get(hass).async_create("Upstairs")
    node.reply(done("Yes."))
    await say("Does it rain?")
    properties = node.requests[0]["tools"][0]["function"]["parameters"]["properties"]
    assert set(properties) == {"day", "floor", "n"}
    assert properties["floor"]["enum"] == ["Upstairs"]


async def test_a_tool_that_fails_is_told_of(node: FakeNode, say: Say, weather: Tool) -> None:
    node.reply(done("", asked("never")))
    node.reply(done("I do not know."))
    assert spoken(await say("Does it rain?")) == "I do not know."
    assert "There is no such day" in node.requests[1]["messages"][-1]["content"]


async def test_who_calls_nothing_new_has_to_speak(node: FakeNode, say: Say, weather: Tool) -> None:
    node.reply(done("", asked()))
    node.reply(done("", asked()))
    node.reply(done("It rains."))
    assert spoken(await say("Does it rain?")) == "It rains."
    assert [request.get("tool_choice") for request in node.requests] == [None, None, "none"]


async def test_an_answer_has_ten_rounds(node: FakeNode, say: Say, weather: Tool) -> None:
    for day in range(10):
        node.reply(done("", asked(str(day))))
    result = await say("Does it rain?")
    assert spoken(result) == "I have nothing to say to that."
    assert len(node.requests) == 10
    assert [request.get("tool_choice") for request in node.requests] == [None] * 9 + ["none"]


async def test_it_speaks_whatever_the_model_speaks(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    assert async_get_conversation_languages(hass, AGENT) == "*"


async def test_an_error_is_a_sentence_here_too(node: FakeNode, say: Say, weather: Tool) -> None:
    node.reply(error("context_overflow"))
    assert spoken(await say("Does it rain?")) == "That was too long for me."


async def test_an_api_that_is_gone_is_an_error(node: FakeNode, say: Say) -> None:
    result = await say("Does it rain?")
    assert result.response.response_type.value == "error"
    assert node.requests == []


@pytest.mark.parametrize("subentries", [[subentry("conversation", llm_hass_api=["assist"])]])
async def test_home_assistants_own_tools_take_what_is_exposed(
    hass: HomeAssistant, node: FakeNode, say: Say, expose: Expose
) -> None:
    expose("light.kitchen", friendly_name="Kitchen")
    expose("cover.garage", "open", friendly_name="Garage", supported_features=3)
    assert await async_setup_component(hass, "light", {})
    turned_on = async_mock_service(hass, "light", "turn_on")
    node.reply(done("", call("intent__HassTurnOn", name="Kitchen", area=None, domain=[])))
    node.reply(done("On."))
    assert spoken(await say("Turn on the kitchen light")) == "On."
    assert [service.data["entity_id"] for service in turned_on] == [["light.kitchen"]]
    tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in node.requests[0]["tools"]}
    assert tools["intent__HassTurnOn"]["properties"]["name"]["enum"] == ["Garage", "Kitchen"]
    assert "area" not in tools["intent__HassTurnOn"]["properties"]
    assert tools["light__HassLightSet"]["properties"]["name"]["enum"] == ["Kitchen"]


@pytest.mark.parametrize("subentries", [[subentry("conversation", llm_hass_api=["assist", "test"])]])
async def test_tools_of_several_apis_have_their_apis_name(
    hass: HomeAssistant, node: FakeNode, say: Say, weather: Tool, expose: Expose
) -> None:
    assert await async_setup_component(hass, "light", {})
    expose("light.kitchen", friendly_name="Kitchen")
    expose("cover.garage", "open", friendly_name="Garage", supported_features=3)
    node.reply(done("Yes."))
    await say("Does it rain?")
    tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in node.requests[0]["tools"]}
    assert "test__weather" in tools
    assert tools["assist__light__HassLightSet"]["properties"]["name"]["enum"] == ["Kitchen"]


def prefilled(node: FakeNode) -> list[str]:
    return node.on(f"{TOPIC}/prefill/homeassistant")


async def test_the_tools_are_computed_while_somebody_speaks(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, weather: Tool
) -> None:
    await async_prepare_agent(hass, AGENT, "en")
    (payload,) = prefilled(node)
    assert "weather" in payload
    assert "Use the tools." in payload


async def test_nothing_is_computed_for_an_api_that_is_gone(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry
) -> None:
    await async_prepare_agent(hass, AGENT, "en")
    assert prefilled(node) == []


@pytest.mark.parametrize(
    ("subentries", "systems"),
    [
        ([subentry("conversation", prompt="Be brief.")], ['"system": "Be brief."']),
        ([subentry("conversation")], []),
    ],
)
async def test_the_instructions_are_computed_while_somebody_speaks(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, systems: list[str], mqtt_mock: MagicMock
) -> None:
    await async_prepare_agent(hass, AGENT, "en")
    assert len(prefilled(node)) == len(systems)
    assert all(system in payload for system, payload in zip(systems, prefilled(node), strict=True))
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    await async_prepare_agent(hass, AGENT, "en")  # it is no loss
    mqtt_mock.async_publish.side_effect = None
    node.state("offline")
    await until(lambda: not entry.runtime_data.online)
    await async_prepare_agent(hass, AGENT, "en")
    assert len(prefilled(node)) == len(systems)
