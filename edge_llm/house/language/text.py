"""Finds words and names in a sentence, in any spelling that people use."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

_TOKEN = re.compile(r"\d+(?:[.,]\d+)?|[㐀-鿿豈-﫿]|[぀-ヿ]|[^\W_㐀-鿿豈-﫿぀-ヿ]+|[%°,]")
"""A number, a word, a sign of Chinese or Japanese writing, a unit, or a comma."""
_COMMAS = str.maketrans(";\u3001\uff0c\uff1b", ",,,,")
_LONGEST_PHRASE = 8
_ENDING = 2
"""Characters by which two forms of a word may differ at its end."""
_STEM = 4
_LEAST_JOINED = 3
"""Characters of words that people write as one or as two; shorter ones are words of their own."""

Meaning = TypeVar("Meaning", bound=Hashable)
_Index = defaultdict[str, dict[tuple[tuple[str, ...], Meaning], None]]


@lru_cache(maxsize=8192)
def tokens_of(text: str, *, accents: bool = False) -> tuple[str, ...]:
    """The words of a text, and its commas: in lower case, without other punctuation, or ``accents``."""
    folded = unicodedata.normalize("NFKD", text.casefold().replace("'", " ").replace("\u2019", " "))
    plain = "".join(character for character in folded if accents or not unicodedata.combining(character))
    return tuple(_TOKEN.findall(unicodedata.normalize("NFC", plain).translate(_COMMAS)))


def same_word(said: str, word: str) -> bool:
    """Whether two words are forms of one: one with an ending, or with another last letter."""
    if said == word:
        return True
    shorter, longer = (said, word) if len(said) <= len(word) else (word, said)
    if len(shorter) < _STEM:
        return False
    if longer.startswith(shorter):
        return len(longer) - len(shorter) <= _ENDING
    stem = max(_STEM, len(shorter) - 1)
    return len(longer) - len(shorter) < _ENDING and shorter[:stem] == longer[:stem]


@dataclass(frozen=True, slots=True)
class Found(Generic[Meaning]):
    """A phrase in a sentence: its words from ``start`` to ``end``, and what it means.

    ``exact`` tells that it stands there as it is written; ``part`` that it is part of a longer word, and
    ``ends`` that it is not its beginning; ``joined`` that the words are divided in another way.
    """

    start: int
    end: int
    meaning: Meaning
    exact: bool
    part: bool = False
    ends: bool = True
    joined: bool = False

    @property
    def length(self) -> int:
        """Number of words."""
        return self.end - self.start

    def holds(self, other: "Found[Meaning]") -> bool:
        """Whether all words of ``other`` are among these, which are more."""
        return self.start <= other.start and other.end <= self.end and self.length > other.length


class Phrasebook(Generic[Meaning]):
    """Phrases and what they mean; a phrase may mean several things."""

    def __init__(self, phrases: Iterable[tuple[str, Meaning]], *, compounds: bool = False) -> None:
        """Learn ``phrases``; with ``compounds`` also as the beginning or the end of longer words."""
        self._compounds = compounds
        self._by_stem: _Index[Meaning] = defaultdict(dict)
        self._by_joined: _Index[Meaning] = defaultdict(dict)
        self._by_end: _Index[Meaning] = defaultdict(dict)
        for phrase, meaning in phrases:
            words = tokens_of(phrase)[:_LONGEST_PHRASE]
            if not words:
                continue
            joined = "".join(words)
            self._by_stem[words[0][:_STEM]][words, meaning] = None
            self._by_joined[joined][words, meaning] = None
            if compounds and len(joined) >= _STEM:
                self._by_end[joined[-_STEM:]][words, meaning] = None

    def find(self, words: tuple[str, ...]) -> list[Found[Meaning]]:
        """Find every phrase in a sentence's words."""
        found: dict[Found[Meaning], None] = {}
        for start, word in enumerate(words):
            for phrase, meaning in self._by_stem.get(word[:_STEM], ()):
                said = words[start : start + len(phrase)]
                if len(said) == len(phrase) and all(map(same_word, said, phrase)):
                    found[Found(start, start + len(phrase), meaning, said == phrase)] = None
            joined = ""
            for end in range(start + 1, min(start + _LONGEST_PHRASE, len(words)) + 1):
                joined += words[end - 1]
                if end - start > 1 and len(min(words[start:end], key=len)) < _LEAST_JOINED:
                    continue
                for phrase, meaning in self._by_joined.get(joined, ()):
                    if len(phrase) != end - start:  # "living room" for "livingroom"
                        found[Found(start, end, meaning, exact=True, joined=True)] = None
            if self._compounds:
                for meaning, ends in self._parts(word):
                    found[Found(start, start + 1, meaning, exact=False, part=True, ends=ends)] = None
        return list(found)

    def _parts(self, word: str) -> Iterable[tuple[Meaning, bool]]:
        """What the beginning and the end of a longer word mean, and whether it is the end."""
        for length in range(_STEM, len(word) - _ENDING):
            for _, meaning in self._by_joined.get(word[:length], ()):
                yield meaning, False
        for cut in range(_ENDING + 1):
            end = word[: len(word) - cut]
            for phrase, meaning in self._by_end.get(end[-_STEM:], ()):
                joined = "".join(phrase)
                if len(joined) < len(end) - _ENDING and end.endswith(joined):
                    yield meaning, True
