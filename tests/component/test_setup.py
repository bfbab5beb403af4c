"""Set-up, unload, a node that goes and comes, and diagnostics."""

import json
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from .conftest import AGENT, Expose, new_entry
from .fakes import BASE, HOUSE, INFO, NODE, TOPIC, FakeNode


def state(hass: HomeAssistant, entity_id: str = AGENT) -> str:
    found = hass.states.get(entity_id)
    assert found
    return found.state


async def test_it_is_set_up_and_unloaded(hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry) -> None:
    assert entry.state == ConfigEntryState.LOADED
    assert state(hass) == "unknown"
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert (device.name, device.model, device.sw_version) == ("My conversation", "a model", "1.2.3")
    assert node.house()["source"] == "homeassistant"

    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state == ConfigEntryState.NOT_LOADED
    assert state(hass) == "unavailable"
    assert node.published[-1] == (HOUSE, "", True)


async def test_it_waits_for_mqtt(hass: HomeAssistant) -> None:
    entry = new_entry()
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY


async def test_what_does_not_unload_stays(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, monkeypatch: Any
) -> None:
    async def refuse(*_: Any) -> bool:
        return False

    with monkeypatch.context() as patched:
        patched.setattr(hass.config_entries, "async_unload_platforms", refuse)
        assert not await hass.config_entries.async_unload(entry.entry_id)
    assert node.house()
    entry.mock_state(hass, ConfigEntryState.LOADED)


async def test_the_agent_is_there_while_its_node_is(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry
) -> None:
    for payload, expected in (("offline", "unavailable"), ("online", "unknown"), ("online", "unknown")):
        node.state(payload)
        await hass.async_block_till_done()
        assert state(hass) == expected


async def test_the_device_shows_the_nodes_model(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry
) -> None:
    node.info(INFO | {"model": "another"})
    await hass.async_block_till_done()
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert device.model == "another"
    node.fire(f"{TOPIC}/info", "")  # it was retired
    await hass.async_block_till_done()
    assert entry.runtime_data.info == {}
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert device.model == "another"


async def test_a_change_of_the_entry_is_taken(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"base_topic": "other", "node": "attic"})
    await hass.async_block_till_done()
    assert entry.runtime_data.topics.request == "other/attic/request/homeassistant"
    assert state(hass) == "unavailable"
    assert node.on(HOUSE)[-1] == ""
    assert node.on("other/house/homeassistant")[-1]


async def test_a_report_counts_the_house_and_names_nothing_of_it(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry, expose: Expose
) -> None:
    expose("light.secret_lamp", friendly_name="Secret lamp")
    expose("light.other_lamp")
    expose("lock.door")
    report = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert report == {
        "entry": {"base_topic": BASE, "node": NODE},
        "subentries": [{"type": "conversation", "data": {"prompt": "**REDACTED**"}}],
        "online": True,
        "info": INFO,
        "house": {"language": "en", "floors": 0, "areas": 0, "devices": {"light": 2, "lock": 1}},
    }
    assert "ecret" not in json.dumps(report)
