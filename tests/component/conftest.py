"""A Home Assistant with a mocked MQTT client, and a node that answers on it."""

import json
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import MagicMock

import pytest
from homeassistant.components.conversation import ConversationResult, async_converse
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import Context, HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .fakes import BASE, INFO, NODE, TOPIC, FakeNode, until

Expose = Callable[..., None]
Say = Callable[..., Coroutine[Any, Any, ConversationResult]]
AGENT = "conversation.my_conversation"


@pytest.fixture
def expected_lingering_timers() -> bool:
    """MQTT's own timer for what it does from time to time is left at a test's end."""
    return True


@pytest.fixture
def mqtt_config_entry_options() -> dict[str, Any]:
    """MQTT's own discovery subscribes to hundreds of topics first: it is left out."""
    return {"birth_message": {}, "discovery": False}


@pytest.fixture(autouse=True)
def _custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration."""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subscribe at once."""
    for name in ("INITIAL_SUBSCRIBE_COOLDOWN", "SUBSCRIBE_COOLDOWN", "UNSUBSCRIBE_COOLDOWN"):
        monkeypatch.setattr(f"homeassistant.components.mqtt.client.{name}", 0.0)


@pytest.fixture(autouse=True)
async def core(hass: HomeAssistant) -> None:
    """What every Home Assistant has."""
    for component in ("homeassistant", "intent", "conversation"):
        assert await async_setup_component(hass, component, {})


@pytest.fixture
async def node(
    hass: HomeAssistant, core: None, mqtt_mock: MagicMock, mqtt_client_mock: MagicMock
) -> FakeNode:
    """A node that is there, and has told so."""
    node = FakeNode(hass)
    node.beside = [node]
    publish, subscribe = mqtt_client_mock.publish.side_effect, mqtt_client_mock.subscribe.side_effect

    def on_publish(topic: str, payload: Any, *arguments: Any) -> Any:
        for each in node.beside:
            each.on_publish(topic, payload, retain=arguments[1])
        return publish(topic, payload, *arguments)

    def on_subscribe(topics: Any, *arguments: Any, **options: Any) -> Any:
        listed = [topics] if isinstance(topics, str) else [each[0] for each in topics]
        node.on_subscribe(listed)
        return subscribe(topics, *arguments, **options)

    mqtt_client_mock.publish.side_effect = on_publish
    mqtt_client_mock.subscribe.side_effect = on_subscribe
    node.retained = {f"{TOPIC}/info": json.dumps(INFO), f"{TOPIC}/state": "online"}
    return node


def new_entry(*subentries: ConfigSubentryData) -> MockConfigEntry:
    return MockConfigEntry(
        domain="edge_llm",
        title=f"edge_llm {NODE}",
        unique_id=TOPIC,
        data={"base_topic": BASE, "node": NODE},
        subentries_data=subentries,
    )


def subentry(kind: str, **data: Any) -> ConfigSubentryData:
    return ConfigSubentryData(data=data, subentry_type=kind, title=f"My {kind}", unique_id=None)


@pytest.fixture
def subentries() -> list[ConfigSubentryData]:
    """Of the entry; a test may have others."""
    return [subentry("conversation", prompt="Be brief.")]


@pytest.fixture
async def entry(hass: HomeAssistant, node: FakeNode, subentries: list[ConfigSubentryData]) -> MockConfigEntry:
    """The node, set up."""
    entry = new_entry(*subentries)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: entry.runtime_data.info and entry.runtime_data.online)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
def expose(hass: HomeAssistant) -> Expose:
    """Give an entity a state, and expose it to Assist."""

    def expose(entity_id: str, state: str = "off", **attributes: Any) -> None:
        async_expose_entity(hass, "conversation", entity_id, True)
        hass.states.async_set(entity_id, state, attributes)

    return expose


@pytest.fixture
def say(hass: HomeAssistant, entry: MockConfigEntry) -> Say:
    """Say a sentence to the agent."""

    async def say(text: str, conversation_id: str | None = None, **fields: Any) -> ConversationResult:
        fields = dict[str, Any](context=Context(), agent_id=AGENT) | fields
        result = await async_converse(hass, text, conversation_id, **fields)
        await hass.async_block_till_done()
        return result

    return say
