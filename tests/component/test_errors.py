"""Requests that have no whole reply: what is said of it, and how soon."""

import asyncio
import json
from unittest.mock import MagicMock

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from .conftest import Say
from .fakes import TOPIC, TRANSLATIONS, FakeNode, delta, done, error, spoken, until, words


@pytest.mark.parametrize("language", [path.stem for path in sorted(TRANSLATIONS.glob("*.json"))])
async def test_errors_are_sentences_in_the_users_language(node: FakeNode, say: Say, language: str) -> None:
    for code, reason in (
        ("busy", "busy"),
        ("rate_limited", "busy"),
        ("expired", "slow"),
        ("timeout", "slow"),
        ("unavailable", "node_away"),
        ("context_overflow", "too_long"),
        ("too_large", "too_long"),
        ("internal", "failed"),
        ("bad_request", "failed"),
    ):
        node.reply(error(code))
        result = await say("Hello", language=language)
        assert spoken(result) == words(language, reason)
        assert result.response.response_type.value == "error"
        assert (result.response.error_code or "") == "failed_to_handle"


async def test_a_language_without_translation_hears_english(node: FakeNode, say: Say) -> None:
    for language, known in (("xx", "en"), ("de-AT", "de"), ("zh-TW", "zh-Hans")):
        node.reply(error("busy"))
        assert spoken(await say("Hello", language=language)) == words(known, "busy")


async def test_a_busy_node_is_asked_again(node: FakeNode, say: Say) -> None:
    node.reply(error("busy", retry_after_ms=1))
    node.reply(done("Hello."))
    assert spoken(await say("Hello")) == "Hello."
    assert node.requests[0]["id"] == node.requests[1]["id"]


async def test_a_node_that_is_busy_for_long_is_not(node: FakeNode, say: Say) -> None:
    node.reply(error("busy", retry_after_ms=60_000))
    assert spoken(await say("Hello")) == words("en", "busy")
    assert len(node.requests) == 1


async def test_a_node_that_is_away_is_not_asked(
    hass: HomeAssistant, node: FakeNode, say: Say, mqtt_mock: MagicMock
) -> None:
    mqtt_mock.connected = False
    assert spoken(await say("Hello")) == words("en", "node_away")
    mqtt_mock.connected = True
    node.state("offline")
    await hass.async_block_till_done()
    assert spoken(await say("Hello")) == words("en", "node_away")
    assert node.requests == []


async def test_a_node_that_goes_is_not_waited_for(node: FakeNode, say: Say) -> None:
    node.on_request = lambda: node.state("offline")
    assert spoken(await say("Hello")) == words("en", "node_away")


async def test_mqtt_may_refuse_a_request(node: FakeNode, say: Say, mqtt_mock: MagicMock) -> None:
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    assert spoken(await say("Hello")) == words("en", "node_away")
    mqtt_mock.async_publish.side_effect = None


async def test_a_reply_that_does_not_come_is_given_up(
    node: FakeNode, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.edge_llm.node.client._FIRST_FRAME_S", 0.01)
    assert spoken(await say("Hello")) == words("en", "slow")
    assert node.on(f"{TOPIC}/cancel/homeassistant") == [node.requests[0]["id"]]


async def test_who_stops_waiting_cancels(hass: HomeAssistant, node: FakeNode, say: Say) -> None:
    task = asyncio.create_task(say("Tell a story"))
    await until(lambda: node.requests)
    node.say(delta("Once"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: node.on(f"{TOPIC}/cancel/homeassistant"))
    assert node.on(f"{TOPIC}/cancel/homeassistant") == [node.requests[0]["id"]]


async def test_what_is_no_frame_of_ours_is_not_read(node: FakeNode, say: Say) -> None:
    def answer() -> None:
        stream = f"{TOPIC}/stream/homeassistant"
        for payload in ("{", "[]", "{}", json.dumps({"id": node.requests[0]["id"], "type": "delta"})):
            node.fire(stream, payload)
        node.fire(stream, json.dumps({"id": "another", "type": "done", "text": "Not for you."}))
        node.say({"type": "news"})
        node.say(done("Hello."))

    node.on_request = answer
    assert spoken(await say("Hello")) == "Hello."
