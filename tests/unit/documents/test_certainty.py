"""A question that no paper answers is told from one that a paper answers."""

import sqlite3
from collections.abc import Iterator

import pytest

from edge_llm.documents.index import Index
from edge_llm.documents.passage import Passage
from edge_llm.documents.reading.passages import Section
from edge_llm.documents.search import tables
from edge_llm.documents.search.certainty import fits
from edge_llm.documents.search.language.answers import asks_whether_there_is, expected
from edge_llm.documents.search.language.words import normalise
from edge_llm.documents.search.question import Question, read_question
from edge_llm.documents.search.tables import FileMark
from edge_llm.documents.search.vocabulary import Vocabulary

TOASTER = (
    "The toaster has two slots and takes four slices.",
    "The crumb tray of the toaster is emptied on Sundays.",
    "If the toaster smokes, press the red knob and pull the plug.",
)
SAUNA = (
    "Die Sauna hat einen Ofen aus Stahl und drei Bänke aus Fichte.",
    "Der Aufguss in der Sauna kostet 4 Euro.",
    "Vor dem Anheizen der Sauna die Klappe öffnen.",
)
CAMERA = (
    "相机有两个镜头，可以存五百张照片。",
    "相机的电池充满要三个小时。",
    "镜头脏了用软布擦。",
)


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index(None)
    papers = {"toaster.md": ("Toaster", TOASTER), "sauna.md": ("Sauna", SAUNA), "camera.md": ("相机", CAMERA)}
    for path, (title, texts) in papers.items():
        sections = [Section("", n, text, n) for n, text in enumerate(texts)]
        index.put(path, FileMark(1, 1, ""), title, sections)
    yield index
    index.close()


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ("When is the crumb tray of the toaster emptied?", "What did the crumb tray of the toaster cost?"),
        ("How many slices does the toaster take?", "How many cups does the toaster take?"),
        ("What do I press when the toaster smokes?", "How loud is the red knob of the toaster?"),
        ("Was kostet der Aufguss in der Sauna?", "Wie lange dauert der Aufguss in der Sauna?"),
        ("Wie viele Bänke hat die Sauna?", "Wie viele Fenster hat die Sauna?"),
        ("相机可以存几张照片?", "相机可以存几个视频?"),
        ("相机的电池充满要多久?", "相机的电池多少钱?"),
    ],
)
def test_what_is_quoted_must_have_what_is_asked_for(index: Index, question: str, other: str) -> None:
    assert index.quotation(question).is_certain
    found = index.quotation(other)
    assert (bool(found.passages), found.is_certain) == (True, False)


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ("Does the toaster have a crumb tray?", "Does the toaster have a timer?"),
        ("Hat die Sauna einen Ofen?", "Hat die Sauna einen Aufzug?"),
        ("相机有没有镜头?", "相机有没有蓝牙?"),
    ],
)
def test_whether_there_is_something_is_certain_where_it_is_named(
    index: Index, question: str, other: str
) -> None:
    assert index.quotation(question).is_certain
    assert not index.quotation(other).is_certain


def test_how_many_there_are_is_not_whether_there_is_something() -> None:
    assert asks_whether_there_is(normalise("Is there a timer?"))
    assert not asks_whether_there_is(normalise("How many slots are there?"))


def test_a_passage_without_what_is_asked_for_does_not_go_before_the_question(index: Index) -> None:
    assert index.context("When is the crumb tray of the toaster emptied?", 1000)
    assert index.context("What did the crumb tray of the toaster cost?", 1000) == []


def asked_for_rope_hook_and_lamp() -> Question:
    db = sqlite3.connect(":memory:")
    tables.create(db)
    tables.put(db, "a.md", FileMark(1, 1, ""), "", [Section("", None, "rope, hook, lamp", 0)])
    asked = read_question("rope, hook, lamp", Vocabulary(db))
    db.close()
    return asked


def test_of_a_passage_that_scores_well_the_lines_must_have_the_words_of_the_question() -> None:
    asked = asked_for_rope_hook_and_lamp()
    lines = [Passage("a.md", "", "", None, f"The {word} is new.") for word in ("rope", "hook", "lamp")]
    assert fits(asked, 1.5, lines)
    assert not fits(asked, 1.5, lines[:2])


def test_the_words_of_title_and_heading_count_for_the_lines_below_them() -> None:
    asked = asked_for_rope_hook_and_lamp()
    assert fits(asked, 1.5, [Passage("a.md", "Lamp", "Hook", None, "The rope is new.")])
    assert not fits(asked, 1.5, [Passage("a.md", "", "Hook", None, "The rope is new.")])


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("In which year was it built?", "built in 1998", "built in 98 days"),
        ("On what date is the fair?", "on 3 may", "it may rain"),
        ("What time does it close?", "at 17:30", "at the gate"),
        ("How often is it oiled?", "every week", "with oil"),
        ("What does the ticket cost?", "it is 4.50.", "4.5 bar"),
        ("How much did we pay for the boat?", "2,300 in all", "2,300 litres"),
        ("What is the phone number of the baker?", "01632 960 101", "room 502"),
        ("What is the baker's e-mail address?", "bread@baker.example", "ask the baker"),
        ("How long is the warranty?", "for three years", "for three hours"),
        ("How long does it take?", "half an hour", "a long way"),
        ("How wide is the shelf?", "80 cm", "80 kg"),
        ("How heavy is the shelf?", "80 kg", "80 cm"),
        ("How old is the bridge?", "30 years", "30 metres"),
        ("How loud is the fan?", "35 db", "35 w"),
        ("What temperature does the yoghurt need?", "42 °c", "42 minutes"),
        ("How many volts does it need?", "12 v", "12 screws"),
        ("How many square metres are there?", "45 m²", "45 m"),
        ("Wie viele Kilowattstunden waren es?", "31 kwh", "31 tage"),
        ("What percentage is fat?", "3.5 %", "3.5 litres"),
        ("Which colour is the cable?", "a yellow cable", "a thin cable"),
        ("What is the serial number?", "ab-2207", "on the back"),
        ("What is the password of the printer?", "the password is on the back", "the paper is at the back"),
        ("Which brand of tea is it?", "made by hill & son", "a green tin"),
        ("In welchem Jahr wurde es gebaut?", "gebaut 1998", "in 98 tagen gebaut"),
        ("Um wie viel Uhr schließt es?", "um 17 uhr", "am tor"),
        ("Wie oft wird es geölt?", "alle zwei wochen", "mit öl"),
        ("Was kostet die Karte?", "sie kostet 4 euro", "4 bar"),
        ("Wie hoch ist die Kaution?", "300,00 im voraus", "300 meter"),
        ("Wie lange gilt die Garantie?", "drei jahre", "drei stunden"),
        ("Wie breit ist das Regal?", "80 cm", "80 kg"),
        ("Wie schwer ist das Regal?", "80 kg", "80 cm"),
        ("Wie laut ist der Lüfter?", "35 db", "35 watt"),
        ("Welche Telefonnummer hat der Bäcker?", "0351 555 0101", "zimmer 502"),
        ("Welche Farbe hat das Kabel?", "ein gelbes kabel", "ein dünnes kabel"),
        ("Wo wurde es gekauft?", "beim händler am markt", "am markt"),
    ],
)
def test_the_question_tells_what_its_answer_has(question: str, answer: str, other: str) -> None:
    found = expected(normalise(question))
    assert found
    assert (bool(found.pattern.search(answer)), bool(found.pattern.search(other))) == (True, False)
