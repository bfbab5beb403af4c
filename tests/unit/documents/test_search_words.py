"""Words that question and paper have in different forms are one word."""

import sqlite3
from collections.abc import Iterator

import pytest

from edge_llm.documents.index import Index
from edge_llm.documents.reading.passages import Section
from edge_llm.documents.search import tables
from edge_llm.documents.search.language.german import forms, separated
from edge_llm.documents.search.language.words import codes, normalise, stem, terms
from edge_llm.documents.search.tables import FileMark
from edge_llm.documents.search.vocabulary import Vocabulary

GERMAN = [
    "Gasgeruch: Fenster auf.",
    "Die Kita hat im Juli Schließtage.",
    "Der Zugang für Gäste endet nach zwölf Stunden.",
    "Gegen die Abrechnung ist ein Widerspruch möglich.",
    "Den Motor abends ausschalten.",
    "Alle Geräte wurden im März getauscht.",
    "Die Einspeisevergütung für Strom beträgt acht Cent.",
    "Der Zählerschrank ist im Keller.",
]


def put(index: Index, path: str, *texts: str) -> None:
    index.put(path, FileMark(1, 1, ""), path, [Section("", n, text, n) for n, text in enumerate(texts)])


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index(None)
    put(index, "de.md", *GERMAN)
    yield index
    index.close()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("riecht", "Geruch"),
        ("schließt", "geschlossen"),
        ("abgeschlossen", "abzuschließen"),
        ("abschließen", "Abschluss"),
        ("gilt", "gelten"),
        ("verbieten", "Verbot"),
        ("einfrieren", "eingefroren"),
        ("aufzunehmen", "Aufnahme"),
        ("überwiesen", "Überweisung"),
        ("sammeln", "Sammlung"),
        ("gespeichert", "speichern"),
        ("Ärztin", "Arzt"),
        ("gereinigt", "reinigen"),
        ("öffnet", "geöffnet"),
        ("ausgetauscht", "Austausch"),
        ("auszuschalten", "ausgeschaltet"),
        ("liefert", "Lieferung"),
        ("widersprechen", "Widerspruch"),
        ("Auszug", "ausziehen"),
    ],
)
def test_forms_of_a_german_word_are_one_word(one: str, other: str) -> None:
    first, second = stem(normalise(one)), stem(normalise(other))
    assert first == second or second in forms(first) or first in forms(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("wechseln", "Wechsel"),
        ("liefern", "Lieferung"),
        ("Häuser", "Haus"),
        ("Akkus", "Akku"),
        ("Bremsen", "Bremse"),
        ("geschlossene", "geschlossen"),
        ("Mitglieder", "Mitglied"),
        ("Medikamente", "Medikament"),
        ("Anlagen", "Anlage"),
        ("Kameras", "Kamera"),
        ("cleaning", "cleaned"),
        ("batteries", "battery"),
        ("buttons", "button"),
        ("filtered", "filters"),
        ("settings", "setting"),
        ("baked", "baking"),
        ("houses", "house"),
        ("problems", "problem"),
    ],
)
def test_a_stem_is_the_same_for_endings(one: str, other: str) -> None:
    assert stem(normalise(one)) == stem(normalise(other))


def test_the_part_of_a_verb_that_stands_apart_is_found_at_the_end_of_a_clause() -> None:
    assert separated("wen rufe ich an, wenn der strom aus ist?") == ["an"]
    assert separated("schalte ich auf dem dach die pumpe aus?") == ["aus"]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Was tun, wenn es nach Gas riecht?", "Gasgeruch"),
        ("Wann ist die Kita geschlossen?", "Schließtage"),
        ("Wann endet der Besucherzugang?", "Zugang für Gäste"),
        ("Kann ich der Nebenkostenabrechnung widersprechen?", "Widerspruch"),
        ("Wie schalte ich den Motor aus?", "ausschalten"),
        ("Wann werden die Geräte ausgetauscht?", "getauscht"),
        ("Was bekomme ich für eingespeisten Strom?", "Einspeisevergütung"),
        ("In welchem Schrank ist der Zähler?", "Zählerschrank"),
    ],
)
def test_a_german_question_finds_other_forms_compounds_and_synonyms(
    index: Index, question: str, text: str
) -> None:
    assert text in index.nearest(question)[0].text


