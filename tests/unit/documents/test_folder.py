import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_llm.documents.folder import THREAD, Folder
from edge_llm.documents.index import Index
from edge_llm.documents.reading import files
from edge_llm.errors import EdgeLlmError
from tests.common import eventually
from tests.unit.documents.pdfs import encrypted, make_pdf, text_page


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    papers = tmp_path / "papers"
    papers.mkdir()
    return papers


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index(None)
    yield index
    index.close()


@pytest.fixture
def folder(papers: Path, index: Index) -> Folder:
    return Folder(papers, index)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def write(path: Path, text: str, time_s: int = 1_000_000_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time_s, time_s))


def events(log: pytest.LogCaptureFixture, name: str) -> list[str]:
    return [record.getMessage() for record in log.records if record.getMessage().startswith(name)]


def test_all_kinds_of_files_are_read(papers: Path, folder: Folder, index: Index) -> None:
    write(papers / "a.md", "# Apples\n\nApples are red.")
    write(papers / "b.TXT", "Pears are green.")
    write(papers / "c" / "d.html", "<h1>Plums</h1><p>Plums are blue.")
    (papers / "c" / "e.pdf").write_bytes(make_pdf(text_page("Lemons are yellow."), title="Lemons"))
    write(papers / "f.jpg", "Cherries are dark.")
    folder.scan()
    assert index.marks().keys() == {"a.md", "b.TXT", "c/d.html", "c/e.pdf"}
    (lemons,) = index.nearest("Which colour do lemons have?")
    assert (lemons.document, lemons.title, lemons.page) == ("c/e.pdf", "Lemons", 1)


def test_only_what_has_changed_is_read_again(
    papers: Path, folder: Folder, log: pytest.LogCaptureFixture
) -> None:
    write(papers / "a.md", "Apples.")
    write(papers / "b.md", "Pears.")
    folder.scan()
    log.clear()
    folder.scan()
    assert events(log, "documents.") == []
    write(papers / "b.md", "Plums.", 1_000_000_001)
    folder.scan()
    assert events(log, "documents.read") == ["documents.read document=b.md"]


def test_a_file_with_another_time_but_the_same_content_is_not_read_again(
    papers: Path, folder: Folder, index: Index, log: pytest.LogCaptureFixture
) -> None:
    write(papers / "a.md", "Apples.")
    folder.scan()
    log.clear()
    write(papers / "a.md", "Apples.", 1_000_000_001)
    folder.scan()
    assert events(log, "documents.") == []
    assert index.marks()["a.md"].mtime_ns == 1_000_000_001 * 10**9


def test_what_is_gone_or_has_another_name_is_found_no_longer_under_the_old_one(
    papers: Path, folder: Folder, index: Index
) -> None:
    write(papers / "a.md", "Apples are red.")
    write(papers / "b.md", "Pears are green.")
    folder.scan()
    (papers / "a.md").unlink()
    (papers / "b.md").rename(papers / "c.md")
    folder.scan()
    assert index.search("red apples") == []
    assert [each.document for each in index.search("green pears")] == ["c.md"]


def test_links_hidden_files_and_pipes_are_not_read(
    tmp_path: Path, papers: Path, folder: Folder, index: Index
) -> None:
    write(tmp_path / "secret.md", "The secret.")
    (papers / "link.md").symlink_to(tmp_path / "secret.md")
    (papers / "inside.md").symlink_to(papers / "a.md")
    (papers / "linked").symlink_to(tmp_path)
    write(papers / ".hidden.md", "Hidden.")
    write(papers / ".git" / "a.md", "Hidden.")
    os.mkfifo(papers / "pipe.md")
    (papers / "directory.md").mkdir()
    write(papers / "a.md", "Apples.")
    folder.scan()
    assert index.marks().keys() == {"a.md"}


def test_a_link_that_takes_a_files_place_is_not_followed(tmp_path: Path, papers: Path) -> None:
    (papers / "a.md").symlink_to(tmp_path / "secret.md")
    write(tmp_path / "secret.md", "The secret.")
    with pytest.raises(OSError), files.open_regular(papers / "a.md"):
        pass


@pytest.mark.parametrize(
    "name", ["a b.md", "ä 'q\" %s {x}.md", "new\nline.md", "-rf.md", "洗碗机.md", "a\\b.md"]
)
def test_odd_names_are_fine(papers: Path, folder: Folder, index: Index, name: str) -> None:
    write(papers / name, "Apples are red.")
    folder.scan()
    assert [each.document for each in index.search("red apples")] == [name]


def test_a_name_that_is_no_utf8_is_fine(papers: Path, folder: Folder, index: Index) -> None:
    Path(os.fsdecode(os.fsencode(papers) + b"/caf\xe9.md")).write_text("Apples are red.")
    folder.scan()
    folder.scan()
    assert [each.document for each in index.search("red apples")] == [r"caf\xe9.md"]


