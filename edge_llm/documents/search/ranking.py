"""Finds the passages for a question: candidates by FTS5, ranked and judged by the words they cover."""

import sqlite3
from dataclasses import dataclass

from edge_llm.documents.search.question import Group, Vocabulary, groups_of

CANDIDATES = 40
"""Passages that FTS5 hands on for ranking."""
LEAST_COVERED = 0.45
"""Part of the question's content words, by weight, that the best passage must have."""
_LEAST_NEXT = 0.6
"""Part of the best passage's score that another must have to be named with it."""
_COMMON = 0.1
"""A word that more than this part of the passages have finds no candidates where there is a rarer one."""
_WEIGHTS = 0.5, 2.0, 1.0
"""What a term counts in the title, in a heading and in the text."""
_SATURATION, _LENGTH, _AVERAGE_TERMS = 1.2, 0.4, 100
"""k1 and b of bm25, and about how many terms a passage has."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found."""

    passage: int
    score: float
    covered: float
    """Part of the question's content words that it has, by weight."""


def rank(db: sqlite3.Connection, question: str) -> list[Hit]:
    """Find the passages for ``question``, best first; none where none answers it."""
    vocabulary = Vocabulary(db)
    groups = groups_of(question, vocabulary)
    wanted = frozenset(term for group in groups for term in group.variants)
    hits = [_judge(row, groups, wanted) for row in _candidates(db, groups, vocabulary.passages)]
    hits.sort(key=lambda hit: (-hit.score, hit.passage))
    if not hits or max(hit.covered for hit in hits[:3]) < LEAST_COVERED:
        return []
    return [hit for hit in hits if hit.score >= _LEAST_NEXT * hits[0].score]


def _candidates(
    db: sqlite3.Connection, groups: list[Group], passages: int
) -> list[tuple[int, str, str, str]]:
    known = [group for group in groups if group.variants]
    rare = [group for group in known if group.passages <= _COMMON * passages]
    if passages < 2000 or not rare:
        rare = known
    if not rare:
        return []
    # A term has letters and digits alone, and stands in quotes: no question is syntax.
    query = " OR ".join(f'"{term}"' for term in sorted({term for group in rare for term in group.variants}))
    return db.execute(
        "SELECT rowid, title, heading, body FROM terms WHERE terms MATCH ?"
        " AND rank MATCH ? ORDER BY rank LIMIT ?",
        (query, f"bm25{_WEIGHTS}", CANDIDATES),
    ).fetchall()


def _judge(row: tuple[int, str, str, str], groups: list[Group], wanted: frozenset[str]) -> Hit:
    passage, *columns = row
    found: dict[str, float] = {}
    length = 0
    for weight, text in zip(_WEIGHTS, columns, strict=True):
        in_column = text.split()
        length += len(in_column)
        for term in in_column:
            if term in wanted:
                found[term] = found.get(term, 0.0) + weight
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * length / _AVERAGE_TERMS)
    score = covered = total = 0.0
    for group in groups:
        total += group.weight
        have = {term: value for term, value in group.variants.items() if term in found}
        if not have:
            continue
        # The halves of a compound add up; words that stand for the whole do not.
        stands = sum(have.values()) if max(group.variants.values()) <= 0.5 else max(have.values())
        frequency = sum(found[term] * value for term, value in have.items())
        covered += group.weight * stands
        score += group.weight * stands * frequency * (_SATURATION + 1) / (frequency + norm)
    return Hit(passage, score, covered / total if total else 0.0)
