"""The house that is published, and when."""

from datetime import timedelta
from typing import Any
from unittest.mock import MagicMock

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from .conftest import Expose
from .fakes import HOUSE, FakeNode


async def settle(hass: HomeAssistant, seconds: int = 6) -> None:
    """Let time pass."""
    await hass.async_block_till_done()
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await hass.async_block_till_done()


async def test_what_is_exposed_is_published_with_its_place_and_names(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, expose: Expose
) -> None:
    floor = fr.async_get(hass).async_create("Ground\nfloor", aliases={"downstairs"})
    areas, entities = ar.async_get(hass), er.async_get(hass)
    hall = areas.async_create("Hall", floor_id=floor.floor_id)
    areas.async_create("Attic")
    lamp = entities.async_get_or_create("light", "test", "4711", original_name="Lamp", object_id_base="lamp")
    names: list[er.AliasEntry] = [er.COMPUTED_NAME, "Big lamp", "\x7f"]
    entities.async_update_entity(lamp.entity_id, area_id=hall.id, aliases=names)
    expose(lamp.entity_id, "on", friendly_name="Lamp", supported_color_modes=["brightness"])
    expose("sensor.bath", "21", friendly_name="\n", device_class="temperature", unit_of_measurement="°C")
    expose("switch.odd", device_class="Not a class")
    hass.states.async_set("light.secret", "on")
    async_expose_entity(hass, "conversation", "light.secret", False)
    await settle(hass)

    house = node.house()
    assert (house["v"], house["source"], house["language"]) == (1, "homeassistant", "en")
    assert house["floors"] == [{"id": floor.floor_id, "name": "Ground floor", "aliases": ["downstairs"]}]
    assert house["areas"] == [
        {"id": hall.id, "name": "Hall", "floor": floor.floor_id},
        {"id": "attic", "name": "Attic"},
    ]
    devices = node.devices()
    assert set(devices) == {"light.lamp", "sensor.bath", "switch.odd"}
    assert devices["light.lamp"]["area"] == hall.id
    assert (devices["light.lamp"]["name"], devices["light.lamp"]["aliases"]) == ("Lamp", ["Big lamp"])
    assert devices["light.lamp"]["unique_id"] == "4711"
    assert devices["light.lamp"]["capabilities"]["brightness"]
    assert devices["sensor.bath"]["name"] == "sensor.bath"
    assert (devices["sensor.bath"]["class"], devices["sensor.bath"]["attributes"]) == (
        "temperature",
        {"unit": "°C"},
    )
    assert "class" not in devices["switch.odd"]
    assert all("state" not in device for device in devices.values())
    assert node.published[-1][2]  # it is retained


async def test_many_changes_are_published_once(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, expose: Expose
) -> None:
    await settle(hass)
    before = len(node.on(HOUSE))
    for number in range(20):
        expose(f"light.number_{number}")
        ar.async_get(hass).async_create(f"Area {number}")
    await hass.async_block_till_done()
    assert len(node.on(HOUSE)) == before
    await settle(hass)
    assert len(node.on(HOUSE)) == before + 1
    assert len(node.devices()) == 20


async def test_only_what_changes_the_description_is_published(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, expose: Expose
) -> None:
    expose("light.kitchen")
    await settle(hass)
    before = len(node.on(HOUSE))
    hass.states.async_set("light.kitchen", "on")
    hass.states.async_set("light.kitchen", "on", {"brightness": 20})
    area = ar.async_get(hass).async_create("Hall")
    ar.async_get(hass).async_delete(area.id)
    await settle(hass)
    assert len(node.on(HOUSE)) == before
    hass.states.async_set("light.kitchen", "on", {"friendly_name": "New name"})
    await settle(hass)
    assert node.devices()["light.kitchen"]["name"] == "New name"
    hass.states.async_remove("light.kitchen")
    await settle(hass)
    assert node.devices() == {}
    expose("light.kitchen")
    await settle(hass)
    async_expose_entity(hass, "conversation", "light.kitchen", False)
    await settle(hass)
    assert node.devices() == {}


async def test_it_is_published_again_when_the_broker_is_back(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, mqtt_mock: MagicMock, expose: Expose
) -> None:
    await settle(hass)
    before = len(node.on(HOUSE))
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, False)
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    expose("light.kitchen")
    await settle(hass)
    mqtt_mock.async_publish.side_effect = None
    assert len(node.on(HOUSE)) == before
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, True)
    await settle(hass)
    assert set(node.devices()) == {"light.kitchen"}
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, True)  # with nothing changed
    await settle(hass)
    assert len(node.on(HOUSE)) == before + 2


