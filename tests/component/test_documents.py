"""The household's papers: who is asked, what is shown of the sources, and a service that goes away."""

import asyncio
import json
from typing import Any

import pytest
from homeassistant.components.conversation import AssistantContent, ToolResultContent
from homeassistant.components.conversation.chat_log import DATA_CHAT_LOGS
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from custom_components.edge_llm.node import documents as module

from .conftest import Expose, Say, subentry
from .fakes import BASE, TRANSLATIONS, FakeNode, call, delta, done, error, spoken, translations, until, words

TOPIC = f"{BASE}/documents"
CANCEL = f"{TOPIC}/cancel/homeassistant"
INFO: dict[str, Any] = {
    "node": "documents",
    "version": "1.2.3",
    "features": ["documents"],
    "asks_node": "kitchen-pc",
}
SOURCES = [
    {"document": "dish.pdf", "title": "Dishwasher", "heading": "Error codes", "page": 12},
    {"document": "dish.pdf", "title": "Dishwasher", "heading": "Error codes", "page": 12},
    {"document": "notes.md", "title": "", "heading": ""},
]
ON = call("HassTurnOn", "light.kitchen", name="Kitchen")
SURE = done("Sure?", outcome="confirm")
WHICH = done("Which?", outcome="unclear")


@pytest.fixture
def subentries() -> list[ConfigSubentryData]:
    return [subentry("conversation", prompt="Be brief.", documents=True)]


@pytest.fixture
def documents(hass: HomeAssistant, node: FakeNode) -> FakeNode:
    """A service that is there."""
    documents = FakeNode(hass, TOPIC, retained=node.retained)
    node.beside.append(documents)
    node.retained |= {f"{TOPIC}/info": json.dumps(INFO), f"{TOPIC}/state": "online"}
    return documents


@pytest.fixture
def light(hass: HomeAssistant, expose: Expose) -> list[Any]:
    """A light; the calls that switch it on."""
    expose("light.kitchen", friendly_name="Kitchen")
    calls: list[Any] = async_mock_service(hass, "light", "turn_on")
    return calls


def asked(*nodes: FakeNode) -> list[int]:
    """How often each was asked."""
    return [len(node.requests) for node in nodes]


async def test_an_answer_comes_from_the_papers_and_shows_them(
    hass: HomeAssistant, documents: FakeNode, node: FakeNode, say: Say
) -> None:
    documents.reply(delta("The inlet "), done("The inlet is blocked.", custom={"sources": SOURCES}))
    result = await say("What does E15 mean?")
    (request,) = documents.requests
    assert (request["text"], request["act"], request["system"]) == ("What does E15 mean?", True, "Be brief.")
    assert request["session"] == result.conversation_id
    assert node.requests == []
    assert spoken(result) == "The inlet is blocked."
    lines = "dish.pdf, page 12, Error codes\nnotes.md"
    assert result.response.card == {"simple": {"title": "From the papers", "content": lines}}
    assert result.conversation_id
    _, _, said, shown = hass.data[DATA_CHAT_LOGS][result.conversation_id].content
    assert isinstance(said, AssistantContent)
    assert said.content == "The inlet is blocked."
    assert isinstance(shown, ToolResultContent)
    assert shown.tool_name == "documents"
    first = {"document": "dish.pdf", "heading": "Error codes", "page": 12}
    assert shown.result.data == {
        "sources": [first, first, {"document": "notes.md", "heading": "", "page": None}]
    }


async def test_the_card_is_in_the_language_of_who_asks(documents: FakeNode, say: Say) -> None:
    documents.reply(done("Der Zulauf.", custom={"sources": SOURCES}))
    result = await say("Was ist E15?", language="de-AT")
    card = result.response.card["simple"]
    assert (card["title"], card["content"].split("\n")[0]) == (
        "Aus den Unterlagen",
        "dish.pdf, Seite 12, Error codes",
    )


@pytest.mark.parametrize("custom", [None, "mine", {}, {"sources": []}])
async def test_without_sources_nothing_is_shown(documents: FakeNode, say: Say, custom: Any) -> None:
    documents.reply(done("That is not in the papers.", custom=custom))
    result = await say("What is E99?")
    assert (spoken(result), result.response.card) == ("That is not in the papers.", {})


async def test_a_command_is_carried_out_through_it_and_reported_to_it(
    documents: FakeNode, node: FakeNode, say: Say, light: list[Any]
) -> None:
    gone = call("HassTurnOn", "light.unknown", call_id="c2")
    documents.reply(ON, gone, done("On.", ON, gone))
    documents.reply(done("Not all.", outcome="spoken"))
    assert spoken(await say("Turn on the lights")) == "Not all."
    assert len(light) == 1
    assert documents.requests[1]["results"] == [{"id": "c1", "ok": True}, {"id": "c2", "ok": False}]
    assert documents.requests[1]["session"] == documents.requests[0]["session"]
    assert node.requests == []


