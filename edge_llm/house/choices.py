"""What a sentence leaves to choose from: targets, their actions, and values.

Small models choose well among a few and badly among a hundred. What the words of a sentence say, or what
follows from where it was said, is settled here; the model decides among what is left.
"""

from collections.abc import Iterable
from dataclasses import replace

from edge_llm.contract.house import Area
from edge_llm.house.choice import STATELESS, Choice, Problem, in_place, is_inside
from edge_llm.house.pointing import (
    MOST_WORDS,
    can,
    listed,
    literal,
    pointed_to,
    sets_named,
    weight,
    without_its_value,
)
from edge_llm.house.questions import Questions
from edge_llm.house.reading.clauses import Clause, Sentence
from edge_llm.house.targets import EVERYTHING, Target, Targets, united

_FEW = 2
_TALK = 2
"""Number of unknown words from which on a sentence without an action or a thing is talk."""
_SWITCHING = {"on", "off", "start", "dock", "activate"}
"""What being turned on and off is for one kind or another."""
_EVERYBODY = {"all", "everything"}
"""Flags that tell that all are meant."""


class Chooser:
    """Finds the choices of sentences in one house."""

    def __init__(self, targets: Targets) -> None:
        """Choose among ``targets``."""
        self._targets = targets
        self._questions = Questions(targets)

    def choices(self, sentence: Sentence, here: Area | None) -> tuple[Choice, ...]:
        """The choices of a sentence that was said in the area ``here``, a clause each."""
        excepted = frozenset[str]()
        if sentence.excepted:
            targets = self._subjects(sentence.excepted, _near(sentence.excepted, here), sentence.excepted)
            excepted = frozenset(each for target in targets for each in target.ids)
        choices = tuple(
            each
            for clause in sentence.clauses
            for each in _one_by_one(self._choice(clause, here, excepted, is_question=sentence.is_question))
        )
        known = {each for choice in choices for target in choice.targets for each in target.ids}
        # What is excepted is not known, or it is all that there was.
        lost = sentence.excepted is not None and (not known & excepted or known <= excepted)
        return tuple(replace(choice, problem="unclear") for choice in choices) if lost else choices

    def _choice(
        self, clause: Clause, here: Area | None, excepted: frozenset[str], *, is_question: bool
    ) -> Choice:
        # What is asked about is named in the answer; what is near must not be moved for something else.
        here = here if is_question else _near(clause, here)
        fitting = self._subjects(clause, here, clause)
        if clause.inherits and without_its_value(clause) and not any(sets_named(t, clause) for t in fitting):
            clause = clause.alone  # "turn on the lamp and set the volume" is about no volume of the lamp's
            fitting = self._subjects(clause, here, clause)
        if clause.is_elsewhere and not any(t.devices[0].kind == "todo" for t in fitting):
            return Choice(clause, fitting, "impossible", is_question=is_question)
        if is_question:
            return self._questions.choice(clause, fitting, here)
        return self._commanded(clause, fitting, here, excepted)

    def _commanded(
        self, clause: Clause, fitting: tuple[Target, ...], here: Area | None, excepted: frozenset[str]
    ) -> Choice:
        """What a command leaves; what it says is not to be done is asked back, and a number in two parts."""
        refused = "not_" in clause.flags or clause.split_number
        if refused and (clause.has_subject or clause.has_place):
            return Choice(clause, (), "unclear")
        if not (clause.actions or clause.colors or clause.has_subject) and len(clause.unknown) >= _TALK:
            return Choice(clause, (), open=True)  # "name three simple ways to save energy at home"
        able = tuple(t for t in fitting if can(t, clause))
        several = bool(clause.unknown) or any(len(t.actions) > 1 for t in able)
        if able and not clause.points and several and _is_said_of(able, clause):
            # "Good morning" is no word for the scene "Good night", and "my kitchen" no command.
            called = any(t.devices[0].kind not in STATELESS for t in clause.partly)
            named = bool(clause.named or (clause.kinds and not clause.unknown)) or called
            return Choice(clause, able, "unclear" if named else None, open=not named)
        if able:
            able = literal(able, clause) if here and all(t.area == here for t in able) else able
            doubt = self._doubt(clause, able, here) if able[0].is_group else _doubt_of_names(clause, able)
            return Choice(clause, able, "unclear" if clause.lacks_floor else doubt, excepted=excepted)
        if clause.has_subject or (clause.has_place and clause.points):
            return Choice(clause, fitting, "impossible")
        # "Set it to 40 percent" is meant for the house, "tell me 3 jokes" is not.
        problem: Problem | None = "unclear" if clause.points and not clause.unknown else None
        return Choice(clause, (), problem, open=True)

    def _doubt(self, clause: Clause, able: tuple[Target, ...], here: Area | None) -> Problem | None:
        """Why it is better to ask back, although there are groups that can do it."""
        if clause.called_kind and clause.partly and clause.has_place:
            return "unclear"  # other devices are called so, but none there
        devices = {each for target in able for each in target.ids}
        oven = clause.unknown and not clause.kinds and not clause.flags & _EVERYBODY
        if oven or (clause.is_lost and len(devices) > 1):
            return "unclear"  # "the oven", where there is none, is no lamp, and "all hull lights" are not all
        if clause.has_place or clause.flags & _EVERYBODY or len(devices) == 1:
            return None
        near = here is not None and able[0].area == here
        if clause.kinds:
            # There is none where one is, or it is not said which.
            return "unclear" if not near and (here or clause.unknown or not clause.plural) else None
        if any(weight(target, clause) > MOST_WORDS for target in able):
            return None  # a property is said, which few things have
        return None if near and len(able) <= _FEW and not clause.unknown else "unclear"

    def _subjects(self, clause: Clause, here: Area | None, doing: Clause) -> tuple[Target, ...]:
        """The targets that a clause names, or that follow from rooms and kinds."""
        lists = self._lists(clause, doing)
        if lists:
            return lists
        named = in_place(clause.named, clause, here)
        partly = in_place(clause.partly, clause, here)
        if clause.areas or clause.floors:
            # A room that is named tells more than a word of a name, or a name that is a word for a kind.
            partly = tuple(t for t in partly if is_inside(t, clause))
            named = tuple(t for t in named if not clause.called_kind or is_inside(t, clause))
        if clause.kinds:
            partly = tuple(t for t in partly if _device_is_of(t, clause.kinds))
            elsewhere = here and not clause.has_place and all(t.area != here for t in partly)
            if clause.called_kind and (elsewhere or len({k.partition(":")[0] for k in clause.kinds}) > 1):
                partly = ()
        able = [t for t in named or partly if can(t, doing)]
        if able and not (clause.named and clause.plain_kind):
            return tuple(able)
        if any(t.actions for t in named) and not able and not clause.plain_kind:
            return named  # it is called by its name, and cannot do that
        known = {each for t in able for each in t.ids}
        groups = (g for g in self._groups(clause, here, doing) if known.isdisjoint(g.ids))
        return tuple(dict.fromkeys((*(able or named), *groups)))

    def _lists(self, clause: Clause, doing: Clause) -> tuple[Target, ...]:
        """The lists that something is to be put on: what it is may sound like anything."""
        if not doing.actions.keys() & {"add_item", "complete_item"}:
            return ()
        lists = [t for t in self._targets.devices if t.devices[0].kind == "todo"]
        named = [t for t in lists if t in clause.named or t in clause.partly]
        return tuple(named or (lists if "todo" in clause.kinds else ()))

    def _groups(self, clause: Clause, here: Area | None, doing: Clause) -> Iterable[Target]:
        everything = "everything" in clause.flags
        kinds = frozenset({EVERYTHING}) if everything else clause.kinds
        if everything and not {"on", "off"} & doing.actions.keys() and doing.points:
            kinds = frozenset()  # "lock everything": whatever can be locked
        if not kinds and not clause.areas and not clause.floors and not (doing.actions or doing.colors):
            return ()
        # Nothing is put on a list that is not named.
        others = {EVERYTHING, "todo"}
        fitting = [
            g for g in self._targets.groups if (_is_of(g, kinds) if kinds else others.isdisjoint(g.kinds))
        ]
        ids = {area.id for area in clause.areas}
        floors = {floor.id for floor in clause.floors}
        if ids:
            places = [g for g in fitting if g.area and g.area.id in ids]
        elif floors:
            places = [g for g in fitting if g.floor and g.floor.id in floors]
        else:
            near = [g for g in fitting if here and g.area and g.area.id == here.id and can(g, doing)]
            whole = [g for g in fitting if g.area is None and g.floor is None]
            places = whole if "whole_house" in clause.flags or not near else near
        if not kinds and doing.points:
            most = max((weight(g, doing) for g in places), default=0)
            places = [g for g in places if can(g, doing) and weight(g, doing) == most]
            if (ids or floors) and {a.id for g in places for a in pointed_to(g, doing)} <= _SWITCHING:
                # Turning on a room is turning on its lights.
                places = [g for g in places if g.kinds[0] == "light"] or places
        return _united(places, said=everything or bool(kinds))


