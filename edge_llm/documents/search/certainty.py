"""Decides whether passages, or lines of them, answer a question for certain."""

from collections.abc import Iterator, Sequence

from edge_llm.documents.passage import Passage
from edge_llm.documents.search.language.unspaced import UNSPACED_LANGUAGE
from edge_llm.documents.search.language.words import normalise, runs, stem, terms
from edge_llm.documents.search.question import Question

_CERTAIN = 1.2
"""Least evidence. Chosen on questions of which no paper answers some: of those, nineteen of twenty have less,
or lack what they ask for."""
_HEAVY = 0.5
"""Weight of a word that must be there where it is asked whether there is something."""
_WORDS_AFTER, _MOST_AFTER = 3, 60
"""Words, and characters, after a number among which is what it counts."""


def fits(asked: Question, score: float, passages: Sequence[Passage]) -> bool:
    """Tell whether ``passages`` answer the question for certain; ``score`` is that of the best passage.

    The evidence is the score times the part of the question's words that the passages have. Of a single word
    any is enough: it has no others beside which it could be about something else.
    """
    evidence = score * _part_in(asked, passages)
    enough = evidence > 0 if asked.is_keyword else evidence >= _CERTAIN
    return enough and has_answer(asked, passages)


def has_answer(asked: Question, passages: Sequence[Passage]) -> bool:
    """Tell whether the passages have what is asked for: a price, a date, a number of things."""
    if asked.is_whether_there_is:
        have = _terms_of(passages)
        return not any(each.weight >= _HEAVY and have.isdisjoint(each.variants) for each in asked.groups)
    return asked.answer is None or any(_gives(asked, each.text.lower()) for each in passages)


def _part_in(asked: Question, passages: Sequence[Passage]) -> float:
    """The part of what the question's words weigh that the passages have, with title and heading."""
    have = _terms_of(passages)
    total = sum(group.weight for group in asked.groups)
    found = sum(
        group.weight * max((value for term, value in group.variants.items() if term in have), default=0.0)
        for group in asked.groups
    )
    return found / total if total else 0.0


def _terms_of(passages: Sequence[Passage]) -> set[str]:
    return {term for each in passages for term in terms(f"{each.title} {each.heading} {each.text}")}


def _gives(asked: Question, text: str) -> bool:
    assert asked.answer
    if asked.counted is None:
        return bool(asked.answer.search(text))
    if asked.language == UNSPACED_LANGUAGE:
        return bool(asked.answer.search(text)) and not asked.counted.isdisjoint(terms(text))
    return any(stem(word) in asked.counted for word in _words_after(asked, text))


def _words_after(asked: Question, text: str) -> Iterator[str]:
    """Yield the words that follow the numbers."""
    assert asked.answer
    for found in asked.answer.finditer(text):
        yield from runs(normalise(text[found.end() : found.end() + _MOST_AFTER]))[:_WORDS_AFTER]
