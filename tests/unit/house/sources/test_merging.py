"""One house of those that several sources describe."""

import pytest

from edge_llm.contract.house import MAX_DEVICES, parse_house
from edge_llm.house.sources.merging import merge
from tests.unit.house.houses import DESK, devices, light, merged, of, payload


def test_floors_and_areas_of_one_name_are_one_and_ids_follow() -> None:
    catalogue = merged(
        a=payload(
            light("desk", "Desk", area="kitchen"),
            floors=[{"id": "up", "name": "Upstairs"}],
            areas=[{"id": "kitchen", "name": "The Kitchen", "aliases": ["Galley"]}],
        ),
        b=payload(
            light("spot", "Spot", area="k"),
            light("lamp", "Lamp", area="kitchen"),
            floors=[{"id": "1", "name": "UPSTAIRS", "aliases": ["First floor"]}],
            areas=[
                {"id": "k", "name": "the  kitchen", "floor": "1", "aliases": ["galley", "Scullery"]},
                {"id": "kitchen", "name": "Outdoor kitchen", "floor": "1"},
            ],
        ),
    )
    house = of(catalogue)
    assert [(floor.id, floor.aliases) for floor in house.floors] == [("up", ("First floor",))]
    assert [(area.id, area.floor, area.aliases) for area in house.areas] == [
        ("kitchen", "up", ("Galley", "Scullery")),
        ("b:kitchen", "up", ()),
    ]
    assert [device.area for device in house.devices] == ["kitchen", "kitchen", "b:kitchen"]


def test_rooms_of_one_name_are_told_apart_by_their_floor() -> None:
    floors = [{"id": "up", "name": "Up"}, {"id": "down", "name": "Down"}]
    baths = [{"id": floor, "name": "Bath", "floor": floor} for floor in ("down", "up")]
    one = [{"id": "bath", "name": "Bath", "floor": "up"}]
    for a, b in ((baths, one), (one, baths)):
        catalogue = merged(a=payload(floors=floors, areas=a), b=payload(floors=floors, areas=b))
        assert sorted(str(area.floor) for area in of(catalogue).areas) == ["down", "up"]


def test_a_device_of_two_sources_is_one_by_unique_id() -> None:
    areas = [{"id": "hall", "name": "Hall"}]
    catalogue = merged(
        a=payload(
            light(
                "a1", "Lamp", unique_id="0x1", aliases=["Light"],
                capabilities={"on_off": True, "color": ["red"]},
            ),
        ),
        b=payload(
            light(
                "b1", "Hall lamp", unique_id="0x1", aliases=["LIGHT", "Big one"], area="hall", state="on",
                attributes={"brightness": 3}, **{"class": "bulb"},
                capabilities={"brightness": {"max": 255}, "color": ["Red", "blue"]},
            ),
            light("a1", "Another"),
            areas=areas,
        ),
    )  # fmt: skip
    lamp, another = of(catalogue).devices
    assert (lamp.id, lamp.name, lamp.aliases) == ("a1", "Lamp", ("Light", "Hall lamp", "Big one"))
    assert (lamp.area, lamp.state, lamp.device_class) == ("hall", "on", "bulb")
    assert lamp.attributes == {"brightness": 3}
    assert lamp.capabilities
    assert lamp.capabilities.on_off
    assert lamp.capabilities.brightness
    assert lamp.capabilities.brightness.max == 255
    assert lamp.capabilities.color == ("red", "blue")
    assert (another.id, another.name) == ("b:a1", "Another")


def test_else_it_is_one_by_name_and_area() -> None:
    areas = [{"id": "hall", "name": "Hall"}, {"id": "bath", "name": "Bath"}]
    catalogue = merged(
        a=payload(light("a", "Ceiling  Lamp", area="hall", unique_id="x"), areas=areas),
        b=payload(
            light("b1", "ceiling lamp", area="bath"),
            light("b2", "ceiling lamp", area="hall", unique_id="y"),
            light("b3", "ceiling lamp"),
            areas=areas,
        ),
    )
    assert [(device.id, device.area) for device in of(catalogue).devices] == [
        ("a", "hall"), ("b1", "bath"), ("b3", None),
    ]  # fmt: skip


def test_the_unique_id_counts_before_the_name() -> None:
    catalogue = merged(
        a=payload(light("a", "Lamp", unique_id="1")),
        b=payload(
            light("by name", "Lamp", state="wrong"), light("by id", "Other", unique_id="1", state="right")
        ),
    )
    assert devices(catalogue)["a"].state == "right"
    assert list(devices(catalogue)) == ["a", "by name"]


