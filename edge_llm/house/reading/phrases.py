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
THINGS = "device", "part", "kind"
FLOORS = "downstairs", "upstairs"
FLAGS = (
    *FLOORS,
    "all",
    "and_",
    "by",
    "elsewhere",
    "everything",
    "except_",
    "half",
    "here",
    "least",
    "most",
    "not_",
    "percent",
    "slightly",
    "whole_house",
)
"""Senses without a value, which are also fields of Words."""
COMMA = ","
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
    phrases = (*_names(targets, words), *_kinds(targets, words), *_parts(targets, words))
    phrases += (*_actions(words), *_others(words))
    return Phrasebook(phrases, compounds=words.compounds)


def _names(targets: Targets, words: Words) -> Iterator[tuple[str, Sense]]:
    """The names of a house, and what else they may be called by synonyms that are no names themselves."""
    house = targets.house
    named = [(thing.name, Sense("device", str(number))) for number, thing in enumerate(targets.devices)]
    for number, device in enumerate(house.devices):
        named += ((name, Sense("device", str(number))) for name in _names_of(device))
    named += ((name, Sense("area", area.id)) for area in house.areas for name in _names_of(area))
    named += ((name, Sense("floor", floor.id)) for floor in house.floors for name in _names_of(floor))
    yield from named
    taken = {tokens_of(name) for name, _ in named}
    for name, sense in named:
        for other in _other_names(tokens_of(name), words):
            if other not in taken:
                yield " ".join(other), sense


def names(targets: Targets, words: Words) -> Iterator[str]:
    """The names of a house and of what is in it, and the words of names that say something by themselves."""
    yield from (name for name, _ in (*_names(targets, words), *_parts(targets, words)))


def _other_names(name: tuple[str, ...], words: Words) -> Iterator[tuple[str, ...]]:
    """A name with a word of it replaced by its synonyms."""
    for alike in words.synonyms.values():
        known = [tokens_of(word) for word in alike]
        for word in known:
            for at in range(len(name) - len(word) + 1):
                if name[at : at + len(word)] == word:
                    rest = name[:at], name[at + len(word) :]
                    yield from (rest[0] + other + rest[1] for other in known if other != word)


def _names_of(thing: Device | Area | Floor) -> tuple[str, ...]:
    return (thing.name, *thing.aliases)


def _kinds(targets: Targets, words: Words) -> Iterator[tuple[str, Sense]]:
    """Words for kinds.

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


def _parts(targets: Targets, words: Words) -> Iterator[tuple[str, Sense]]:
    """The words of names that say something by themselves: those that few devices, or only one room, have."""
    usual = _usual(words)
    rooms: tuple[Area | Floor, ...] = (*targets.house.areas, *targets.house.floors)
    of_rooms = {room.id: {each for name in _names_of(room) for each in tokens_of(name)} for room in rooms}
    whole = {
        each
        for room in rooms
        for name in _names_of(room)
        if len(tokens_of(name)) == 1
        for each in tokens_of(name)
    }
    owners: defaultdict[str, dict[Sense, None]] = defaultdict(dict)
    for number, device in enumerate(targets.house.devices):
        for word in _words_of(device, words, whole | of_rooms.get(device.area or "", set())):
            owners[word][Sense("part", str(number))] = None
    for area in targets.house.areas:
        for word in _words_of(area, words, set()):
            owners[word][Sense("area", area.id)] = None
    for word, senses in owners.items():
        of_devices = [sense for sense in senses if sense.what == "part"]
        meant = of_devices or (list(senses) if len(senses) == 1 else [])
        if len(meant) <= _FEW and word not in usual and not word[0].isdigit():  # which alone is a value
            yield from ((word, sense) for sense in meant)


def _words_of(thing: Device | Area, words: Words, but: set[str]) -> Iterator[str]:
    """The words of a thing's names and their synonyms, without those of other things.

    A word with a hyphen is a whole: half a "lave-vaisselle" means nothing.
    """
    for word in (word for name in _names_of(thing) for word in name.split()):
        tokens = tokens_of(word)
        for part in [tokens] if "-" in word else [(token,) for token in tokens]:
            if not but.issuperset(part):
                yield from (" ".join(each) for each in (part, *_other_names(part, words)))


def _usual(words: Words) -> set[str]:
    """Words that tell no device from others: those that mean something else, and the usual ones for kinds."""
    kinds = (word for names in words.kinds.values() for word in names[:2])
    flags = (tokens_of(word) for flag in FLAGS for word in getattr(words, flag))
    usual = {token for word in (*kinds, *words.general, *words.filler) for token in tokens_of(word)}
    return usual | {tokens[0] for tokens in flags if len(tokens) == 1}


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
    yield from ((word, Sense("asked", kind)) for kind, names in words.asked.items() for word in names)
    yield from ((word, Sense("state", state)) for state, names in words.states.items() for word in names)
    yield COMMA, Sense("and_", COMMA)
    for flag in FLAGS:
        yield from ((word, Sense(flag)) for word in getattr(words, flag))


def plurals(words: Words) -> frozenset[tuple[str, ...]]:
    """The words for kinds that are plurals."""
    first = {(tokens_of(names[0]), tokens_of(names[1])) for names in words.kinds.values()}
    longer = {name for name, lengths in _forms(words) if len(name[-1]) > min(lengths)}
    return frozenset({plural for singular, plural in first if plural != singular} | longer)


def _forms(words: Words) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """The words for kinds, each with the lengths of its forms."""
    for names in words.kinds.values():
        known = [tokens_of(name) for name in names]
        yield from ((name, [len(each[-1]) for each in known if _is_form(name, each)]) for name in known)


def _is_form(name: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two names are the same but for the number: "door" and "doors", "Tür" and "Türen"."""
    if name[:-1] != other[:-1]:
        return False
    shorter, longer = sorted((name[-1], other[-1]), key=len)
    return same_word(shorter, longer) or (
        longer.startswith(shorter) and len(longer) - len(shorter) <= _LONGEST_ENDING
    )
