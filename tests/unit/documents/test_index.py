import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_llm.documents.index import Index
from edge_llm.documents.reading.passages import Section, cut_into_passages
from edge_llm.documents.reading.texts import read_document
from edge_llm.documents.search import tables
from edge_llm.documents.search.tables import FileMark
from edge_llm.errors import EdgeLlmError

DISHWASHER = """# Dishwasher

## Care

Rinse the filter under running water once a week.

## Error codes

| Code | Meaning |
|---|---|
| E15 | Water in the base, the leak protection is active |
| E16 | The door is not closed |
"""
OVEN = """# Oven

## First use

Heat the empty oven to 250 degrees for one hour.

## Lamp

The lamp is a halogen lamp G9. Let the oven cool before you change it.
"""
GERMAN = """# Spülmaschine

## Pflege

Der Spülmaschinenfilter wird einmal in der Woche unter fließendem Wasser gereinigt.

## Montage

Die Zulaufschläuche dürfen nicht geknickt werden.
"""
CHINESE = """# 洗碗机

## 保养

滤网每周检查一次，用流水冲洗。

## 故障代码

E15 表示底盘进水，请关闭水龙头。
"""


def add(index: Index, path: str, text: str) -> None:
    document = read_document(text.encode(), path)
    index.put(path, FileMark(1, len(text), path), document.title, cut_into_passages(document))


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index(None)
    for path, text in {"d.md": DISHWASHER, "o.md": OVEN, "de.md": GERMAN, "zh.md": CHINESE}.items():
        add(index, path, text)
    yield index
    index.close()


@pytest.mark.parametrize(
    ("question", "document", "heading"),
    [
        ("What does error E15 on the dishwasher mean?", "d.md", "Error codes"),
        ("dishwasher e-15", "d.md", "Error codes"),
        ("how do I clean the filters?", "d.md", "Care"),
        ("Which bulb is in the oven?", "o.md", "Lamp"),
        ("Wie reinige ich den Filter der Spülmaschine?", "de.md", "Pflege"),
        ("spuelmaschine filter", "de.md", "Pflege"),
        ("Ist der Zulaufschlauch geknickt?", "de.md", "Montage"),
        ("洗碗机的滤网多久检查?", "zh.md", "保养"),
        ("洗碗机显示E15是什么意思?", "zh.md", "故障代码"),
    ],
)
def test_the_best_passage_answers_the_question(
    index: Index, question: str, document: str, heading: str
) -> None:
    best = index.search(question)[0]
    assert (best.document, best.heading) == (document, heading)


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Australia?",
        "Who won the football match yesterday?",
        "Was kostet ein Flug nach Lissabon?",
        "给我讲个笑话",
        "What does E77 on the dishwasher mean?",
        "what is it?",
        "",
        " \n?!",
    ],
)
def test_nothing_is_found_where_nothing_fits(index: Index, question: str) -> None:
    assert index.search(question) == []
    assert index.context(question, 2800) == []


@pytest.mark.parametrize(
    "question",
    [
        'filter" OR "',
        "filter NEAR(",
        "title:filter",
        "filter*",
        "-filter ^",
        "f AND (",
        "'; DROP TABLE terms; --",
        "\0filter",
    ],
)
def test_no_question_is_syntax_of_the_database(index: Index, question: str) -> None:
    index.search(question)
    assert index.search("clean the filter")


def test_a_long_question_is_read_at_its_end(index: Index) -> None:
    assert index.search("so " * 100_000 + "how do I clean the filter?")[0].document == "d.md"


def test_a_passage_has_the_title_and_the_text(index: Index) -> None:
    best = index.search("dishwasher E16")[0]
    assert best.title == "Dishwasher"
    assert best.text.startswith("Code | Meaning\nE15 | Water in the base")


def test_at_most_so_many_passages_as_asked_for(index: Index) -> None:
    assert len(index.search("dishwasher filter", 1)) == 1


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("What does E16 on the dishwasher mean?", "E16 | The door is not closed"),
        (
            "How hot do I heat the oven before the first use?",
            "Heat the empty oven to 250 degrees for one hour.",
        ),
        ("洗碗机的滤网多久检查?", "滤网每周检查一次，用流水冲洗。"),
    ],
)
def test_the_lines_that_answer_a_question_are_quoted(index: Index, question: str, line: str) -> None:
    found = index.quotation(question)
    assert found.is_certain
    assert line in [each.text for each in found.passages]


def test_a_quotation_is_short_and_of_one_document(index: Index) -> None:
    found = index.quotation("dishwasher E16 filter oven").passages
    assert 1 <= len(found) <= 3
    assert len({each.document for each in found}) == 1


def test_nothing_is_quoted_where_nothing_fits(index: Index) -> None:
    assert index.quotation("Who won the world cup?").passages == ()


def test_what_comes_nearest_is_quoted_where_it_is_not_certain_that_it_fits(index: Index) -> None:
    question = "Which lamp did my grandmother prefer?"
    found = index.quotation(question)
    assert (index.search(question), found.is_certain) == ([], False)
    assert found.passages[0].document == index.nearest(question)[0].document == "o.md"


