"""The measurement of papers: the form of the set, and what counts as found."""

import json
from collections import Counter
from dataclasses import replace
from io import BytesIO
from itertools import chain
from pathlib import Path

import pytest
from pypdf import PdfReader

from benchmarks.documents import data
from benchmarks.documents.__main__ import main
from benchmarks.documents.answers import Answered
from benchmarks.documents.data import LANGUAGES, PAPERS, laid_name, plain_text, read_questions, spaced
from benchmarks.documents.pdf import write_pdf
from benchmarks.documents.retrieval import Found, holds, table
from benchmarks.documents.speed import make_words
from edge_llm.documents.passage import Passage
from tests.unit.client.scripted import done

DEV, SEALED = read_questions("dev"), read_questions("sealed")
SETS = {"dev": DEV, "sealed": SEALED}


def test_the_sets_have_their_sizes() -> None:
    """Enough questions that a paper answers, and that none does, in each language; enough papers."""
    assert Counter(q.language for q in DEV if q.answer) == {"en": 319, "de": 350, "zh": 280}
    assert Counter((q.language, q.answer is not None) for q in SEALED) == {
        (language, is_answered): size
        for language in LANGUAGES
        for is_answered, size in ((True, 60), (False, 20))
    }
    counts = {name: Counter(q.answer is not None for q in each) for name, each in SETS.items()}
    assert counts == {"dev": {True: 949, False: 138}, "sealed": {True: 180, False: 60}}
    papers = Counter(path.parent.name for path in PAPERS.rglob("*.*"))
    assert all(papers[language] >= least for language, least in (("en", 25), ("de", 25), ("zh", 15)))
    words = sum(len(plain_text(f"en/{path.name}").split()) for path in (PAPERS / "en").iterdir())
    assert words >= 15_000


@pytest.mark.parametrize("name", SETS)
def test_each_question_stands_once(name: str) -> None:
    assert len({q.id for q in SETS[name]}) == len({q.question for q in SETS[name]}) == len(SETS[name])


def test_each_answer_stands_in_its_paper() -> None:
    for question in chain(*SETS.values()):
        assert question.language in LANGUAGES
        if question.document is not None and question.answer is not None:
            assert question.document.startswith(f"{question.language}/")
            times = plain_text(question.document).count(spaced(question.answer))
            beside_a_paragraph = question in DEV and not question.id.rpartition("-")[2].isdecimal()
            assert times == 1 or (times and beside_a_paragraph), question.id
        else:
            assert question.document is question.answer is None


def test_papers_are_laid_out_as_pdf_too(tmp_path: Path) -> None:
    data.lay_papers(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.pdf")) == sorted(
        map(laid_name, data.AS_PDF)
    )
    assert len(list(tmp_path.rglob("*.*"))) == len(list(PAPERS.rglob("*.*")))


def test_a_pdf_has_pages_and_its_lines() -> None:
    text = "\n".join(f"Zeile {number} (größer) \\" for number in range(60))
    pages = PdfReader(BytesIO(write_pdf(text))).pages
    assert len(pages) == 2
    assert spaced(" ".join(page.extract_text() for page in pages)) == spaced(text)


def test_found_is_what_holds_the_answer_in_the_right_paper() -> None:
    question = next(q for q in DEV if q.answer == "36 months")
    passage = Passage("en/dishwasher-warranty.pdf", "", "", 1, "prolonged to 36\nmonths. The")
    assert holds(passage, question)
    assert not holds(replace(passage, document="en/dishwasher.md"), question)
    assert not holds(replace(passage, text="24 months"), question)


def test_the_table_counts_by_language() -> None:
    answered, none = DEV[0], next(q for q in DEV if q.answer is None and q.language == "en")
    found = [
        Found(answered, 1, ("a",), quoted=True, is_certain=True, took_ms=1.0),
        Found(answered, 3, ("a",), quoted=True, is_certain=False, took_ms=1.0),
        Found(answered, None, (), quoted=False, is_certain=False, took_ms=1.0),
        Found(none, None, (), quoted=False, is_certain=False, took_ms=1.0),
        Found(none, None, ("a",), quoted=False, is_certain=False, took_ms=1.0),
        Found(none, None, ("a",), quoted=False, is_certain=True, took_ms=1.0),
    ]
    row = "| en | 3 | 0.333 | 0.667 (0.208 to 0.939) | 0.667 | 0.500 | 3 | 2, 1 |"
    assert table(found).splitlines()[2] == row


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("It was extended to 36-Months!", ("holds", "holds_most")),
        ("Months: 36", ("holds_most",)),
        ("24 months", ()),
        ("That is not in the papers.", ("refused",)),
    ],
)
def test_an_answer_holds_the_wanted_words(text: str, counts: tuple[str, ...]) -> None:
    answered = Answered(next(q for q in DEV if q.answer == "36 months"), done(text))
    names = ("holds", "holds_most", "refused")
    assert tuple(name for name in names if getattr(answered, name)) == counts


def test_many_words_are_always_the_same(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        assert 5000 <= make_words(folder, 5000) < 9000
    assert [path.read_bytes() for path in sorted(one.iterdir())] == [
        path.read_bytes() for path in sorted(other.iterdir())
    ]


def test_a_file_of_squad_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paragraph = {
        "context": "The dam was built in 1931 by the town of Elmsford to hold the water of the spring.",
        "qas": [{"id": "1", "question": "When was the dam built?", "answers": [{"text": "in 1931"}]}],
    }
    file = tmp_path / "squad.json"
    file.write_text(json.dumps({"data": [{"title": "Elmsford dam", "paragraphs": [paragraph]}]}))
    assert main(["retrieval", "--squad", str(file)]) == 0
    assert "| squad | 1 | 1.000 | 1.000" in capsys.readouterr().out
