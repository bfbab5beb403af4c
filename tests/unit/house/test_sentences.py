"""What sentences mean in a house, by the kinds of sentences that were once misunderstood."""

import json
from typing import Any

import pytest

from edge_llm.contract.house import House
from edge_llm.house.compiled import CompiledHouse, Doubtful, Meaning, NoCommand, Question, Settled

FLOORS = [{"id": name, "name": name} for name in ("Basement", "Ground Floor", "First Floor")]
AREAS = [
    {"id": "cellar", "name": "Cellar", "floor": "Basement"},
    {"id": "living", "name": "Living Room", "floor": "Ground Floor"},
    {"id": "kitchen", "name": "Kitchen", "floor": "Ground Floor"},
    {"id": "bedroom", "name": "Master Bedroom", "floor": "First Floor"},
    {"id": "garage", "name": "Garage"},
]


def device(device_id: str, name: str, area: str | None = None, **fields: Any) -> dict[str, Any]:
    kind, _, device_class = device_id.partition(".")[0].partition(":")
    known = {"class": device_class} if device_class else {}
    return {"id": device_id, "name": name, "kind": kind, "area": area, **known, **fields}


DEVICES = [
    device("light.cellar", "Cellar Light", "cellar"),
    device("light.sofa", "Sofa Lamp", "living"),
    device("light.ceiling", "Living Room Light", "living"),
    device("media_player.tv", "Samsung TV", "living"),
    device("media_player.speaker", "Sonos Speaker", "living"),
    device("vacuum.rover", "Rover", "living"),
    device("light.counter", "Counter Light", "kitchen"),
    device("light.island", "Island Light", "kitchen", state="on"),
    device("switch.coffee", "Coffee Maker", "kitchen"),
    device("light.left", "Left Bedside Lamp", "bedroom"),
    device("light.right", "Right Bedside Lamp", "bedroom"),
    device("climate.bedroom", "Bedroom Heater", "bedroom"),
    device("sensor:temperature.bedroom", "Bedroom Climate", "bedroom", state="18"),
    device("binary_sensor:window.left", "Bedroom Window", "bedroom", state="on"),
    device("binary_sensor:window.right", "Kitchen Window", "kitchen", state="off"),
    device("cover:garage.door", "Garage Door", "garage", state="closed"),
    device("lock.front", "Front Door", state="locked"),
    device("valve.sprinkler", "Sprinkler"),
    device("valve.main", "Main Valve"),
    device("todo.shopping", "Shopping List"),
]


def house(language: str = "en") -> CompiledHouse:
    document = {"language": language, "floors": FLOORS, "areas": AREAS, "devices": DEVICES}
    return CompiledHouse(House.model_validate_json(json.dumps(document)))


ENGLISH = house()
LIGHTS = {"cellar", "sofa", "ceiling", "counter", "island", "left", "right"}


def done(meaning: Meaning) -> set[tuple[str, str]]:
    """What is settled to be done: actions, and the last parts of devices' ids."""
    assert isinstance(meaning, Settled), meaning
    return {(act.action.id, each.id.partition(".")[2]) for act in meaning.acts for each in act.devices}


def off(*names: str) -> set[tuple[str, str]]:
    return {("off", name) for name in names}


def asked(meaning: Meaning) -> set[str]:
    assert isinstance(meaning, Question), meaning
    return {each.id for each in meaning.devices}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("turn off all the lights except the sofa lamp", off(*LIGHTS - {"sofa"})),
        ("turn off all lights but the sofa lamp", off(*LIGHTS - {"sofa"})),
        ("except for the kitchen, turn off all the lights", off(*LIGHTS - {"counter", "island"})),
        (
            "turn off all the lights except in the kitchen and close the garage door",
            off(*LIGHTS - {"counter", "island"}) | {("close", "door")},
        ),
    ],
)
def test_an_exception_ends_where_the_next_act_begins(sentence: str, expected: set[tuple[str, str]]) -> None:
    assert done(ENGLISH.meaning(sentence, None)) == expected


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "don't open the garage door"),
        ("de", "mach die Garage Door nicht auf"),
        ("es", "no abras Garage Door"),
        ("fr", "n'ouvre pas Garage Door"),
        ("nl", "doe de Garage Door niet open"),
        ("zh", "不要打开Garage Door"),
    ],
)
def test_what_is_not_to_be_done_is_asked_back(language: str, sentence: str) -> None:
    assert isinstance(house(language).meaning(sentence, None), Doubtful)


