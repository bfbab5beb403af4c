"""What a sentence says, word by word: names, rooms, kinds, actions and values, clause by clause."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from edge_llm.contract.house import Area, Floor
from edge_llm.house.language.numbers import in_digits, in_words
from edge_llm.house.language.text import Found, tokens_of
from edge_llm.house.language.words import Words
from edge_llm.house.phrases import FLAGS, FLOORS, NAMES, NOUNS, Sense, phrasebook, singulars
from edge_llm.house.targets import Target, Targets

Phrase = Found[Sense]


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that a sentence asks for, as far as its words say it.

    ``named`` are devices whose name is said, ``partly`` those of whose names most words are said.
    ``flags`` are the senses without a value, such as ``all`` and ``here``; ``unknown`` are words that are
    neither known nor usual.
    """

    named: tuple[Target, ...] = ()
    partly: tuple[Target, ...] = ()
    areas: tuple[Area, ...] = ()
    floors: tuple[Floor, ...] = ()
    kinds: frozenset[str] = frozenset()
    plain_kind: bool = False
    """Whether the words for the kind are beside no device's name, and so stand for themselves."""
    singular: bool = False
    """Whether the word for the kind is the singular."""
    actions: Mapping[str, float] = field(default_factory=dict)
    """Actions that it points to, and the number of words that do."""
    numbers: tuple[float, ...] = ()
    colors: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    text: str = ""
    """The whole sentence in lower case."""

    @property
    def has_place(self) -> bool:
        """Whether it says where."""
        return bool(self.areas or self.floors or "whole_house" in self.flags)

    @property
    def has_subject(self) -> bool:
        """Whether it says which devices."""
        return bool(self.named or self.partly or self.kinds or "everything" in self.flags)

    @property
    def has_value(self) -> bool:
        """Whether it says a number, or a level such as the highest."""
        return bool(self.numbers or self.flags & {"most", "least", "half"})

    @property
    def points(self) -> bool:
        """Whether it says what to do."""
        return bool(self.actions or self.has_value or self.colors)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is about what is no matter of devices: a timer, the weather."""
        return "elsewhere" in self.flags


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, read: its clauses, the devices that it excepts, and whether it is a question."""

    clauses: tuple[Clause, ...]
    excepted: Clause | None
    is_question: bool


class SentenceReader:
    """Reads sentences that are said to one house; for any thread."""

    def __init__(self, targets: Targets, words: Words) -> None:
        """Learn the names of the house and the words of its language."""
        self._targets = targets
        self._words = words
        self._book = phrasebook(targets, words)
        self._singulars = singulars(words)
        self._filler = frozenset(each for word in words.filler for each in tokens_of(word))
        self._questions = tuple(tokens_of(begin) for begin in words.question)
        self._polite = tuple(tokens_of(begin) for begin in words.polite)

    def read(self, text: str, here: Area | None) -> Sentence:
        """Read a sentence that is said in the area ``here``."""
        words = tokens_of(text)
        # What is only part of a longer word is a noun: "Gartenlicht" is a light, "spielen" no game.
        found = _longest([f for f in self._book.find(words) if not f.part or f.meaning.what in NOUNS])
        is_question = self._is_question(text, words)
        at = next((f.start for f in found if f.meaning.what == "except_"), len(words))
        clauses = [
            replace(self._clause(words, found, start, end, here), text=text.casefold())
            for start, end in self._spans(found, 0, at)
        ]
        excepted = self._clause(words, found, at, len(words), here) if at < len(words) else None
        return Sentence(tuple(_complete(clauses)), excepted, is_question)

    def _is_question(self, text: str, words: tuple[str, ...]) -> bool:
        """Whether a sentence asks for a state; "can you open it?" does not."""
        if any(begin == words[: len(begin)] for begin in self._questions if len(words) > len(begin)):
            return True
        return text.rstrip().endswith(("?", "\uff1f")) and not any(
            begin == words[: len(begin)] for begin in self._polite
        )

    @staticmethod
    def _spans(found: list[Phrase], start: int, end: int) -> Iterable[tuple[int, int]]:
        """Cut a sentence at its conjunctions, where something is named on both sides."""
        cuts = [f.start for f in found if f.meaning.what == "and_" and start < f.start < end]
        begin = start
        for cut in cuts:
            if _tells(found, begin, cut) and _tells(found, cut, end):
                yield begin, cut
                begin = cut
        yield begin, end

    def _clause(
        self, words: tuple[str, ...], found: list[Phrase], start: int, end: int, here: Area | None
    ) -> Clause:
        inside = [f for f in found if start <= f.start < end]
        by_sense: dict[str, list[str]] = {}
        for phrase in inside:
            by_sense.setdefault(phrase.meaning.what, []).append(phrase.meaning.value)
        devices = self._targets.devices
        areas = [self._targets.area_of[each] for each in by_sense.get("area", ())]
        if "here" in by_sense and here:
            areas.append(here)
        kinds = [f for f in inside if f.meaning.what == "kind"]
        named = [f for f in inside if f.meaning.what == "device"]
        return Clause(
            named=tuple(dict.fromkeys(devices[int(each)] for each in by_sense.get("device", ()))),
            partly=tuple(devices[number] for number in _most_hit(inside)),
            areas=_unique(areas),
            floors=_unique([*self._floors(by_sense)]),
            kinds=frozenset(by_sense.get("kind", ())),
            plain_kind=any(not _beside(kind, named) for kind in kinds),
            singular=bool(kinds) and all(words[f.start : f.end] in self._singulars for f in kinds),
            actions=self._weighed(words, inside),
            numbers=self._numbers(words[start:end], inside, start),
            colors=tuple(dict.fromkeys(by_sense.get("color", ()))),
            flags=frozenset(by_sense) & set(FLAGS),
            unknown=self._unknown(words, inside, start, end),
        )

    def _floors(self, by_sense: Mapping[str, list[str]]) -> Iterable[Floor]:
        yield from (self._targets.floor_of[each] for each in by_sense.get("floor", ()))
        floors = self._targets.house.floors
        if len(floors) == len(FLOORS):  # with more of them, up and down depend on where one is
            yield from (floor for floor, word in zip(floors, FLOORS, strict=True) if word in by_sense)

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

    def _numbers(self, words: tuple[str, ...], inside: list[Phrase], start: int) -> tuple[float, ...]:
        """The numbers of a clause that are not part of a name or of a word for percent, in order."""
        others = (f for f in inside if f.meaning.what in (*NAMES, "percent"))
        places = {at - start for f in others for at in range(f.start, f.end)}
        said = [word if at not in places else "" for at, word in enumerate(words)]
        numbers = in_digits(" ".join(said)) + in_words(said, self._words.numbers, self._words.joins)
        return tuple(dict.fromkeys(numbers))

    def _unknown(self, words: tuple[str, ...], inside: list[Phrase], start: int, end: int) -> tuple[str, ...]:
        # Of a long word the part that is no name is not known: "Gartenlicht" is a light, but which?
        whole = (f for f in inside if not f.part or f.meaning.what != "kind")
        known = {at for f in whole for at in range(f.start, f.end)}
        return tuple(
            word
            for at, word in enumerate(words[start:end], start)
            if at not in known and not word[0].isdigit() and word not in self._words.numbers
        )


