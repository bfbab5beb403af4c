"""Finds the passages for a question: candidates by FTS5, ranked and judged by the words they cover."""

import sqlite3
from dataclasses import dataclass
from itertools import accumulate

from edge_llm.documents.search.groups import Group
from edge_llm.documents.search.question import Question

_CANDIDATES = 25
"""Passages that FTS5 hands on for ranking."""
_NEAREST = 0.2
"""Evidence from which on the best passage is near."""
_LEAST_NEXT = 0.5
"""Part of the best passage's score that another must have to be named with it."""
_MATCHES = 1000
"""Passages that FTS5 looks at, about: the rarest words find them, and the common ones only rank them."""
_WEIGHTS = 2.0, 2.0, 1.0
"""What a term counts in the title, in a heading and in the text."""
_SATURATION, _LENGTH, _AVERAGE_TERMS = 1.2, 0.4, 100
"""k1 and b of bm25, and about how many terms a passage has."""
_NEAR = 4
_NEAR_WEIGHT = 0.5
"""Words that stand side by side in the question count more, by this part, where they stand so near."""
_LACKS_CODE = 0.3
"""What a passage counts without an error code of the question."""
_LACKS_ANSWER = 0.8
"""What a passage counts that has none of what the question asks for: an amount of money, a time."""
_GAP = [""] * (2 * _NEAR)
"""Stands after the title and the heading: no word of them is near one of the text."""
_FOREIGN = 0.6
"""What a passage in another language than the question's counts."""

_Row = tuple[int, str, str, str, str, str]
"""Passage, language, the text as it is written, and the terms of title, heading and text."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found."""

    passage: int
    score: float
    """What speaks for it, in words that are in no other passage."""
    evidence: float
    """Its score times the part that it has of what the question's words weigh."""


def rank(db: sqlite3.Connection, asked: Question) -> list[Hit]:
    """Find the passages for a question, best first; none where not even the best one is near."""
    wanted = frozenset(term for group in asked.groups for term in group.variants)
    hits = [_judge(row, asked, wanted) for row in _candidates(db, asked.groups)]
    hits.sort(key=lambda hit: (-hit.score, hit.passage))
    if not hits or hits[0].evidence < _NEAREST:
        return []
    return [hit for hit in hits if hit.score >= _LEAST_NEXT * hits[0].score]


def _candidates(db: sqlite3.Connection, groups: list[Group]) -> list[_Row]:
    known = [group for group in groups if group.variants]
    known.sort(key=lambda group: group.passages)
    sums = accumulate(group.passages for group in known)
    rare = [group for group, matches in zip(known, sums, strict=True) if matches <= _MATCHES] or known[:1]
    if not rare:
        return []
    # A term has letters and digits alone, and stands in quotes: no question is syntax.
    query = " OR ".join(f'"{term}"' for term in sorted({term for group in rare for term in group.variants}))
    return db.execute(
        "SELECT terms.rowid, documents.language, passages.text, terms.title, terms.heading, terms.body"
        " FROM terms JOIN passages ON passages.id = terms.rowid"
        " JOIN documents ON documents.id = passages.document"
        " WHERE terms MATCH ? AND rank MATCH ? ORDER BY rank LIMIT ?",
        (query, f"bm25{_WEIGHTS}", _CANDIDATES),
    ).fetchall()


def _judge(row: _Row, asked: Question, wanted: frozenset[str]) -> Hit:
    passage, language, written, *columns = row
    words: list[str] = []
    found: dict[str, float] = {}
    for weight, text in zip(_WEIGHTS, columns, strict=True):
        in_column = text.split()
        for term in wanted.intersection(in_column):
            found[term] = found.get(term, 0.0) + weight * in_column.count(term)
        words += in_column + _GAP
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * len(words) / _AVERAGE_TERMS)
    score = covered = total = 0.0
    groups = asked.groups
    have = [group.variants.keys() & found.keys() for group in groups]
    for group, terms in zip(groups, have, strict=True):
        total += group.weight
        if terms:
            stands = max(group.variants[term] for term in terms)
            # Not the sum: a list of all keys says less of a key than the word alone in a heading.
            frequency = max(found[term] * group.variants[term] for term in terms)
            covered += group.weight * stands
            score += group.weight * stands * frequency * (_SATURATION + 1) / (frequency + norm)
    for one, other in asked.neighbours:
        weight = _NEAR_WEIGHT * min(groups[one].weight, groups[other].weight)
        total += weight
        if have[one] and have[other] and _are_near(have[one], have[other], words):
            covered += weight
            score += weight
    if asked.language and language and language != asked.language:
        covered *= _FOREIGN
        score *= _FOREIGN
    if any(group.is_code and not terms for group, terms in zip(groups, have, strict=True)):
        score *= _LACKS_CODE
    if asked.answer and not asked.answer.search(written.lower()):
        score *= _LACKS_ANSWER
    part = covered / total if total else 0.0
    return Hit(passage, score, score * part)


def _are_near(some: set[str], others: set[str], words: list[str]) -> bool:
    other_places = [place for place, word in enumerate(words) if word in others]
    places = (place for place, word in enumerate(words) if word in some)
    return any(abs(place - each) <= _NEAR for place in places for each in other_places)
