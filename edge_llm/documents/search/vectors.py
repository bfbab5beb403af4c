"""Keeps a vector of each passage in the index, and finds the passages that are nearest to a question."""

import sqlite3
from collections.abc import Sequence
from threading import Lock

import numpy as np

from edge_llm.documents.embeddings import Embedder, Vectors

AT_ONCE = 8
"""Passages that are embedded in one transaction."""
NEAREST = 40
"""Passages that are handed on for merging."""
_RANK_CONSTANT = 60
"""k of reciprocal rank fusion (Cormack, Clarke and Buettcher 2009)."""
_TABLES = """
CREATE TABLE IF NOT EXISTS vectors (passage INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS vectors_of (model TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS vector_goes AFTER DELETE ON passages
BEGIN DELETE FROM vectors WHERE passage = old.id; END;
"""
_LACKING = """
SELECT passages.id, documents.title, passages.heading, passages.text
FROM passages JOIN documents ON documents.id = passages.document
WHERE passages.id NOT IN (SELECT passage FROM vectors) ORDER BY passages.id LIMIT ?
"""
_ABOUT_NO_PAPER = (
    "Who wrote Hamlet?",
    "What is the highest mountain of Africa?",
    "Tell me a story about a dragon.",
    "How do I learn to play the guitar?",
    "Wer hat die Zauberflöte komponiert?",
    "Welches Tier läuft am schnellsten?",
    "Erzähl mir eine Geschichte.",
    "Wie lerne ich Gitarre spielen?",
    "红楼梦是谁写的?",
    "世界上最长的河是哪条?",
    "讲一个故事。",
    "怎么学吉他?",
)
"""Something fits a question if a passage is nearer to it than any passage is to these."""


class Meaning:
    """Finds passages by what they mean; thread-safe."""

    def __init__(self, embedder: Embedder) -> None:
        """Embed with ``embedder``."""
        self._embedder = embedder
        self._lock = Lock()
        self._state: tuple[int, int] | None = None
        """What SQLite says has changed; the vectors in memory are of this state."""
        self._passages: list[int] = []
        self._matrix: Vectors = np.empty((0, 0), dtype=np.float32)
        self._fits = 0.0
        self._unfitting = np.stack([embedder.question(each) for each in _ABOUT_NO_PAPER])

    def prepare(self, db: sqlite3.Connection) -> None:
        """Make the tables; vectors of another model go."""
        db.executescript(f"BEGIN; {_TABLES} COMMIT;")
        if db.execute("SELECT model FROM vectors_of").fetchall() != [(self._embedder.name,)]:
            with db:
                db.execute("DELETE FROM vectors")
                db.execute("DELETE FROM vectors_of")
                db.execute("INSERT INTO vectors_of VALUES (?)", (self._embedder.name,))

    def embed_some(self, db: sqlite3.Connection) -> int:
        """Add vectors of some passages that lack one; returns of how many, 0 when all have theirs."""
        rows = db.execute(_LACKING, (AT_ONCE,)).fetchall()
        if rows:
            with self._lock:
                found = self._embedder.passages(["\n".join(filter(None, texts)) for _, *texts in rows])
            blobs = (each.astype(np.float16).tobytes() for each in found)
            db.executemany(
                "INSERT INTO vectors VALUES (?, ?)", zip((row[0] for row in rows), blobs, strict=True)
            )
        return len(rows)

    def merged(self, db: sqlite3.Connection, question: str, by_words: Sequence[int]) -> list[int]:
        """Merge what was found by words with what is near by meaning; none where neither fits."""
        with self._lock:
            self._load(db)
            if not self._passages:
                return list(by_words)
            near = self._matrix @ self._embedder.question(question)
            best = np.argsort(-near, kind="stable")[:NEAREST]
            if not by_words and near[best[0]] <= self._fits:
                return []
            return merge([by_words, [self._passages[place] for place in best]])

    def _load(self, db: sqlite3.Connection) -> None:
        state = (db.execute("PRAGMA data_version").fetchone()[0], db.total_changes)
        if state == self._state:
            return
        rows = db.execute("SELECT passage, vector FROM vectors ORDER BY passage").fetchall()
        self._passages = [row[0] for row in rows]
        vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype=np.float16)
        self._matrix = vectors.reshape(len(rows), -1).astype(np.float32) if rows else self._matrix
        self._fits = float((self._matrix @ self._unfitting.T).max()) if rows else 0.0
        self._state = state


def merge(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Merge rankings of passages by reciprocal rank, the best first."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, passage in enumerate(ranking, 1):
            scores[passage] = scores.get(passage, 0.0) + 1 / (_RANK_CONSTANT + rank)
    return sorted(scores, key=lambda passage: (-scores[passage], passage))
