"""The tables of the index, and the statements that change them. Knows no files but their paths."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_llm.documents.reading.passages import Section
from edge_llm.documents.search.language.words import terms
from edge_llm.documents.search.question import language_of
from edge_llm.errors import EdgeLlmError

VERSION = 4
"""Goes up with each change of tables, passages or terms: an index of another version is made anew."""
_SAMPLE = 5000

_TABLES = """
CREATE TABLE IF NOT EXISTS version (number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, title TEXT NOT NULL, language TEXT NOT NULL,
    mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY, document INTEGER NOT NULL, chapter INTEGER NOT NULL,
    heading TEXT NOT NULL, page INTEGER, text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS passages_of_chapter ON passages (document, chapter);
CREATE VIRTUAL TABLE IF NOT EXISTS terms USING fts5 (title, heading, body, tokenize = 'ascii');
CREATE TABLE IF NOT EXISTS vocabulary (
    term TEXT PRIMARY KEY, reversed TEXT NOT NULL, passages INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS vocabulary_by_end ON vocabulary (reversed, passages);
"""
_DROP = """
DROP TABLE IF EXISTS vocabulary; DROP TABLE IF EXISTS terms; DROP TABLE IF EXISTS documents;
DROP TABLE IF EXISTS passages; DROP TABLE IF EXISTS compounds; DROP TABLE IF EXISTS version;
DROP TABLE IF EXISTS vectors;
"""


@dataclass(frozen=True, slots=True)
class FileMark:
    """What tells whether a file has changed."""

    mtime_ns: int
    size: int
    sha256: str
    """Hexadecimal hash of the content."""


def create(db: sqlite3.Connection) -> None:
    """Make the tables; those of another version go.

    Raises:
        EdgeLlmError: SQLite was built without its full-text search.
    """
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'version'").fetchone():
        if db.execute("SELECT number FROM version").fetchall() == [(VERSION,)]:
            return
        db.executescript(f"BEGIN; {_DROP} COMMIT;")
    try:
        db.executescript(f"BEGIN; {_TABLES}")
    except sqlite3.OperationalError as error:
        if "no such module" not in str(error):
            raise
        raise EdgeLlmError(
            f"SQLite {sqlite3.sqlite_version} of this Python has no full-text search (FTS5), which finds the"
            " papers: install a Python whose SQLite has it, as python.org's and the distributions' have"
        ) from error
    db.execute("INSERT INTO version VALUES (?)", (VERSION,))
    db.commit()


def marks(db: sqlite3.Connection) -> dict[str, FileMark]:
    """All documents by their path."""
    rows = db.execute("SELECT path, mtime_ns, size, sha256 FROM documents")
    return {path: FileMark(*mark) for path, *mark in rows}


def count(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Count documents with passages, passages, and documents without any."""
    documents = db.execute("SELECT count(*) FROM documents").fetchone()[0]
    passages, readable = db.execute("SELECT count(*), count(DISTINCT document) FROM passages").fetchone()
    return readable, passages, documents - readable


def put(db: sqlite3.Connection, path: str, mark: FileMark, title: str, sections: Iterable[Section]) -> None:
    """Replace a document and its passages."""
    remove(db, path)
    document = db.execute(
        "INSERT INTO documents (path, title, language, mtime_ns, size, sha256) VALUES (?, ?, '', ?, ?, ?)",
        (path, title, mark.mtime_ns, mark.size, mark.sha256),
    ).lastrowid
    title_terms = " ".join(terms(title))
    counts: Counter[str] = Counter()
    sample = ""
    for section in sections:
        passage = db.execute(
            "INSERT INTO passages (document, chapter, heading, page, text) VALUES (?, ?, ?, ?, ?)",
            (document, section.chapter, section.heading, section.page, section.text),
        ).lastrowid
        sample += section.text if len(sample) < _SAMPLE else ""
        columns = title_terms, " ".join(terms(section.heading)), " ".join(terms(section.text))
        db.execute("INSERT INTO terms (rowid, title, heading, body) VALUES (?, ?, ?, ?)", (passage, *columns))
        counts.update(_distinct(columns))
    db.execute("UPDATE documents SET language = ? WHERE id = ?", (language_of(sample), document))
    db.executemany(
        "INSERT INTO vocabulary VALUES (?, ?, ?)"
        " ON CONFLICT (term) DO UPDATE SET passages = passages + excluded.passages",
        ((term, term[::-1], passages) for term, passages in sorted(counts.items())),
    )


def mark_file(db: sqlite3.Connection, path: str, mark: FileMark) -> None:
    """Keep another time of a file whose content is the same."""
    db.execute(
        "UPDATE documents SET mtime_ns = ?, size = ?, sha256 = ? WHERE path = ?",
        (mark.mtime_ns, mark.size, mark.sha256, path),
    )


def remove(db: sqlite3.Connection, path: str) -> None:
    """Remove a document and its passages."""
    row = db.execute("SELECT id FROM documents WHERE path = ?", (path,)).fetchone()
    if row is None:
        return
    of_document = "FROM terms WHERE rowid IN (SELECT id FROM passages WHERE document = ?)"
    counts: Counter[str] = Counter()
    for columns in db.execute(f"SELECT title, heading, body {of_document}", row):
        counts.update(_distinct(columns))
    db.executemany(
        "UPDATE vocabulary SET passages = passages - ? WHERE term = ?",
        ((passages, term) for term, passages in sorted(counts.items())),
    )
    db.executemany("DELETE FROM vocabulary WHERE term = ? AND passages = 0", ((term,) for term in counts))
    db.execute(f"DELETE {of_document}", row)
    db.execute("DELETE FROM passages WHERE document = ?", row)
    db.execute("DELETE FROM documents WHERE id = ?", row)


def _distinct(columns: Sequence[str]) -> set[str]:
    """The terms of a passage."""
    return {term for column in columns for term in column.split()}
