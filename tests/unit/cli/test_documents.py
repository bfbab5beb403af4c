"""`edge-llm documents` without a broker, and what `ask --documents` prints."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_llm.cli import asker
from edge_llm.cli.main import main
from edge_llm.client import RequestError
from tests.unit.client.scripted import Script, client_of, done

TEXT = "# Dishwasher\n\n## E15\n\nThe inlet is blocked.\n\n## E22\n\nThe pump is jammed.\n"
SOURCES = [
    {"document": "a/dishwasher.pdf", "title": "Dishwasher", "heading": "Error codes", "page": 12},
    {"document": "notes.txt", "title": "Notes", "heading": ""},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "dishwasher.md").write_text(TEXT)
    monkeypatch.setenv("EDGE_LLM_DOCUMENTS__FILE", str(tmp_path / "index.sqlite"))
    return str(folder)


def test_once_reads_the_folder_and_says_how_much_it_was(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (Path(folder) / "empty.txt").write_text("")
    assert main(["documents", "--folder", folder, "--once"]) == 0
    assert main(["documents", "--folder", folder, "--once", "--json"]) == 0
    text, report = capsys.readouterr().out.splitlines()
    assert text == "1 documents, 2 passages; 1 files hold no text that can be read"
    assert json.loads(report) == {"documents": 1, "passages": 2, "unread": 1}


def test_search_prints_the_best_passages_with_their_sources(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["documents", "search", "What does E15 mean?", "--folder", folder]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["1. dishwasher.md: E15", "   The inlet is blocked."]
    assert main(["documents", "search", "What does E15 mean?", "--folder", folder, "--json"]) == 0
    best = json.loads(capsys.readouterr().out)["passages"][0]
    source = {"document": "dishwasher.md", "title": "Dishwasher", "heading": "E15"}
    assert best == {**source, "text": "The inlet is blocked."}
    assert main(["documents", "search", "Who is the king of France?", "--folder", folder]) == 0
    assert capsys.readouterr().out == "nothing in the papers fits\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 78, "there is no folder of papers: give --folder DIR, or set documents.folder"),
        (["--folder", "/nowhere"], 78, "documents.folder /nowhere: no such directory"),
        (["search"], 1, 'edge-llm documents search "QUESTION": give the question'),
        (["serve", "What does E15 mean?"], 1, 'edge-llm documents search "QUESTION": give the question'),
        (["--node", "documents", "--folder", "/"], 78, "node documents is this service itself"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["documents", *arguments]) == code
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("custom", "printed"),
    [
        ({"sources": SOURCES}, "from: a/dishwasher.pdf, page 12: Error codes\nfrom: notes.txt\n"),
        ({"sources": []}, ""),
        ({"sources": [{"document": 7}]}, ""),
        ("mine", ""),
    ],
)
def test_sources_are_printed_after_the_answer(
    custom: Any, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script([[done("It is blocked.").model_copy(update={"custom": custom})]])
    asker.show(client_of(script), "What is E15?")
    assert capsys.readouterr().out == f"It is blocked.\n{printed}"


def test_who_asks_documents_that_are_not_there_is_told_what_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(Script([]))

    def away(_timeout_s: float = 0) -> None:
        raise RequestError("unavailable", "node documents is not online: is `edge-llm serve` running there?")

    monkeypatch.setattr(client, "wait_online", away)
    with pytest.raises(RequestError, match="is `edge-llm documents` running there") as error:
        asker.expect_documents(client)
    assert error.value.code == "unavailable"
