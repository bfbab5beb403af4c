"""Which of the phrases that are found in a sentence count, and where they stand."""

from collections.abc import Iterable

from edge_llm.house.language.text import Found
from edge_llm.house.reading.phrases import Sense

Phrase = Found[Sense]
PLACES = {"area", "floor"}
GROUPING = {*PLACES, "kind"}
TELLING = {*PLACES, "device", "part", "kind", "everything"}
"""Senses that tell what a sentence is about."""
DOING = {"action", "begin", "color", "percent", "most", "least", "half"}
"""Senses that tell what to do."""


def most_hit(words: tuple[str, ...], found: Iterable[Phrase]) -> list[int]:
    """Numbers of the devices of whose names most words are said, and more than one letter."""
    hits: dict[int, set[int]] = {}
    for phrase in found:
        if phrase.meaning.what == "part":
            hits.setdefault(int(phrase.meaning.value), set()).update(range(phrase.start, phrase.end))
    long = {number: at for number, at in hits.items() if len("".join(words[each] for each in at)) > 1}
    most = max(map(len, long.values()), default=0)
    return [number for number, places in long.items() if len(places) == most]


def places_of(found: Iterable[Phrase], *what: str) -> set[int]:
    """Where something of a sort is said, word by word."""
    return {at for f in found if f.meaning.what in what for at in range(f.start, f.end)}


def verbs(found: list[Phrase]) -> set[int]:
    """Where the first words of verbs stand whose second part follows: "switch … off" is no switch."""
    ends = {f.meaning.value: f.start for f in found if f.meaning.what == "end"}
    return {f.start for f in found if f.meaning.what == "begin" and f.start < ends.get(f.meaning.value, -1)}


def begins(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    return words[: len(phrase)] == phrase


def says(found: list[Phrase], start: int, end: int) -> set[str]:
    """The sorts of things that are said between two words, but for usual words."""
    said = {f.meaning.what for f in found if start <= f.start < end}
    return said & (TELLING | DOING)


def exception(found: list[Phrase], length: int) -> tuple[int, int]:
    """Where a sentence says what it does not mean: to its end, to a comma, or to the next act."""
    marks = [f for f in found if f.meaning.what == "except_"]
    if not marks:
        return length, length
    start, last = marks[0].start, marks[-1]
    if last != marks[0]:
        return start, last.end  # 除了 … 以外
    acts = {f.start for f in found if f.meaning.what in DOING}
    after = [f for f in found if f.meaning.what == "and_" and f.start > start]
    leads = not says(found, 0, start)
    end = next((f.start for f in after if leads or acts & {f.end, f.end + 1}), length)
    return start, end


def longest(found: list[Phrase]) -> list[Phrase]:
    """Drop what stands within a longer phrase, or begins in a name, but for what is not said to the letter.

    "The office lights" are those of the office, even if one of them is the "Office Light".
    """
    names = [f for f in found if f.exact and f.meaning.what == "device"]
    found = [f for f in found if not any(name.start < f.start < name.end < f.end for name in names)]
    strong = [f for f in found if f.exact or f.meaning.what not in ("device", "part", "action")]
    kept = [f for f in found if not any(other.holds(f) for other in strong)]
    groups = {at for f in kept if f.exact and f.meaning.what in GROUPING for at in range(f.start, f.end)}
    kept = [f for f in kept if f.exact or f.length == 1 or not groups.issuperset(range(f.start, f.end))]
    exact = {(f.start, f.end) for f in kept if f.exact}
    return [f for f in sorted(kept, key=lambda f: f.start) if f.exact or (f.start, f.end) not in exact]


def is_beside(kind: Phrase, names: list[Phrase]) -> bool:
    """Whether a word for a kind only says what a named device is: "Rover vacuum", "the lamp Bert"."""
    return any(f.end == kind.start or kind.end == f.start or _is_within(kind, f) for f in names)


def is_verb(kind: Phrase, found: Iterable[Phrase]) -> bool:
    """Whether a word for a kind stands for an action here: in "lock the TV" there is no lock."""
    return any((f.start, f.end, f.meaning.what) == (kind.start, kind.end, "action") for f in found)


def _is_within(phrase: Phrase, other: Phrase) -> bool:
    return other.start <= phrase.start and phrase.end <= other.end
