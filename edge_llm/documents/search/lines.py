"""Finds the lines of passages that answer a question most likely: sentences, items, rows of tables."""

import re
import sqlite3
from collections.abc import Iterator, Sequence

from edge_llm.documents.passage import Passage
from edge_llm.documents.reading.sentences import sentences
from edge_llm.documents.search.question import Group, Vocabulary, read_question
from edge_llm.documents.search.words import terms

_NEIGHBOUR = 0.3
"""Part of the score of the better of the lines beside it that a line gets too."""
_NEXT_PASSAGE = 1.0
"""What the lines of each next passage lose."""
_NUMBER = 2.0
"""What a line with a number gains where a number is asked for."""
_ASKS_NUMBER = re.compile(
    r"\bhow (?:much|many|long|often|old|hot|far|high|heavy)\b|\bwhen\b|\bnumber\b|\bcosts?\b|\bprice\b"
    r"|\bwie (?:viele?|lange|oft|hoch|spät|warm|heiß|groß|alt|teuer)\b|\bwann\b|\bnummer\b|\bkostet\b"
    r"|\bcombien\b|\bquand\b|\bcu[aá]nt[oa]s?\b|\bcu[aá]ndo\b|\bhoeveel\b|\bwanneer\b|\bhoe (?:lang|vaak)\b"
    r"|多少|多久|多长|几|什么时候|哪天|电话",
    re.IGNORECASE,
)
_HAS_NUMBER = re.compile(r"\d|[一二两三四五六七八九十半]")


def best_lines(db: sqlite3.Connection, question: str, passages: Sequence[Passage], limit: int) -> list[str]:
    """Choose at most ``limit`` lines of ``passages``, which stand best first; the best line first."""
    groups = read_question(question, Vocabulary(db)).groups
    asks_number = bool(_ASKS_NUMBER.search(question))
    scored: list[tuple[float, str]] = []
    for place, passage in enumerate(passages):
        lines = list(_lines(passage.text))
        scores = [_score(line, groups) for line in lines]
        for before, own, after, line in zip([0.0, *scores], scores, [*scores[1:], 0.0], lines, strict=False):
            number = _NUMBER if asks_number and _HAS_NUMBER.search(line) else 0.0
            scored.append((own + _NEIGHBOUR * max(before, after) + number - _NEXT_PASSAGE * place, line))
    scored.sort(key=lambda each: -each[0])  # lines of one score stay in their order
    return list(dict.fromkeys(line for _, line in scored))[:limit]


def _lines(text: str) -> Iterator[str]:
    for line in filter(str.strip, text.split("\n")):
        yield from (line,) if " | " in line else sentences(line)


def _score(line: str, groups: Sequence[Group]) -> float:
    have = set(terms(line))
    return sum(
        group.weight * max((value for term, value in group.variants.items() if term in have), default=0.0)
        for group in groups
    )
