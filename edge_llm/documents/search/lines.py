"""Quotes the lines of passages that answer a question most likely: sentences, items, rows of tables."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from edge_llm.documents.passage import Passage
from edge_llm.documents.reading.sentences import sentences
from edge_llm.documents.search.groups import Group, is_code
from edge_llm.documents.search.language.words import terms
from edge_llm.documents.search.question import Question
from edge_llm.documents.tokens import UNSPACED

_NEIGHBOUR = 0.3
"""Part of the score of the better of the lines beside it that a line gets too."""
_PASSAGE = 2.0
"""What the score of its passage counts for a line."""
_IN_HEADING = 0.3
"""What a word counts that the title or the heading has: it tells the passage, not the line."""
_ANSWERS = 2.0
"""What the words of a line count that has what the question asks for: an amount of money, a time."""
_NARROW = re.compile(f"(?<=[{UNSPACED}];)")
"""Where a semicolon ends a part of a sentence in a script without spaces."""
_LABEL = re.compile(f"第[^ ]{{1,4}}[条款章节] ?[{UNSPACED}]{{0,10}}。")
"""The number and the name of a clause, which the next sentence needs: 第三条 押金。"""
_CELLS = " | "
"""Stands between the cells of a row."""
_MOST = 3
_LEAST = 0.75
"""Maximum lines of a quotation, and the part of the best one's score that another must have."""


def quoted_lines(asked: Question, passages: Sequence[tuple[Passage, float]]) -> list[Passage]:
    """Choose the lines of ``passages`` that answer the question most likely: of one document.

    Each passage is given with its score. Each line comes as its passage with nothing else in its text.
    """
    groups = asked.groups
    codes = {term for group in groups if group.is_code for term in group.variants}
    found: list[tuple[float, int, Passage]] = []
    for passage, passage_score in passages:
        lines = list(_lines(passage.text))
        above = set(terms(f"{passage.title} {passage.heading}"))
        weights = [group.weight * (_IN_HEADING if above & group.variants.keys() else 1) for group in groups]
        scores = [_score(set(terms(line)), groups, weights) for line in lines]
        for before, own, after, line in zip([0.0, *scores], scores, [*scores[1:], 0.0], lines, strict=False):
            answers = asked.answer is not None and asked.answer.search(line.lower())
            score = (own + _NEIGHBOUR * max(before, after)) * (_ANSWERS if answers else 1)
            score += _PASSAGE * passage_score
            found.append((score, len(found), replace(passage, text=line)))
    found = [each for each in found if not _is_of_another_code(each[2].text, codes)]
    found.sort(key=lambda each: (-each[0], each[1]))
    chosen: dict[str, tuple[int, Passage]] = {}
    for score, order, one in found:
        if one.document == found[0][2].document and score >= _LEAST * found[0][0]:
            chosen.setdefault(one.text, (order, one))
    return [one for _, one in sorted(list(chosen.values())[:_MOST], key=lambda each: each[0])]


def _lines(text: str) -> Iterator[str]:
    for line in filter(str.strip, text.split("\n")):
        if _CELLS in line:
            yield line
            continue
        label = ""
        for sentence in chain.from_iterable(map(sentences, _NARROW.split(line))):
            found = label + sentence.strip()
            label = f"{found} " if _LABEL.fullmatch(found) else ""
            if not label:
                yield found
        if label:
            yield label.strip()


def _is_of_another_code(line: str, asked: set[str]) -> bool:
    """Whether an error code is asked for, and this is a row without it, or an item of another one."""
    have = set(terms(line))
    return bool(asked) and not asked & have and (_CELLS in line or any(map(is_code, have)))


def _score(have: set[str], groups: Sequence[Group], weights: Sequence[float]) -> float:
    return sum(
        weight * max((value for term, value in group.variants.items() if term in have), default=0.0)
        for group, weight in zip(groups, weights, strict=True)
    )
