"""Turns a question into groups of terms, one a content word, with what they weigh in this index."""

import math
import re
import sqlite3
from dataclasses import dataclass
from itertools import pairwise

from edge_llm.documents.search.stop_words import (
    FUNCTION_CHARACTERS,
    UNSPACED_LANGUAGE,
    content_runs,
    languages_of,
    stop_words,
    weak_words,
)
from edge_llm.documents.search.synonyms import synonyms
from edge_llm.documents.search.words import codes, is_unspaced, normalise, runs, stem

MAX_CHARACTERS = 2000
"""Of a longer question the end counts, where people ask."""
_MAX_GROUPS = 48
_MAX_VARIANTS = 16
_CODE = re.compile("[a-z]{1,3}[0-9]{1,4}[a-z]?")
_CODE_WEIGHT = 2.0
"""Error codes are the point of a question: one that no paper has must not be answered with another."""
_WEAK = 0.2
"""Weight of a common verb and the like."""
_SYNONYM = 0.85
"""How well another word of the household stands for the word."""
_COMPOUND = 0.8
"""How well a compound stands for a word that is a part of it."""
_PAIR_WEIGHTS = 1.0, 0.25, 0.1
"""Weights of a pair of characters with none, one or two that often stand where two words meet."""
_UNKNOWN_PAIR = 0.3
_CHARACTER = 0.35
"""Weights of a pair that the index does not have, and of a character alone."""
_SMALL = 30
"""Passages that are counted besides: in a folder of few, a word that two of them have is not common."""
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
        return math.log(1 + (self.passages + _SMALL - passages + 0.5) / (passages + 0.5))


def language_of(text: str) -> str:
    """The language of a text; empty where it is not certain."""
    found = runs(normalise(text))
    return _language(found, languages_of(found))


