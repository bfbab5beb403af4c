"""Which terms the index has, in how many passages each, and what that makes them weigh."""

import math
import sqlite3
from collections.abc import Collection

_MOST = 16
"""Terms that are looked for by their beginning or end."""
_SMALL = 30
"""Passages that are counted besides: in a folder of few, a word that two of them have is not common."""
_LEAST_HEAD = 3
"""Letters of the first part of a compound, at least: spring is none of ring."""
_LAST = "\U0010ffff"


class Vocabulary:
    """Reads which terms the index has."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Read from ``db``."""
        self._db = db
        (self.passages,) = db.execute("SELECT count(*) FROM passages").fetchone()

    def count(self, term: str) -> int:
        """In how many passages ``term`` stands."""
        row = self._db.execute("SELECT passages FROM vocabulary WHERE term = ?", (term,)).fetchone()
        return row[0] if row else 0

    def known(self, terms: Collection[str]) -> dict[str, int]:
        """Those of ``terms`` that the index has."""
        marks = ",".join("?" * len(terms))
        query = f"SELECT term, passages FROM vocabulary WHERE term IN ({marks})"  # noqa: S608 - marks alone
        return dict(self._db.execute(query, tuple(terms)).fetchall())

    def longer(self, term: str) -> dict[str, int]:
        """Terms that begin with ``term``, the most frequent ones."""
        rows = self._db.execute(
            "SELECT term, passages FROM vocabulary WHERE term > ? AND term < ?"
            " ORDER BY passages DESC, term LIMIT ?",
            (term, term + _LAST, _MOST),
        )
        return dict(rows.fetchall())

    def ending(self, term: str) -> dict[str, int]:
        """Compounds that end with ``term``, the most frequent ones."""
        rows = self._db.execute(
            "SELECT term, passages FROM vocabulary WHERE reversed > ? AND reversed < ? AND length(term) >= ?"
            " ORDER BY passages DESC, term LIMIT ?",
            (term[::-1], term[::-1] + _LAST, len(term) + _LEAST_HEAD, _MOST),
        )
        return dict(rows.fetchall())

    def idf(self, passages: float) -> float:
        """What a term weighs that so many passages have; 1 where none has it."""
        return self._log_odds(passages) / self._log_odds(0)

    def _log_odds(self, passages: float) -> float:
        return math.log(1 + (self.passages + _SMALL - passages + 0.5) / (passages + 0.5))
