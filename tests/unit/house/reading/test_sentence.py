"""What a sentence says, word by word and clause by clause."""

import pytest

from edge_llm.house.language.words import words_of
from edge_llm.house.reading.clauses import Clause, Sentence
from edge_llm.house.reading.sentence import SentenceReader
from edge_llm.house.targets import find_targets
from tests.unit.house.houses import home, house, light


def read(sentence: str, language: str = "en", here: str | None = None) -> Sentence:
    compiled = home(language)
    return SentenceReader(compiled.targets, compiled.words).read(sentence, compiled.targets.area(here))


def clause(sentence: str, language: str = "en", here: str | None = None) -> Clause:
    (only,) = read(sentence, language, here).clauses
    return only


def ids(clause: Clause) -> list[str]:
    return [each for target in clause.named for each in target.ids]


def test_names_rooms_kinds_and_actions_are_told_apart() -> None:
    said = clause("turn off the lights in the living room")
    assert [area.id for area in said.areas] == ["living"]
    assert said.kinds == {"light"}
    assert max(said.actions, key=lambda action: said.actions[action]) == "off"
    assert (ids(said), said.numbers, said.unknown) == ([], (), ())


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "turn the reading lamp on"),
        ("de", "schalte die Leselampe ein"),
        ("es", "enciende la lámpara de lectura"),
        ("fr", "allume la liseuse"),
        ("nl", "doe de leeslamp aan"),
        ("zh", "打开阅读灯"),
    ],
)
def test_a_name_is_found_in_every_language(language: str, sentence: str) -> None:
    said = clause(sentence, language)
    assert ids(said) == ["reading"]
    assert "on" in said.actions
    assert "off" not in said.actions


def test_a_name_is_found_whatever_its_case_and_its_accents() -> None:
    assert ids(clause("KUCHENROLLO zu", "de")) == ["blind"]
    assert ids(clause("abre la Persiana De La Cocina", "es")) == ["blind"]


def test_a_word_of_a_name_finds_its_device() -> None:
    said = clause("turn on the reading one")
    assert [target.ids for target in said.partly] == [("reading",)]


@pytest.mark.parametrize(
    ("sentence", "numbers", "flags"),
    [
        ("set the reading lamp to 40 percent", (40,), {"percent"}),
        ("set the reading lamp to forty percent", (40,), {"percent"}),
        ("set the thermostat to 21,5 degrees", (21.5,), set()),
        ("set the reading lamp to maximum", (), {"most"}),
        ("set the reading lamp to half", (), {"half"}),
        ("turn on the reading lamp", (), set()),
    ],
)
def test_values_are_read(sentence: str, numbers: tuple[float, ...], flags: set[str]) -> None:
    said = clause(sentence)
    assert said.numbers == numbers
    assert said.flags == frozenset(flags)


def test_a_number_in_a_name_is_no_value() -> None:
    words = words_of("en")
    reader = SentenceReader(find_targets(house(light("x", "Lamp 3")), words), words)
    (said,) = reader.read("set lamp 3 to 50 percent", None).clauses
    assert said.numbers == (50,)


def test_colors_are_read_in_the_houses_language() -> None:
    assert clause("mach die Stehlampe blau", "de").colors == ("blue",)
    assert clause("把落地灯变成红色", "zh").colors == ("red",)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "turn on the ceiling lamp and close the kitchen blind"),
        ("en", "turn on the ceiling lamp, close the kitchen blind"),
        ("de", "schalte die Deckenlampe ein und schließe das Küchenrollo"),
        ("es", "enciende la lámpara de techo y cierra la persiana de la cocina"),
        ("fr", "allume le plafonnier puis ferme le store de la cuisine"),
        ("nl", "doe de plafondlamp aan en sluit het keukenrolgordijn"),
        ("zh", "打开吸顶灯然后关上厨房百叶窗"),
    ],
)
def test_two_commands_are_two_clauses(language: str, sentence: str) -> None:
    assert [ids(each) for each in read(sentence, language).clauses] == [["ceiling"], ["blind"]]


