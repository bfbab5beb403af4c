"""What a sentence says, word by word: names, rooms, kinds, actions and values, clause by clause."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from edge_llm.contract.house import Area, Device, Floor
from edge_llm.house.numbers import in_digits, in_words
from edge_llm.house.targets import Target, Targets, kinds_of
from edge_llm.house.text import Found, Phrasebook, same_word, tokens_of
from edge_llm.house.words import Words

GAP = "\u2026"
"""What stands in a cue for the words between a verb and its particle: "schließ … auf"."""
RANGED = frozenset({"brightness", "position", "temperature", "speed", "volume", "humidity"})
"""Actions that take a number."""
_NAMES = "device", "area", "floor"
_NOUNS = *_NAMES, "kind"
_ALSO = {"activate": "on", "start": "on", "dock": "off"}
"""Actions that the words for another one point to, too."""
_PLACES = "upstairs", "downstairs"
_FLAGS = (
    *_PLACES,
    "percent",
    "all",
    "whole_house",
    "here",
    "everything",
    "except_",
    "and_",
    "half",
    "most",
    "least",
    "elsewhere",
    "slightly",
)


@dataclass(frozen=True, slots=True)
class Sense:
    """What a phrase means: ``what`` names the sort of thing, ``value`` which one."""

    what: str
    value: str = ""


Phrase = Found[Sense]


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that a sentence asks for, as far as its words say it.

    ``named`` are devices whose name is said, ``partly`` those of whose name a word is said that no other has.
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
    actions: Mapping[str, int] = field(default_factory=dict)
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
        self._book = Phrasebook(self._phrases(), compounds=words.compounds)
        self._singular = frozenset(word for names in words.kinds.values() for word in _singulars(names))
        self._questions = tuple(tokens_of(begin) for begin in words.question)
        self._polite = tuple(tokens_of(begin) for begin in words.polite)

    def _phrases(self) -> Iterable[tuple[str, Sense]]:
        yield from self._names()
        words = self._words
        yield from ((word, Sense("kind", kind)) for word, kind in self._kinds())
        yield from ((word, Sense("color", color)) for color, names in words.colors.items() for word in names)
        for action, entry in words.actions.items():
            also = words.actions[_ALSO[action]].cues if action in _ALSO else ()
            for number, cue in enumerate(dict.fromkeys((*entry.cues, *also))):
                begin, _, end = cue.partition(GAP)
                yield begin, Sense("begin", f"{action} {number}") if end else Sense("action", action)
                if end:
                    yield end, Sense("end", f"{action} {number}")
        yield from ((word, Sense("filler")) for word in words.filler)
        for flag in _FLAGS:
            yield from ((word, Sense(flag)) for word in getattr(words, flag))

    def _names(self) -> Iterable[tuple[str, Sense]]:
        house = self._targets.house
        for number, target in enumerate(self._targets.devices):
            for name in (target.name, *_names_of(target.devices[0])):
                yield name, Sense("device", str(number))
        yield from ((word, Sense("part", str(number))) for number, word in self._distinctive())
        for area in house.areas:
            yield from ((name, Sense("area", area.id)) for name in _names_of(area))
        for floor in house.floors:
            yield from ((name, Sense("floor", floor.id)) for name in _names_of(floor))

    def _kinds(self) -> Iterable[tuple[str, str]]:
        """Words for kinds; one for several classes of a kind means those that are called so here."""
        meanings: dict[str, list[str]] = {}
        for kind, names in self._words.kinds.items():
            for name in names:
                meanings.setdefault(name, []).append(kind)
        for word, kinds in meanings.items():
            classes = [kind for kind in kinds if ":" in kind]
            called = [kind for kind in classes if self._is_called(word, kind)]
            first = [kind for kind in classes if word in self._words.kinds[kind][:2] and self._is_there(kind)]
            meant = called or first or classes
            yield from ((word, kind) for kind in kinds if kind in meant or ":" not in kind)

    def _is_there(self, kind: str) -> bool:
        return any(kind in kinds_of(device) for device in self._targets.house.devices)

    def _is_called(self, word: str, kind: str) -> bool:
        """Whether a device of a kind has a word in its name."""
        said = tokens_of(word)
        return any(
            kind in kinds_of(device) and any(same_word(token, said[0]) for token in tokens_of(name))
            for device in self._targets.house.devices
            for name in _names_of(device)
            if len(said) == 1
        )

    def _distinctive(self) -> Iterable[tuple[int, str]]:
        """Words of devices' names that no other device has, and that no kind and no room is called."""
        house = self._targets.house
        kinds = {word for names in self._words.kinds.values() for name in names for word in tokens_of(name)}
        rooms: tuple[Area | Floor, ...] = (*house.areas, *house.floors)
        places = {word for place in rooms for name in _names_of(place) for word in tokens_of(name)}
        owners: dict[str, set[int]] = {}
        for number, target in enumerate(self._targets.devices):
            for word in {word for name in _names_of(target.devices[0]) for word in tokens_of(name)}:
                owners.setdefault(word, set()).add(number)
        for word, numbers in owners.items():
            if len(numbers) == 1 and len(word) > 1 and word not in kinds | places:
                yield min(numbers), word

    def read(self, text: str, here: Area | None) -> Sentence:
        """Read a sentence that is said in the area ``here``."""
        words = tokens_of(text)
        # What is only part of a longer word is a noun: "Gartenlicht" is a light, "spielen" no game.
        found = _longest([f for f in self._book.find(words) if not f.part or f.meaning.what in _NOUNS])
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
            partly=tuple(dict.fromkeys(devices[int(each)] for each in by_sense.get("part", ()))),
            areas=_unique(areas),
            floors=_unique([*self._floors(by_sense)]),
            kinds=frozenset(by_sense.get("kind", ())),
            plain_kind=any(not _beside(kind, named) for kind in kinds),
            singular=bool(kinds) and all(words[f.start : f.end] in self._singular for f in kinds),
            actions=_weighed(inside),
            numbers=self._numbers(words[start:end], inside, start),
            colors=tuple(dict.fromkeys(by_sense.get("color", ()))),
            flags=frozenset(by_sense) & set(_FLAGS),
            unknown=self._unknown(words, inside, start, end),
        )

    def _floors(self, by_sense: Mapping[str, list[str]]) -> Iterable[Floor]:
        yield from (self._targets.floor_of[each] for each in by_sense.get("floor", ()))
        floors = self._targets.house.floors
        if len(floors) == len(_PLACES):  # with more of them, up and down depend on where one is
            yield from (floor for floor, word in zip(floors, _PLACES[::-1], strict=True) if word in by_sense)

    def _numbers(self, words: tuple[str, ...], inside: list[Phrase], start: int) -> tuple[float, ...]:
        """The numbers of a clause that are not part of a name, in order."""
        in_names = {at - start for f in inside if f.meaning.what in _NAMES for at in range(f.start, f.end)}
        said = [word if at not in in_names else "" for at, word in enumerate(words)]
        numbers = in_digits(" ".join(said)) + in_words(said, self._words.numbers, self._words.joins)
        return tuple(dict.fromkeys(numbers))

    def _unknown(self, words: tuple[str, ...], inside: list[Phrase], start: int, end: int) -> tuple[str, ...]:
        known = {at for f in inside for at in range(f.start, f.end)}
        return tuple(
            word
            for at, word in enumerate(words[start:end], start)
            if at not in known and not word[0].isdigit() and word not in self._words.numbers
        )


