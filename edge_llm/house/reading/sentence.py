"""Reads sentences word by word: names, rooms, kinds, actions and values."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from edge_llm.contract.house import Area, Floor
from edge_llm.house.language.numbers import in_digits, in_words
from edge_llm.house.language.text import Phrasebook, tokens_of
from edge_llm.house.language.words import Words
from edge_llm.house.reading.clauses import Clause, Sentence, complete
from edge_llm.house.reading.phrases import (
    COMMA,
    FLAGS,
    FLOORS,
    NAMES,
    NOUNS,
    THINGS,
    Sense,
    phrasebook,
    plurals,
)
from edge_llm.house.reading.spans import (
    DOING,
    PLACES,
    TELLING,
    Phrase,
    begins,
    exception,
    is_beside,
    is_verb,
    longest,
    most_hit,
    places_of,
    says,
    verbs,
)
from edge_llm.house.reading.strangers import Strangers
from edge_llm.house.targets import Targets

Place = TypeVar("Place", Area, Floor)
ASKING = {"asked", "state"}
LITERAL = {*ASKING, "elsewhere"}
"""Senses of words that are not taken for others like them: "time" is no timer."""
_QUESTION_MARKS = "?", "\uff1f", "\u5417", "\u55ce"
"""What questions end with; 吗 in Chinese."""


class SentenceReader:
    """Reads sentences that are said to one house; for any thread."""

    def __init__(self, targets: Targets, words: Words) -> None:
        """Learn the names of the house and the words of its language."""
        self._targets = targets
        self._words = words
        self._book = phrasebook(targets, words)
        self._plurals = plurals(words)
        self._strangers = Strangers(words)
        self._modes = Phrasebook((word, mode) for mode, each in words.modes.items() for word in each)
        self._filler = frozenset(each for word in words.filler for each in tokens_of(word))
        # With their accents: "que" begins a wish, "qué" a question.
        self._questions = tuple(tokens_of(begin, accents=True) for begin in words.question)
        self._usual = self._filler.union(*(tokens_of(begin) for begin in words.question), words.numbers)
        self._polite = tuple(tokens_of(begin, accents=True) for begin in words.polite)

    def read(self, text: str, here: Area | None) -> Sentence:
        """Read a sentence that is said in the area ``here``."""
        words = tokens_of(text)
        is_question = self._is_question(text)
        found = self._phrases(words, is_question=is_question)
        at, end = exception(found, len(words))
        excepted = self._clause(words, found, at, end, here) if at < end else None
        if excepted:
            words = words[:at] + words[end:]
            found = self._phrases(words, is_question=is_question)
        clauses = [
            replace(self._clause(words, found, start, end, here), text=text.casefold())
            for start, end in self._spans(words, found)
        ]
        return Sentence(tuple(complete(clauses, excepted)), excepted, is_question)

    def _phrases(self, words: tuple[str, ...], *, is_question: bool) -> list[Phrase]:
        """The phrases of a sentence: in a command not what is only asked, in a question not what to do."""
        found = self._book.find(words)
        # What is only part of a longer word, or two words that make one, is a noun: "Gartenlicht" is a light,
        # "spielen" no game, "sube la" not "súbela".
        found = [f for f in found if not (f.part or f.joined) or f.meaning.what in NOUNS]
        # The end of a long word says what it is: a "Wasserkocher" is no water.
        found = [f for f in found if f.ends or f.meaning.what != "kind"]
        if is_question:
            found = [f for f in found if f.meaning.what not in ("action", "begin", "end")]
        else:
            found = [f for f in found if f.meaning.what not in ASKING and not self._only_tells(f)]
        found = [f for f in found if f.meaning.what != "by" or any(map(self._is_number, words[f.end :][:1]))]
        split = verbs(found)
        found = [f for f in found if f.meaning.what != "kind" or f.start not in split]
        return longest([f for f in found if f.exact or f.meaning.what not in LITERAL])

    def _only_tells(self, phrase: Phrase) -> bool:
        """Whether a phrase names a device that can do nothing."""
        named = phrase.meaning.what in ("device", "part")
        return named and not self._targets.devices[int(phrase.meaning.value)].actions

    def _is_question(self, text: str) -> bool:
        """Whether a sentence asks for a state; "can you open it?" does not."""
        words = tokens_of(text, accents=True)
        parts = [0, *(at + 1 for at, word in enumerate(words) if word == ",")]
        polite = max((len(p) for p in self._polite for at in parts if begins(words[at:], p)), default=0)
        anywhere = len(words) if self._words.questions_anywhere else 1
        asking = [
            len(each)
            for each in self._questions
            for at in range(anywhere)
            if len(words) > len(each) and begins(words[at:], each)
        ]
        if asking:
            return max(asking) >= polite
        return text.rstrip().endswith(_QUESTION_MARKS) and not (
            polite or any(each == words[-len(each) :] for each in self._polite)
        )

    def _spans(self, words: tuple[str, ...], found: list[Phrase]) -> Iterable[tuple[int, int]]:
        """Cut a sentence at its conjunctions, where both sides say something of their own."""
        begin, end = 0, len(words)
        for cut in (f.start for f in found if f.meaning.what == "and_" and f.start):
            if words[cut] in self._words.joins and self._is_joined(words, found, cut):
                continue
            first, second = says(found, begin, cut), says(found, cut, end)
            where = first <= PLACES and not second & PLACES  # "in the kitchen, turn on the lights"
            if first & TELLING and second & (TELLING | DOING) and not where:
                yield begin, cut
                begin = cut
        yield begin, end

    def _is_joined(self, words: tuple[str, ...], found: list[Phrase], at: int) -> bool:
        """Whether a conjunction stands within a number: "vingt et un", "nineteen and a half"."""
        following = words[at + 1 : at + 2]
        unit = any(self._is_number(word) or word in self._words.ones for word in following)
        half = any(f.meaning.what == "half" and at < f.start <= at + 2 for f in found)
        return (unit and self._is_number(words[at - 1])) or (
            half and any(map(self._is_number, words[max(0, at - 2) : at]))
        )

    def _has_item(self, words: tuple[str, ...], inside: list[Phrase], span: range) -> bool:
        """Whether a word is left beside the usual ones, the names of devices and what to do with a list."""
        of_lists = {Sense("kind", "todo"), Sense("action", "add_item"), Sense("action", "complete_item")}
        known = (f for f in inside if f.meaning in of_lists or f.meaning.what in ("device", "part", *FLAGS))
        places = {at for f in known for at in range(f.start, f.end)}
        return any(at not in places and words[at] not in self._usual for at in span)

    def _modes_in(self, said: tuple[str, ...], inside: list[Phrase], start: int) -> dict[str, None]:
        """Return the names of the modes that are said in other words: ``cool`` for "cooling".

        Only where a mode is set, or no other action is named. A word that names the device is no mode: "the
        heating mode" is that of the heating. Nor is a part of a longer phrase: "hace calor" sets no heat.
        """
        actions = [f.meaning for f in inside if f.meaning.what == "action"]
        if actions and Sense("action", "mode") not in actions:
            return {}
        places = [(f.meaning.what, set(range(f.start - start, f.end - start))) for f in inside]
        things = [at for what, at in places if what in THINGS]
        modes = [(f.meaning, set(range(f.start, f.end))) for f in self._modes.find(said) if f.exact]
        return dict.fromkeys(
            mode
            for mode, at in modes
            if (not things or any(map(at.isdisjoint, things)))
            and not any(at < other for what, other in places if what == "action")
        )

    def _is_number(self, word: str) -> bool:
        return word[0].isdigit() or word in self._words.numbers

    def _clause(
        self, words: tuple[str, ...], found: list[Phrase], start: int, end: int, here: Area | None
    ) -> Clause:
        inside = [f for f in found if start <= f.start < end]
        by_sense: dict[str, list[str]] = {}
        for phrase in inside:
            by_sense.setdefault(phrase.meaning.what, []).append(phrase.meaning.value)
        devices = self._targets.devices
        said = _without_names(words[start:end], inside, start)
        numbers = self._numbers(said)
        joins = [at for at in range(start, end) if words[at] in self._words.joins]
        if "half" in by_sense and any(self._is_joined(words, inside, at) for at in joins):
            del by_sense["half"]
            numbers = tuple(number + 0.5 for number in numbers)
        areas = [self._targets.area_of[each] for each in by_sense.get("area", ())]
        if "here" in by_sense and here:
            areas.append(here)
        named = [f for f in inside if f.meaning.what == "device"]
        kinds = [f for f in inside if f.meaning.what == "kind" and not (named and is_verb(f, inside))]
        unknown = self._unknown(words, inside, start, end)
        # What is said nowhere is asked about where it is not clear; near is what must not be taken for it.
        strange = self._strangers.find(words, inside, unknown if here else (), range(start, end))
        return Clause(
            named=tuple(dict.fromkeys(devices[int(each)] for each in by_sense.get("device", ()))),
            partly=tuple(devices[number] for number in most_hit(words, inside)),
            areas=_unique(areas),
            floors=_unique(self._floors(by_sense, here)),
            kinds=frozenset(f.meaning.value for f in kinds),
            plain_kind=any(not is_beside(kind, named) for kind in kinds),
            plural=any(self._is_plural(words, f) for f in kinds),
            called_kind=places_of(inside, "part", "device") <= places_of(inside, "kind"),
            vague=_is_vague(inside, unknown),
            asked=frozenset(by_sense.get("asked", ())),
            states=tuple(dict.fromkeys(by_sense.get("state", ()))),
            actions=self._weighed(words, inside),
            numbers=numbers,
            split_number=any(one[:1].isdigit() and two[:1].isdigit() for one, two in pairwise(said)),
            colors=tuple(dict.fromkeys(by_sense.get("color", ()))),
            flags=frozenset(by_sense) & set(FLAGS),
            unknown=tuple(words[at] for at in unknown),
            strange=tuple(words[at] for at in strange),
            own=" ".join((*words[start:end], *self._modes_in(words[start:end], inside, start))),
            has_item=self._has_item(words, inside, range(start, end)),
            behind_comma=set(by_sense.get("and_", ())) == {COMMA},
        )

    def _is_plural(self, words: tuple[str, ...], phrase: Phrase) -> bool:
        said = words[phrase.start : phrase.end]
        if phrase.part:
            return any(said[-1].endswith(plural[-1]) for plural in self._plurals)
        return said in self._plurals

    def _floors(self, by_sense: Mapping[str, list[str]], here: Area | None) -> Iterable[Floor]:
        """The floors that are named, or are above or below; the house lists them from the lowest up."""
        yield from (self._targets.floor_of[each] for each in by_sense.get("floor", ()))
        floors = self._targets.house.floors
        if len(floors) == len(FLOORS):
            yield from (floor for floor, word in zip(floors, FLOORS, strict=True) if word in by_sense)
        elif here and here.floor:
            own = floors.index(self._targets.floor_of[here.floor])
            yield from floors[own + 1 : own + 2] if "upstairs" in by_sense else ()
            yield from floors[max(0, own - 1) : own] if "downstairs" in by_sense else ()

    def _weighed(self, words: tuple[str, ...], found: Iterable[Phrase]) -> dict[str, float]:
        """The actions that phrases point to, and the number of words of each that do.

        A word that has other uses counts half: "on" is also where something is.
        """
        places: dict[str, set[int]] = {}
        begun: dict[str, Phrase] = {}
        for phrase in found:
            what, value = phrase.meaning.what, phrase.meaning.value
            covered = set(range(phrase.start, phrase.end))
            if what == "begin":
                begun[value] = phrase
            elif what == "action":
                places.setdefault(value, set()).update(covered)
            elif what == "end" and value in begun:
                both = covered | set(range(begun[value].start, begun[value].end))
                places.setdefault(value.split()[0], set()).update(both)
        return {
            action: sum(0.5 if words[at] in self._filler else 1.0 for at in covered)
            for action, covered in places.items()
        }

    def _numbers(self, said: list[str]) -> tuple[float, ...]:
        """The numbers of a clause, in order."""
        numbers = in_digits(" ".join(said)) + in_words(
            said, self._words.numbers, self._words.joins, self._words.ones
        )
        return tuple(dict.fromkeys(numbers))

    def _unknown(self, words: tuple[str, ...], inside: list[Phrase], start: int, end: int) -> list[int]:
        """Where words stand that are neither known nor usual."""
        # Of a long word the part that is no name is not known: "Gartenlicht" is a light, but which?
        whole = (f for f in inside if not f.part or f.meaning.what != "kind")
        known = {at for f in whole for at in range(f.start, f.end)}
        return [
            at
            for at in range(start, end)
            if at not in known and not words[at][0].isdigit() and words[at] not in self._usual
        ]


def _without_names(words: tuple[str, ...], inside: list[Phrase], start: int) -> list[str]:
    """The words of a clause, with nothing for those of names and of percent, which may hold numbers."""
    others = (f for f in inside if f.meaning.what in (*NAMES, "percent"))
    places = {at - start for f in others for at in range(f.start, f.end)}
    return [word if at not in places else "" for at, word in enumerate(words)]


def _is_vague(inside: list[Phrase], unknown: list[int]) -> bool:
    parts = [f for f in inside if f.meaning.what == "part"]
    return any(f.start - 1 in unknown or f.end in unknown for f in parts)


def _unique(places: Iterable[Place]) -> tuple[Place, ...]:
    return tuple({place.id: place for place in places}.values())
