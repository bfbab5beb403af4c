"""A name that was misheard moves nothing where one is: it is asked about, by the name that it sounds like."""

from typing import Any

import pytest

from edge_llm.house.compiled import CompiledHouse, Doubtful, Question, Settled
from edge_llm.house.language.words import LANGUAGES
from tests.unit.house.houses import calls, candidates, compiled, light

_ROOMS = "hall", "living", "kitchen", "bed"
_NAMES = {
    "en": "Hall,Living room,Kitchen,Bedroom",
    "de": "Flur,Wohnzimmer,Küche,Schlafzimmer",
    "es": "Pasillo,Salón,Cocina,Dormitorio",
    "fr": "Couloir,Salon,Cuisine,Chambre",
    "nl": "Gang,Woonkamer,Keuken,Slaapkamer",
    "zh": "走廊,客厅,厨房,卧室",
}


def rooms(language: str, *more: dict[str, Any]) -> CompiledHouse:
    """A house of four rooms with a lamp in each, which has a name that nobody says."""
    names = zip(_ROOMS, _NAMES[language].split(","), strict=True)
    areas = [{"id": room, "name": name} for room, name in names]
    lamps = (light(f"lamp {room}", f"Xyz {number}", area=room) for number, room in enumerate(_ROOMS))
    return compiled(*lamps, *more, language=language, areas=areas)


def asked(house: CompiledHouse, sentence: str, here: str | None = "living") -> str:
    """What is asked back about something that sounds like what was said."""
    meaning = house.meaning(sentence, here)
    assert isinstance(meaning, Doubtful), meaning
    assert meaning.problem == "unclear"
    assert meaning.guessed, meaning.candidates
    return house.speech.which([house.speech.name(target) for target in meaning.candidates])


@pytest.mark.parametrize(
    ("language", "sentence", "question"),
    [
        ("en", "switch off the hull light", "Do you mean the lights in Hall?"),
        ("en", "Switch off the whole light.", "Do you mean the lights in Hall?"),
        ("en", "turn the hole light down to 20%", "Do you mean the lights in Hall?"),
        ("en", "turn on the light in the kitten", "Do you mean the lights in Kitchen?"),
        ("en", "turn off all the kit chin lights", "Do you mean the lights in Kitchen?"),
        ("en", "turn on the light in the bad room", "Do you mean the lights in Bedroom?"),
        ("en", "turn off the bad room light", "Do you mean the lights in Bedroom?"),
        ("en", "make it brighter in the hull", "Do you mean the lights in Hall?"),
        ("de", "Schalte das Licht im Floor aus", "Ist das gemeint: Lichter in Flur?"),
        ("de", "Mach das Kuschelicht an", "Ist das gemeint: Lichter in Küche?"),
        ("de", "Mach das Schlaffzimma Licht an", "Ist das gemeint: Lichter in Schlafzimmer?"),
        ("es", "apaga la luz de la coxina", "¿Se refiere a esto: luces de Cocina?"),
        ("es", "enciende la luz coxina", "¿Se refiere a esto: luces de Cocina?"),
        ("fr", "éteins la lumière de la cousine", "Voulez-vous dire : lumières côté Cuisine ?"),
        ("fr", "allume la lampe dans la jambre", "Voulez-vous dire : lumières côté Chambre ?"),
        ("nl", "doe het licht in de kuiken uit", "Bedoel je lampen in Keuken?"),
        ("nl", "doe het kunkenlicht uit", "Bedoel je lampen in Keuken?"),
        ("zh", "关掉初方的灯", "您指的是厨房的灯吗\uff1f"),
        ("zh", "打开我市的灯", "您指的是卧室的灯吗\uff1f"),
    ],
)
def test_a_room_that_was_misheard_is_asked_about(language: str, sentence: str, question: str) -> None:
    assert asked(rooms(language), sentence) == question


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("action", ["on", "off", "brighter"])
def test_a_room_that_the_house_does_not_have_is_not_the_one_where_one_is(language: str, action: str) -> None:
    house = rooms(language)
    place = house.words.speech["in_area"].format(kinds=house.words.kind("light"), area="Zworgulg")
    meaning = house.meaning(house.words.actions[action].say.format(target=place), "living")
    assert isinstance(meaning, Doubtful)
    assert len(meaning.candidates) == len(_ROOMS)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "turn off the frobnicate light"),
        ("en", "turn off all the frobnicate lights"),
        ("en", "turn on the garage light"),
        ("en", "turn on the light in the garage"),
        ("en", "turn on the light in the TV room"),
        ("en", "turn on the media room light"),
        ("en", "turn on the light and the zworgulg"),
        ("de", "Schalte das Gartenlicht an"),
        ("de", "Schalte das Licht in der Garage an"),
        ("es", "apaga la luz del jardín"),
        ("es", "apaga la luz jardín"),
        ("fr", "éteins la lumière du garage"),
        ("nl", "doe het tuinlicht uit"),
        ("zh", "打开车库的灯"),
    ],
)
def test_what_sounds_like_nothing_here_is_asked_about_as_if_it_was_said_nowhere(
    language: str, sentence: str
) -> None:
    assert len(candidates(rooms(language).meaning(sentence, "living"))) == len(_ROOMS)


