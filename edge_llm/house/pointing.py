"""Which of a target's actions a clause points to."""

from collections.abc import Iterable

from edge_llm.house.actions import ACTIONS, RANGED, Action, capabilities_of
from edge_llm.house.language.text import tokens_of
from edge_llm.house.reading.clauses import Clause
from edge_llm.house.targets import Target

_INSTEAD = {"lock": {"open": "unlock", "close": "lock"}, "valve": {"on": "open", "off": "close"}}
"""What is meant where a door has a lock and nothing else, or where the water is turned on."""
_LOUDNESS = {"louder", "quieter"}
"""Actions that change a value, without saying by how much."""
_WARMTH = frozenset({"warmer", "cooler"})
"""Actions that change the warmth."""
_FEW_DEGREES = 4
"""Maximum number of degrees to change by; more are a temperature."""
_RATHER = {"off": "pause"}
"""Of two actions that the same words point to, the one that is meant: music is stopped, not its player."""
MOST_WORDS = 1000
"""More than the words of any sentence: what a word for a property weighs."""
PROPERTIES = RANGED | {"color"}
CHOSEN = "mode", "option", "color"
"""Properties that no number is a value of."""
_SET = PROPERTIES | {*CHOSEN}
_CHANGES = {"open_close": ("position",), "brightness": ("brightness", "color")}
"""Capabilities whose actions change what others set: "lower the color lights" dims them."""


def can(target: Target, clause: Clause) -> bool:
    """Whether a target can do what a clause points to, or anything where it points to nothing."""
    return bool(pointed_to(target, clause) if clause.points else target.actions)


def literal(able: tuple[Target, ...], clause: Clause) -> tuple[Target, ...]:
    """Those that can do what is said to the letter, if there are any: a door closes before it locks."""
    return tuple(t for t in able if any(a.id in clause.actions for a in pointed_to(t, clause))) or able


def pointed_to(target: Target, clause: Clause) -> list[Action]:
    """The actions of a target that a clause points to, by a word or by a value."""
    if clause.colors and (colors := [a for a in target.actions if a.id == "color"]):
        return colors if set(listed(target, colors[0])) & set(clause.colors) else []
    if not clause.has_value and (named := [a for a in target.actions if said_of(target, a, clause)]):
        return named
    changing = [a for a in target.actions if a.step or a.id in _LOUDNESS]
    if _is_amount(clause) and (changes := _likeliest(changing, clause)):
        return changes
    if clause.has_value:
        return _valued(target, clause)
    able = without_value(target, clause)
    instead = _INSTEAD.get(target.devices[0].kind, {})
    found = _likeliest(able, clause) or [
        a for a in able if any(instead.get(each) == a.id for each in clause.actions)
    ]
    return _only_named(target, clause, found) or found


def without_its_value(clause: Clause) -> bool:
    """Tell whether a clause names a property, such as the volume, and gives no value for it."""
    return not (clause.has_value or clause.colors) and any(map(clause.names, _SET))


def sets_named(target: Target, clause: Clause) -> bool:
    """Tell whether a target has a property that a clause names, such as a volume."""
    return any(a.id in _SET and clause.names(a.id) for a in target.actions)


def _only_named(target: Target, clause: Clause, others: list[Action]) -> list[Action]:
    """The properties that are named without a value, unless ``others`` are pointed to by as much.

    "Set the volume on the radio" turns nothing on; "turn up the volume" changes what it names.
    """
    most = max((clause.actions.get(a.id, 0) for a in others), default=0)
    changed = {each for a in others for each in _CHANGES.get(a.capability, (a.capability,))}
    named = _likeliest([a for a in target.actions if a.id in PROPERTIES], clause)
    return [a for a in named if clause.actions[a.id] > most and a.capability not in changed]


def _is_amount(clause: Clause) -> bool:
    """Whether a number tells by how much to change something: "by ten percent", "two degrees warmer"."""
    few = bool(clause.numbers) and max(clause.numbers) <= _FEW_DEGREES and "percent" not in clause.flags
    return "by" in clause.flags or (few and not _WARMTH.isdisjoint(clause.actions))


def _valued(target: Target, clause: Clause) -> list[Action]:
    """The actions of a target that take the value that a clause says, or none that it names can."""
    ranged = [a for a in target.actions if a.id in RANGED and _in_range(target, a, clause)]
    if "percent" in clause.flags:
        ranged = [a for a in ranged if a.id != "temperature"]
    said = [ACTIONS[each] for each in clause.actions if each in ACTIONS]
    meant = {a.capability for a in said if not a.step and a.value is None} & RANGED
    changed = {a.capability for a in said} & RANGED  # "down" is said of light, sound, warmth and more
    if clause.numbers and not meant and "percent" not in clause.flags:
        chosen = [a for a in target.actions if a.id in CHOSEN and clause.names(a.id)]
        if lacking := [a for a in chosen if not said_of(target, a, clause)]:
            return lacking  # "set the color to 40" is no brightness
    if meant or (changed and (not clause.has_subject or len(changed) == 1)):
        return [a for a in ranged if a.id in (meant or changed)]
    if ranged or "percent" in clause.flags:
        return ranged
    return _likeliest([a for a in target.actions if not a.step and a.value is None], clause)


def weight(target: Target, clause: Clause) -> float:
    """How much points to what a target can do: the words, and most of all a word for a property."""
    pointed = pointed_to(target, clause)
    return max(
        (
            clause.actions.get(a.id, 0) + MOST_WORDS * (a.id in PROPERTIES and _is_said(a, clause))
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
    likeliest = [a for a in actions if most and clause.actions.get(a.id) == most]
    ids = {a.id for a in likeliest}
    return [a for a in likeliest if _RATHER.get(a.id) not in ids]


def without_value(target: Target, clause: Clause) -> list[Action]:
    """The actions of a target that need nothing that the clause does not have."""
    return [
        a
        for a in target.actions
        if (clause.has_value or a.id not in RANGED) and (clause.colors or a.id != "color")
    ]


def listed(target: Target, action: Action) -> tuple[str, ...]:
    """The colors, modes or options of a target's devices."""
    lists = (getattr(capabilities_of(d), action.capability) or () for d in target.devices)
    return tuple(dict.fromkeys(each for names in lists for each in names))


def said_of(target: Target, action: Action, clause: Clause) -> tuple[str, ...]:
    """The modes or options of a target that a clause names, beside its own name: a heat pump may be off."""
    if action.capability not in ("mode", "option"):
        return ()
    # What is said to be set has its value beside it; else one value may be for all that a sentence is about.
    texts = (clause.own,) if any(map(clause.names, _SET)) else (clause.own, clause.text)
    said = " , ".join(_without_name(text, target) for text in texts)
    return tuple(each for each in listed(target, action) if f" {' '.join(tokens_of(each))} " in said)


def _without_name(text: str, target: Target) -> str:
    """The words of a text, each between spaces, without a target's name where that is first said."""
    said = f" {' '.join(tokens_of(text))} "
    for name in (name for device in target.devices for name in (device.name, *device.aliases)):
        said = said.replace(f" {' '.join(tokens_of(name))} ", " , ", 1)
    return said