def _unique(things: list[Area] | list[Floor]) -> tuple:  # type: ignore[type-arg]
    return tuple({thing.id: thing for thing in things}.values())


def _most_hit(found: Iterable[Phrase]) -> list[int]:
    """Numbers of the devices of whose names most words are said."""
    hits: dict[int, set[int]] = {}
    for phrase in found:
        if phrase.meaning.what == "part":
            hits.setdefault(int(phrase.meaning.value), set()).update(range(phrase.start, phrase.end))
    most = max(map(len, hits.values()), default=0)
    return [number for number, places in hits.items() if len(places) == most]


def _tells(found: list[Phrase], start: int, end: int) -> bool:
    """Whether something is named between two words."""
    telling = "device", "part", "area", "floor", "kind", "everything"
    return any(start <= f.start < end and f.meaning.what in telling for f in found)


def _complete(clauses: list[Clause]) -> Iterable[Clause]:
    """Give each clause what only its neighbor says: "the kitchen and the hall lights"."""
    for number, clause in enumerate(clauses):
        before, after = clauses[:number][::-1], clauses[number + 1 :]
        completed = clause
        doing = next((c for c in (*before, *after) if c.points), None)
        if doing and not clause.points:
            levels = doing.flags & {"most", "least", "half", "percent", "slightly"}
            completed = replace(
                completed,
                actions=doing.actions,
                numbers=doing.numbers,
                colors=doing.colors,
                flags=clause.flags | levels,
            )
        subject = next((c for c in (*after, *before) if c.has_subject), None)
        if subject and clause.has_place and not clause.has_subject:
            completed = replace(completed, kinds=subject.kinds, plain_kind=subject.plain_kind)
        yield completed


def _longest(found: list[Phrase]) -> list[Phrase]:
    """Drop what stands within a longer phrase, but for names that are not said to the letter."""
    strong = [f for f in found if f.exact or f.meaning.what not in ("device", "part")]
    kept = [f for f in found if not any(other.holds(f) for other in strong)]
    exact = {(f.start, f.end) for f in kept if f.exact}
    return [f for f in sorted(kept, key=lambda f: f.start) if f.exact or (f.start, f.end) not in exact]


def _beside(kind: Phrase, names: list[Phrase]) -> bool:
    """Whether a word for a kind only says what a named device is: "Rover vacuum", "the lamp Bert"."""
    return any(f.end == kind.start or kind.end == f.start or f.holds(kind) for f in names)