def test_of_many_that_may_be_meant_those_where_one_is_are_asked_about() -> None:
    """Nobody can be asked which of a dozen; moving them unasked is another thing."""
    house = rooms("en", *(light(f"more {number}", f"Zyx {number}", area="hall") for number in range(8)))
    assert asked(house, "turn off the frobnicate light") == "Do you mean the lights in Living room?"


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "turn off the light"),
        ("en", "turn off the damn light, please"),
        ("en", "turn off the light immediately"),
        ("en", "turn off the LED light"),
        ("en", "Alexa, turn off the burning lights, honey"),
        ("en", "turn the light off in this room"),
        ("en", "turn off the lights in the whole room"),
        ("en", "turn off the ceiling light at once"),
        ("de", "mach das verdammte Licht aus"),
        ("de", "mach die Deckenlampe aus"),
        ("de", "mach das ganze Licht aus"),
        ("de", "mach im Moment das Licht aus"),
        ("es", "apaga la maldita luz"),
        ("es", "apaga las luces de inmediato"),
        ("es", "apaga la luz antes de salir"),
        ("fr", "éteins cette sacrée lumière"),
        ("fr", "éteins les lumières avant de partir"),
        ("nl", "doe dat stomme licht uit"),
        ("zh", "我要睡觉了关灯"),
    ],
)
def test_words_that_name_nothing_are_in_nobodys_way(language: str, sentence: str) -> None:
    ((_, _, ids),) = calls(rooms(language).meaning(sentence, "living"))
    assert ids == ("lamp living",)


@pytest.mark.parametrize(
    "sentence", ["turn on the kitten light", "switch off the hull", "switch off the whole light"]
)
def test_it_is_asked_about_wherever_it_was_said(sentence: str) -> None:
    assert asked(rooms("en"), sentence, None).startswith("Do you mean the lights in")


def test_where_two_names_sound_alike_it_asks_which() -> None:
    areas = [{"id": name, "name": name} for name in ("Hall", "Bedroom", "Bathroom")]
    house = compiled(*(light(area["id"], "Xyz", area=area["id"]) for area in areas), areas=areas)
    said = asked(house, "turn off the light in the bad room", "Hall")
    assert said == "Which one do you mean: the lights in Bedroom or the lights in Bathroom?"


def test_a_device_is_asked_about_by_its_name() -> None:
    house = rooms("en", light("bert", "Bert", area="hall"))
    assert asked(house, "turn on the bird lamp") == "Do you mean Bert?"


def test_a_name_that_makes_no_sense_there_is_no_answer() -> None:
    """Of a list of "courses" there is no light: it is not that of the room where one is either."""
    house = rooms("fr", {"id": "list", "name": "Liste de courses", "kind": "todo"})
    meaning = house.meaning("éteins la lumière de la courge", "living")
    assert isinstance(meaning, Doubtful)
    assert not meaning.guessed


def test_a_room_that_is_said_is_taken_whatever_else_is() -> None:
    ((_, _, ids),) = calls(rooms("en").meaning("turn off the frobnicate light in the kitchen", "living"))
    assert ids == ("lamp kitchen",)


def test_the_only_thing_of_its_kind_is_meant_wherever_it_is() -> None:
    house = rooms("en", {"id": "tv", "name": "Screen", "kind": "media_player", "area": "bed"})
    ((_, _, ids),) = calls(house.meaning("turn on the Zworgulg TV", "living"))
    assert ids == ("tv",)


def test_what_was_misheard_in_one_half_keeps_the_other_from_being_done() -> None:
    house = rooms("en", {"id": "door", "name": "Garage door", "kind": "cover", "class": "garage"})
    meaning = house.meaning("close the garage and turn on the hull light", "living")
    assert isinstance(meaning, Doubtful)
    settled = house.resolve(meaning, meaning.candidates)
    assert [ids for _, _, ids in calls(settled)] == [("door",), ("lamp hall",)]


def test_two_names_that_were_misheard_are_asked_about_one_after_the_other() -> None:
    house = rooms("en")
    first = house.meaning("turn off the hull light and turn on the kitten light", "living")
    assert isinstance(first, Doubtful)
    second = house.resolve(first, first.candidates)
    assert isinstance(second, Doubtful)
    assert second.guessed
    settled = house.resolve(second, second.candidates)
    assert [ids for _, _, ids in calls(settled)] == [("lamp hall",), ("lamp kitchen",)]


def test_what_is_to_be_left_out_is_not_guessed() -> None:
    meaning = rooms("en").meaning("turn off all the lights except the hull light", "living")
    assert isinstance(meaning, Doubtful)


def test_a_question_is_answered_about_what_it_sounds_like() -> None:
    """An answer says what it is about, and moves nothing."""
    meaning = rooms("en").meaning("is the whole light on?", "living")
    assert isinstance(meaning, Question)
    assert [device.id for device in meaning.devices] == ["lamp hall"]
    near = rooms("en").meaning("is the frobnicate light on?", "living")
    assert isinstance(near, Question)
    assert [device.id for device in near.devices] == ["lamp living"]


@pytest.mark.parametrize(
    "sentence",
    [
        "set the TV to 60 percent volume, 1 percent",
        "set the TV to 60 7 percent volume",
        "make the light in the hall red, green",
    ],
)
def test_one_thing_is_not_set_to_two_values(sentence: str) -> None:
    """ "67 percent" was heard as "60%, 1%", and may be as "60 7%": none of these numbers is it."""
    house = rooms("en", {"id": "tv", "name": "Screen", "kind": "media_player", "area": "bed"})
    meaning = house.meaning(sentence, "living")
    assert isinstance(meaning, Doubtful)
    assert meaning.problem == "unclear"


def test_two_things_are_set_to_a_value_each_and_one_thing_twice_to_the_same() -> None:
    house = rooms("en")
    said = "set the light in the hall to 10 percent and the light in the kitchen to 20 percent"
    assert isinstance(house.meaning(said, "living"), Settled)
    assert isinstance(house.meaning("the light to 10 percent, to 10 percent", "living"), Settled)
    assert isinstance(house.meaning("the light to 10 percent, then to 20 percent", "living"), Settled)
