"""What groups of zigbee2mqtt are to the house."""

from typing import Any

import pytest

from edge_llm.house.actions import capabilities_of
from edge_llm.house.discovery.entity import Entity
from tests.unit.house.discovery.exposes.networks import (
    DEVICES,
    GROUPS,
    PRODUCTS,
    device,
    group,
    ieee,
    network,
    payload,
    sent,
    told,
)

_DEVICES = [
    device(1, "plain", "bulb"),
    device(2, "colorful", "color bulb"),
    device(3, "plug", "plug"),
    device(4, "wall", "two switches", endpoints={"1": {"name": "left"}, "2": {"name": "right"}}),
    device(5, "door", "contact"),
    device(6, "blind", "blind"),
    device(7, "off", "bulb", disabled=True),
]


def _groups(*groups: dict[str, Any]) -> dict[str, Entity]:
    entities = network(_DEVICES, groups).entities
    return {key: entity for key, entity in entities.items() if not key.startswith("zigbee2mqtt/0x")}


def test_a_group_can_do_what_one_of_its_members_can() -> None:
    ((key, lamps),) = _groups(group(7, "ceiling", 1, 2)).items()
    assert key == "zigbee2mqtt/7/light"
    assert (lamps.device.name, lamps.device.unique_id) == ("ceiling", "7_light_zigbee2mqtt")
    assert capabilities_of(lamps.device).color
    assert lamps.command_topics == {"zigbee2mqtt/ceiling/set"}
    assert sent(lamps, "color", "blue") == {"state": "ON", "color": {"hex": "#0000ff"}}
    assert told(lamps, {"state": "ON", "brightness": 254}) == {"state": "on", "brightness": 100}


def test_a_group_is_there_while_zigbee2mqtt_is() -> None:
    (lamps,) = _groups(group(7, "ceiling", 1, 2)).values()
    assert told(lamps, {"state": "offline"}, "zigbee2mqtt/ceiling/availability") == {}
    assert told(lamps, {"state": "offline"}, "zigbee2mqtt/bridge/state") == {"available": False}


def test_a_group_of_endpoints_is_told_without_them() -> None:
    (switches,) = _groups(group(8, "walls", (4, 1), (4, 2))).values()
    assert switches.device.kind == "switch"
    assert sent(switches, "on") == {"state": "ON"}
    assert told(switches, {"state": "OFF"}) == {"state": "off"}


def test_only_the_endpoint_that_is_a_member_counts() -> None:
    mixed = [PRODUCTS["two switches"][0], *_of_endpoint("l2", PRODUCTS["bulb"][:1])]
    devices = [device(1, "both", mixed, endpoints={"1": {"name": "left"}, "2": {"name": "l2"}})]
    entities = network(devices, [group(1, "switches", (1, 1)), group(2, "lamps", (1, 2))]).entities
    kinds = {entity.device.name: entity.device.kind for entity in entities.values()}
    assert (kinds["switches"], kinds["lamps"]) == ("switch", "light")
    assert sent(entities["zigbee2mqtt/2/light"], "brightness", 50) == {"brightness": 127}


def _of_endpoint(name: str, exposes: list[Any]) -> list[Any]:
    return [
        expose
        | {
            "endpoint": name,
            "features": [
                feature | {"endpoint": name, "property": f"{feature['property']}_{name}"}
                for feature in expose["features"]
            ],
        }
        for expose in exposes
    ]


def test_a_group_of_lamps_and_plugs_is_one_of_lamps() -> None:
    assert set(_groups(group(9, "all", 3, 1))) == {"zigbee2mqtt/9/light"}


def test_a_group_of_blinds_opens() -> None:
    (blinds,) = _groups(group(3, "blinds", 6)).values()
    assert sent(blinds, "open") == {"state": "OPEN"}


@pytest.mark.parametrize("members", [(), (5,), (99,), (7,)])
def test_a_group_of_nothing_that_can_be_told_is_none(members: tuple[int, ...]) -> None:
    assert not _groups(group(1, "nothing", *members))


def test_groups_may_come_first() -> None:
    read = network([], [group(1, "lamps", 1)])
    assert not read.entities
    assert read.update(DEVICES, payload(_DEVICES))
    assert "zigbee2mqtt/1/light" in read.entities


def test_a_group_is_gone_with_its_last_member() -> None:
    read = network(_DEVICES, [group(1, "lamps", 1)])
    assert read.update(GROUPS, b"[]")
    assert f"zigbee2mqtt/{ieee(1)}/light" in read.entities
    assert "zigbee2mqtt/1/light" not in read.entities
