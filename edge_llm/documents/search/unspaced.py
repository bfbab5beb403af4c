"""Finds the terms of the index that stand for a run of characters of a script without spaces."""

from itertools import pairwise

from edge_llm.documents.search.groups import SYNONYM, Group
from edge_llm.documents.search.language.synonyms import synonyms
from edge_llm.documents.search.language.unspaced import FUNCTION_CHARACTERS
from edge_llm.documents.search.vocabulary import Vocabulary

_FUNCTION_CHARACTERS = 1.0, 0.6, 0.15
"""Weights of a pair with none, one or two characters that often stand where two words meet."""
_UNKNOWN_PAIR = 0.15
"""Weight of a pair that the index does not have: two words may meet there."""
_OVERLAPPING_PAIR = 0.3
"""Weight of a pair that begins with the last character of the one before: 碗机 after 洗碗 in 洗碗机."""
_CHARACTER, _LONE_CHARACTER = 0.35, 0.8
"""Weights of a character in a pair that the index has, and of another, which may be a word of its own."""


def groups_of_run(run: str, vocabulary: Vocabulary) -> dict[str, Group]:
    """Find what stands for each pair of neighbouring characters, and for each character, which says less."""
    pairs: dict[str, Group] = {}
    overlaps = False
    for pair in map("".join, pairwise(run)):
        if pair not in pairs:
            part = _part_of_pair(pair) * (_OVERLAPPING_PAIR if overlaps else 1.0)
            pairs[pair] = _group(pair, part, _UNKNOWN_PAIR, vocabulary)
        overlaps = bool(pairs[pair].variants) and not overlaps
    within = {each for pair, group in pairs.items() if group.variants for each in pair}
    characters = {
        each: _group(each, _CHARACTER if each in within else _LONE_CHARACTER, 1.0, vocabulary)
        for each in dict.fromkeys(run)
        if each not in FUNCTION_CHARACTERS
    }
    return pairs | characters


def _part_of_pair(pair: str) -> float:
    return _FUNCTION_CHARACTERS[sum(each in FUNCTION_CHARACTERS for each in pair)]


def _group(term: str, part: float, unknown: float, vocabulary: Vocabulary) -> Group:
    """Find what stands for ``term``, which weighs ``part`` of a word; ``unknown`` of that if nothing does."""
    count = vocabulary.count(term)
    others = vocabulary.known(synonyms(term))
    if not count and not others:
        return Group({}, unknown * part * vocabulary.idf(0), 0)
    weight = vocabulary.idf(count or min(others.values()))
    variants = {each: SYNONYM * min(1.0, vocabulary.idf(among) / weight) for each, among in others.items()}
    if count:
        variants[term] = 1.0
    return Group(variants, part * weight, count + sum(others.values()))