def test_a_file_without_text_to_read_is_one_line_in_the_log_and_the_others_are_read(
    papers: Path, folder: Folder, index: Index, log: pytest.LogCaptureFixture
) -> None:
    (papers / "a.pdf").write_bytes(encrypted(make_pdf(text_page("Secret.")), "swordfish"))
    (papers / "b.pdf").write_bytes(b"%PDF- this is not one")
    (papers / "c.md").write_bytes(bytes(range(256)) * 4)
    write(papers / "d.md", "Apples are red.")
    folder.scan()
    folder.scan()
    assert events(log, "documents.unreadable") == [
        "documents.unreadable document=a.pdf reason='it is encrypted with a password'",
        "documents.unreadable document=b.pdf reason='it is damaged (PdfStreamError)'",
        "documents.unreadable document=c.md reason='it is binary, not text'",
    ]
    assert index.search("red apples")


def test_a_file_that_is_too_large_is_not_read(
    papers: Path, folder: Folder, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_TEXT_BYTES", 0)
    write(papers / "a.md", "Apples.")
    folder.scan()
    assert events(log, "documents.unreadable") == [
        "documents.unreadable document=a.md reason='it is larger than 0 MiB'"
    ]


def test_more_files_than_are_read_are_one_line_in_the_log(
    papers: Path, folder: Folder, index: Index, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_llm.documents.folder.MAX_FILES", 2)
    for name in "abc":
        write(papers / f"{name}.md", "Apples.")
    folder.scan()
    folder.scan()
    assert len(index.marks()) == 2
    assert events(log, "documents.too_many_files") == ["documents.too_many_files read=2"]


def test_a_file_that_ends_its_process_is_unreadable(
    papers: Path, folder: Folder, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    (papers / "a.pdf").write_bytes(make_pdf(text_page("Text.")))
    folder.scan()
    assert events(log, "documents.unreadable") == [
        "documents.unreadable document=a.pdf reason='reading it took too much time or memory'"
    ]


def test_a_large_text_is_read_in_a_process_of_its_own_with_the_same_result(
    papers: Path, folder: Folder, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "# Äpfel\n\nÄpfel sind rot. 苹果是红色的。\n\n## Birnen\n\nBirnen sind grün."
    write(papers / "a.md", text)
    folder.scan()
    here = index.search("rote Äpfel"), index.search("grüne Birnen")
    monkeypatch.setattr(files, "_READ_TEXT_HERE_BYTES", 0)
    write(papers / "a.md", text + "\n")
    folder.scan()
    assert (index.search("rote Äpfel"), index.search("grüne Birnen")) == here


def test_a_pdf_without_pypdf_says_what_to_install_and_is_read_later(
    papers: Path, folder: Folder, index: Index, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (papers / "a.pdf").write_bytes(make_pdf(text_page("Text.")))
    with monkeypatch.context() as without:
        without.setattr(files, "find_spec", lambda name: None)
        folder.scan()
    folder.scan()
    (line,) = events(log, "documents.not_opened")
    assert "edge-llm[documents]" in line
    assert index.marks() == {}


def test_a_folder_that_is_missing_keeps_what_is_known(papers: Path, folder: Folder, index: Index) -> None:
    write(papers / "a.md", "Apples are red.")
    folder.scan()
    papers.rename(papers.with_name("elsewhere"))
    with pytest.raises(EdgeLlmError, match="cannot be read"):
        folder.scan()
    assert index.search("red apples")


def test_progress_is_told_for_each_changed_file(papers: Path, index: Index) -> None:
    told: list[tuple[int, int]] = []
    for name in "abc":
        write(papers / f"{name}.md", f"{name} is red.")
    Folder(papers, index, progress=lambda done, of: told.append((done, of))).scan()
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_log_has_no_text_of_the_papers(
    papers: Path, folder: Folder, log: pytest.LogCaptureFixture
) -> None:
    write(papers / "a.md", "# Swordfish\n\nThe password is swordfish.")
    folder.scan()
    (papers / "a.md").unlink()
    folder.scan()
    assert "swordfish" not in log.text.lower()


class TestWatching:
    @pytest.fixture
    def watched(self, papers: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
        monkeypatch.setattr("edge_llm.documents.folder._LOOK_EVERY_S", 0.01)
        monkeypatch.setattr("edge_llm.documents.folder._LEAST_REST", 0)
        folder = Folder(papers, index)
        folder.watch()
        yield folder
        folder.close()
        assert THREAD not in {thread.name for thread in threading.enumerate()}

    def test_a_new_file_is_found_soon(self, papers: Path, index: Index, watched: Folder) -> None:
        write(papers / "a.md", "Apples are red.")
        eventually(lambda: index.search("red apples"))

    def test_goes_on_after_the_folder_was_away(
        self, papers: Path, index: Index, watched: Folder, log: pytest.LogCaptureFixture
    ) -> None:
        papers.rename(papers.with_name("elsewhere"))
        eventually(lambda: events(log, "documents.folder"))
        papers.mkdir()
        write(papers / "a.md", "Apples are red.")
        eventually(lambda: index.search("red apples"))
        assert len(events(log, "documents.folder")) == 1
