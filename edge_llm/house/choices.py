"""What a sentence leaves to choose from: targets, their actions, and values.

Small models choose well among a few and badly among a hundred. What the words of a sentence say, or what
follows from where it was said, is settled here; the model decides among what is left.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from edge_llm.contract.house import Area
from edge_llm.house.actions import ACTIONS, QUERY, RANGED, Action
from edge_llm.house.sentence import Clause, Sentence
from edge_llm.house.targets import EVERYTHING, Target, Targets, united

Problem = Literal["unclear", "impossible"]
_MOST_WORDS = 1000
_FEW = 2
PROPERTIES = RANGED | {"color"}
_AS_LOCK = {"open": "unlock", "close": "lock"}
"""What is meant where a door has a lock and nothing else."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one clause leaves: at least one target, each with at least one action; or a ``problem``.

    ``open`` tells that nothing in the clause says which target: then it may be no command at all.
    """

    clause: Clause
    targets: tuple[Target, ...] = ()
    problem: Problem | None = None
    open: bool = False
    is_question: bool = False
    excepted: frozenset[str] = frozenset()
    """Ids of the devices that it is not for."""

    def actions(self, target: Target) -> tuple[Action, ...]:
        """The actions that are left for a target."""
        if self.is_question:
            return (QUERY,)
        pointed = _pointed(target, self.clause)
        return tuple(pointed or _without_value(target, self.clause) or target.actions)


class Chooser:
    """Finds the choices of sentences in one house."""

    def __init__(self, targets: Targets) -> None:
        """Choose among ``targets``."""
        self._targets = targets

    def choices(self, sentence: Sentence, here: Area | None) -> tuple[Choice, ...]:
        """The choices of a sentence that was said in the area ``here``, a clause each."""
        excepted = frozenset[str]()
        if sentence.excepted:
            targets = self._subjects(sentence.excepted, here, sentence.excepted)
            excepted = frozenset(each for target in targets for each in target.ids)
        choices = tuple(
            self._choice(clause, here, excepted, is_question=sentence.is_question)
            for clause in sentence.clauses
        )
        lost = sentence.excepted is not None and not excepted
        return tuple(replace(choice, problem="unclear") for choice in choices) if lost else choices

    def _choice(
        self, clause: Clause, here: Area | None, excepted: frozenset[str], *, is_question: bool
    ) -> Choice:
        fitting = self._subjects(clause, here, clause)
        if clause.is_elsewhere and not any(t.devices[0].kind == "todo" for t in fitting):
            return Choice(clause, fitting, "impossible", is_question=is_question)
        if is_question:
            only_guessed = not (clause.named or clause.kinds or clause.has_place) and bool(clause.unknown)
            return Choice(clause, fitting, open=only_guessed or not fitting, is_question=True)
        able = tuple(t for t in fitting if _can(t, clause))
        if able:
            return Choice(clause, able, self._doubt(clause, able, here), excepted=excepted)
        if clause.has_subject or clause.has_place:
            return Choice(clause, fitting, "impossible")
        # "Set it to 40 percent" is meant for the house, "tell me 3 jokes" is not.
        problem: Problem | None = "unclear" if clause.points and not clause.unknown else None
        return Choice(clause, (), problem, open=True)

    def _doubt(self, clause: Clause, able: tuple[Target, ...], here: Area | None) -> Problem | None:
        """Why it is better to ask back, although there are targets."""
        if clause.flags & {"upstairs", "downstairs"} and not clause.floors:
            return "unclear"  # which floor that is depends on where one is
        everybody = "all" in clause.flags
        if not able[0].is_group:
            names = {t.devices[0].name.casefold() for t in able}
            alike = len(names) == 1 or not clause.named
            return "unclear" if len(able) > 1 and alike and not everybody else None
        devices = {each for target in able for each in target.ids}
        near = here is not None and able[0].area == here
        if clause.has_place or everybody or len(devices) == 1:
            return None
        if clause.kinds:
            # There is none where one is, or it is not said which.
            return "unclear" if not near and (here or clause.unknown or clause.singular) else None
        if any(_weight(target, clause) > _MOST_WORDS for target in able):
            return None  # a property is said, which few things have
        return None if near and len(able) <= _FEW and not clause.unknown else "unclear"

    def _subjects(self, clause: Clause, here: Area | None, doing: Clause) -> tuple[Target, ...]:
        """The targets that a clause names, or that follow from rooms and kinds."""
        lists = self._lists(clause, doing)
        if lists:
            return lists
        named = _in_place(clause.named, clause, here)
        partly = _in_place(clause.partly, clause, here)
        if clause.kinds:
            partly = tuple(t for t in partly if _device_is_of(t, clause.kinds))
        able = [t for t in named or partly if _can(t, doing)]
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
        kinds = frozenset({EVERYTHING}) if "everything" in clause.flags else clause.kinds
        if not kinds and not clause.areas and not clause.floors and not (doing.actions or doing.colors):
            return ()
        fitting = [
            g for g in self._targets.groups if (_is_of(g, kinds) if kinds else EVERYTHING not in g.kinds)
        ]
        ids = {area.id for area in clause.areas}
        floors = {floor.id for floor in clause.floors}
        if ids:
            places = [g for g in fitting if g.area and g.area.id in ids]
        elif floors:
            places = [g for g in fitting if g.floor and g.floor.id in floors]
        else:
            near = [g for g in fitting if here and g.area and g.area.id == here.id and _can(g, doing)]
            whole = [g for g in fitting if g.area is None and g.floor is None]
            places = whole if "whole_house" in clause.flags or not near else near
        if not kinds and doing.points:
            most = max((_weight(g, doing) for g in places), default=0)
            places = [g for g in places if _can(g, doing) and _weight(g, doing) == most]
        return _united(places, said=bool(kinds))


def _in_place(named: tuple[Target, ...], clause: Clause, here: Area | None) -> tuple[Target, ...]:
    """Of the devices that are named those in the rooms that are named, or in the speaker's."""
    ids = {area.id for area in clause.areas}
    floors = {floor.id for floor in clause.floors}
    inside = tuple(t for t in named if t.area and (t.area.id in ids or (not ids and t.area.floor in floors)))
    if inside or len(named) == 1:
        return inside or named
    near = tuple(t for t in named if here and t.area and t.area.id == here.id)
    return near or named


