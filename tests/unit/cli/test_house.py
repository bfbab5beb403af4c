"""`edge-llm house`: what there is, who moves it, and what is accepted."""

import json
from pathlib import Path

import pytest

from edge_llm.cli.commands import check, house
from edge_llm.cli.main import main
from edge_llm.client.house import FoundHouse
from edge_llm.config import HouseSettings
from edge_llm.contract.house import Device
from edge_llm.house.announced.accepted import read_accepted
from edge_llm.house.discovery.as_house import house_of
from edge_llm.house.discovery.entity import Entity
from edge_llm.house.sources.catalogue import Announced, Catalogue


def entity(name: str, kind: str, fingerprint: str = "f") -> Entity:
    device = Device(id=f"{kind}/{name}", name=name, kind=kind, attributes={})
    return Entity(device, "Kitchen", {}, frozenset(), (), fingerprint)


LAMP, PLUG, NEW = entity("Lamp", "light"), entity("Plug", "switch"), entity("Strange", "light")


def found(*accepted: Entity, others: tuple[Entity, ...] = ()) -> FoundHouse:
    catalogue = Catalogue()
    known = {each.device.id: each for each in accepted}
    catalogue.use(Announced(house_of(known, "en", None)))
    every = known | {each.device.id: each for each in others}
    return FoundHouse(
        catalogue.snapshot, every, known, {"homeassistant/x/y/config": "no JSON"}, {"diagnostic": 3}
    )


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(house, "find_house", lambda *_: found(LAMP, PLUG, others=(NEW,)))
    monkeypatch.setenv("EDGE_LLM_HOUSE__ACT", '["light"]')
    return monkeypatch


def test_it_shows_each_room_what_is_not_accepted_and_what_cannot_be_read(
    broker: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["house"]) == 0
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0].startswith("described by (devices); 2 devices, ")
    assert "Kitchen" in lines
    assert "Lamp light on_off brightness color [the node moves it]" in lines
    assert "Plug switch on_off" in lines
    assert lines[-5:] == [
        "1 announced and not accepted (edge-llm house accept takes them):",
        "Strange light",
        "left out: 3 diagnostic",
        "1 announcements cannot be read:",
        "homeassistant/x/y/config: no JSON",
    ]


def test_as_json_it_is_one_object(broker: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["house", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["moved_by_node"]) for each in shown["devices"]] == [
        ("Lamp", True),
        ("Plug", False),
    ]
    assert shown["not_accepted"] == [{"id": "light/Strange", "name": "Strange", "kind": "light"}]


def test_accept_writes_what_there_is_and_says_what_is_new(
    broker: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "accepted.json"
    broker.setenv("EDGE_LLM_HOUSE__ACCEPT", str(file))
    assert main(["house", "accept"]) == 0
    assert "new: Lamp, Plug, Strange" in capsys.readouterr().out
    assert set(read_accepted(file)) == {"light/Lamp", "switch/Plug", "light/Strange"}
    broker.setattr(house, "find_house", lambda *_: found(entity("Lamp", "light", "other")))
    assert main(["house", "accept", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["new"], report["changed"], report["gone"]) == ([], ["Lamp"], 2)


@pytest.mark.parametrize("accept", ["", "all"])
def test_without_a_file_nothing_can_be_accepted(
    broker: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], accept: str
) -> None:
    if accept:
        broker.setenv("EDGE_LLM_HOUSE__ACCEPT", accept)
    assert main(["house", "accept"]) == 78
    assert "set it to a path" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ({}, []),
        ({"act": ("light",)}, ["warning"]),
        ({"discovery": "homeassistant"}, ["warning"]),
        ({"discovery": "homeassistant", "accept": "all"}, ["ok"]),
        ({"zigbee2mqtt": "z", "accept": "all", "act": ("light",)}, ["warning", "ok"]),
        ({"discovery": "homeassistant", "accept": Path(__file__)}, ["failed"]),
        ({"discovery": "homeassistant", "accept": Path("/nowhere"), "act": ("light",)}, ["ok"]),
    ],
)
def test_check_says_what_of_it_is_doubtful(settings: dict[str, object], levels: list[str]) -> None:
    found = check._check_house(HouseSettings.model_validate(settings))
    assert [finding.level for finding in found] == levels
