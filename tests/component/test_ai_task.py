"""Tasks of automations."""

from typing import Any

import probatio as vol
import pytest
from homeassistant.components.ai_task import async_generate_data
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import selector
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .conftest import subentry
from .fakes import FakeNode, done, error

STRUCTURE = vol.Schema(
    {vol.Required("celsius"): selector.NumberSelector(), vol.Optional("room"): selector.TextSelector()}
)


@pytest.fixture
def subentries() -> list[ConfigSubentryData]:
    return [subentry("ai_task_data"), subentry("conversation")]


async def generated(hass: HomeAssistant, structure: Any = None) -> Any:
    result = await async_generate_data(
        hass,
        task_name="test",
        entity_id="ai_task.my_ai_task_data",
        instructions="How warm is it?",
        structure=structure,
    )
    await hass.async_block_till_done()
    return result.data


async def test_a_task_is_answered_in_words(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry
) -> None:
    node.reply(done("It is 21 degrees."))
    assert await generated(hass) == "It is 21 degrees."
    assert node.requests[0]["messages"][-1] == {"role": "user", "content": "How warm is it?"}
    assert "response_format" not in node.requests[0]


async def test_a_task_is_answered_by_its_structure(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry
) -> None:
    node.reply(done('{"celsius": 21}'))
    assert await generated(hass, STRUCTURE) == {"celsius": 21}
    schema = node.requests[0]["response_format"]["schema"]
    assert schema["properties"]["celsius"]["type"] == "number"
    assert schema["required"] == ["celsius"]


@pytest.mark.parametrize(
    ("frames", "key"),
    [
        ([done('{"celsius": 2')], "too_long"),
        ([error("context_overflow")], "too_long"),
        ([error("busy")], "busy"),
    ],
)
async def test_a_task_that_fails_says_why(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, frames: Any, key: str
) -> None:
    node.reply(*frames)
    with pytest.raises(HomeAssistantError) as raised:
        await generated(hass, STRUCTURE)
    assert (raised.value.translation_domain, raised.value.translation_key) == ("edge_llm", key)


async def test_a_node_that_says_nothing_is_asked_in_vain(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry
) -> None:
    for _ in range(10):
        node.reply(done(""))
    with pytest.raises(HomeAssistantError) as raised:
        await generated(hass)
    assert raised.value.translation_key == "silent"
