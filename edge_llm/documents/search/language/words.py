"""Turns text into index terms: stems of words; characters and pairs where no space parts words."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from edge_llm.documents.search.language.stop_words import stop_words
from edge_llm.documents.search.language.units import with_signs
from edge_llm.documents.tokens import UNSPACED

_RUN = re.compile(f"[{UNSPACED}]+|[^\\W_{UNSPACED}]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_CODE = re.compile(r"(?<![^\W_])([a-z]{1,3})([-. ])(\d{1,5}[a-z]?)(?![^\W_])")
_BEFORE_NUMBERS = frozenset(word for word in stop_words([]) if len(word) > 1)
"""Words after which a number is no code: at 14, und 16. A letter may begin one."""
_LONGEST = 64
"""Characters of a word that count."""

# Endings of English, German, Dutch, French and Spanish, long ones first, with the fewest characters to leave.
_ENDINGS = tuple(
    (ending, least)
    for least, endings in (
        (4, "ationen ationes aciones ations ation acion ierung ieren iert ements ement ments ment"),
        (4, "ungen ung ers ern er et em ado ada ados adas ez ly os as"),
        (3, "ing ed es en s e"),
        (4, "o a"),
    )
    for ending in endings.split()
)
_STAYS = (
    *("ss", "is", "aus", "bus", "lus", "nus", "pus", "rus", "tus"),
    *("glas", "gras", "hals", "kurs", "puls", "zins", "los", "eed"),
    *("care", "tape", "pane", "tube", "wine", "note", "site"),
)
"""Ends of words that are no endings: Preis, Haus, Glas, speed."""
_BEFORE_ANY = {"ement", "ment", "em", "en", "ed", "er"}
_BEFORE_ENGLISH = {ending for ending, _ in _ENDINGS} - {"s", "es", "os", "as"}
_BEFORE = {"e": _BEFORE_ANY | {"et"}, **dict.fromkeys(("s", "es", "ed", "ing"), _BEFORE_ENGLISH)}
"""Endings that are cut off before another one: Medika(ment)(e), filt(er)(ed), but not verbi(et)(en)."""


def normalise(text: str) -> str:
    """Fold case, width and accents, and put the signs of units for their words."""
    if text.isascii():
        return with_signs(text.lower())
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    # Voicing marks of Kana change the word; accents of letters rarely do.
    kept = "".join(each for each in folded if not "\u0300" <= each <= "\u036f")
    return with_signs(unicodedata.normalize("NFC", kept))


def runs(text: str) -> list[str]:
    """Words of a normalised text, and whole runs of characters where no space parts words."""
    return _RUN.findall(text)


def is_unspaced(run: str) -> bool:
    """Whether a run is of a script that puts no space between words."""
    return bool(_UNSPACED.match(run))


def codes(text: str) -> list[str]:
    """Codes that are written with a gap, without it: ``e-15`` is also found as ``e15``.

    A number after a word like "at", "und" or "bis" is none.
    """
    return [
        letters + digits
        for letters, gap, digits in _CODE.findall(text)
        if gap != " " or letters not in _BEFORE_NUMBERS
    ]


def terms(text: str) -> Iterator[str]:
    """Yield the terms under which ``text`` is found."""
    text = normalise(text)
    for run in _RUN.findall(text):
        if run.isascii() or not is_unspaced(run):
            yield stem(run)
        else:
            yield from run
            yield from map("".join, pairwise(run))
    yield from codes(text)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Cut the endings off a word, the same for all languages: ``cleaning`` becomes ``clean``."""
    word = word[:_LONGEST]
    if len(word) < 4 or not word.isalpha():
        return word
    ending = _ending(word)
    while ending:
        word = word.removesuffix(ending)
        if ending in {"ed", "ing"} and word[-1] == word[-2] and word[-1] in "bdgmnprt":
            word = word[:-1]  # swapped, swap
        before = _ending(word)
        ending = before if before in _BEFORE.get(ending, _BEFORE_ANY) else ""
    if word.endswith(("eln", "ern")) or (word.endswith("arn") and len(word) > 6):
        return word[:-1]  # wechseln, wechsel
    # cleane(d), batteri(es) and batter(y)
    if word.endswith("y") and len(word) > 3:
        return word[:-1] + "i"
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def _ending(word: str) -> str:
    """The ending of a word; empty if it has none."""
    if word.endswith(_STAYS):
        return ""
    endings = (each for each, least in _ENDINGS if word.endswith(each) and len(word) - len(each) >= least)
    return next(endings, "")