@pytest.mark.parametrize("unique_id", [None, "1"])
def test_another_kind_or_class_is_another_device(unique_id: str | None) -> None:
    """Or a lock could be opened as the light that it is named as, without being asked about."""
    door = {"id": "door", "name": "Door", "unique_id": unique_id}
    catalogue = merged(
        a=payload(light("door", "Door", unique_id=unique_id)),
        b=payload({**door, "kind": "lock"}),
        c=payload({**door, "kind": "cover", "class": "shade"}),
        d=payload({**door, "kind": "cover", "class": "garage"}),
    )
    assert [(device.id, device.kind, device.device_class) for device in of(catalogue).devices] == [
        ("door", "light", None),
        ("b:door", "lock", None),
        ("c:door", "cover", "shade"),
        ("d:door", "cover", "garage"),
    ]


def test_devices_that_one_source_tells_apart_stay_apart() -> None:
    pair = (light("1", "Lamp"), light("2", "Lamp"))
    assert len(devices(merged(a=payload(*pair)))) == 2
    assert len(devices(merged(a=payload(*pair), b=DESK))) == 3
    assert list(devices(merged(a=payload(*pair), b=payload(light("3", "Lamp"))))) == ["1", "2", "3"]


def test_without_capabilities_those_of_the_other_count() -> None:
    capable = payload(light("x", "Lamp", capabilities={"on_off": True}))
    for sources in ({"a": payload(light("x", "Lamp")), "b": capable}, {"a": capable, "b": DESK}):
        found = devices(merged(**sources))["x"].capabilities
        assert found
        assert found.on_off


def test_the_language_is_that_of_the_first_with_devices() -> None:
    empty = payload(language="fr")
    german = payload(light("x", "Lampe"), language="de")
    assert of(merged(a=empty, b=german, c=DESK)).language == "de"
    assert of(merged(a=empty, b=payload(language="nl"))).language == "fr"


def test_what_is_over_the_bounds_is_left_out_and_said() -> None:
    many = [light(f"d{number}", f"Lamp {number}") for number in range(MAX_DEVICES - 1)]
    areas = [{"id": f"r{number}", "name": f"Room {number}"} for number in range(150)]
    catalogue = merged(
        a=payload(*many, areas=areas),
        b=payload(
            light("x", "Desk", area="s149"), light("y", "Spot"), light("z", "Lamp 1"),
            areas=[{"id": f"s{number}", "name": f"Space {number}"} for number in range(150)],
        ),
    )  # fmt: skip
    assert catalogue.problems == {
        "b": "left out: 100 areas (a house has at most 200), 1 devices (a house has at most 2000)"
    }
    assert (len(of(catalogue).devices), len(of(catalogue).areas)) == (MAX_DEVICES, 200)
    assert devices(catalogue)["x"].area is None
    catalogue.update("b", b"{")
    assert catalogue.problems["b"].startswith("this is no JSON, at line 1 column 1; left out: 100 areas")
    catalogue.update("a", b"")
    assert catalogue.problems == {"b": "this is no JSON, at line 1 column 1"}


def test_aliases_values_and_ids_are_bounded_too() -> None:
    many = [f"Name {number}" for number in range(20)]
    colors = [f"c{number}" for number in range(100)]
    long = "x" * 255
    catalogue = merged(
        a=payload(light("x", "Lamp", aliases=many, capabilities={"color": colors}), light(long, "Long")),
        b=payload(
            light("x", "Lamp", aliases=["More"], capabilities={"color": ["new"]}), light(long, "As long")
        ),
    )
    lamp = devices(catalogue)["x"]
    assert lamp.aliases == tuple(many)
    assert lamp.capabilities
    assert lamp.capabilities.color == tuple(colors)
    assert catalogue.problems == {
        "b": "left out: 1 aliases (at most 20 of one thing), 1 values of color (at most 100 of one thing),"
        " 1 devices (another source has this long id, too)"
    }


def test_the_merged_house_is_one_that_a_source_could_publish() -> None:
    house = merge({name: parse_house(payload(light("x", name))) for name in ("a", "b", "c")}).house
    assert house
    assert parse_house(house.model_dump_json(by_alias=True, exclude_none=True).encode()) == house