def test_a_passage_without_the_error_code_of_the_question_comes_after_one_that_has_it() -> None:
    index = Index(None)
    put(index, "boiler.md", "boiler error: the boiler shows an error, boiler error", "E7: the pump is stuck")
    assert index.search("boiler error E7")[0].text.startswith("E7")
    assert index.search("boiler error E8") == []
    index.close()


def test_a_keyword_alone_is_certain(index: Index) -> None:
    """However often the papers have it."""
    assert index.quotation("Gasgeruch").is_certain
    common = Index(None)
    put(
        common,
        "rooms.md",
        *(f"The {thing} of room {n}" for n in range(60) for thing in ("lamp", "bed", "rug")),
    )
    assert common.quotation("lamp").is_certain
    common.close()


def test_only_the_row_of_the_error_code_is_quoted() -> None:
    index = Index(None)
    put(
        index,
        "pump.md",
        "Code | Meaning\nE1 | The motor is hot\nE2 | The pump is stuck\nE3 | The door is open",
    )
    assert [each.text for each in index.quotation("pump E2").passages] == ["E2 | The pump is stuck"]
    index.close()


def test_the_vocabulary_forgets_the_words_of_a_removed_paper() -> None:
    db = sqlite3.connect(":memory:")
    tables.create(db)
    mark = FileMark(1, 1, "")
    tables.put(db, "a.md", mark, "Pump", [Section("", None, "red pump", 0), Section("", None, "pump", 1)])
    tables.put(db, "b.md", mark, "", [Section("", None, "a red lamp", 0)])
    words = Vocabulary(db)
    assert words.known(["red", "pump", "lamp"]) == {"red": 2, "pump": 2, "lamp": 1}
    tables.remove(db, "a.md")
    assert words.known(["red", "pump", "lamp"]) == {"red": 1, "lamp": 1}
    db.close()


def test_a_number_after_a_function_word_is_no_code() -> None:
    assert codes(normalise("Zwischen 10 und 16 Uhr, at 14 Willow Lane")) == []
    assert codes(normalise("Fehler E 15, F-02")) == ["e15", "f02"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("85 Quadratmeter", "85 m²"),
        ("12 square metres", "12 qm"),
        ("5 kilos", "5kg"),
        ("2 Kilowattstunden", "2 kWh"),
        ("2 kilowatt hours", "2 kWh"),
        ("3 Std.", "3 Stunden"),
    ],
)
def test_a_unit_is_found_by_its_word_and_by_its_sign(one: str, other: str) -> None:
    assert list(terms(normalise(one))) == list(terms(normalise(other)))


def test_a_sign_within_a_word_is_no_unit() -> None:
    assert list(terms("kwhx m25")) == ["kwhx", "m25"]


def test_what_is_said_of_another_thing_is_not_certain(index: Index) -> None:
    put(index, "bike.md", "Pump up the tyres of the bicycle to 4 bar pressure every month.")
    put(index, "box.md", "The car charges in the garage at night.")
    assert index.quotation("What tyre pressure does the bicycle need?").is_certain
    assert not index.quotation("What tyre pressure does the car need?").is_certain


def test_a_verb_whose_part_stands_apart_has_its_synonyms(index: Index) -> None:
    put(index, "timer.md", "Die Abschaltung kommt nach 45 Minuten.", "Das Wasser kommt nach zwei Minuten.")
    (first, *_) = index.nearest("Nach wie vielen Minuten schaltet es sich aus?")
    assert "Abschaltung" in first.text
