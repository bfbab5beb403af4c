"""Judges answers: right, or in which of a few ways it was missed."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from benchmarks.commands.assist import Task
from benchmarks.commands.contender import Answer
from benchmarks.commands.data import Sentence
from benchmarks.commands.resolve import ASKS, Act, Acts, Home, resolve, resolve_calls
from benchmarks.commands.simulate import differing, expected_states, reported, run

RIGHT, WRONG, ASKED, REFUSED, SPOKEN, NONE = "right", "wrong act", "asked back", "refused", "spoken", "none"
VERDICTS = (RIGHT, WRONG, ASKED, REFUSED, SPOKEN, NONE)
WRONG_DEVICE, WRONG_ACTION, WRONG_VALUE = "wrong device", "wrong action", "wrong value"
TOO_MUCH, TOO_LITTLE, EXTRA_CALL = "too much", "too little", "extra call"
MISSES = (WRONG_DEVICE, WRONG_ACTION, WRONG_VALUE, TOO_MUCH, TOO_LITTLE, EXTRA_CALL, *VERDICTS[2:])
"""The kinds of misses: of wrong acts, then without any act."""
_OUTCOMES = {"unclear": ASKED, "confirm": ASKED, "impossible": REFUSED, "spoken": SPOKEN, None: NONE}


@dataclass(frozen=True)
class Judgement:
    """One of VERDICTS; for a miss also its kind, and what was expected and done instead, as JSON."""

    verdict: str
    miss: str | None = None
    expected: Any = None
    got: Any = None


def without_acts(answer: Answer) -> str:
    """Return the verdict about an answer that acts on nothing."""
    return _OUTCOMES.get(answer.outcome, NONE)


def acts(answer: Answer) -> bool:
    """Tell whether an answer has a call that does more than to ask."""
    return any(call.name not in ASKS for call in answer.calls)


def judge_command(home: Home, sentence: Sentence, answer: Answer) -> Judgement:
    """Judge the answer to a command with expected calls."""
    expected = resolve(home, sentence.calls, sentence.context_area)
    if not acts(answer):
        verdict = without_acts(answer)
        return Judgement(verdict, verdict, to_json(expected), answer.text)
    got = resolve_calls(home, answer.calls, sentence.context_area)
    if got == expected:
        return Judgement(RIGHT)
    return Judgement(WRONG, kind_of_miss(expected, got), to_json(expected), to_json(got))


def judge_unclear(expected: str, answer: Answer) -> Judgement:
    """Judge the answer to what nobody can do: ``ask`` and ``refuse`` are both fulfilled by either of them.

    ``speak`` is no command at all: only words are right.
    """
    if acts(answer):
        return Judgement(WRONG, EXTRA_CALL, expected, [call.model_dump() for call in answer.calls])
    verdict = without_acts(answer)
    right = (SPOKEN,) if expected == "speak" else (ASKED, REFUSED)
    return Judgement(RIGHT) if verdict in right else Judgement(verdict, verdict, expected, answer.text)


def kind_of_miss(expected: Acts, got: Acts) -> str:
    """Name the way in which acts miss: the first expected one that was not done, beside what is like it."""
    missing = [act for act in expected if got.get(act) != expected[act]]
    others = [act for act in got if expected.get(act) != got[act]]
    if not missing:
        return EXTRA_CALL
    if not others:
        return TOO_LITTLE
    act = missing[0]
    best = max(others, key=lambda other: _likeness(act, expected[act], other, got[other]))
    ids, its = expected[act], got[best]
    if best == act:
        return TOO_MUCH if its > ids else TOO_LITTLE if its and its < ids else WRONG_DEVICE
    if best[0] == act[0]:
        return WRONG_VALUE if its == ids else WRONG_DEVICE
    return WRONG_ACTION


def _likeness(act: Act, ids: frozenset[str], other: Act, its: frozenset[str]) -> tuple[int, int]:
    return (act == other) * 3 + (act[0] == other[0]) + 2 * (ids == its), len(ids & its)


def to_json(found: Acts) -> list[dict[str, Any]]:
    """Return acts as JSON."""
    return [
        {"intent": intent, "values": dict(values), "entities": sorted(ids)}
        for (intent, values), ids in found.items()
    ]


def judge_task(task: Task, answer: Answer) -> Judgement:
    """Judge the answer to a test of home-assistant-datasets by the states after it."""
    if not task.changes:  # a question
        if not acts(answer):
            return Judgement(RIGHT)
        return Judgement(WRONG, EXTRA_CALL, {}, [call.model_dump() for call in answer.calls])
    before, wanted = reported(task.before), expected_states(task.before, task.changes)
    after = reported(run(task.home, task.before, answer, task.context_area))
    if not (wrong := differing(wanted, after, task.ignored)):
        return Judgement(RIGHT)
    expected, got = dict(task.changes), [call.model_dump() for call in answer.calls]
    if not acts(answer):
        verdict = without_acts(answer)
        return Judgement(verdict, verdict, expected, answer.text)
    changed = differing(before, after, task.ignored).keys()
    return Judgement(WRONG, _state_miss(task.changes.keys(), changed, wrong), expected, got)


def _state_miss(expected: AbstractSet[str], changed: AbstractSet[str], wrong: Mapping[str, list[str]]) -> str:
    """Name the way in which states miss: by the entities that changed, then by what is wrong of them."""
    extra, missing = changed - expected, expected & wrong.keys() - changed
    if missing:
        return WRONG_DEVICE if extra else TOO_LITTLE if changed else WRONG_ACTION
    if extra:
        return TOO_MUCH
    return WRONG_ACTION if any("state" in keys for keys in wrong.values()) else WRONG_VALUE
