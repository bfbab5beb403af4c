"""What the node asks of its engine when the house is another."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_llm.config import EngineSettings, HouseSettings
from edge_llm.contract.house import House
from edge_llm.node.acts.acting import Acting
from edge_llm.node.service import Service
from tests.unit.node.talk import HOUSE


class Engine:
    """Remembers what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.prefix: Any = None

    def prefill(self, turns: Any) -> None:
        self.asked.append("prefill")
        self.prefix = turns

    def preload_constraints(self) -> None:
        self.asked.append("preload_constraints")


def act_in(house: House | None, **engine: Any) -> Engine:
    """Have a node, of which there is no more than this needs, act in a house."""
    asked = Engine()
    settings = SimpleNamespace(engine=EngineSettings.model_validate({"bundle": "b", **engine}))
    node = SimpleNamespace(_acting=Acting(HouseSettings()), _engine=asked, _settings=settings)
    Service._act_in(cast(Service, node), house)
    return asked


def test_with_a_house_the_prompt_is_computed_and_the_grammars_are_loaded_before_anybody_asks() -> None:
    engine = act_in(HOUSE)
    assert engine.asked == ["prefill", "preload_constraints"]
    assert engine.prefix[0].role == "system"


@pytest.mark.parametrize("house", [None, House()])
def test_without_one_the_memory_that_grammars_take_is_saved(house: House | None) -> None:
    engine = act_in(house)
    assert engine.asked == []


def test_a_node_without_constraints_loads_none() -> None:
    engine = act_in(HOUSE, constraints="off")
    assert engine.asked == []
