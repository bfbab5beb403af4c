"""Finds words that stand in the place of a name, and are none that the house has: "the hull light"."""

from collections.abc import Iterable, Sequence

from edge_llm.house.language.text import tokens_of
from edge_llm.house.language.words import Words
from edge_llm.house.reading.phrases import THINGS
from edge_llm.house.reading.spans import Phrase

_MOST_ARTICLES = 2
"""Maximum number of usual words between "in" and a name: "in all the"."""
_STEM = 4
"""Characters of a word from which on it may begin a longer one."""


class Strangers:
    """Tells which unknown words a language puts where names stand; others are in nobody's way."""

    def __init__(self, words: Words) -> None:
        """Look where ``words`` say that names stand."""
        states = (state for each in words.states.values() for state in each)
        self._harmless = _tokens((*words.harmless, *states))
        self._rooms = _tokens(words.rooms)
        self._between = self._rooms | _tokens(words.between)
        self._also_rooms = frozenset(tokens_of(room) for room in words.also_rooms)
        self._whole = _tokens(words.whole)
        self._filler = _tokens(words.filler)
        self._places = tuple(tokens_of(place) for place in words.places)
        self._names_follow = words.names_follow

    def find(
        self, words: tuple[str, ...], inside: Sequence[Phrase], unknown: Sequence[int], span: range
    ) -> list[int]:
        """Where strangers stand within ``span``; ``unknown`` are the places of words that are not known."""
        rooms = self._other_rooms(words, inside)
        nouns = [f for f in inside if f.meaning.what in THINGS and f not in rooms]
        strange = {at for at in unknown if not self._is_harmless(words[at], nouns, at)}
        strange |= {at for room in rooms for at in range(room.start, room.end)}
        beside, behind = {noun.start for noun in nouns}, set[int]()  # "Hallenlicht" is one word
        for noun in nouns:
            beside.update(self._beside(words, range(noun.start - 1, span.start - 1, -1), unknown, strange))
            if self._names_follow:
                beside.update(self._beside(words, range(noun.end, span.stop), unknown, strange))
        for at in span:
            if place := max((len(p) for p in self._places if words[at : at + len(p)] == p), default=0):
                behind.update(self._behind(words, range(at + place, span.stop), unknown))
        # Of a room there is a whole, and no "whole light".
        whole = {at for at in beside if words[at] in self._whole}
        named = {room.start for room in rooms if self._names_a_room(words, room)}
        return sorted(((beside | behind) & strange) | whole | named)

    def _other_rooms(self, words: tuple[str, ...], inside: Sequence[Phrase]) -> list[Phrase]:
        """Words for kinds that say which room: "media room", and "garage light", but not "garage door"."""
        kinds = [f for f in inside if f.meaning.what == "kind"]
        called = {(f.start, f.end) for f in inside if f.meaning.what != "kind"}
        rooms = [f for f in kinds if (f.start, f.end) not in called and self._is_room(words, f)]
        things = {f.meaning.value for f in kinds if f not in rooms}
        return [f for f in rooms if self._names_a_room(words, f) or f.meaning.value not in things]

    def _is_room(self, words: tuple[str, ...], kind: Phrase) -> bool:
        return words[kind.start : kind.end] in self._also_rooms or self._names_a_room(words, kind)

    def _names_a_room(self, words: tuple[str, ...], kind: Phrase) -> bool:
        return not self._rooms.isdisjoint(words[kind.end : kind.end + 1])

    def _is_harmless(self, word: str, nouns: Sequence[Phrase], at: int) -> bool:
        """Whether a word tells a thing from no other, or is such a word and a kind in one: "Deckenlicht"."""
        if word in self._harmless:
            return True
        holds = any(f.part and f.start == at for f in nouns)
        return holds and any(word.startswith(each) for each in self._harmless if len(each) >= _STEM)

    def _beside(
        self, words: tuple[str, ...], places: range, unknown: Sequence[int], strange: set[int]
    ) -> Iterable[int]:
        """The words beside a thing, as far as none stands between that is known."""
        for at in places:
            yield at
            if at not in unknown and at not in strange and words[at] not in self._between:
                return

    def _behind(self, words: tuple[str, ...], places: range, unknown: Sequence[int]) -> Iterable[int]:
        """The words behind one such as "in", up to the first that is no article."""
        for at in places[: _MOST_ARTICLES + 1]:
            yield at
            if words[at] not in self._filler and (at not in unknown or words[at] not in self._harmless):
                return


def _tokens(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(token for phrase in phrases for token in tokens_of(phrase))
