"""A house, compiled: what can be said to it, and what a sentence means in it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from edge_llm.contract.house import Area, Device, House
from edge_llm.contract.tools import Schema
from edge_llm.contract.turns import Turn
from edge_llm.house.actions import QUERY, Action
from edge_llm.house.acts import Act, Value
from edge_llm.house.choice import MOST_ASKED, Choice, Problem
from edge_llm.house.choices import Chooser
from edge_llm.house.guesses import Guesses
from edge_llm.house.language.speech import Speech
from edge_llm.house.language.words import words_of
from edge_llm.house.pointing import can, said_of
from edge_llm.house.prompt import example_turns, schema_of, system_text, user_text
from edge_llm.house.reading.answers import Answers, is_value
from edge_llm.house.reading.sentence import SentenceReader
from edge_llm.house.targets import Target, find_targets
from edge_llm.house.values import filled, lacking, values_of


@dataclass(frozen=True, slots=True)
class Settled:
    """The words of a sentence leave one meaning: these acts."""

    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """The model chooses: ``schema`` is what it may write behind ``turns``."""

    turns: tuple[Turn, ...]
    schema: Schema
    sentence: str
    here: Area | None
    choices: tuple[Choice, ...]

    @property
    def only_items(self) -> bool:
        """True if only the items of lists are still open: every device and action is settled."""
        left = [
            [a.capability for t in c.targets for a in c.actions(t)] for c in self.choices if not _only_act(c)
        ]
        return all(each == ["add_item"] for each in left)


@dataclass(frozen=True, slots=True)
class Doubtful:
    """It comes to nothing: ``candidates`` are the devices that may have been meant, each as a target.

    The ``at``-th of its ``choices`` is the one in doubt; the sentence was said in the area ``here``.
    """

    problem: Problem
    candidates: tuple[Target, ...] = ()
    sentence: str = ""
    here: Area | None = None
    choices: tuple[Choice, ...] = ()
    at: int = 0
    guessed: bool = False
    """Whether the candidates are a guess, that is asked about even if it is one."""
    lacks: Action | None = None
    """The action whose value was not said, to be asked for; then there is one candidate."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that the sentence may be about."""
        return tuple(target for choice in self.choices for target in choice.targets)


