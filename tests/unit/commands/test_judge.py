"""What calls resolve to in a house, and how answers to commands are judged."""

from collections.abc import Mapping
from typing import Any

import pytest

from benchmarks.commands.contender import Answer
from benchmarks.commands.data import Sentence, to_home
from benchmarks.commands.judge import judge_command, judge_unclear
from benchmarks.commands.resolve import entities, exists, resolve
from edge_llm.contract.tools import ToolCall

FOUND = {
    "language": "fr",
    "floors": ["Étage"],
    "areas": [{"name": "Salon"}, {"name": "Chambre", "floor": "Étage"}],
    "entities": [
        {"id": "light.lamp", "name": "Lampe", "domain": "light", "area": "Salon", "state": "on"},
        {"id": "light.lamp", "name": "Lampe [2]", "domain": "light", "area": "Salon"},
        {"id": "light.bed", "name": "Veilleuse", "domain": "light", "area": "Chambre"},
        {
            "id": "cover.left",
            "name": "Volet",
            "domain": "cover",
            "device_class": "shutter",
            "area": "Chambre",
        },
        {"id": "cover.right", "name": "Volet", "domain": "cover", "device_class": "blind", "area": "Salon"},
        {"id": "climate.a", "name": "Radiateur", "domain": "climate", "area": "Salon"},
        {"id": "climate.b", "name": "Clim", "domain": "climate", "area": "Chambre"},
        {"id": "sensor.lamp", "name": "Lampe", "domain": "sensor", "state": {"in": "allumé", "out": "on"}},
    ],
}
HOME = to_home(FOUND)
LIGHTS = {"light.lamp", "light.bed"}


def call(intent: str, /, *device_ids: str, **arguments: Any) -> ToolCall:
    return ToolCall(id="c", name=intent, arguments=arguments, device_ids=device_ids)


def answer(*calls: ToolCall, outcome: str | None = None, **its: Any) -> Answer:
    known = {"prompt_tokens": 100, "cached_tokens": 90, "completion_tokens": 20, "forced_tokens": 15}
    return Answer(calls, outcome, valid=True, **{"total_ms": 200.0, **known, **its})


def test_a_house_file_becomes_a_house_in_which_an_id_twice_is_one_entity() -> None:
    devices = {device.id: device for device in HOME.house.devices}
    assert list(devices)[:2] == ["light.lamp", "light.lamp_2"]
    assert HOME.entity("light.lamp_2") == "light.lamp"
    assert (devices["light.lamp_2"].name, devices["sensor.lamp"].state) == ("Lampe [2]", "on")
    assert (devices["cover.left"].device_class, HOME.areas["Chambre"].floor) == ("shutter", "Étage")


@pytest.mark.parametrize(
    ("intent", "slots", "context", "expected"),
    [
        ("HassTurnOn", {"name": "LAMPE"}, None, {"light.lamp"}),
        ("HassTurnOn", {"name": ["nothing", "veilleuse"]}, None, {"light.bed"}),
        ("HassTurnOn", {"name": "all", "domain": "light"}, None, LIGHTS),
        ("HassTurnOff", {"floor": "etage", "domain": ["light"]}, None, {"light.bed"}),
        ("HassTurnOff", {"area": "chambre"}, None, {"light.bed", "climate.b"}),
        ("HassTurnOff", {"area": "chambre", "domain": "cover"}, None, {"cover.left"}),
        ("HassTurnOn", {"device_class": ["blind", "shade"]}, None, {"cover.right"}),
        ("HassTurnOn", {"name": "volet"}, None, {"cover.left", "cover.right"}),
        ("HassTurnOn", {"name": "volet"}, "Salon", {"cover.right"}),
        ("HassLightSet", {"brightness": 10}, "Salon", LIGHTS),
        ("HassClimateSetTemperature", {"temperature": 20}, None, {"climate.a", "climate.b"}),
        ("HassClimateSetTemperature", {"temperature": 20}, "Chambre", {"climate.b"}),
        ("HassMediaPause", {"area": "Salon"}, None, set()),
    ],
)
def test_slots_are_resolved_to_entities(
    intent: str, slots: Mapping[str, Any], context: str | None, expected: set[str]
) -> None:
    assert entities(HOME, intent, slots, context) == expected


