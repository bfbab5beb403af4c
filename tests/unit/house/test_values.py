"""The values that a sentence leaves for an action, within the device's limits."""

from typing import Any

import pytest

from edge_llm.house.actions import ACTIONS
from edge_llm.house.choice import Choice
from edge_llm.house.pointing import listed
from edge_llm.house.reading.clauses import Clause
from edge_llm.house.values import value_schema, values_of
from tests.unit.house.houses import compiled

DEGREES = {"min": 5, "max": 30, "step": 0.5, "unit": "°C"}


def target(**capabilities: Any) -> Any:
    return compiled({"id": "x", "name": "It", "kind": "thing", "capabilities": capabilities}).targets.devices[
        0
    ]


def values(clause: Clause, action: str, **capabilities: Any) -> tuple[str | float, ...] | None:
    return values_of(target(**capabilities), ACTIONS[action], Choice(clause))


def schema(clause: Clause, action: str, **capabilities: Any) -> dict[str, Any] | None:
    return value_schema(target(**capabilities), ACTIONS[action], Choice(clause))


@pytest.mark.parametrize(
    ("numbers", "flags", "expected"),
    [
        ((21.5,), (), (21.5,)),
        ((20.3,), (), (20.5,)),
        ((5.0,), (), (5,)),
        ((30.0,), (), (30,)),
        ((4.0,), (), ()),
        ((45.0,), (), ()),
        ((45.0, 20.0), (), (20,)),
        ((), ("most",), (30,)),
        ((), ("least",), (5,)),
        ((), ("half",), (17.5,)),
        ((30.0,), ("most",), (30,)),
        ((), (), ()),
    ],
)
def test_a_range_takes_the_numbers_and_levels_that_are_in_it(
    numbers: tuple[float, ...], flags: tuple[str, ...], expected: tuple[float, ...]
) -> None:
    clause = Clause(numbers=numbers, flags=frozenset(flags))
    assert values(clause, "temperature", temperature=DEGREES) == expected


def test_the_least_of_a_range_from_0_is_not_off() -> None:
    assert values(Clause(flags=frozenset({"least"})), "brightness", brightness={}) == (1,)


@pytest.mark.parametrize("action", ["on", "off", "open", "lock", "mute"])
def test_what_takes_no_value_has_none(action: str) -> None:
    can = {"on_off": True, "open_close": True, "lock": True, "volume": {}}
    assert values(Clause(numbers=(5.0,)), action, **can) is None
    assert schema(Clause(numbers=(5.0,)), action, **can) is None


def test_a_step_is_a_whole_one_or_a_bit() -> None:
    assert values(Clause(), "brighter", brightness={}) is None
    assert values(Clause(flags=frozenset({"slightly"})), "brighter", brightness={}) == (0.5,)
    assert schema(Clause(flags=frozenset({"slightly"})), "brighter", brightness={}) is None


@pytest.mark.parametrize(
    ("action", "capability"), [("mode", {"mode": ["heat", "Eco"]}), ("option", {"option": ["heat", "Eco"]})]
)
def test_a_list_takes_the_entries_that_are_said(action: str, capability: dict[str, Any]) -> None:
    assert values(Clause(text="set it to eco"), action, **capability) == ("Eco",)
    assert values(Clause(text="set it to dry"), action, **capability) == ()


def test_a_color_is_one_that_is_said() -> None:
    assert values(Clause(colors=("red",)), "color", color=["red", "blue"]) == ("red",)


@pytest.mark.parametrize(
    ("clause", "action", "capability", "expected"),
    [
        (Clause(numbers=(40.0, 60.0)), "brightness", {"brightness": {}}, {"enum": [40, 60]}),
        (Clause(numbers=(21.5,)), "temperature", {"temperature": DEGREES}, {"enum": [21.5]}),
        (Clause(colors=("red",)), "color", {"color": ["red", "blue"]}, {"enum": ["red"]}),
        (Clause(text="heat or cool"), "mode", {"mode": ["heat", "cool", "dry"]}, {"enum": ["heat", "cool"]}),
        (Clause(), "add_item", {"add_item": True}, {"type": "string", "minLength": 1, "maxLength": 100}),
    ],
)
def test_the_model_may_write_what_is_said_or_an_item(
    clause: Clause, action: str, capability: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert schema(clause, action, **capability) == expected


def test_a_group_lists_what_its_members_take_each_once() -> None:
    house = compiled(
        {"id": "1", "name": "A", "kind": "climate", "capabilities": {"mode": ["heat", "off"]}},
        {"id": "2", "name": "B", "kind": "climate", "capabilities": {"mode": ["off", "dry"]}},
    )
    group = house.targets.groups[0]
    assert listed(group, ACTIONS["mode"]) == ("heat", "off", "dry")
