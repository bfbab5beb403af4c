"""Acts as calls: intents and slots as Home Assistant has them, and the ids of the devices."""

from typing import Any

import pytest

from edge_llm.house.actions import ACTIONS, QUERY, Action
from edge_llm.house.acts import Act, Value
from edge_llm.house.compiled import CompiledHouse
from tests.unit.house.houses import compiled, home, light

DEGREES = {"min": 5, "max": 30, "step": 0.5, "unit": "°C"}


def calls(
    house: CompiledHouse, name: str, action: Action, value: Value = None, *excepted: str
) -> list[tuple[str, dict[str, Any], tuple[str, ...]]]:
    target = next(target for target in house.targets.all if target.name == name)
    act = Act(target, action, value, frozenset(excepted))
    return [(call.name, call.arguments, call.device_ids) for call in act.calls()]


@pytest.mark.parametrize(
    ("name", "action", "value", "intent", "slots"),
    [
        ("Reading lamp", "on", None, "HassTurnOn", {}),
        ("Reading lamp", "off", None, "HassTurnOff", {}),
        ("Kitchen blind", "open", None, "HassTurnOn", {}),
        ("Kitchen blind", "close", None, "HassTurnOff", {}),
        ("Kitchen blind", "stop", None, "HassStopMoving", {}),
        ("Kitchen blind", "position", 50.0, "HassSetPosition", {"position": 50}),
        ("Front door", "lock", None, "HassTurnOn", {}),
        ("Front door", "unlock", None, "HassTurnOff", {}),
        ("Reading lamp", "brightness", 40.0, "HassLightSet", {"brightness": 40}),
        ("Reading lamp", "color", "red", "HassLightSet", {"color": "red"}),
        ("Thermostat", "temperature", 21.5, "HassClimateSetTemperature", {"temperature": 21.5}),
        ("Kitchen radio", "louder", None, "HassSetVolumeRelative", {"volume_step": "up"}),
        ("Kitchen radio", "quieter", None, "HassSetVolumeRelative", {"volume_step": "down"}),
        ("Kitchen radio", "volume", 30.0, "HassSetVolume", {"volume_level": 30}),
        ("Kitchen radio", "next", None, "HassMediaNext", {}),
        ("Shopping list", "add_item", "rye bread", "HassListAddItem", {"item": "rye bread"}),
    ],
)
def test_an_action_on_a_device_is_one_call(
    name: str, action: str, value: Value, intent: str, slots: dict[str, Any]
) -> None:
    ((called, arguments, ids),) = calls(home("en"), name, ACTIONS[action], value)
    assert (called, arguments) == (intent, {"name": name, **slots})
    assert len(ids) == 1


def test_whole_numbers_are_written_as_such() -> None:
    ((_, arguments, _),) = calls(home("en"), "Reading lamp", ACTIONS["brightness"], 40.0)
    assert repr(arguments["brightness"]) == "40"


def test_a_question_is_a_call_that_changes_nothing() -> None:
    assert calls(home("en"), "Front door", QUERY) == [("HassGetState", {"name": "Front door"}, ("door",))]


@pytest.mark.parametrize(
    ("name", "slots", "ids"),
    [
        ("Living room: lights", {"area": "Living room", "domain": ["light"]}, ("reading", "tall")),
        ("house: lights", {"domain": ["light"]}, ("ceiling", "reading", "tall")),
        (
            "house: everything",
            {"domain": ["light", "media_player"]},
            ("ceiling", "reading", "tall", "radio"),
        ),
    ],
)
def test_a_group_is_one_call_by_its_place_and_kind(
    name: str, slots: dict[str, Any], ids: tuple[str, ...]
) -> None:
    assert calls(home("en"), name, ACTIONS["off"]) == [("HassTurnOff", slots, ids)]


def test_a_group_of_a_class_says_the_class() -> None:
    expected = {"area": "Kitchen", "domain": ["cover"], "device_class": ["blind"]}
    assert calls(home("en"), "Kitchen: blinds", ACTIONS["open"]) == [("HassTurnOn", expected, ("blind",))]


