"""Guesses what a sentence means that says which thing is meant in words that the house does not know."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from edge_llm.contract.house import Area
from edge_llm.house.choice import Choice
from edge_llm.house.choices import Chooser
from edge_llm.house.language.words import Words
from edge_llm.house.reading.mishearing import Mishearing
from edge_llm.house.reading.sentence import SentenceReader
from edge_llm.house.targets import Target, Targets


@dataclass(frozen=True, slots=True)
class Guess:
    """What may be meant: ``targets``, in a sentence with its choices."""

    targets: tuple[Target, ...]
    sentence: str
    choices: tuple[Choice, ...]


class Guesses:
    """Guesses in one house; for any thread. Nothing that it guesses is done unasked."""

    def __init__(self, targets: Targets, words: Words, reader: SentenceReader, chooser: Chooser) -> None:
        """Guess as ``reader`` and ``chooser`` understand."""
        self._targets = targets
        self._words = words
        self._reader = reader
        self._chooser = chooser

    @cached_property
    def _mishearing(self) -> Mishearing:
        return Mishearing(self._targets, self._words)

    def misheard(
        self, sentence: str, here: Area | None, choices: tuple[Choice, ...], at: int
    ) -> Guess | None:
        """What the ``at``-th of some choices is about if its names were misheard; None if none sounds so."""
        found = list(self._misheard(sentence, here, choices, at))
        if not found:
            return None
        said, read = found[0]
        targets = tuple(dict.fromkeys(target for _, each in found for target in each[at].called))
        return _guess(said, targets, (*choices[:at], *read[at:]), at)

    def _misheard(
        self, sentence: str, here: Area | None, choices: tuple[Choice, ...], at: int
    ) -> Iterator[tuple[str, tuple[Choice, ...]]]:
        clause = choices[at].clause
        for said in self._mishearing.corrected(sentence, (*clause.unknown, *clause.strange)):
            read = self._chooser.choices(self._reader.read(said, here), here)
            if len(read) == len(choices) and read[at].called:
                yield said, read

    def near(self, sentence: str, here: Area, choices: tuple[Choice, ...], at: int) -> Guess | None:
        """What the ``at``-th of some choices is about if it is where one is; None if there is nothing."""
        read = self._chooser.choices(self._reader.read(sentence, None), here)
        if len(read) != len(choices) or read[at].problem or not read[at].targets:
            return None
        return _guess(sentence, read[at].targets, (*choices[:at], *read[at:]), at)


def _guess(sentence: str, targets: tuple[Target, ...], choices: tuple[Choice, ...], at: int) -> Guess:
    meant = replace(choices[at], targets=targets)
    return Guess(targets, sentence, (*choices[:at], meant, *choices[at + 1 :]))