def _near(clause: Clause, here: Area | None) -> Area | None:
    """Where one speaks, unless the clause says otherwise, in words that are not known."""
    return None if clause.is_lost else here


def _doubt_of_names(clause: Clause, able: tuple[Target, ...]) -> Problem | None:
    """Why it is better to ask back, although there are devices of that name."""
    if clause.vague and not clause.named:
        return "unclear"
    alike = not clause.named or len({t.devices[0].name.casefold() for t in able}) == 1
    return "unclear" if len(able) > 1 and alike and not _together(able, clause) else None


def _together(devices: tuple[Target, ...], clause: Clause) -> bool:
    """Whether several devices are meant: all of them, or those of a room: "the bedside lamps"."""
    room = len({t.area.id if t.area else "" for t in devices}) == 1
    return bool(clause.flags & _EVERYBODY) or (clause.plural and room)


def _one_by_one(choice: Choice) -> Iterable[Choice]:
    """A choice; where several devices are meant of whose names the same is said, one of each."""
    several = len(choice.targets) > 1 and not any(t.is_group for t in choice.targets)
    if several and not (choice.is_question or choice.problem or choice.clause.named):
        yield from (replace(choice, targets=(each,)) for each in choice.targets)
    else:
        yield choice


def _is_said_of(able: tuple[Target, ...], clause: Clause) -> bool:
    """Whether something unknown is said of targets, and there is nothing to choose that it may ask for."""
    lists = any(t.devices[0].kind == "todo" for t in able)
    chosen = any(
        value.casefold() in clause.text
        for t in able
        for a in t.actions
        if a.capability in ("mode", "option")
        for value in listed(t, a)
    )
    guessed = bool(clause.partly) and not (clause.named and not clause.unknown)
    return not lists and not chosen and (not guessed or all(len(t.actions) == 1 for t in able))


def _is_of(group: Target, kinds: frozenset[str]) -> bool:
    """Whether a group is of one of the kinds; one without classes is of any class of its kind."""
    own = group.kinds[0]
    if own in kinds:
        return True
    classes = any(kind.startswith(f"{own}:") for kind in kinds)
    return classes and all(device.device_class is None for device in group.devices)


def _device_is_of(target: Target, kinds: frozenset[str]) -> bool:
    return any(kind.partition(":")[0] == target.devices[0].kind for kind in kinds)


def _united(groups: Iterable[Target], *, said: bool) -> list[Target]:
    """Of groups with the same devices the first, whose kind is the narrowest.

    Where a word was ``said`` that stands for several classes of a kind, they are one group.
    """
    seen: dict[frozenset[str], Target] = {}
    for group in groups:
        seen.setdefault(frozenset(group.ids), group)
    if not said:
        return list(seen.values())
    alike: dict[tuple[str, str | None, str | None], list[Target]] = {}
    for group in seen.values():
        kind = group.kinds[0].partition(":")[0]
        place = group.area.id if group.area else None, group.floor.id if group.floor else None
        alike.setdefault((kind, *place), []).append(group)
    return [united(each) if len(each) > 1 else each[0] for each in alike.values()]