def _can(target: Target, clause: Clause) -> bool:
    """Whether a target can do what a clause points to, or anything where it points to nothing."""
    return bool(_pointed(target, clause) if clause.points else target.actions)


def _pointed(target: Target, clause: Clause) -> list[Action]:
    """The actions of a target that a clause points to, by a word or by a value."""
    if clause.colors and (colors := [a for a in target.actions if a.id == "color"]):
        return colors
    if not clause.has_value:
        able = _without_value(target, clause)
        return _likeliest(able, clause) or [
            a for a in able if any(_AS_LOCK.get(each) == a.id for each in clause.actions)
        ]
    ranged = [a for a in target.actions if a.id in RANGED and _in_range(target, a, clause)]
    if "percent" in clause.flags:
        ranged = [a for a in ranged if a.id != "temperature"]
    meant = {ACTIONS[each].capability for each in clause.actions if each in ACTIONS} & RANGED
    if meant:
        return [a for a in ranged if a.id in meant]
    if ranged or "percent" in clause.flags:
        return ranged
    return _likeliest([a for a in target.actions if not a.step and a.value is None], clause)


def _weight(target: Target, clause: Clause) -> float:
    """How much points to what a target can do: the words, and most of all a word for a property."""
    pointed = _pointed(target, clause)
    return max(
        (
            clause.actions.get(a.id, 0) + _MOST_WORDS * (a.id in PROPERTIES and _is_said(a, clause))
            for a in pointed
        ),
        default=0,
    )


def _is_said(action: Action, clause: Clause) -> bool:
    return action.id in clause.actions or (action.id == "color" and bool(clause.colors))


def _in_range(target: Target, action: Action, clause: Clause) -> bool:
    limits = target.limits(action)
    return not clause.numbers or any(limits.min <= number <= limits.max for number in clause.numbers)


def _likeliest(actions: Iterable[Action], clause: Clause) -> list[Action]:
    """Those of some actions that most words point to; none where no word does."""
    most = max((clause.actions.get(a.id, 0) for a in actions), default=0)
    return [a for a in actions if most and clause.actions.get(a.id) == most]


def _without_value(target: Target, clause: Clause) -> list[Action]:
    """The actions of a target that need nothing that the clause does not have."""
    return [
        a
        for a in target.actions
        if (clause.has_value or a.id not in RANGED) and (clause.colors or a.id != "color")
    ]


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
