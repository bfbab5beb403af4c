"""What one clause of a sentence leaves to choose from."""

from dataclasses import dataclass
from typing import Literal

from edge_llm.contract.house import Area
from edge_llm.house.actions import QUERY, Action
from edge_llm.house.pointing import pointed_to, without_value
from edge_llm.house.reading.clauses import Clause
from edge_llm.house.targets import Target

Problem = Literal["unclear", "impossible"]
MOST_ASKED = 5
"""Maximum number of candidates that are asked about."""
STATELESS = "scene", "script", "button", "input_button"
"""Kinds of devices that nobody asks about, and that a word of their names alone does not mean."""


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

    @property
    def called(self) -> tuple[Target, ...]:
        """The targets that the clause names, and not where one is; none where there is a problem."""
        if self.problem:
            return ()
        there = tuple(t for t in self.targets if t.is_group and is_placed(t, self.clause))
        return tuple(t for t in self.targets if not t.is_group) or there

    def actions(self, target: Target) -> tuple[Action, ...]:
        """The actions that are left for a target."""
        if self.is_question:
            return (QUERY,)
        pointed = pointed_to(target, self.clause)
        return tuple(pointed or without_value(target, self.clause) or target.actions)


def in_place(named: tuple[Target, ...], clause: Clause, here: Area | None) -> tuple[Target, ...]:
    """Of the devices that are named those in the rooms that are named, or in the speaker's."""
    inside = tuple(t for t in named if is_inside(t, clause))
    if inside or len(named) == 1:
        return inside or named
    near = tuple(t for t in named if here and t.area and t.area.id == here.id)
    return near or named


def is_placed(group: Target, clause: Clause) -> bool:
    """Whether a group is that of a room or a floor that is named."""
    return group.area in clause.areas if group.area else group.floor in clause.floors


def is_inside(target: Target, clause: Clause) -> bool:
    """Whether a target is in a room, or else on a floor, that is named."""
    if target.area is None:
        return False
    return target.area in clause.areas if clause.areas else target.area.floor in {f.id for f in clause.floors}
