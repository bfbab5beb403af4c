"""The index of the papers where the process that writes it is killed."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from edge_llm.documents.folder import Folder
from edge_llm.documents.index import Index

FILES = 150
CODE = """
import sys
from pathlib import Path
from edge_llm.documents.folder import Folder
from edge_llm.documents.index import Index
tell = lambda done, of: print(done, flush=True)
Folder(Path(sys.argv[1]), Index(Path(sys.argv[2])), tell).scan()
"""


def scan_until(papers: Path, file: Path, done: int) -> None:
    """Scan in a process that is killed once so many files are done."""
    command = [sys.executable, "-c", CODE, str(papers), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="ascii") as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) >= done:
                process.kill()


def test_an_index_whose_process_is_killed_is_whole_and_goes_on(tmp_path: Path) -> None:
    papers, file = tmp_path / "papers", tmp_path / "index.sqlite"
    papers.mkdir()
    for number in range(FILES):
        text = "".join(
            f"## Part {part}\n\nThing{number} is kept here, and much else.\n\n" * 3 for part in range(20)
        )
        (papers / f"{number}.md").write_text(f"# Paper {number}\n\n{text}")
    known = 0
    for _ in range(3):
        scan_until(papers, file, 20)
        with closing(sqlite3.connect(file)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            db.execute("INSERT INTO terms (terms) VALUES ('integrity-check')")
            (begun,) = db.execute("SELECT count(*) FROM documents").fetchone()
            (without,) = db.execute(
                "SELECT count(*) FROM documents WHERE id NOT IN (SELECT document FROM passages)"
            ).fetchone()
        assert known < begun < FILES
        assert without == 0
        known = begun
    index = Index(file)
    Folder(papers, index).scan()
    assert len(index.marks()) == FILES
    assert all(
        index.search(f"thing{number}")[0].document == f"{number}.md" for number in (0, FILES // 2, FILES - 1)
    )
    index.close()
    assert list(tmp_path.glob("*.corrupt-*")) == []
