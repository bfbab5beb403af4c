"""What the model is told of a house: its devices, and examples of sentences that were made from it."""

import json
from collections.abc import Iterable
from typing import Any

from edge_llm.contract.tools import Schema
from edge_llm.contract.turns import Turn
from edge_llm.house.actions import RANGED, Action
from edge_llm.house.choice import Choice
from edge_llm.house.language.numbers import plain
from edge_llm.house.language.words import ActionWords, Words
from edge_llm.house.pointing import listed
from edge_llm.house.targets import EVERYTHING, Target, Targets
from edge_llm.house.values import value_schema

MOST_LISTED = 150
"""Maximum number of devices in the system text; those of a larger house stand with each sentence."""
_MOST_ADDED = 20
_EXAMPLE_VALUE = {"temperature": 21.5}


def system_text(targets: Targets, words: Words) -> str:
    """The system prompt: what to do, and the devices by area, with their actions by kind."""
    lines = [words.prompt["system"]]
    actions: dict[str, str] = {}
    for target in targets.groups:
        if target.area is None and target.floor is None and ":" not in target.kinds[0]:
            kind = _kind_name(target, words)
            actions[kind] = ", ".join(words.actions[a.id].name for a in target.actions)
    lines += [f"{kind}: {names}" for kind, names in actions.items()]
    by_area: dict[str, list[str]] = {}
    for target in targets.devices[:MOST_LISTED]:
        if target.actions:
            by_area.setdefault(target.area.name if target.area else words.house, []).append(target.name)
    lines += [f"{area}: {'; '.join(names)}" for area, names in by_area.items()]
    return "\n".join(lines)


def _kind_name(group: Target, words: Words) -> str:
    kind = group.kinds[0]
    return words.everything[0] if kind == EVERYTHING else words.kind(kind, plural=True)


def user_text(sentence: str, here: str | None, choices: Iterable[Choice], targets: Targets) -> str:
    """The user's turn: the sentence, where it was said, and in a large house what it may be about."""
    said = f"[{here}] {sentence}" if here else sentence
    if len(targets.devices) <= MOST_LISTED:
        return said
    names = dict.fromkeys(target.name for choice in choices for target in choice.targets)
    return f"({'; '.join(list(names)[:_MOST_ADDED])}) {said}"


def example_turns(targets: Targets, words: Words) -> tuple[Turn, ...]:
    """Examples for every action that the house has, and one of two acts at once."""
    examples = list(_examples(targets, words))
    turns: list[Turn] = []
    for said, acts in examples:
        turns += (Turn(role="user", content=said), Turn(role="assistant", content=_written(acts)))
    return tuple(turns)


def _written(acts: list[dict[str, Any]]) -> str:
    return json.dumps(acts, ensure_ascii=False)


def _examples(targets: Targets, words: Words) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """Sentences and the acts that they ask for; each kind of target and each action at least once."""
    used: dict[str, int] = {}
    simple: list[tuple[str, dict[str, Any]]] = []
    candidates = [t for t in (*targets.groups, *targets.devices) if t.actions]
    for action_id, entry in words.actions.items():
        able = [t for t in candidates if any(a.id == action_id for a in t.actions)]
        if not able:
            continue
        target = min(able, key=lambda t: used.get(t.name, 0))
        used[target.name] = used.get(target.name, 0) + 1
        action = next(a for a in target.actions if a.id == action_id)
        act = _act(target, entry, _example_value(target, action, entry))
        simple.append((_say(target, entry, act.get("value"), words), act))
    yield from ((said, [act]) for said, act in simple)
    if len(simple) > 1:
        both = f" {words.and_[0]} ".join(said for said, _ in (simple[0], simple[-1]))
        yield both, [simple[0][1], simple[-1][1]]


def _act(target: Target, entry: ActionWords, value: object) -> dict[str, Any]:
    """An act as the model writes it."""
    act: dict[str, Any] = {"device": target.name, "action": entry.name}
    return act if value is None else act | {"value": value}


def _say(target: Target, entry: ActionWords, value: object, words: Words) -> str:
    name = target.name
    if target.is_group:
        kind = _kind_name(target, words)
        place = target.area or target.floor
        name = words.speech["in_area"].format(kinds=kind, area=place.name) if place else f"{kind}"
        name = name.removeprefix("the ") if "the {target}" in entry.say else name
    return entry.say.format(target=name, value=value)


def _example_value(target: Target, action: Action, entry: ActionWords) -> object:
    """A value that the target can have; None for what takes none."""
    if action.id in RANGED:
        return plain(target.limits(action).nearest(_EXAMPLE_VALUE.get(action.id, 40)))
    if action.id in ("color", "mode", "option"):
        return listed(target, action)[0]
    return entry.item or None


def schema_of(choices: tuple[Choice, ...], words: Words) -> Schema:
    """The JSON schema of the acts that a sentence leaves to choose from, one for each clause."""
    parts = [_clause_schema(choice, words) for choice in choices]
    count = len(parts)
    return {"type": "array", "prefixItems": parts, "items": False, "minItems": count, "maxItems": count}


def _clause_schema(choice: Choice, words: Words) -> Schema:
    """What one act may be; targets that can be told the same are one part of it, so that it stays small."""
    parts: dict[str, list[str]] = {}
    for target in choice.targets:
        for part in _parts(target, choice, words):
            parts.setdefault(json.dumps(part, ensure_ascii=False), []).append(target.name)
    choices = [
        {
            "type": "object",
            "properties": {"device": {"enum": list(dict.fromkeys(names))}, **json.loads(part)},
            "required": ["device", *json.loads(part)],
            "additionalProperties": False,
        }
        for part, names in parts.items()
    ]
    return {"anyOf": choices} if len(choices) > 1 else choices[0]


def _parts(target: Target, choice: Choice, words: Words) -> Iterable[dict[str, Any]]:
    """The action of a target, and its value: one part for all actions without a value."""
    plain: list[str] = []
    for action in choice.actions(target):
        name = words.actions[action.id].name
        value = value_schema(target, action, choice)
        if value is None:
            plain.append(name)
        else:
            yield {"action": {"const": name}, "value": value}
    if plain:
        yield {"action": {"enum": plain}}