@pytest.fixture
def starting(hass: HomeAssistant) -> None:
    """Home Assistant has not started yet."""
    hass.set_state(CoreState.starting)


async def test_it_waits_until_home_assistant_has_started(
    hass: HomeAssistant, starting: None, node: FakeNode, entry: MockConfigEntry, expose: Expose
) -> None:
    expose("light.kitchen")
    await settle(hass)
    assert node.on(HOUSE) == []
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()
    assert set(node.devices()) == {"light.kitchen"}


async def test_two_nodes_read_one_house(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, expose: Expose
) -> None:
    other = MockConfigEntry(domain="edge_llm", data={"base_topic": "edge_llm", "node": "attic"})
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup(other.entry_id)
    expose("light.kitchen")
    await settle(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert set(node.devices()) == {"light.kitchen"}
    expose("light.hall")  # a change is due
    await hass.async_block_till_done()
    assert await hass.config_entries.async_unload(other.entry_id)
    assert node.on(HOUSE)[-1] == ""
    await settle(hass)
    assert node.on(HOUSE)[-1] == ""


async def test_the_house_stays_if_the_broker_is_gone(
    hass: HomeAssistant, node: FakeNode, entry: MockConfigEntry, mqtt_mock: MagicMock
) -> None:
    mqtt_mock.async_publish.side_effect = HomeAssistantError("no broker")
    assert await hass.config_entries.async_unload(entry.entry_id)
    mqtt_mock.async_publish.side_effect = None
    assert node.on(HOUSE)[-1]


@pytest.mark.parametrize(
    ("entity_id", "attributes", "capabilities"),
    [
        ("light.a", {"supported_color_modes": ["onoff"]}, {"on_off"}),
        ("light.a", {"supported_color_modes": ["hs"]}, {"on_off", "brightness", "color"}),
        ("switch.a", {}, {"on_off"}),
        ("automation.a", {}, {"on_off"}),
        ("fan.a", {"supported_features": 57, "preset_modes": ["eco"]}, {"on_off", "speed", "mode"}),
        ("fan.a", {"supported_features": 8, "preset_modes": []}, set()),
        ("cover.a", {"supported_features": 15}, {"open_close", "position", "stop"}),
        ("valve.a", {"supported_features": 3}, {"open_close"}),
        ("lock.a", {}, {"lock"}),
        (
            "climate.a",
            {"supported_features": 401, "min_temp": 7, "max_temp": 30, "preset_modes": ["eco"]},
            {"on_off", "temperature", "mode"},
        ),
        ("climate.a", {"supported_features": 1, "min_temp": 7, "max_temp": 7}, set()),
        ("climate.a", {"supported_features": 1, "min_temp": "low"}, set()),
        (
            "water_heater.a",
            {"supported_features": 11, "min_temp": 30, "max_temp": 60, "operation_list": ["eco"]},
            {"on_off", "temperature", "mode"},
        ),
        ("humidifier.a", {"min_humidity": 30, "max_humidity": 60}, {"on_off", "humidity"}),
        (
            "media_player.a",
            {"supported_features": 384 | 1 | 16384 | 48 | 4 | 2048, "source_list": ["TV"]},
            {"on_off", "play", "next", "volume", "option"},
        ),
        ("vacuum.a", {"supported_features": 8208}, {"start", "dock"}),
        ("lawn_mower.a", {"supported_features": 5}, {"start", "dock"}),
        ("scene.a", {}, {"activate"}),
        ("script.a", {}, {"activate"}),
        ("button.a", {}, {"press"}),
        ("todo.a", {"supported_features": 1}, {"add_item"}),
        ("select.a", {"options": ["low", "low", ""]}, {"option"}),
        ("sensor.a", {}, set()),
    ],
)
async def test_an_entity_can_do_what_its_features_say(
    hass: HomeAssistant,
    node: FakeNode,
    entry: MockConfigEntry,
    expose: Expose,
    entity_id: str,
    attributes: dict[str, Any],
    capabilities: set[str],
) -> None:
    expose(entity_id, **attributes)
    await settle(hass)
    assert set(node.devices()[entity_id]["capabilities"]) == capabilities