async def test_a_state_is_told_by_the_node(
    documents: FakeNode, node: FakeNode, say: Say, expose: Expose
) -> None:
    """The papers have nothing to say to it."""
    expose("light.kitchen", "on", friendly_name="Kitchen")
    question = call("HassGetState", "light.kitchen")
    documents.reply(question, done("", question))
    node.reply(done("It is on.", outcome="spoken"))
    assert spoken(await say("Is the light on?")) == "It is on."
    assert asked(documents, node) == [1, 1]


@pytest.mark.parametrize(
    "told", [{"state": "offline"}, {"info": ""}, {"info": json.dumps(INFO | {"features": ["act"]})}]
)
async def test_while_it_is_away_the_node_is_asked(
    documents: FakeNode, node: FakeNode, say: Say, light: list[Any], told: dict[str, str]
) -> None:
    for name, payload in told.items():
        documents.fire(f"{TOPIC}/{name}", payload, retain=True)
    node.reply(ON, done("On.", ON))
    assert spoken(await say("Turn it on")) == "On."
    assert len(light) == 1
    assert asked(documents, node) == [0, 1]


@pytest.mark.parametrize(
    "subentries",
    [
        [subentry("conversation", prompt="Be brief.")],
        [subentry("conversation", documents=False)],
        [subentry("conversation", documents=True, llm_hass_api=["assist"])],
    ],
)
async def test_it_is_off_by_default_and_with_tools(documents: FakeNode, node: FakeNode, say: Say) -> None:
    node.reply(done("Hello."))
    assert spoken(await say("Hello")) == "Hello."
    assert asked(documents, node) == [0, 1]


@pytest.mark.parametrize("question", [SURE, WHICH])
async def test_an_answer_goes_where_the_question_has_come_from(
    documents: FakeNode, node: FakeNode, say: Say, question: dict[str, Any]
) -> None:
    documents.state("offline")
    node.reply(question)
    conversation = (await say("Unlock the door")).conversation_id
    documents.state("online")
    node.reply(done("Done."))
    assert spoken(await say("Yes", conversation)) == "Done."
    documents.reply(done("Rinse it."))
    assert spoken(await say("How is the filter cleaned?", conversation)) == "Rinse it."
    assert asked(documents, node) == [1, 2]


async def test_an_answer_goes_to_the_node_if_who_has_asked_is_away(
    documents: FakeNode, node: FakeNode, say: Say
) -> None:
    documents.reply(WHICH)
    conversation = (await say("Turn on the light")).conversation_id
    documents.state("offline")
    node.reply(done("On."))
    assert spoken(await say("The kitchen light", conversation)) == "On."


async def test_a_service_that_comes_back_carries_on_and_a_command_is_done_once(
    hass: HomeAssistant, documents: FakeNode, node: FakeNode, say: Say, light: list[Any]
) -> None:
    task = asyncio.ensure_future(say("Turn it on"))
    await until(lambda: documents.requests)
    documents.say(ON)
    await until(lambda: light)
    documents.state("offline")
    await hass.async_block_till_done()
    assert not task.done()
    documents.state("online")
    documents.say(ON)
    documents.say(done("On.", ON))
    assert spoken(await task) == "On."
    assert len(light) == 1
    assert asked(documents, node) == [1, 0]


async def test_what_was_said_before_it_went_away_is_not_said_again(
    hass: HomeAssistant, documents: FakeNode, say: Say
) -> None:
    task = asyncio.ensure_future(say("What does E15 mean?"))
    await until(lambda: documents.requests)
    documents.say(delta("The inlet "))
    documents.state("offline")
    documents.state("online")
    documents.say(delta("The inlet "))
    documents.say(delta("is blocked."))
    documents.say(done("The inlet is blocked."))
    assert spoken(await task) == "The inlet is blocked."


async def test_a_service_that_stays_away_is_said_and_what_it_has_is_cancelled(
    documents: FakeNode, node: FakeNode, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node is not asked: the service may have asked it already."""
    monkeypatch.setattr(module, "TTL_S", 0.0)
    documents.on_request = lambda: documents.state("offline")
    assert spoken(await say("Turn it on")) == words("en", "node_away")
    assert asked(documents, node) == [1, 0]
    assert documents.on(CANCEL) == [documents.requests[0]["id"]]


async def test_an_error_of_the_service_is_said(documents: FakeNode, node: FakeNode, say: Say) -> None:
    documents.reply(error("context_overflow"))
    assert spoken(await say("What does E15 mean?")) == words("en", "too_long")
    assert node.requests == []


async def test_it_is_left_with_the_entry(
    hass: HomeAssistant, documents: FakeNode, entry: MockConfigEntry, say: Say
) -> None:
    task = asyncio.ensure_future(say("What does E15 mean?"))
    await until(lambda: documents.requests)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert spoken(await task) == words("en", "node_away")


def test_each_language_has_the_words() -> None:
    for path in TRANSLATIONS.glob("*.json"):
        common = translations(path.stem)["common"]
        assert common.keys() == {"papers", "page"}
        assert "{page}" in common["page"]