def test_a_correction_is_asked_back() -> None:
    assert isinstance(ENGLISH.meaning("turn on the sofa lamp, no, the counter light", None), Doubtful)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("turn off the TV in the living room", off("tv")),
        ("turn off the television", off("tv")),
        ("turn on the coffee machine", {("on", "coffee")}),
        ("turn off the bedside lamps", off("left", "right")),
        ("make it warmer in the bedroom", {("warmer", "bedroom")}),
        ("turn off the living room lights", off("sofa", "ceiling")),
        ("switch the lights off in the kitchen", off("counter", "island")),
        ("turn on the sprinkler", {("open", "sprinkler")}),
        ("lock everything", {("lock", "front")}),
        ("it's dark in the kitchen", {("brighter", "counter"), ("brighter", "island")}),
        ("make the sofa lamp dark", {("dimmer", "sofa")}),
        ("please make the living room dark", {("dimmer", "sofa"), ("dimmer", "ceiling")}),
        ("turn the sofa lamp red and set it to 20 percent", {("color", "sofa"), ("brightness", "sofa")}),
        ("in the kitchen, turn off the lights", off("counter", "island")),
    ],
)
def test_words_of_names_and_synonyms_tell_devices(sentence: str, expected: set[tuple[str, str]]) -> None:
    assert done(ENGLISH.meaning(sentence, None)) == expected


@pytest.mark.parametrize(
    "sentence",
    [
        "turn on the coffee grinder",
        "turn off the bedroom speaker",
        "open the valve",
        "turn on the lamp",
        "leave the lights on",
        "turn on the attic light",
    ],
)
def test_nothing_is_done_to_what_was_not_named(sentence: str) -> None:
    assert isinstance(ENGLISH.meaning(sentence, None), Doubtful | NoCommand)


def test_floors_are_above_and_below_where_it_is_said() -> None:
    assert done(ENGLISH.meaning("turn off the lights upstairs", "living")) == off("left", "right")
    assert done(ENGLISH.meaning("turn off the lights downstairs", "living")) == off("cellar")
    assert isinstance(ENGLISH.meaning("turn off the lights upstairs", None), Doubtful)


def test_an_amount_is_no_value_to_set() -> None:
    """ "By two degrees" and "two degrees warmer" are none to set."""
    for sentence in ("turn the Bedroom Heater up by two degrees", "make the Bedroom Heater 2 degrees warmer"):
        meaning = ENGLISH.meaning(sentence, None)
        assert isinstance(meaning, Settled)
        assert [(act.action.id, act.value) for act in meaning.acts] == [("warmer", 2)]
    assert done(ENGLISH.meaning("turn the Sonos Speaker down by 10 percent", None)) == {
        ("quieter", "speaker")
    }


def test_a_number_has_halves_and_articles() -> None:
    for language, sentence, value in (
        ("en", "set the Bedroom Heater to nineteen and a half degrees", 19.5),
        ("fr", "mets Bedroom Heater à vingt et un degrés", 21),
    ):
        meaning = house(language).meaning(sentence, None)
        assert isinstance(meaning, Settled)
        assert [act.value for act in meaning.acts] == [value]


@pytest.mark.parametrize(
    ("sentence", "expected", "answer"),
    [
        ("which windows are open?", {"left", "right"}, "Bedroom Window: open."),
        ("is the kitchen window open?", {"right"}, "No. Kitchen Window: closed."),
        ("did I leave the garage open?", {"door"}, "No. Garage Door: closed."),
        ("is the front door unlocked?", {"front"}, "No. Front Door: locked."),
        ("how warm is it in the bedroom?", {"bedroom"}, "Bedroom Climate: 18."),
    ],
)
def test_a_question_is_answered_with_what_it_asks_for(sentence: str, expected: set[str], answer: str) -> None:
    meaning = ENGLISH.meaning(sentence, None)
    assert isinstance(meaning, Question)
    assert {each.partition(".")[2] for each in asked(meaning)} == expected
    assert ENGLISH.speech.states(meaning.devices, meaning.state) == answer


def test_a_question_names_what_is_none_so() -> None:
    assert ENGLISH.speech.states(ENGLISH.house.devices[13:15], "locked") == "None."


@pytest.mark.parametrize("sentence", ["how far away is the moon?", "I love the lights in the kitchen"])
def test_what_asks_for_nothing_of_the_house_is_no_command(sentence: str) -> None:
    assert isinstance(ENGLISH.meaning(sentence, None), NoCommand)


def test_an_accent_tells_a_wish_from_a_question() -> None:
    spanish = house("es")
    assert done(spanish.meaning("que se apague Sofa Lamp", None)) == off("sofa")
    assert isinstance(spanish.meaning("¿qué luces están encendidas?", None), Question)


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("In the sofa lamp, to 10%.", 1),  # as it was heard
        ("Set the sofa lamp to 10 percent and the counter light to 20 percent", 2),
        ("Set the sofa lamp to 10 percent, then to 40 percent", 2),
    ],
)
def test_a_value_is_set_once_though_each_half_of_a_sentence_says_it(sentence: str, number: int) -> None:
    meaning = ENGLISH.meaning(sentence, None)
    assert isinstance(meaning, Settled)
    assert len(meaning.acts) == number
