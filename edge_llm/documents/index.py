"""The index of the papers in one SQLite file: keeps their passages and finds those for a question."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from edge_llm.documents.passage import Found, Passage
from edge_llm.documents.reading.passages import Section
from edge_llm.documents.search import certainty, tables
from edge_llm.documents.search.lines import quoted_lines
from edge_llm.documents.search.question import Question, read_question
from edge_llm.documents.search.ranking import rank
from edge_llm.documents.search.tables import FileMark
from edge_llm.documents.search.vocabulary import Vocabulary
from edge_llm.errors import EdgeLlmError
from edge_llm.event_log import EventLog
from edge_llm.state.aside import is_in_use, move_aside
from edge_llm.state.file import is_damage, open_file, open_memory, words_of

if TYPE_CHECKING:  # numpy and ONNX Runtime are loaded where embeddings are on alone
    from edge_llm.documents.search.vectors import Meaning

log = EventLog(__name__)

Result = TypeVar("Result")
_PASSAGE = """
SELECT passages.id, documents.path, documents.title, passages.heading, passages.page, passages.text
FROM passages JOIN documents ON documents.id = passages.document
"""
_QUOTED = 3
"""Number of passages whose lines may be quoted."""
_Row = tuple[int, str, str, str, int | None, str]


class Index:
    """Passages in an SQLite file; safe for several threads. A damaged file is moved aside and begun anew."""

    def __init__(self, file: Path | None, meaning: "Meaning | None" = None) -> None:
        """Open the file, or make it; None keeps all in memory. ``meaning`` ranks beside the words.

        Raises:
            EdgeLlmError: it cannot be opened or made.
        """
        self._file, self._meaning = file, meaning
        self._write_lock, self._read_lock = RLock(), RLock()
        self._open()

    def search(self, question: str, limit: int = 3) -> list[Passage]:
        """Find at most ``limit`` passages, the best first; none where nothing fits.

        Raises:
            EdgeLlmError: the file cannot be read.
        """
        found = self._read(lambda db: _search(db, question, limit, self._meaning))
        passages = [_passage(row) for row in found.rows]
        return passages if found.fits(passages[:1]) else []

    def nearest(self, question: str, limit: int = 3) -> list[Passage]:
        """Find at most ``limit`` passages as ``search`` does, also where it is not certain that one fits.

        Raises:
            EdgeLlmError: the file cannot be read.
        """
        found = self._read(lambda db: _search(db, question, limit, self._meaning))
        return [_passage(row) for row in found.rows]

    def context(self, question: str, max_characters: int) -> list[Passage]:
        """Find what to put before ``question``: the best passage's chapter in its order, then the next best.

        Raises:
            EdgeLlmError: the file cannot be read.
        """
        return self._read(lambda db: _context(db, question, max_characters, self._meaning))

    def quotation(self, question: str) -> Found:
        """Find the lines that answer ``question`` most likely: sentences, items of lists, rows of tables.

        Raises:
            EdgeLlmError: the file cannot be read.
        """

        def read(db: sqlite3.Connection) -> Found:
            found = _search(db, question, _QUOTED, self._meaning)
            passages = list(zip(map(_passage, found.rows), found.scores, strict=True))
            lines = tuple(quoted_lines(found.asked, passages))
            return Found(lines, lines, is_certain=found.fits(lines))

        return self._read(read)

    def marks(self) -> dict[str, FileMark]:
        """All documents by their path, with what tells whether their files have changed."""
        return self._read(tables.marks)

    def count(self) -> tuple[int, int, int]:
        """Count documents with passages, passages, and documents without any."""
        return self._read(tables.count)

    def put(self, path: str, mark: FileMark, title: str, sections: Iterable[Section]) -> None:
        """Add a document, or replace it, in one transaction.

        Raises:
            EdgeLlmError: the file cannot be written, or was damaged and is empty now.
        """
        begun = False

        def work(db: sqlite3.Connection) -> None:
            nonlocal begun
            if begun:  # some of the passages were taken already
                raise EdgeLlmError(f"the index {self._file} was damaged: it is made anew")
            begun = True
            tables.put(db, path, mark, title, sections)

        self._write(work)

    def mark(self, path: str, mark: FileMark) -> None:
        """Keep the time of a file whose content has not changed."""
        self._write(lambda db: tables.mark_file(db, path, mark))

    def remove(self, path: str) -> None:
        """Remove a document."""
        self._write(lambda db: tables.remove(db, path))

    def embed_some(self) -> bool:
        """Embed some passages that lack their vector; False where none does, or embeddings are off."""
        meaning = self._meaning
        return meaning is not None and self._write(meaning.embed_some) > 0

    def close(self) -> None:
        """Close the file."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    def _open(self) -> None:
        try:
            self._writer = self._opened()
            # A second connection: a search does not wait while a long document is written.
            self._reader = self._opened() if self._file else self._writer
        except (OSError, sqlite3.Error) as error:
            raise EdgeLlmError(f"the index {self._file} cannot be used: {words_of(error)}") from error
        if self._reader is self._writer:
            self._read_lock = self._write_lock

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            db = open_memory()
        else:
            try:
                db = open_file(self._file)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                self._move_aside(error)
                db = open_file(self._file)
        tables.create(db)
        if self._meaning:
            self._meaning.prepare(db)
        return db

    def _move_aside(self, damage: Exception) -> None:
        assert self._file
        if is_in_use(self._file):
            raise OSError("it looks damaged, and another process has it open")
        kept = move_aside(self._file, "-wal", "-shm")
        log.warning("documents.index_damaged", file=str(self._file), kept_as=kept.name, reason=str(damage))

    def _begin_anew(self, damage: sqlite3.Error) -> None:
        self.close()
        try:
            self._move_aside(damage)
        except OSError as failed:
            raise EdgeLlmError(f"the index {self._file} cannot be used: {failed}") from damage
        self._open()

    def _read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return self._guarded(lambda: self._reading(work))

    def _reading(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._read_lock:
            # One state of the index for all statements of a search.
            if self._reader is self._writer:
                return work(self._reader)
            self._reader.execute("BEGIN")
            try:
                return work(self._reader)
            finally:
                self._reader.rollback()

    def _write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return self._guarded(lambda: self._writing(work))

    def _writing(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._write_lock, self._writer as db:
            return work(db)

    def _guarded(self, work: Callable[[], Result]) -> Result:
        """Do ``work``; on an empty index once more if the file is damaged."""
        opened = self._writer
        try:
            return work()
        except sqlite3.Error as error:
            if not (self._file and is_damage(error)):
                raise EdgeLlmError(f"the index {self._file} cannot be used: {words_of(error)}") from error
            with self._write_lock, self._read_lock:
                if self._writer is opened:  # else another thread has noticed it too
                    self._begin_anew(error)
        try:
            return work()
        except sqlite3.Error as error:
            raise EdgeLlmError(f"the index {self._file} cannot be used: {words_of(error)}") from error


@dataclass(frozen=True, slots=True)
class _Best:
    """The best passages for a question."""

    asked: Question
    rows: list[_Row]
    scores: list[float]
    by_meaning: bool = False
    """True if they were found by their meaning alone."""

    def fits(self, passages: Sequence[Passage]) -> bool:
        """Tell whether ``passages``, or lines of them, answer the question for certain."""
        if self.by_meaning:
            return certainty.has_answer(self.asked, passages)
        return certainty.fits(self.asked, max(self.scores, default=0.0), passages)


def _search(db: sqlite3.Connection, question: str, limit: int, meaning: "Meaning | None") -> _Best:
    asked = read_question(question, Vocabulary(db))
    hits = rank(db, asked)
    scores = {hit.passage: hit.score for hit in hits}  # what is found by meaning alone has none
    best = list(scores)
    by_meaning = False
    if meaning:
        first = [_passage(row) for row in _rows(db, best[:1])]
        by_words = best if first and certainty.fits(asked, hits[0].score, first) else []
        merged = meaning.merged(db, question, by_words)
        by_meaning = bool(merged) and not by_words
        best = merged or best
    best = best[:limit]
    return _Best(asked, _rows(db, best), [scores.get(each, 0.0) for each in best], by_meaning)


def _rows(db: sqlite3.Connection, passages: Sequence[int]) -> list[_Row]:
    rows: dict[int, _Row] = {
        row[0]: row for each in passages for row in db.execute(f"{_PASSAGE} WHERE passages.id = ?", (each,))
    }
    return [rows[each] for each in passages]


def _context(
    db: sqlite3.Connection, question: str, max_characters: int, meaning: "Meaning | None"
) -> list[Passage]:
    best = _search(db, question, 8, meaning)
    found = best.rows
    if not best.fits([_passage(row) for row in found[:1]]):
        return []
    chapter: list[_Row] = db.execute(
        f"{_PASSAGE} JOIN passages AS best"
        " ON best.document = passages.document AND best.chapter = passages.chapter"
        " WHERE best.id = ? ORDER BY passages.id",
        (found[0][0],),
    ).fetchall()
    if sum(len(row[-1]) for row in chapter) > max_characters:
        first = found[0]
        chapter = [(*first[:5], first[5][:max_characters])]
    chosen = {row[0]: row for row in chapter}
    left = max_characters - sum(len(row[-1]) for row in chapter)
    for row in found:
        if row[0] not in chosen and len(row[-1]) <= left:
            chosen[row[0]] = row
            left -= len(row[-1])
    return [_passage(row) for row in chosen.values()]


def _passage(row: _Row) -> Passage:
    return Passage(*row[1:])
