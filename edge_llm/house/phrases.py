"""Every phrase that means something in one house: its names, and the words of its language."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge_llm.contract.house import Area, Device, Floor
from edge_llm.house.language.text import Phrasebook, same_word, tokens_of
from edge_llm.house.language.words import Words
from edge_llm.house.targets import Targets, kinds_of

NAMES = "device", "area", "floor"
NOUNS = *NAMES, "kind"
FLOORS = "downstairs", "upstairs"
FLAGS = (
    *FLOORS,
    "all",
    "and_",
    "elsewhere",
    "everything",
    "except_",
    "half",
    "here",
    "least",
    "most",
    "percent",
    "slightly",
    "whole_house",
)
"""Senses without a value, which are also fields of Words."""
_GAP = "\u2026"
"""What stands in a cue for the words between a verb and its particle: "schließ … auf"."""
_FEW = 10
_LONGEST_ENDING = 2
_ALSO = {"activate": "on", "start": "on", "dock": "off"}
"""Actions that the words for another one point to, too."""


@dataclass(frozen=True, slots=True)
class Sense:
    """What a phrase means: ``what`` names the sort of thing, ``value`` which one.

    ``begin`` and ``end`` are the two parts of a cue; ``part`` is a word of a device's name.
    """

    what: str
    value: str = ""


def phrasebook(targets: Targets, words: Words) -> Phrasebook[Sense]:
    """The phrases of a house in the words of its language."""
    phrases = (*_names(targets), *_kinds(targets, words), *_actions(words), *_others(words))
    return Phrasebook(phrases, compounds=words.compounds)


def _names(targets: Targets) -> Iterator[tuple[str, Sense]]:
    for number, target in enumerate(targets.devices):
        for name in (target.name, *_names_of(target.devices[0])):
            yield name, Sense("device", str(number))
    for area in targets.house.areas:
        yield from ((name, Sense("area", area.id)) for name in _names_of(area))
    for floor in targets.house.floors:
        yield from ((name, Sense("floor", floor.id)) for name in _names_of(floor))


def _names_of(thing: Device | Area | Floor) -> tuple[str, ...]:
    return (thing.name, *thing.aliases)


def _kinds(targets: Targets, words: Words) -> Iterator[tuple[str, Sense]]:
    """Words for kinds, and single words of devices' names.

    A word for several classes of a kind means those whose devices are called so, or those that it is the
    first word for.
    """
    own = _own_words(targets)
    meanings: defaultdict[str, list[str]] = defaultdict(list)
    for kind, names in words.kinds.items():
        for name in names:
            meanings[name].append(kind)
    for word, kinds in meanings.items():
        classes = [kind for kind in kinds if ":" in kind]
        called = [kind for kind in classes if _is_among(word, own.get(kind, ()))]
        first = [kind for kind in classes if kind in own and word in words.kinds[kind][:2]]
        meant = called or first or classes
        yield from ((word, Sense("kind", kind)) for kind in kinds if kind in meant or ":" not in kind)
    usual = {token for word in (*meanings, *words.filler) for token in tokens_of(word)}
    yield from ((word, Sense("part", str(number))) for word, number in _parts(targets, usual))


def _own_words(targets: Targets) -> dict[str, set[str]]:
    """The words in the names of the devices of each kind."""
    own: defaultdict[str, set[str]] = defaultdict(set)
    for device in targets.house.devices:
        for kind in kinds_of(device):
            own[kind].update(token for name in _names_of(device) for token in tokens_of(name))
    return own


def _is_among(word: str, tokens: Iterable[str]) -> bool:
    said = tokens_of(word)
    return len(said) == 1 and any(same_word(token, said[0]) for token in tokens)


def _parts(targets: Targets, usual: set[str]) -> Iterator[tuple[str, int]]:
    """The words of devices' names that say something: not those of rooms and kinds, and of few devices."""
    rooms: tuple[Area | Floor, ...] = (*targets.house.areas, *targets.house.floors)
    taken = usual | {token for room in rooms for name in _names_of(room) for token in tokens_of(name)}
    owners: defaultdict[str, set[int]] = defaultdict(set)
    for number, target in enumerate(targets.devices):
        for name in _names_of(target.devices[0]):
            for token in tokens_of(name):
                owners[token].add(number)
    for token, numbers in owners.items():
        is_word = len(token) > 1 and not token[0].isdigit()  # a number alone is a value
        if is_word and len(numbers) <= _FEW and token not in taken:
            yield from ((token, number) for number in sorted(numbers))


def _actions(words: Words) -> Iterator[tuple[str, Sense]]:
    for action, entry in words.actions.items():
        also = words.actions[_ALSO[action]].cues if action in _ALSO else ()
        for number, cue in enumerate(dict.fromkeys((*entry.cues, *also))):
            begin, _, end = cue.partition(_GAP)
            yield begin, Sense("begin", f"{action} {number}") if end else Sense("action", action)
            if end:
                yield end, Sense("end", f"{action} {number}")


def _others(words: Words) -> Iterator[tuple[str, Sense]]:
    yield from ((word, Sense("color", color)) for color, names in words.colors.items() for word in names)
    yield from ((word, Sense("filler")) for word in words.filler)
    yield ",", Sense("and_")
    for flag in FLAGS:
        yield from ((word, Sense(flag)) for word in getattr(words, flag))


def singulars(words: Words) -> frozenset[tuple[str, ...]]:
    """The words for kinds that are singulars: another word for the kind is their plural."""
    found: set[tuple[str, ...]] = set()
    for names in words.kinds.values():
        known = [tokens_of(name) for name in names]
        for name in known:
            lengths = [len(each[-1]) for each in known if _is_form(name, each)]
            if len(name[-1]) == min(lengths) < max(lengths):
                found.add(name)
    return frozenset(found)


def _is_form(name: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two names are the same but for the number: "door" and "doors", "Tür" and "Türen"."""
    if name[:-1] != other[:-1]:
        return False
    shorter, longer = sorted((name[-1], other[-1]), key=len)
    return same_word(shorter, longer) or (
        longer.startswith(shorter) and len(longer) - len(shorter) <= _LONGEST_ENDING
    )
