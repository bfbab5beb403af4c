"""Turns a question into groups of terms, one a content word, with what they weigh in this index."""

import math
import re
import sqlite3
from dataclasses import dataclass
from itertools import pairwise

from edge_llm.documents.search.stop_words import content_runs, content_words
from edge_llm.documents.search.words import codes, is_unspaced, normalise, runs, stem

MAX_CHARACTERS = 2000
"""Of a longer question the end counts, where people ask."""
_MAX_GROUPS = 48
_MAX_VARIANTS = 16
_COMPOUND = 0.8
"""How well a compound stands for a word that is a part of it."""
_LINKS = ("", "s", "n", "en", "es", "er", "e")
"""Letters between the parts of a compound in German and Dutch."""


@dataclass(frozen=True, slots=True)
class Group:
    """A content word of the question, and the terms of the index that stand for it."""

    variants: dict[str, float]
    """How well each term stands for the word, up to 1."""
    weight: float
    """Inverse document frequency (Robertson-Sparck Jones, as bm25 has it), or a part of it."""
    passages: int
    """About how many passages have one of them."""


class Vocabulary:
    """Reads which terms the index has."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Read from ``db``."""
        self._db = db
        (self.passages,) = db.execute("SELECT count(*) FROM passages").fetchone()

    def count(self, term: str) -> int:
        """In how many passages ``term`` stands."""
        row = self._db.execute("SELECT doc FROM vocabulary WHERE term = ?", (term,)).fetchone()
        return row[0] if row else 0

    def longer(self, term: str) -> dict[str, int]:
        """Terms that begin with ``term``."""
        rows = self._db.execute(
            "SELECT term, doc FROM vocabulary WHERE term > ? AND term < ? LIMIT ?",
            (term, term + "\U0010ffff", _MAX_VARIANTS),
        )
        return dict(rows.fetchall())

    def ending(self, term: str) -> dict[str, int]:
        """Compounds that end with ``term``."""
        rows = self._db.execute(
            "SELECT reversed FROM compounds WHERE reversed > ? AND reversed < ? LIMIT ?",
            (term[::-1], term[::-1] + "\U0010ffff", _MAX_VARIANTS),
        ).fetchall()
        return {word: count for (each,) in rows if (count := self.count(word := each[::-1]))}

    def idf(self, passages: float) -> float:
        """What a term weighs that so many passages have."""
        return math.log(1 + (self.passages - passages + 0.5) / (passages + 0.5))


def groups_of(question: str, vocabulary: Vocabulary) -> list[Group]:
    """Read a question; without a group, it asks for nothing."""
    text = normalise(question[-MAX_CHARACTERS:])
    found = runs(text)
    spaced = content_words([run for run in found if not is_unspaced(run)])
    groups: dict[str, Group] = {}
    for word in spaced:
        if (term := stem(word)) not in groups:
            groups[term] = _group(term, vocabulary)
    for run in found:
        if is_unspaced(run):
            for part in content_runs(run):
                _add_pairs(part, groups, vocabulary)
    for code in codes(text):
        if count := vocabulary.count(code):
            _replace_by_code(code, count, groups, vocabulary)
    return list(groups.values())[:_MAX_GROUPS]


def _group(term: str, vocabulary: Vocabulary) -> Group:
    exact = vocabulary.count(term)
    variants, passages = ({term: 1.0}, exact) if exact else ({}, 0)
    if len(term) >= 4 and term.isalpha():
        others = vocabulary.longer(term) | (vocabulary.ending(term) if len(term) >= 5 else {})
        others = others or _shorter(term, vocabulary)
        for other, count in sorted(others.items(), key=lambda each: -each[1])[:_MAX_VARIANTS]:
            variants[other] = 1.0 if other.startswith(term) and len(other) - len(term) <= 2 else _COMPOUND
            passages += count
    if not variants and (parts := _parts(term, vocabulary)):
        return parts
    return Group(variants, vocabulary.idf(min(passages, vocabulary.passages)), passages)


def _shorter(term: str, vocabulary: Vocabulary) -> dict[str, int]:
    """The term without its last letters, where the index has only that, and without a written-out umlaut."""
    candidates = {term[:-1], term[:-2]} if len(term) >= 7 else set()
    candidates.add(re.sub("([aou])e", r"\1", term))
    return {each: count for each in sorted(candidates) if each != term and (count := vocabulary.count(each))}


def _parts(term: str, vocabulary: Vocabulary) -> Group | None:
    """Split a compound that the index does not have: each of its two parts stands for a half of it."""
    best: tuple[int, dict[str, float], int] | None = None
    for cut in range(4, len(term) - 3):
        tail, tails = term[cut:], vocabulary.count(term[cut:])
        if not tails:
            continue
        for link in _LINKS:
            head = stem(term[:cut].removesuffix(link)) if term[:cut].endswith(link) else ""
            if len(head) >= 3 and (heads := vocabulary.count(head)):
                rarest = min(heads, tails)
                if best is None or rarest < best[0]:
                    best = rarest, {head: 0.5, tail: 0.5}, rarest
    return best and Group(best[1], vocabulary.idf(best[0]), best[2])


def _add_pairs(part: str, groups: dict[str, Group], vocabulary: Vocabulary) -> None:
    """Add the pairs of characters of a run; a character alone where there is but one."""
    pairs = ["".join(pair) for pair in pairwise(part)] or [part]
    for pair in pairs:
        if pair in groups:
            continue
        count = vocabulary.count(pair)
        groups[pair] = Group({pair: 1.0} if count else {}, vocabulary.idf(count), count)


def _replace_by_code(code: str, count: int, groups: dict[str, Group], vocabulary: Vocabulary) -> None:
    for part in re.findall("[a-z]+|[0-9].*", code):
        groups.pop(part, None)
    groups[code] = Group({code: 1.0}, vocabulary.idf(count), count)