@dataclass(frozen=True, slots=True)
class Question:
    """It asks for the states of these targets, or which of them are in a ``state``."""

    targets: tuple[Target, ...]
    state: str | None = None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices of all of them."""
        return tuple({device.id: device for target in self.targets for device in target.devices}.values())

    @property
    def acts(self) -> tuple[Act, ...]:
        """The question as acts, which change nothing."""
        return tuple(Act(target, QUERY) for target in self.targets)


@dataclass(frozen=True, slots=True)
class NoCommand:
    """Nothing in it is about the house."""


Meaning = Settled | Undecided | Doubtful | Question | NoCommand


class CompiledHouse:
    """A house in the words of its language; immutable, for any thread."""

    def __init__(self, house: House) -> None:
        """Compile; takes milliseconds, for thousands of devices a second."""
        self.house = house
        self.words = words_of(house.language)
        self.speech = Speech(self.words)
        self.targets = find_targets(house, self.words)
        self._reader = SentenceReader(self.targets, self.words)
        self._chooser = Chooser(self.targets)
        self._guesses = Guesses(self.targets, self.words, self._reader, self._chooser)
        self._singles = {target.devices[0].id: target for target in self.targets.devices}
        self._answers = Answers(self.words)
        self._by_action = {entry.name: action for action, entry in self.words.actions.items()}

    @cached_property
    def prefix(self) -> tuple[Turn, ...]:
        """What every prompt of an act begins with: the house, and examples that are made from it."""
        system = Turn(role="system", content=system_text(self.targets, self.words))
        return (system, *example_turns(self.targets, self.words))

    def meaning(self, sentence: str, area: str | None) -> Meaning:
        """What a sentence means that is said in ``area``, an id or a name."""
        here = self.targets.area(area)
        read = self._reader.read(sentence, here)
        choices = self._chooser.choices(read, here)
        if read.is_question:
            return self._question(sentence, here, choices)
        return self._settle(sentence, here, choices)

    def _settle(self, sentence: str, here: Area | None, choices: tuple[Choice, ...]) -> Meaning:
        for at, choice in enumerate(choices):
            if choice.problem:
                return self._in_doubt(sentence, here, choices, at)
        if any(choice.open for choice in choices):
            return NoCommand()
        if doubtful := self._without_value(sentence, here, choices):
            return doubtful
        settled = [act for choice in choices if (act := _only_act(choice))]
        if len(settled) == len(choices):
            if twice := _two_values(choices, settled):
                return Doubtful("unclear", (twice,))
            return Settled(_each_value_once(settled))
        turns, schema = self._turns(sentence, here, choices), schema_of(choices, self.words)
        return Undecided(turns, schema, sentence, here, choices)

    def _in_doubt(self, sentence: str, here: Area | None, choices: tuple[Choice, ...], at: int) -> Doubtful:
        """What to ask back: what its words sound like, which of a few, or what is near if there are many."""
        problem = choices[at].problem
        assert problem
        if problem != "unclear":
            return Doubtful(problem, (), sentence, here, choices, at)
        candidates = self._candidates(choices[at])
        guess = self._guesses.misheard(sentence, here, choices, at)
        if not guess and here and choices[at].clause.is_lost and len(candidates) > MOST_ASKED:
            guess = self._guesses.near(sentence, here, choices, at)
        if guess:
            return Doubtful("unclear", guess.targets, guess.sentence, here, guess.choices, at, guessed=True)
        return Doubtful("unclear", candidates, sentence, here, choices, at)

    def _without_value(
        self, sentence: str, here: Area | None, choices: tuple[Choice, ...]
    ) -> Doubtful | None:
        """Ask for the first value that is missing, or before that for its device; None if none is missing."""
        for at, choice in enumerate(choices):
            lacks = lacking(choice, choices)
            if len(choice.targets) == len(lacks) == 1 and lacks[0].capability != "add_item":
                return Doubtful("unclear", choice.targets, sentence, here, choices, at, lacks=lacks[0])
            if lacks:
                return Doubtful("unclear", self._candidates(choice), sentence, here, choices, at)
        return None

    def doubt(self, undecided: Undecided) -> Doubtful:
        """What to ask back where the model was not sure: which of several devices, if that is open."""
        choices = undecided.choices
        at = next((at for at, choice in enumerate(choices) if len(choice.targets) > 1), None)
        if at is None:
            return Doubtful("unclear")
        candidates = self._candidates(choices[at])
        return Doubtful("unclear", candidates, undecided.sentence, undecided.here, choices, at)

    def resolve(self, doubtful: Doubtful, meant: Sequence[Target]) -> Meaning:
        """What a sentence means when it is said which candidates are ``meant``."""
        choices, at = doubtful.choices, doubtful.at
        doubt = replace(choices[at], problem=None)
        single = (replace(doubt, targets=(each,), excepted=doubt.excepted - {*each.ids}) for each in meant)
        return self._settle(doubtful.sentence, doubtful.here, (*choices[:at], *single, *choices[at + 1 :]))

    def with_value(self, doubtful: Doubtful, answer: str) -> Meaning | None:
        """Read ``answer`` as the value that was asked for, and settle the sentence; None if it is none."""
        action, choices, at, here = doubtful.lacks, doubtful.choices, doubtful.at, doubtful.here
        if action is None or self.is_yes(answer) is not None:
            return None
        target = choices[at].targets[0]
        set_it = f"{self.words.actions[action.id].cues[0]} {target.devices[0].name}"
        said = self._reader.read(f"{set_it} {answer}", here).clauses
        choice = filled(choices[at], said[0]) if len(said) == 1 else None
        if choice is None:
            return None
        if chosen := said_of(target, action, choice.clause):
            fits = self._answers.is_listed(answer, action.id, chosen)
        else:
            fits = is_value(self._reader.read(answer, here))
        filled_in = (*choices[:at], choice, *choices[at + 1 :])
        return self._settle(doubtful.sentence, here, filled_in) if fits else None

    def _turns(self, sentence: str, here: Area | None, choices: Sequence[Choice]) -> tuple[Turn, ...]:
        said = user_text(sentence, here.name if here else None, choices, self.targets)
        return (*self.prefix, Turn(role="user", content=said))

    def acts(self, text: str, choices: Sequence[Choice]) -> tuple[Act, ...]:
        """The acts that the model has written.

        Raises:
            ValueError: the text was cut.
        """
        written = json.loads(text)
        return tuple(self._act(act, choice) for act, choice in zip(written, choices, strict=False))

    def _act(self, written: dict[str, Any], choice: Choice) -> Act:
        target = next(target for target in choice.targets if target.name == written["device"])
        wanted = self._by_action[written["action"]]
        action = next(action for action in choice.actions(target) if action.id == wanted)
        return Act(target, action, written.get("value"), choice.excepted)

    def _candidates(self, choice: Choice) -> tuple[Target, ...]:
        """What a clause may have meant, device by device."""
        devices = dict.fromkeys(each for target in choice.targets for each in target.ids)
        singles = tuple(self._singles[each] for each in devices)
        able = tuple(single for single in singles if can(single, choice.clause))
        return able or tuple(single for single in singles if choice.actions(single))

    def _question(self, sentence: str, here: Area | None, choices: tuple[Choice, ...]) -> Meaning:
        choice = choices[0]
        if choice.open:
            return NoCommand()
        state = next(iter(choice.clause.states), None)
        if choice.clause.is_lost and (guess := self._guesses.misheard(sentence, here, choices, 0)):
            return Question(guess.targets, state)  # an answer says what it is about, and moves nothing
        return Doubtful(choice.problem) if choice.problem else Question(choice.targets, state)

    def has(self, targets: Iterable[Target]) -> bool:
        """Whether all devices of targets are in this house: it may be another one than they were found in."""
        return self._singles.keys() >= {each for target in targets for each in target.ids}

    def answered(self, sentence: str, candidates: Sequence[Target]) -> tuple[Target, ...]:
        """The candidates that an answer names, see ``Answers.meant``."""
        return self._answers.meant(sentence, candidates)

    def is_yes(self, sentence: str) -> bool | None:
        """Tell a yes from a no: see ``Answers.is_yes``."""
        return self._answers.is_yes(sentence)


def _two_values(choices: Iterable[Choice], acts: Iterable[Act]) -> Target | None:
    """What is set to two values at once, as in "60 %, 1 %", which was 67; "10 %, then 20 %" is in order."""
    set_to: dict[tuple[tuple[str, ...], str], Value] = {}
    for choice, act in zip(choices, acts, strict=True):
        if act.value is not None and not act.action.step:
            known = set_to.setdefault((act.target.ids, act.action.id), act.value)
            if known != act.value and choice.clause.behind_comma:
                return act.target
    return None


def _each_value_once(acts: Iterable[Act]) -> tuple[Act, ...]:
    """Drop a value that is set twice: "the lamp, to 10 percent" says each half of it for the other."""
    kept: list[Act] = []
    for act in acts:
        if act.value is None or act.action.step or act not in kept:
            kept.append(act)
    return tuple(kept)


def _only_act(choice: Choice) -> Act | None:
    """The act of a choice that leaves no choice; None of one that does."""
    if len(choice.targets) != 1:
        return None
    target = choice.targets[0]
    actions = choice.actions(target)
    if len(actions) != 1 or not choice.clause.points:
        return None
    values = values_of(target, actions[0], choice)
    if values is None:
        return Act(target, actions[0], None, choice.excepted)
    return Act(target, actions[0], values[0], choice.excepted) if len(values) == 1 else None