def test_calls_with_the_same_values_are_one_act() -> None:
    said = [
        ("HassLightSet", {"name": "Lampe", "brightness": 10}),
        ("HassLightSet", {"name": "Veilleuse", "brightness": 10.0}),
    ]
    assert resolve(HOME, [*said, ("HassGetState", {"name": "Lampe"})]) == {
        ("HassLightSet", (("brightness", 10.0),)): LIGHTS
    }


def test_a_call_names_what_is_there_or_nothing_at_all() -> None:
    assert exists(HOME, call("HassTurnOn", "light.lamp_2"), None)
    assert not exists(HOME, call("HassTurnOn", "light.attic"), None)
    assert not exists(HOME, call("HassTurnOn", name="attic"), None)
    assert exists(HOME, call("GetDateTime"), None)


LAMP_10 = ("HassLightSet", {"name": "Lampe", "brightness": 10})
BOTH = ("HassTurnOn", {"domain": "light"})


@pytest.mark.parametrize(
    ("expected", "got", "verdict", "miss"),
    [
        ([LAMP_10], answer(call("HassLightSet", "light.lamp", brightness="10")), "right", None),
        ([BOTH], answer(call("HassTurnOn", "light.bed"), call("HassTurnOn", "light.lamp_2")), "right", None),
        ([LAMP_10], answer(call("HassLightSet", "light.lamp", brightness=20)), "wrong act", "wrong value"),
        ([LAMP_10], answer(call("HassLightSet", "light.bed", brightness=10)), "wrong act", "wrong device"),
        ([LAMP_10], answer(call("HassLightSet", name="attic", brightness=10)), "wrong act", "wrong device"),
        ([LAMP_10], answer(call("HassTurnOff", "light.lamp")), "wrong act", "wrong action"),
        ([BOTH], answer(call("HassTurnOn", "light.bed")), "wrong act", "too little"),
        ([BOTH, LAMP_10], answer(call("HassTurnOn", domain="light")), "wrong act", "too little"),
        ([BOTH], answer(call("HassTurnOn", "light.bed", "light.lamp", "climate.a")), "wrong act", "too much"),
        (
            [LAMP_10],
            answer(call("HassLightSet", name="lampe", brightness=10), call("HassTurnOff", "light.lamp")),
            "wrong act",
            "extra call",
        ),
        ([LAMP_10], answer(outcome="unclear"), "asked back", "asked back"),
        ([LAMP_10], answer(outcome="impossible"), "refused", "refused"),
        ([LAMP_10], answer(call("HassGetState", name="Lampe"), outcome="spoken"), "spoken", "spoken"),
        ([LAMP_10], answer(), "none", "none"),
    ],
)
def test_a_command_is_judged_by_what_all_its_calls_do(
    expected: list[tuple[str, Mapping[str, Any]]], got: Answer, verdict: str, miss: str | None
) -> None:
    judged = judge_command(HOME, Sentence("1", "fr", "…", tuple(expected)), got)
    assert (judged.verdict, judged.miss) == (verdict, miss)


@pytest.mark.parametrize(
    ("expected", "got", "verdict"),
    [
        ("ask", answer(outcome="unclear"), "right"),
        ("ask", answer(outcome="impossible"), "right"),
        ("refuse", answer(outcome="unclear"), "right"),
        ("refuse", answer(outcome="spoken"), "spoken"),
        ("speak", answer(outcome="spoken"), "right"),
        ("speak", answer(outcome="unclear"), "asked back"),
        ("ask", answer(call("HassTurnOn", "light.lamp")), "wrong act"),
    ],
)
def test_what_is_unclear_is_asked_back_or_refused(expected: str, got: Answer, verdict: str) -> None:
    assert judge_unclear(expected, got).verdict == verdict
