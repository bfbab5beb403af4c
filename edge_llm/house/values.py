"""The values that a sentence leaves for an action."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from edge_llm.house.actions import RANGED, Action
from edge_llm.house.choice import Choice
from edge_llm.house.language.numbers import plain
from edge_llm.house.pointing import listed, pointed_to, said_of
from edge_llm.house.reading.clauses import Clause
from edge_llm.house.targets import Target

_LONGEST_ITEM = 100
_A_BIT = 0.5
"""Part of a step that "a bit" stands for."""


def values_of(target: Target, action: Action, choice: Choice) -> tuple[str | float, ...] | None:
    """The values to choose from: none where the sentence names none, and None for what takes no value."""
    clause, flags = choice.clause, choice.clause.flags
    if action.step:
        is_amount = "by" in flags or action.capability == "temperature"
        by = tuple(number / abs(action.step) for number in clause.numbers) if is_amount else ()
        return by or ((_A_BIT,) if "slightly" in flags else None)
    if action.id == "color":
        return tuple(each for each in clause.colors if each in listed(target, action))
    if action.capability in ("mode", "option"):
        return said_of(target, action, clause)
    if action.capability == "add_item":
        return ()
    if action.id not in RANGED:
        return None
    limits = target.limits(action)
    said = (number for number in clause.numbers if limits.min <= number <= limits.max)
    values = [limits.nearest(number) for number in said]
    values += [limits.max] * ("most" in flags)
    # The least that is not off.
    values += [limits.min or min(limits.step, limits.max)] * ("least" in flags)
    values += [limits.nearest((limits.min + limits.max) / 2)] * ("half" in flags)
    return tuple(dict.fromkeys(values))


def lacking(choice: Choice, sentence: Iterable[Choice]) -> tuple[Action, ...]:
    """Return the actions of a choice whose value is missing; an item may stand anywhere in the sentence."""
    lacks = (
        action
        for target in choice.targets
        for action in choice.actions(target)
        if values_of(target, action, choice) == ()
        and not (action.capability == "add_item" and any(each.clause.has_item for each in sentence))
    )
    return tuple(dict.fromkeys(lacks))


def filled(choice: Choice, said: Clause) -> Choice | None:
    """Return the choice, of one target, with the value or change of ``said``; None if that does not fit."""
    clause = replace(
        choice.clause,
        actions=said.actions,
        numbers=said.numbers,
        colors=said.colors,
        flags=choice.clause.flags | said.flags,
        own=said.own,
    )
    with_value = replace(choice, clause=clause)
    fits = pointed_to(choice.targets[0], clause) and not lacking(with_value, ())
    return with_value if fits else None


def value_schema(target: Target, action: Action, choice: Choice) -> dict[str, Any] | None:
    """The JSON schema of a value: what is said, or an item; None for what takes none, or the same always."""
    values = values_of(target, action, choice)
    if values is None or action.step:
        return None
    if values:
        return {"enum": [plain(v) if isinstance(v, float) else v for v in values]}
    assert action.capability == "add_item"  # what else lacks its value is asked back
    return {"type": "string", "minLength": 1, "maxLength": _LONGEST_ITEM}