def test_a_conjunction_within_one_command_does_not_cut_it() -> None:
    assert len(read("turn on the reading lamp and thank you").clauses) == 1


def test_what_only_one_clause_says_goes_for_both() -> None:
    first, second = read("turn off the kitchen and the living room lights").clauses
    assert [first.areas[0].id, second.areas[0].id] == ["kitchen", "living"]
    assert first.kinds == second.kinds == {"light"}
    assert "off" in first.actions
    assert "off" in second.actions


def test_a_level_goes_for_both_clauses() -> None:
    first, second = read("set the reading lamp and the tall lamp to 30 percent").clauses
    assert (first.numbers, second.numbers) == ((30,), (30,))


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "turn off all the lights except the reading lamp"),
        ("de", "mach alle Lichter aus außer der Leselampe"),
        ("es", "apaga todas las luces excepto la lámpara de lectura"),
        ("fr", "éteins toutes les lumières sauf la liseuse"),
        ("nl", "doe alle lichten uit behalve de leeslamp"),
        ("zh", "关掉所有的灯除了阅读灯"),
    ],
)
def test_what_is_excepted_is_no_part_of_the_command(language: str, sentence: str) -> None:
    said = read(sentence, language)
    assert said.excepted
    assert ids(said.excepted) == ["reading"]
    assert [ids(each) for each in said.clauses] == [[]]
    assert said.clauses[0].flags >= {"all"}


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("en", "is the reading lamp on?", True),
        ("en", "which lamps are on", True),
        ("en", "can you turn on the reading lamp?", False),
        ("en", "would you close the blind?", False),
        ("en", "turn on the reading lamp", False),
        ("de", "ist die Haustür abgeschlossen?", True),
        ("de", "kannst du die Deckenlampe anmachen?", False),
        ("es", "¿está encendida la lámpara de lectura?", True),
        ("es", "¿puedes encender la lámpara de techo?", False),
        ("fr", "est-ce que la liseuse est allumée ?", True),
        ("fr", "peux-tu allumer le plafonnier ?", False),
        ("nl", "is de leeslamp aan?", True),
        ("nl", "kun je de plafondlamp aandoen?", False),
        ("zh", "前门锁了吗\uff1f", True),
        ("zh", "能打开吸顶灯吗\uff1f", False),
    ],
)
def test_a_question_is_told_from_a_polite_command(language: str, sentence: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the cases
    assert read(sentence, language).is_question is expected


def test_here_is_the_speakers_room() -> None:
    assert [area.id for area in clause("turn off the lights in here", here="Kitchen").areas] == ["kitchen"]
    assert clause("turn off the lights in here").areas == ()


def test_up_and_down_are_floors_where_there_are_two() -> None:
    words = words_of("en")
    floors = [{"id": "g", "name": "Base"}, {"id": "u", "name": "Top"}, {"id": "a", "name": "Attic"}]
    for count, expected in ((2, ["u"]), (3, [])):
        described = house(light("x", "Lamp"), floors=floors[:count])
        (said,) = (
            SentenceReader(find_targets(described, words), words).read("lights off upstairs", None).clauses
        )
        assert [floor.id for floor in said.floors] == expected
        assert "upstairs" in said.flags


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [("turn on our light", False), ("turn on our lights", True), ("turn on the reading lamp", False)],
)
def test_one_light_is_told_from_several(sentence: str, expected: bool) -> None:  # noqa: FBT001 - as above
    assert clause(sentence).plural is expected


def test_words_that_nobody_knows_are_kept() -> None:
    assert clause("turn on the flux capacitor").unknown == ("flux", "capacitor")


@pytest.mark.parametrize("sentence", ["set a timer for 5 minutes", "remind me later"])
def test_what_is_no_matter_of_devices_is_known(sentence: str) -> None:
    assert clause(sentence).is_elsewhere