class TestContext:
    @pytest.fixture
    def parts(self) -> Iterator[Index]:
        index = Index(None)
        texts = [f"Part {number} tells about apple{number}, pear, plum and fig." for number in range(6)]
        index.put(
            "a.md",
            FileMark(1, 1, ""),
            "A",
            [Section(f"H{n}", n, text, n // 3) for n, text in enumerate(texts)],
        )
        yield index
        index.close()

    def test_is_the_chapter_of_the_best_passage_in_its_order(self, parts: Index) -> None:
        assert [each.page for each in parts.context("apple4", 10_000)] == [3, 4, 5]

    def test_is_the_same_for_another_question_to_the_chapter(self, parts: Index) -> None:
        first, second = parts.context("apple3", 150), parts.context("apple5", 150)
        assert first == second

    def test_is_never_longer_than_asked_for(self, parts: Index) -> None:
        (cut,) = parts.context("apple4", 20)
        assert cut.text == "Part 4 tells about a"

    def test_goes_on_with_other_passages_that_fit(self, parts: Index) -> None:
        found = parts.context("pear, plum, fig, apple1 or apple4", 10_000)
        assert [each.page for each in found][:4] == [0, 1, 2, 4]

    def test_is_the_best_passage_alone_where_the_chapter_is_too_long(self, parts: Index) -> None:
        assert [each.page for each in parts.context("apple4", 60)] == [4]


def test_a_document_is_replaced_and_removed(index: Index) -> None:
    add(index, "o.md", "# Oven\n\nThe light is an LED of 2 watts.")
    assert "LED" in index.search("Which bulb is in the oven?")[0].text
    index.remove("o.md")
    assert index.search("oven halogen lamp") == []
    assert index.marks().keys() == {"d.md", "de.md", "zh.md"}


def test_a_document_that_fails_half_way_leaves_the_old_one(index: Index) -> None:
    def sections() -> Iterator[Section]:
        yield Section("", None, "half of it", 0)
        raise ValueError

    with pytest.raises(ValueError):
        index.put("o.md", FileMark(2, 2, ""), "Oven", sections())
    assert index.search("oven halogen lamp")[0].document == "o.md"


class TestFile:
    def test_is_there_after_a_restart(self, tmp_path: Path) -> None:
        first = Index(tmp_path / "index.sqlite")
        add(first, "d.md", DISHWASHER)
        first.close()
        second = Index(tmp_path / "index.sqlite")
        assert second.search("dishwasher E15")
        second.close()

    def test_of_another_version_is_begun_anew(self, tmp_path: Path) -> None:
        first = Index(tmp_path / "index.sqlite")
        add(first, "d.md", DISHWASHER)
        first.close()
        db = sqlite3.connect(tmp_path / "index.sqlite")
        db.execute("UPDATE version SET number = 0")
        db.commit()
        db.close()
        second = Index(tmp_path / "index.sqlite")
        assert second.marks() == {}
        second.close()

    def test_that_is_damaged_is_moved_aside(self, tmp_path: Path) -> None:
        (tmp_path / "index.sqlite").write_bytes(b"\0" * 8192)
        index = Index(tmp_path / "index.sqlite")
        add(index, "d.md", DISHWASHER)
        assert index.search("dishwasher E15")
        index.close()
        assert len(list(tmp_path.glob("index.sqlite.corrupt-*"))) == 1

    def test_of_another_program_is_refused_and_left_as_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "letters.txt"
        path.write_text("a letter to my aunt " * 100)
        with pytest.raises(EdgeLlmError, match="another program's file"):
            Index(path)
        assert [each.name for each in tmp_path.iterdir()] == ["letters.txt"]
        assert path.read_text().startswith("a letter")

    def test_that_is_damaged_while_in_use_is_moved_aside(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "edge_llm.state.file._CHECKED_BYTES", 0
        )  # as a large file, which is not read through
        path = tmp_path / "index.sqlite"
        index = Index(path)
        for number in range(60):
            add(index, f"{number}.md", DISHWASHER)
        index.close()
        size = path.stat().st_size
        index = Index(path)
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xee" * (size - 4096))
        assert index.search("dishwasher E15") == []
        add(index, "d.md", DISHWASHER)
        assert index.search("dishwasher E15")
        index.close()

    def test_that_is_damaged_while_a_document_is_added_gets_no_half_of_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index = Index(tmp_path / "index.sqlite")

        def sections() -> Iterator[Section]:
            yield Section("", None, "the first half", 0)
            error = sqlite3.DatabaseError("it is damaged")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error

        with pytest.raises(EdgeLlmError, match="made anew"):
            index.put("a.md", FileMark(1, 1, ""), "A", sections())
        assert index.marks() == {}
        index.close()

    def test_without_full_text_search_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "_TABLES", tables._TABLES.replace("fts5", "fts0"))
        with pytest.raises(EdgeLlmError, match="has no full-text search"):
            Index(None)

    def test_that_cannot_be_made_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("a file")
        with pytest.raises(EdgeLlmError, match="cannot be used"):
            Index(tmp_path / "a" / "index.sqlite")

    def test_is_searched_while_it_is_written(self, tmp_path: Path) -> None:
        index = Index(tmp_path / "index.sqlite")
        add(index, "d.md", DISHWASHER)
        found: list[set[str]] = []

        def search() -> None:
            found.append({each.document for each in index.search("dishwasher E15")})

        def sections() -> Iterator[Section]:
            yield Section("", None, "the dishwasher E15 again", 0)
            searcher = threading.Thread(target=search)
            searcher.start()
            searcher.join(timeout=60)

        index.put("e.md", FileMark(2, 2, ""), "E", sections())
        assert found == [{"d.md"}]
        index.close()
