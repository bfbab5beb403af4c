"""Both ways to announce devices make one list, and no device is moved by what a node listens to."""

import json

from edge_llm.house.announced.sources import DeviceSources
from tests.unit.house.discovery.exposes.networks import DEVICES, device, payload

LAMP = "homeassistant/light/lamp/config"
BULB = payload([device(1, "bulb", "bulb")])


def announce(sources: DeviceSources, topic: str, **config: object) -> bool:
    return sources.update(topic, json.dumps(config).encode())


def both(*own_filters: str) -> DeviceSources:
    return DeviceSources("homeassistant", "zigbee2mqtt", "edge_llm", own_filters)


def test_a_message_goes_to_the_reader_of_its_topic() -> None:
    sources = both()
    assert sources.filters == (
        "homeassistant/+/+/config",
        "homeassistant/+/+/+/config",
        "zigbee2mqtt/bridge/devices",
        "zigbee2mqtt/bridge/groups",
    )
    assert all(map(sources.matches, (LAMP, DEVICES)))
    assert not any(
        map(sources.matches, ("homeassistant/status", "zigbee2mqtt/bridge/state", "edge_llm/house/config"))
    )
    assert announce(sources, LAMP, command_topic="a/set", name="Lamp", unique_id="x")
    assert sources.update(DEVICES, BULB)
    assert sorted(each.device.name for each in sources.entities.values()) == ["Lamp", "bulb"]


def test_what_both_announce_is_one_device() -> None:
    sources = both()
    sources.update(DEVICES, BULB)
    (name,) = sources.entities
    unique_id = sources.entities[name].device.unique_id
    announce(sources, LAMP, command_topic="zigbee2mqtt/bulb/set", name="Lamp", unique_id=unique_id)
    (device,) = sources.entities.values()
    assert device.device.name == "Lamp"


def test_no_device_is_moved_by_what_the_node_listens_to() -> None:
    sources = both("home/+/say")
    announce(sources, LAMP, command_topic="home/kitchen/say", name="Lamp")
    announce(sources, "homeassistant/light/other/config", command_topic="home/kitchen/lamp", name="Other")
    assert [each.device.name for each in sources.entities.values()] == ["Other"]
    assert list(sources.problems) == [LAMP]
