"""One who speaks to a house, for the tests of acting."""

import json
from typing import Any

from edge_llm.config import HouseSettings
from edge_llm.contract.requests import Request
from edge_llm.node.acts.acting import Acting, Asking, Said
from tests.unit.house.houses import house, light

AREAS = [{"id": "k", "name": "Kitchen"}, {"id": "b", "name": "Bedroom"}]
DEVICES: tuple[dict[str, Any], ...] = (
    light("spot", "Spot", area="k", state="on"),
    light("strip", "Counter strip", area="k"),
    light("bed", "Bedside lamp", area="b"),
    {"id": "tv", "name": "Screen", "kind": "media_player", "area": "b"},
    {"id": "door", "name": "Front door", "kind": "lock", "state": "locked"},
    {"id": "garage", "name": "Garage door", "kind": "cover", "class": "garage"},
    {"id": "blind", "name": "Slats", "kind": "cover", "class": "blind", "area": "b"},
    {"id": "list", "name": "Groceries", "kind": "todo"},
)
HOUSE = house(*DEVICES, areas=AREAS)


class Talk:
    """One who speaks to the house, in one session unless it is told another."""

    def __init__(self, *confirm: str, default: bool = False) -> None:
        settings = HouseSettings() if default else HouseSettings(confirm=confirm)
        self.acting = Acting(settings)
        self.acting.use(HOUSE)
        self._number = 0

    def begin(self, text: str, client: str = "c", **fields: Any) -> Said | Asking | None:
        self._number += 1
        given = {"text": text, "act": "auto", "id": f"r{self._number}", "session": "s"} | fields
        return self.acting.begin(client, Request.model_validate_json(json.dumps(given)))

    def say(self, text: str, client: str = "c", **fields: Any) -> Said:
        said = self.begin(text, client, **fields)
        assert isinstance(said, Said), said
        return said

    def ask(self, text: str, **fields: Any) -> Asking:
        asking = self.begin(text, **fields)
        assert isinstance(asking, Asking), asking
        return asking


def ids(said: Said) -> list[tuple[str, ...]]:
    return [call.device_ids for call in said.calls]


def outcome(said: Said) -> str | None:
    assert bool(said.calls) != bool(said.outcome), "calls, or why there are none"
    return said.outcome.outcome if said.outcome else None
