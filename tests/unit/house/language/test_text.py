"""Words are found in any spelling that people use, and a phrase is found where it is said."""

import pytest

from edge_llm.house.language.text import Phrasebook, same_word, tokens_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Turn ON the Lamp!", ("turn", "on", "the", "lamp")),
        ("Küche, façade", ("kuche", ",", "facade")),
        ("Straße", ("strasse",)),
        ("l'entrée", ("l", "entree")),
        ("l\u2019entrée", ("l", "entree")),
        ("21,5 °C", ("21,5", "°", "c")),
        ("40%", ("40", "%")),
        ("打开灯\uff0c关门", ("打", "开", "灯", ",", "关", "门")),
        ("开3号灯", ("开", "3", "号", "灯")),
        ("TV-Gerät_2", ("tv", "gerat", "2")),
        ("a; b、c\uff1bd", ("a", ",", "b", ",", "c", ",", "d")),
        ("\uff2c\uff41\uff4d\uff50", ("lamp",)),
        ("... ! 🔥", ()),
        ("", ()),
    ],
)
def test_a_text_is_cut_into_words(text: str, expected: tuple[str, ...]) -> None:
    assert tokens_of(text) == expected


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("lamp", "lamp"),
        ("lamps", "lamp"),
        ("lampe", "lampen"),
        ("bombilla", "bombillas"),
        ("lichter", "lichtern"),
        ("rollo", "rolla"),
    ],
)
def test_forms_of_a_word_are_the_same(said: str, word: str) -> None:
    assert same_word(said, word)
    assert same_word(word, said)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("on", "one"),
        ("tv", "tvs"),
        ("lamp", "lampshade"),
        ("door", "floor"),
        ("kitchen", "kitten"),
        ("开", "关"),
    ],
)
def test_other_words_are_not(said: str, word: str) -> None:
    """Short words have no forms: too much is one letter away from them."""
    assert not same_word(said, word)
    assert not same_word(word, said)


def found(book: Phrasebook[str], sentence: str) -> set[tuple[str, str, bool]]:
    words = tokens_of(sentence)
    return {(f.meaning, " ".join(words[f.start : f.end]), f.exact) for f in book.find(words)}


def test_a_phrase_is_found_with_what_it_means() -> None:
    book = Phrasebook([("turn on", "on"), ("turn off", "off"), ("lamp", "light"), ("lamp", "Bert")])
    assert found(book, "Please turn on the lamps") == {
        ("on", "turn on", True),
        ("light", "lamps", False),
        ("Bert", "lamps", False),
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [("Livingroom", "living room"), ("Living room", "livingroom"), ("TV-Licht", "tvlicht")],
)
def test_a_name_is_found_together_or_apart(name: str, said: str) -> None:
    assert {(meaning, words) for meaning, words, _ in found(Phrasebook([(name, "x")]), f"in {said} now")} == {
        ("x", said)
    }


def test_compounds_are_taken_apart_where_the_language_has_them() -> None:
    phrases = [("Licht", "light"), ("Garten", "garden")]
    compounds = Phrasebook(phrases, compounds=True)
    (light, garden) = sorted(compounds.find(("gartenlichter",)), key=lambda f: f.meaning, reverse=True)
    assert (light.meaning, light.part, garden.meaning, garden.part) == ("light", True, "garden", True)
    assert Phrasebook(phrases).find(("gartenlichter",)) == []


def test_a_short_word_is_no_part_of_another() -> None:
    """ "Tor" is in "Motor", and "an" in nearly everything."""
    assert Phrasebook([("tor", "gate"), ("an", "on")], compounds=True).find(("ventilatoren",)) == []


def test_what_has_no_words_is_never_found() -> None:
    """A name may be an emoji."""
    book = Phrasebook([("🔥", "fire"), ("...", "dots")])
    assert book.find(tokens_of("🔥 ... lamp")) == []


def test_a_longer_phrase_holds_a_shorter_one() -> None:
    book = Phrasebook([("garage door", "garage"), ("door", "door")])
    garage, door = sorted(book.find(tokens_of("the garage door")), key=lambda f: f.length, reverse=True)
    assert garage.holds(door)
    assert not door.holds(garage)
    assert not garage.holds(garage)