def _language(found: list[str], languages: list[str]) -> str:
    if sum(map(is_unspaced, found)) * 2 > len(found):
        return UNSPACED_LANGUAGE
    return languages[0] if len(languages) == 1 else ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for."""

    groups: list[Group]
    neighbours: list[tuple[int, int]]
    """Places in ``groups`` of words that stand side by side in the question."""
    language: str
    """Empty where it is not certain."""


def read_question(text: str, vocabulary: Vocabulary) -> Question:
    """Read a question; without a group, it asks for nothing."""
    text = normalise(text[-MAX_CHARACTERS:])
    found = runs(text)
    spaced = [run for run in found if not is_unspaced(run)]
    languages = languages_of(spaced)
    stops, weak = stop_words(languages), weak_words(languages)
    groups: dict[str, Group] = {}
    neighbours: list[tuple[int, int]] = []
    before = None
    for word in spaced:
        term = stem(word)
        if word in stops:
            before = None
            continue
        if term not in groups:
            # Error 15 is another than error 16; three bags are bags.
            is_weak = word in weak or (word.isdecimal() and before is None)
            groups[term] = _group(term, vocabulary, _WEAK if is_weak else 1.0)
        place = list(groups).index(term)
        if before is not None and before != place and word not in weak:
            neighbours.append((before, place))
        before = None if word in weak else place
    for run in found:
        if is_unspaced(run):
            for part in content_runs(run):
                _add_pairs(part, groups, vocabulary)
    for code in codes(text):
        if count := vocabulary.count(code):
            _replace_by_code(code, count, groups, vocabulary)
            neighbours = []
    kept = [pair for pair in neighbours if max(pair) < _MAX_GROUPS]
    return Question(list(groups.values())[:_MAX_GROUPS], kept, _language(found, languages))


def _group(term: str, vocabulary: Vocabulary, part: float = 1.0) -> Group:
    exact = vocabulary.count(term)
    if _CODE.fullmatch(term):
        return Group({term: 1.0} if exact else {}, _CODE_WEIGHT * vocabulary.idf(exact), exact)
    variants, counts = ({term: 1.0}, {term: exact}) if exact else ({}, {})
    if len(term) >= 4 and term.isalpha():
        others = vocabulary.longer(term) | vocabulary.ending(term)
        others = others or _shorter(term, vocabulary)
        others |= {each: count for each in _inflected(term) if (count := vocabulary.count(each))}
        for other, count in sorted(others.items(), key=lambda each: -each[1])[:_MAX_VARIANTS]:
            variants[other] = 1.0 if other.startswith(term) and len(other) - len(term) <= 2 else _COMPOUND
            counts[other] = count
    for other in synonyms(term) or (synonyms(term[:-1]) if term.endswith("t") else ()):
        if other not in variants and (count := vocabulary.count(other)):
            variants[other] = _SYNONYM
            counts[other] = count
    if not variants:
        parts = _parts(term, vocabulary)
        return parts or Group({}, vocabulary.idf(0) * part, 0)
    weight = vocabulary.idf(exact) if exact else max(vocabulary.idf(count) for count in counts.values())
    for other, count in counts.items():
        variants[other] *= min(1.0, vocabulary.idf(count) / weight)
    return Group(variants, weight * part, sum(counts.values()))


def _inflected(term: str) -> tuple[str, ...]:
    """Other forms of a German or Dutch verb: brennt and brenn(en), gereinigt and reinig(en)."""
    bare = term.removesuffix("t")
    without = (bare[2:], term[2:]) if term.startswith("ge") and len(bare) >= 6 else ()
    return (*((bare,) if bare != term else (f"ge{term}", f"ge{term}t")), *without)


def _shorter(term: str, vocabulary: Vocabulary) -> dict[str, int]:
    """The term without its last letters, where the index has only that, and without a written-out umlaut."""
    candidates = {term[:-1], term[:-2]} if len(term) >= 7 else set()
    candidates.add(re.sub("([aou])e", r"\1", term))
    return {each: count for each in sorted(candidates) if each != term and (count := vocabulary.count(each))}


def _parts(term: str, vocabulary: Vocabulary) -> Group | None:
    """Split a compound that the index does not have: each of its two parts stands for a half of it."""
    best: tuple[int, str, str] | None = None
    for cut in range(3, len(term) - 3):
        tail = term[cut:]
        tails = vocabulary.count(tail)
        for link in _LINKS if tails else ():
            head = stem(term[:cut].removesuffix(link)) if term[:cut].endswith(link) else ""
            if len(head) >= 3 and (heads := vocabulary.count(head)):
                found = min(heads, tails), head, tail
                best = min(best or found, found)
    if best is None:
        return None
    rarest, head, tail = best
    return Group({head: 0.5, tail: 0.5}, vocabulary.idf(rarest), rarest)


def _add_pairs(part: str, groups: dict[str, Group], vocabulary: Vocabulary) -> None:
    """Add the pairs of characters of a run, and each character, which says less."""
    for pair in map("".join, pairwise(part)):
        if pair not in groups:
            weak = sum(each in FUNCTION_CHARACTERS for each in pair)
            groups[pair] = _of_pair(pair, vocabulary, _PAIR_WEIGHTS[weak])
    for each in part:
        if each not in groups and each not in FUNCTION_CHARACTERS:
            count = vocabulary.count(each)
            groups[each] = Group({each: 1.0} if count else {}, _CHARACTER * vocabulary.idf(count), count)


def _of_pair(pair: str, vocabulary: Vocabulary, part: float) -> Group:
    count = vocabulary.count(pair)
    variants = {pair: 1.0} if count else {}
    passages = count
    for other in synonyms(pair):
        if others := vocabulary.count(other):
            variants[other] = _SYNONYM
            passages += others
    if not variants:
        # Two words may meet here.
        return Group({}, _UNKNOWN_PAIR * vocabulary.idf(0) * part, 0)
    return Group(variants, vocabulary.idf(count or passages) * part, passages)


def _replace_by_code(code: str, count: int, groups: dict[str, Group], vocabulary: Vocabulary) -> None:
    for part in re.findall("[a-z]+|[0-9].*", code):
        groups.pop(part, None)
    groups[code] = Group({code: 1.0}, vocabulary.idf(count), count)
