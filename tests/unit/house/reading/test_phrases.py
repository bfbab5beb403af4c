"""Every phrase that means something in one house."""

from typing import Any

import pytest

from edge_llm.house.language.text import tokens_of
from edge_llm.house.language.words import words_of
from edge_llm.house.reading.phrases import Sense, phrasebook, plurals
from edge_llm.house.targets import find_targets
from tests.unit.house.houses import house, light

AREAS = [{"id": "k", "name": "Kitchen", "aliases": ["Galley"]}]


def senses(sentence: str, *devices: dict[str, Any], language: str = "en") -> set[tuple[str, str]]:
    words = words_of(language)
    book = phrasebook(find_targets(house(*devices, areas=AREAS), words), words)
    return {(f.meaning.what, f.meaning.value) for f in book.find(tokens_of(sentence))}


def test_names_and_aliases_are_phrases() -> None:
    lamp = light("x", "Big Bertha", aliases=["Moonlight"])
    assert ("device", "0") in senses("big bertha", lamp)
    assert ("device", "0") in senses("moonlight", lamp)
    assert ("area", "k") in senses("galley", lamp)


def test_one_word_of_a_name_is_a_part_of_it() -> None:
    assert ("part", "0") in senses("bertha", light("x", "Big Bertha"))


@pytest.mark.parametrize("name", ["Kitchen lamp", "The lamp"])
def test_a_room_or_a_kind_in_a_name_is_no_part(name: str) -> None:
    """ "Kitchen" would else mean a lamp that is called so."""
    assert "part" not in {what for what, _ in senses("the kitchen lamp", light("x", name))}


def test_a_word_that_many_names_have_is_no_part() -> None:
    lamps = [light(str(number), f"Bertha {'abcdefghijkl'[number]}x") for number in range(11)]
    assert "part" not in {what for what, _ in senses("bertha", *lamps)}
    assert "part" in {what for what, _ in senses("bertha", *lamps[:2])}


def test_a_word_of_several_classes_means_the_one_whose_device_is_called_so() -> None:
    """A "Rollo" may be a blind, a shade or a shutter."""
    shade = {"id": "1", "name": "Rollo Bad", "kind": "cover", "class": "shade"}
    shutter = {"id": "2", "name": "Laden", "kind": "cover", "class": "shutter"}
    found = senses("rollo", shade, shutter, language="de")
    assert ("kind", "cover:shade") in found
    assert ("kind", "cover:shutter") not in found


def test_a_verb_and_its_particle_are_two_parts() -> None:
    found = senses("schließ die Tür auf", language="de")
    begins = {value for what, value in found if what == "begin" and value.startswith("unlock ")}
    ends = {value for what, value in found if what == "end" and value.startswith("unlock ")}
    assert begins & ends


@pytest.mark.parametrize(
    ("language", "phrase", "sense"),
    [
        ("en", "lights", Sense("kind", "light")),
        ("en", "turn on", Sense("action", "on")),
        ("en", "red", Sense("color", "red")),
        ("en", "everything", Sense("everything")),
        ("en", ",", Sense("and_", ",")),
        ("de", "alles", Sense("everything")),
        ("es", "luces", Sense("kind", "light")),
        ("fr", "rideaux", Sense("kind", "cover:curtain")),
        ("nl", "gordijnen", Sense("kind", "cover:curtain")),
        ("zh", "除了", Sense("except_")),
    ],
)
def test_a_languages_words_are_phrases(language: str, phrase: str, sense: Sense) -> None:
    assert (sense.what, sense.value) in senses(phrase, language=language)


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [("en", "door", "doors"), ("de", "Lampe", "Lampen"), ("es", "foco", "focos"), ("fr", "lampe", "lampes")],
)
def test_plurals_are_told_from_singulars(language: str, one: str, many: str) -> None:
    found = plurals(words_of(language))
    assert tokens_of(many) in found
    assert tokens_of(one) not in found


def test_a_language_without_plurals_has_none() -> None:
    assert tokens_of("灯") not in plurals(words_of("zh"))