def _unique(things: list[Area] | list[Floor]) -> tuple:  # type: ignore[type-arg]
    return tuple({thing.id: thing for thing in things}.values())


def _singulars(names: Iterable[str]) -> Iterable[tuple[str, ...]]:
    """Of the words for a kind those that another one is the plural of."""
    known = [tokens_of(name) for name in names]
    for name in known:
        forms = [
            len(each[-1]) for each in known if len(each) == len(name) and all(map(same_word, name, each))
        ]
        if len(name[-1]) == min(forms) < max(forms):
            yield name


def _weighed(found: Iterable[Phrase]) -> dict[str, int]:
    """The actions that phrases point to, and the number of words of each that do."""
    words: dict[str, set[int]] = {}
    begun: dict[str, Phrase] = {}
    for phrase in found:
        what, value = phrase.meaning.what, phrase.meaning.value
        places = set(range(phrase.start, phrase.end))
        if what == "begin":
            begun[value] = phrase
        elif what == "action":
            words.setdefault(value, set()).update(places)
        elif what == "end" and value in begun:
            both = places | set(range(begun[value].start, begun[value].end))
            words.setdefault(value.split()[0], set()).update(both)
    return {action: len(places) for action, places in words.items()}


def _names_of(thing: Device | Area | Floor) -> tuple[str, ...]:
    return (thing.name, *thing.aliases)


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
