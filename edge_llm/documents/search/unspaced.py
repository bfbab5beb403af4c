"""Finds the terms of the index that stand for a run of characters of a script without spaces."""

from itertools import pairwise

from edge_llm.documents.search.groups import SYNONYM, Group
from edge_llm.documents.search.language.synonyms import synonyms
from edge_llm.documents.search.language.unspaced import FUNCTION_CHARACTERS
from edge_llm.documents.search.vocabulary import Vocabulary

_PAIR = 1.0, 0.6, 0.15
"""Weights of a pair with none, one or two characters that often stand where two words meet."""
_UNKNOWN_PAIR = 0.15
"""Weight of a pair that the index does not have: two words may meet there."""
_OVERLAPPING_PAIR = 0.3
"""Weight of a pair that begins with the last character of the one before: 碗机 after 洗碗 in 洗碗机."""
_CHARACTER, _LONE_CHARACTER = 0.35, 0.8
"""Weights of a character in a pair that the index has, and of another, which may be a word of its own."""


def groups_of_run(run: str, vocabulary: Vocabulary) -> dict[str, Group]:
    """Find what stands for each pair of neighbouring characters, and for each character, which says less."""
    pairs = list(map("".join, pairwise(run)))
    asked = {*pairs, *run}
    counts = vocabulary.known(asked.union(*map(synonyms, asked)))
    groups: dict[str, Group] = {}
    overlaps = False
    for pair in pairs:
        if pair not in groups:
            part = _PAIR[sum(each in FUNCTION_CHARACTERS for each in pair)]
            part *= _OVERLAPPING_PAIR if overlaps else 1.0
            groups[pair] = _group(pair, part, counts, vocabulary) or Group(
                {}, _UNKNOWN_PAIR * part * vocabulary.idf(0), 0
            )
        overlaps = bool(groups[pair].variants) and not overlaps
    within = {each for pair, group in groups.items() if group.variants for each in pair}
    for each in run:
        if each not in groups and each not in FUNCTION_CHARACTERS:
            part = _CHARACTER if each in within else _LONE_CHARACTER
            groups[each] = _group(each, part, counts, vocabulary) or Group({}, part * vocabulary.idf(0), 0)
    return groups


def _group(term: str, part: float, counts: dict[str, int], vocabulary: Vocabulary) -> Group | None:
    """What stands for ``term``, which weighs ``part`` of a word; ``counts`` are those of the index."""
    same = counts.get(term, 0)
    others = {each: counts[each] for each in synonyms(term) if each in counts}
    if not same and not others:
        return None
    weight = vocabulary.idf(same or min(others.values()))
    variants = {each: SYNONYM * min(1.0, vocabulary.idf(count) / weight) for each, count in others.items()}
    if same:
        variants[term] = 1.0
    return Group(variants, part * weight, same + sum(others.values()))
