"""The largest house: everything works as in a small one, and the prompt stays short."""

from typing import Any

import pytest

from edge_llm.contract.house import MAX_DEVICES
from edge_llm.house.compiled import CompiledHouse, Undecided
from edge_llm.house.prompt import MOST_LISTED
from tests.unit.house.houses import calls, compiled

KINDS = "light", "switch", "cover", "media_player", "climate"
AREAS = [
    {"id": f"a{n}", "name": f"Suite {chr(65 + n // 26)}{chr(65 + n % 26)}", "floor": "f"} for n in range(200)
]


def device(number: int) -> dict[str, Any]:
    kind = KINDS[number % len(KINDS)]
    name = f"Gadget {number} {kind}"
    return {"id": f"d{number}", "name": name, "kind": kind, "area": f"a{number % len(AREAS)}"}


@pytest.fixture(scope="module")
def house() -> CompiledHouse:
    floors = [{"id": "f", "name": "Tower"}]
    return compiled(*map(device, range(MAX_DEVICES)), areas=AREAS, floors=floors)


def test_a_command_is_understood(house: CompiledHouse) -> None:
    ((name, _, ids),) = calls(house.meaning("turn on gadget 1230 light", None))
    assert (name, ids) == ("HassTurnOn", ("d1230",))


def test_the_system_text_lists_some_devices_only(house: CompiledHouse) -> None:
    system = house.prefix[0].content or ""
    assert system.count("Gadget") == MOST_LISTED


def test_what_a_sentence_may_be_about_stands_with_it(house: CompiledHouse) -> None:
    """The model has not seen it in the system text."""
    meaning = house.meaning("activate or deactivate the gadget 1230 light", None)
    assert isinstance(meaning, Undecided)
    assert meaning.turns[-1].content == "(Gadget 1230 light) activate or deactivate the gadget 1230 light"
    assert meaning.turns[:-1] == house.prefix
