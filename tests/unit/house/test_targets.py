"""A house's targets: its devices, and every group of them that is not empty."""

import pytest

from edge_llm.contract.house import Range
from edge_llm.house.actions import ACTIONS, actions_of
from edge_llm.house.targets import Target, Targets, united
from tests.unit.house.houses import compiled, home, light

AREAS = [{"id": "k", "name": "Kitchen", "floor": "g", "aliases": ["Galley"]}, {"id": "b", "name": "Bedroom"}]
FLOORS = [{"id": "g", "name": "Ground floor"}]


def targets(*devices: dict[str, object]) -> Targets:
    return compiled(*devices, areas=AREAS, floors=FLOORS).targets


def names(group: tuple[Target, ...]) -> list[str]:
    return [target.name for target in group]


def named(found: Targets, name: str) -> Target:
    return next(target for target in found.all if target.name == name)


def actions(target: Target) -> list[str]:
    return [action.id for action in target.actions]


def test_a_device_is_called_as_it_is() -> None:
    found = targets(light("1", "Lamp", area="k"), light("2", "Strip"))
    assert names(found.devices) == ["Lamp", "Strip"]
    assert [target.is_group for target in found.all[:2]] == [False, False]


@pytest.mark.parametrize(
    ("areas", "expected"),
    [
        (("k", "b"), ["Lamp (Kitchen)", "Lamp (Bedroom)"]),
        (("k", "k"), ["Lamp (Kitchen)", "Lamp (Kitchen) 2"]),
        ((None, None), ["Lamp", "Lamp 2"]),
        (("k", None), ["Lamp (Kitchen)", "Lamp"]),
    ],
)
def test_devices_of_one_name_are_told_apart(areas: tuple[str | None, ...], expected: list[str]) -> None:
    found = targets(*(light(str(n), "Lamp", area=area) for n, area in enumerate(areas)))
    assert names(found.devices) == expected


def test_only_what_shares_a_name_is_renamed() -> None:
    devices = [light(str(n), "Lamp", area="k") for n in range(2)]
    found = targets(*devices, light("x", "Strip", area="k"))
    assert names(found.devices)[2] == "Strip"


def test_there_is_a_group_for_every_place_and_kind_that_has_devices() -> None:
    found = targets(
        light("1", "Lamp", area="k"),
        {"id": "2", "name": "Socket", "kind": "switch", "area": "b"},
        {"id": "3", "name": "Drapes", "kind": "cover", "class": "curtain", "area": "b"},
    )
    assert set(names(found.groups)) == {
        "Kitchen: lights",
        "Bedroom: switches",
        "Bedroom: curtains",
        "Bedroom: covers",
        "Ground floor: lights",
        "house: lights",
        "house: switches",
        "house: curtains",
        "house: covers",
        "house: everything",
    }


def test_a_group_has_the_devices_of_its_place() -> None:
    found = home("en").targets
    assert named(found, "Living room: lights").ids == ("reading", "tall")
    assert named(found, "house: lights").ids == ("ceiling", "reading", "tall")


def test_everything_is_what_can_be_switched_off() -> None:
    """Not doors and locks: turning them on would open them."""
    everything = named(home("en").targets, "house: everything")
    assert everything.ids == ("ceiling", "reading", "tall", "radio")
    assert actions(everything) == ["on", "off"]


def test_what_is_only_read_is_in_no_group() -> None:
    found = targets({"id": "s", "name": "Air", "kind": "sensor", "area": "k"})
    assert found.groups == ()
    assert found.devices[0].actions == ()


def test_a_group_can_what_one_of_its_members_can() -> None:
    found = targets(
        light("1", "Bulb", area="k", capabilities={"on_off": True}),
        light("2", "Strip", area="k", capabilities={"on_off": True, "brightness": {}}),
    )
    assert actions(named(found, "Kitchen: lights")) == ["on", "off", "brightness", "brighter", "dimmer"]
    assert actions(named(found, "Bulb")) == ["on", "off"]


def test_a_device_that_is_called_like_a_group_leaves_both_names() -> None:
    found = targets(light("1", "Kitchen: lights", area="k"), light("2", "Lamp", area="k"))
    all_names = names(found.all)
    assert len(set(all_names)) == len(all_names)
    assert named(found, "Kitchen: lights").ids == ("1",)


def test_the_limits_of_a_group_cover_those_of_its_members() -> None:
    def heat(number: int, **limits: float | str) -> dict[str, object]:
        capabilities = {"temperature": limits}
        return {"id": str(number), "name": f"H{number}", "kind": "climate", "capabilities": capabilities}

    found = targets(
        heat(1, min=5, max=25, step=1, unit="°C"),
        heat(2, min=10, max=30, step=0.5, unit="°C"),
        {"id": "3", "name": "Fan", "kind": "climate", "capabilities": {"on_off": True}},
    )
    limits = named(found, "house: thermostats").limits(ACTIONS["temperature"])
    assert limits == Range(min=5, max=30, step=0.5, unit="°C")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("k", "Kitchen"),
        ("kitchen", "Kitchen"),
        ("GALLEY", "Kitchen"),
        ("cellar", None),
        (None, None),
        ("", None),
    ],
)
def test_an_area_is_found_by_id_name_or_alias(said: str | None, expected: str | None) -> None:
    area = targets(light("1", "Lamp", area="k")).area(said)
    assert (area.name if area else None) == expected


def test_a_union_of_groups_has_each_device_once() -> None:
    found = targets(
        {"id": "1", "name": "A", "kind": "cover", "class": "blind", "area": "k"},
        {"id": "2", "name": "B", "kind": "cover", "class": "curtain", "area": "k"},
    )
    both = united([named(found, "Kitchen: blinds"), named(found, "Kitchen: curtains")])
    assert (both.ids, both.kinds) == (("1", "2"), ("cover:blind", "cover:curtain"))
    assert both.area
    assert both.area.id == "k"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lock", ["lock", "unlock"]),
        ("scene", ["activate"]),
        ("button", ["press"]),
        ("vacuum", ["start", "dock"]),
        ("todo", ["add_item", "complete_item"]),
        ("valve", ["open", "close", "position"]),
        ("sensor", []),
        ("never_heard_of", []),
    ],
)
def test_without_capabilities_a_device_can_what_is_usual_for_its_kind(kind: str, expected: list[str]) -> None:
    (device,) = targets({"id": "1", "name": "It", "kind": kind}).house.devices
    assert [action.id for action in actions_of(device)] == expected


def test_capabilities_that_are_given_are_all_there_are() -> None:
    (device,) = targets(light("1", "Bulb", capabilities={"brightness": {}})).house.devices
    assert [action.id for action in actions_of(device)] == ["brightness", "brighter", "dimmer"]


def test_a_house_of_a_language_without_a_table_has_english_actions_and_its_own_names() -> None:
    house = compiled(light("1", "Lampada", area="c"), language="it", areas=[{"id": "c", "name": "Cucina"}])
    assert names(house.targets.groups)[0] == "Cucina: lights"