def test_a_group_of_a_floor_says_the_floor() -> None:
    house = compiled(
        light("1", "Lamp", area="k"),
        areas=[{"id": "k", "name": "Kitchen", "floor": "g"}],
        floors=[{"id": "g", "name": "Ground floor"}],
    )
    ((_, slots, _),) = calls(house, "Ground floor: lights", ACTIONS["on"])
    assert slots == {"floor": "Ground floor", "domain": ["light"]}


def test_where_devices_are_excepted_the_others_are_called_one_by_one() -> None:
    """No slot says "but not"."""
    assert calls(home("en"), "house: lights", ACTIONS["off"], None, "reading") == [
        ("HassTurnOff", {"name": "Ceiling lamp"}, ("ceiling",)),
        ("HassTurnOff", {"name": "Tall lamp"}, ("tall",)),
    ]


def test_what_is_excepted_elsewhere_leaves_a_group_whole() -> None:
    assert len(calls(home("en"), "Living room: lights", ACTIONS["off"], None, "ceiling")) == 1


def test_devices_of_one_name_are_called_by_name_and_area() -> None:
    areas = [{"id": "k", "name": "Kitchen"}, {"id": "b", "name": "Bath"}]
    house = compiled(light("1", "Lamp", area="k"), light("2", "Lamp", area="b"), areas=areas)
    assert calls(house, "Lamp (Bath)", ACTIONS["on"]) == [
        ("HassTurnOn", {"name": "Lamp", "area": "Bath"}, ("2",))
    ]


@pytest.mark.parametrize(
    ("level", "action", "value", "expected"),
    [
        (40, "brighter", None, {"brightness": 60}),
        (40, "dimmer", None, {"brightness": 20}),
        (40, "brighter", 0.5, {"brightness": 50}),
        (95, "brighter", None, {"brightness": 100}),
        (5, "dimmer", None, {"brightness": 0}),
        (None, "brighter", None, {"brightness_step": 20}),
        (None, "dimmer", 0.5, {"brightness_step": -10}),
        ("bright", "dimmer", None, {"brightness_step": -20}),
    ],
)
def test_a_relative_action_is_a_new_level_where_the_old_one_is_known(
    level: object, action: str, value: Value, expected: dict[str, Any]
) -> None:
    house = compiled(light("1", "Lamp", attributes={"brightness": level}))
    ((_, slots, _),) = calls(house, "Lamp", ACTIONS[action], value)
    assert slots == {"name": "Lamp", **expected}


@pytest.mark.parametrize(
    ("level", "action", "expected"), [(20, "warmer", 21), (29.5, "warmer", 30), (5, "cooler", 5)]
)
def test_a_new_level_keeps_to_the_devices_range(level: float, action: str, expected: float) -> None:
    heat = {"id": "h", "name": "Heat", "kind": "climate", "capabilities": {"temperature": DEGREES}}
    house = compiled(heat | {"attributes": {"temperature": level}})
    ((_, slots, _),) = calls(house, "Heat", ACTIONS[action])
    assert slots["temperature"] == expected


def test_each_of_a_group_changes_from_its_own_level() -> None:
    house = compiled(
        light("1", "A", attributes={"brightness": 10}), light("2", "B", attributes={"brightness": 50})
    )
    assert [slots for _, slots, _ in calls(house, "house: lights", ACTIONS["brighter"])] == [
        {"name": "A", "brightness": 30},
        {"name": "B", "brightness": 70},
    ]


@pytest.mark.parametrize(
    ("kind", "action", "intent"),
    [
        ("vacuum", "start", "HassVacuumStart"),
        ("lawn_mower", "start", "HassLawnMowerStartMowing"),
        ("vacuum", "dock", "HassVacuumReturnToBase"),
        ("lawn_mower", "dock", "HassLawnMowerDock"),
    ],
)
def test_some_kinds_have_intents_of_their_own(kind: str, action: str, intent: str) -> None:
    ((called, _, _),) = calls(compiled({"id": "1", "name": "It", "kind": kind}), "It", ACTIONS[action])
    assert called == intent
