"""Finds the terms of the index that stand for a word of a question: its forms, compounds, synonyms."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edge_llm.documents.search.language import german
from edge_llm.documents.search.language.irregular import families
from edge_llm.documents.search.language.synonyms import german_verbs, synonyms
from edge_llm.documents.search.language.words import stem
from edge_llm.documents.search.vocabulary import Vocabulary

_CODE = re.compile("[a-z]{1,3}[0-9]{1,4}[a-z]?")
_WRITTEN_OUT = re.compile("([aou])e")
"""An umlaut that is written as on keyboards without: spuelmaschine."""
_CODE_WEIGHT = 2.0
"""Error codes are the point of a question: one that no paper has must not be answered with another."""
SYNONYM = 0.85
"""Weight of a synonym; the word itself has 1."""
_COMPOUND = 0.8
"""Weight of a compound that has the word as a part; the word itself has 1."""
_DISTANT = 0.6
"""Weight of a more distant word: a verb for one that is made of it (tauschen, austauschen), a compound for a
synonym of its part (Gastzugang, Besucher), a word for one that begins alike."""
_PART = 0.8
"""Weight of each part of a compound that the index does not have as a whole."""
_LEAST_WORD, _LEAST_PART = 4, 3
"""Letters of a word that may be a part of another one, and of a part."""
_WORD, _SHORT_WORD, _WITHIN = 3, 2, 1
"""Ranks of a part of a compound: a word of the index, a short word, a part of other words. A short one counts
less, for it is in many others by chance."""
_ENDING = 2
"""Letters by which a word is longer that is the same one with an ending."""
_BEGINNING = 5
"""The shortest beginning of an unknown word that may stand for it has more letters than this."""
_LONG_BEGINNING = 7
"""Letters of a beginning from which on other words with it may stand for it too."""
_LINKS = ("", "s", "n", "en", "es", "er", "e")
"""Letters between the parts of a compound in German and Dutch."""


@dataclass(frozen=True, slots=True)
class Group:
    """A content word of the question, and the terms of the index that stand for it."""

    variants: dict[str, float]
    """Weight of each term; 1 is the word itself."""
    weight: float
    """Inverse document frequency (Robertson-Sparck Jones, as bm25 has it), or a part of it: an unknown word
    has 1."""
    passages: int
    """About how many passages have one of them."""
    is_code: bool = False
    """True for an error code, which has no variants."""


def is_code(term: str) -> bool:
    """Tell whether a term looks like an error code: e15, but not 15."""
    return bool(_CODE.fullmatch(term))


def groups_of_word(term: str, vocabulary: Vocabulary, particles: Sequence[str] | None) -> dict[str, Group]:
    """Find what stands for a word; a compound that the index does not have is asked as its two parts.

    ``particles`` are the parts of verbs that stand apart in the question; None where it is not German.
    """
    if is_code(term):
        return {term: group_of_code(term, vocabulary)}
    found = _group(term, vocabulary, particles)
    if _is_word(term) and not (found and max(found.variants.values()) > SYNONYM):
        if parts := _parts(term, vocabulary):
            none_apart = None if particles is None else ()
            return {part: _of_part(part, found, vocabulary, none_apart) for part in parts}
        found = found or _beginning(term, vocabulary)
    return {term: found or Group({}, vocabulary.idf(0), 0)}


def _is_word(term: str) -> bool:
    """Whether it may be a part of other words, and has other forms."""
    return len(term) >= _LEAST_WORD and term.isalpha()


def _group(term: str, vocabulary: Vocabulary, particles: Sequence[str] | None) -> Group | None:
    is_german = particles is not None and _is_word(term)
    inflected = german.forms(term) if is_german else families("en").get(term, frozenset())
    separable = {particle + each for particle in particles or () for each in (term, *inflected)}
    same = vocabulary.known({term, _WRITTEN_OUT.sub(r"\1", term), *inflected, *separable})
    counts = dict(same)
    values = dict.fromkeys(same, 1.0)
    # What stands for it best comes first.
    related = _related(term, vocabulary, inflected if is_german else frozenset())
    meant = _synonyms({term, *inflected, *separable}, vocabulary, is_german=is_german)
    for found, value in (*related, *meant):
        for other in found.keys() - counts.keys():
            counts[other], values[other] = found[other], value
    if not counts:
        return None
    weight = vocabulary.idf(sum(same.values()) or min(counts.values()))
    for other in counts.keys() - same.keys():
        values[other] *= min(1.0, vocabulary.idf(counts[other]) / weight)
    return Group(values, weight, sum(counts.values()))


def _related(
    term: str, vocabulary: Vocabulary, inflected: frozenset[str]
) -> Iterator[tuple[dict[str, int], float]]:
    """Yield words that have the word in them, or are a part of it."""
    if not _is_word(term):
        return
    longer = vocabulary.longer(term)
    yield {each: count for each, count in longer.items() if len(each) - len(term) <= _ENDING}, 1.0
    compounds = longer | vocabulary.ending(term) or _shorter(term, vocabulary)
    yield compounds, _COMPOUND
    if inflected:
        yield vocabulary.known(german.without_particle(term)), _DISTANT
        if not compounds and not vocabulary.known({term, *inflected}):  # eingespeist, Einspeisevergütung
            for each in inflected:
                yield vocabulary.longer(each) if len(each) > _BEGINNING else {}, _COMPOUND


def _synonyms(
    same: set[str], vocabulary: Vocabulary, *, is_german: bool
) -> Iterator[tuple[dict[str, int], float]]:
    """Yield words that mean the same, and compounds with one of them."""
    others = {other for each in same for other in synonyms(each)}
    if not is_german:
        yield vocabulary.known(others), SYNONYM
        return
    yield vocabulary.known(others.union(*map(german.forms, others & german_verbs()))), SYNONYM
    for each in filter(_is_word, others):
        yield vocabulary.longer(each) | vocabulary.ending(each), _DISTANT


def _of_part(
    part: str, whole: Group | None, vocabulary: Vocabulary, particles: Sequence[str] | None
) -> Group:
    """What stands for a part of a compound; what stands for the whole does so too."""
    found = _group(part, vocabulary, particles) or Group({}, vocabulary.idf(0), 0)
    return Group((whole.variants if whole else {}) | found.variants, _PART * found.weight, found.passages)


def _shorter(term: str, vocabulary: Vocabulary) -> dict[str, int]:
    """The term without its last letters, where the index has only that."""
    return vocabulary.known({term[:-1], term[:-2]}) if len(term) >= _LONG_BEGINNING else {}


def _parts(term: str, vocabulary: Vocabulary) -> tuple[str, str] | None:
    """Split a compound into two words, of which the index has both, or one and the other within its words."""
    best: tuple[int, int, str, str] | None = None
    for cut in range(_LEAST_PART, len(term) - _LEAST_PART + 1):
        tail = term[cut:]
        knows_tail = _knows(tail, vocabulary.ending, vocabulary)
        for link in _LINKS:
            head = stem(term[:cut].removesuffix(link)) if term[:cut].endswith(link) else ""
            is_short = len(head) < _LEAST_PART or len(head) + len(tail) <= 2 * _LEAST_PART
            if is_short or head in german.PARTICLES:
                continue
            known = knows_tail + _knows(head, vocabulary.longer, vocabulary)
            if known >= _WORD:
                found = known, min(len(head), len(tail)), head, tail
                best = max(best or found, found)
    return best[2:] if best else None


def _knows(part: str, within: Callable[[str], dict[str, int]], vocabulary: Vocabulary) -> int:
    """How well the index knows the part of a compound: as a word, within words, or not."""
    if vocabulary.count(part):
        return _WORD if len(part) > _LEAST_WORD else _SHORT_WORD
    return _WITHIN if len(part) > _LEAST_WORD and within(part) else 0


def _beginning(term: str, vocabulary: Vocabulary) -> Group | None:
    """The longest beginning of an unknown word that the index has, or that a word of it begins with."""
    for end in range(len(term) - 1, max(_BEGINNING, len(term) // 2), -1):
        count = vocabulary.count(term[:end])
        found = (
            {term[:end]: count} if count else vocabulary.longer(term[:end]) if end >= _LONG_BEGINNING else {}
        )
        if found:
            return Group(dict.fromkeys(found, _DISTANT), vocabulary.idf(0), sum(found.values()))
    return None


def group_of_code(code: str, vocabulary: Vocabulary) -> Group:
    """Find an error code, which stands for itself alone."""
    count = vocabulary.count(code)
    return Group({code: 1.0} if count else {}, _CODE_WEIGHT * vocabulary.idf(count), count, is_code=True)
