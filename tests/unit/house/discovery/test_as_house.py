"""The house that announced devices make."""

import json
from typing import Any

from edge_llm.contract.house import MAX_AREAS, House
from edge_llm.house.discovery.as_house import house_of
from edge_llm.house.discovery.reader import Discovery


def discovered(*devices: Any) -> Discovery:
    discovery = Discovery("edge_llm")
    for number, device in enumerate(devices):
        config = {"cmd_t": "a", "name": None, "uniq_id": f"u{number}", "dev": device}
        discovery.update(f"homeassistant/switch/x{number}/config", json.dumps(config).encode())
    assert discovery.problems == {}
    return discovery


def places(house: House) -> list[tuple[str, str | None]]:
    areas = {area.id: area.name for area in house.areas}
    return [(device.name, areas.get(device.area or "")) for device in house.devices]


def test_rooms_come_from_names_and_from_what_devices_say() -> None:
    discovery = discovered(
        {"name": "kitchen/ceiling lamp"},
        {"name": "Kitchen/plug", "sa": None},
        {"name": "hall/plug", "suggested_area": "Stairs"},
        {"name": "kettle"},
        {"name": "/odd"},
    )
    house = house_of(discovery.entities, "de", "{area}/{name}")
    assert places(house) == [
        ("ceiling lamp", "kitchen"),
        ("plug", "kitchen"),
        ("plug", "Stairs"),
        ("kettle", None),
        ("/odd", None),
    ]
    assert house.language == "de"
    assert [device.unique_id for device in house.devices] == ["u0", "u1", "u2", "u3", "u4"]
    assert House.model_validate_json(house.model_dump_json(by_alias=True)) == house


def test_without_a_pattern_or_with_one_that_lacks_a_part_names_stay() -> None:
    discovery = discovered({"name": "kitchen/lamp"})
    for pattern in (None, "", "{name}", "{area}{area}", "{area}/{name}/{name}"):
        assert places(house_of(discovery.entities, "en", pattern)) == [("kitchen/lamp", None)]


def test_other_patterns() -> None:
    discovery = discovered({"name": "lamp (kitchen)"})
    assert places(house_of(discovery.entities, "en", "{name} ({area})")) == [("lamp", "kitchen")]


def test_ids_are_the_same_each_time_and_areas_are_bounded() -> None:
    devices = [{"name": f"room {number}/lamp"} for number in range(MAX_AREAS + 5)]
    house = house_of(discovered(*devices).entities, "en", "{area}/{name}")
    assert len(house.areas) == MAX_AREAS
    assert sum(device.area is None for device in house.devices) == 5
    assert house == house_of(discovered(*devices).entities, "en", "{area}/{name}")
