"""Finds the names of a house that words may have been before they were misheard: "kitten", the kitchen."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from edge_llm.house.language.text import tokens_of
from edge_llm.house.language.words import Words
from edge_llm.house.reading.phrases import names
from edge_llm.house.targets import Targets

_FARTHEST = 0.3
"""Distance up to which two words sound alike, by characters of the name."""
_LONGEST = 4
"""Maximum number of words that may be one name misheard: "bad room"."""
_LEAST, _ENDING = 3, 2
"""Characters of what stands before the kind in a compound, and those of its joint: "Küchenlicht"."""
_ALMOST = 0.5
_SILENT = frozenset("aeiouhw")
"""Sounds that are easily missed."""
_ALIKE = str.maketrans("eiouptkzvnxj", "aaaabdgsfmcc")
"""Sounds that differ by the voice alone, or by little else, as one of them."""
_SYLLABLE = re.compile(r"[㐀-鿿豈-﫿]")


class _Sound:
    """How words sound, and what tells soon that two are far from each other."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.letters = _alike(text)
        loud = [letter for letter in self.letters if letter not in _SILENT]
        self.count = len(loud)
        self.loud = sum(1 << (ord(letter) % 64) for letter in set(loud))

    def may_be(self, other: "_Sound", most: float) -> bool:
        """Whether the distance may be ``most`` or less: each loud sound that only one has costs 1."""
        differ = max((self.loud & ~other.loud).bit_count(), (other.loud & ~self.loud).bit_count())
        return max(abs(self.count - other.count), differ) <= most


@dataclass(frozen=True, slots=True)
class _Part:
    """Words of a sentence that may be a name, and those that stay behind it."""

    start: int
    end: int
    sound: _Sound
    rest: tuple[str, ...] = ()


class Mishearing:
    """Knows how the names of one house sound in its language."""

    def __init__(self, targets: Targets, words: Words) -> None:
        """Learn the names, and how the language spells sounds."""
        spelled = {each: sound for sound, spellings in words.sounds.items() for each in spellings}
        self._spelled = {spelling.strip("^$"): sound for spelling, sound in spelled.items()}
        self._spelling = re.compile("|".join(map(_pattern, sorted(spelled, key=len, reverse=True))))
        kinds = (kind for each in words.kinds.values() for kind in each if words.compounds)
        self._kinds = tuple(dict.fromkeys(token for kind in kinds for token in tokens_of(kind)))
        phrases = dict.fromkeys(map(tokens_of, names(targets, words)))
        sounds = ((self._sound(phrase), phrase) for phrase in phrases)
        self._names = tuple((sound, phrase) for sound, phrase in sounds if sound.text)

    def corrected(self, sentence: str, unknown: Sequence[str]) -> list[str]:
        """The sentence with the name that is nearest to words of it that are not known, one a name as near.

        Empty where no name sounds like them.
        """
        words = tokens_of(sentence)
        best, found = _FARTHEST, dict[str, None]()
        for part in self._parts(words, frozenset(unknown)):
            for sound, name in self._names:
                most = best * len(sound.text)
                if not part.sound.may_be(sound, most):
                    continue
                far = _distance(part.sound, sound, most) / len(sound.text)
                if far > best:
                    continue
                if far < best:
                    best, found = far, {}
                said = (*words[: part.start], *name, *part.rest, *words[part.end :])
                found[" ".join(said)] = None
        return list(found)

    def _parts(self, words: tuple[str, ...], unknown: frozenset[str]) -> Iterator[_Part]:
        for start in range(len(words)):
            for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
                if "," in words[start:end]:
                    break
                if unknown.intersection(words[start:end]):
                    yield _Part(start, end, self._sound(words[start:end]))
            if words[start] in unknown:
                yield from self._before_kinds(words[start], start)

    def _before_kinds(self, word: str, at: int) -> Iterator[_Part]:
        """What may be a name before the word for a kind: "Kichenlicht"."""
        for kind in self._kinds:
            name = word.removesuffix(kind)
            if name != word:
                for cut in range(min(_ENDING, len(name) - _LEAST) + 1):
                    yield _Part(at, at + 1, self._sound((name[: len(name) - cut],)), (kind,))

    def _sound(self, words: Iterable[str]) -> _Sound:
        spoken = self._spelling.sub(lambda found: self._spelled[found[0]], "".join(words))
        return _Sound(re.sub(r"(.)\1+", r"\1", spoken))


def _pattern(spelling: str) -> str:
    inner = re.escape(spelling.strip("^$"))
    return f"{'^' * spelling.startswith('^')}{inner}{'$' * spelling.endswith('$')}"


def _alike(text: str) -> str:
    return _SYLLABLE.sub("\u5b57", text.translate(_ALIKE))


def _distance(said: _Sound, name: _Sound, most: float) -> float:
    """How far two sounds are from each other, as an edit distance in which some are near to each other.

    Above ``most`` it is not counted to its end (Levenshtein 1966, with weights).
    """
    missing = [_ALMOST if letter in _SILENT else 1.0 for letter in name.text]
    row = [0.0, *accumulate(missing)]
    for letter, kind in zip(said.text, said.letters, strict=True):
        more = _ALMOST if letter in _SILENT else 1.0
        before, row = row, [row[0] + more]
        for at, cost in enumerate(missing):
            instead = 1.0
            if kind == name.letters[at]:
                instead = 0.0 if letter == name.text[at] else _ALMOST
            row.append(min(before[at] + instead, before[at + 1] + more, row[at] + cost))
        if min(row) > most:
            return most + 1
    return row[-1]
