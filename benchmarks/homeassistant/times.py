"""How long the demo house of Home Assistant waits: for a state to change, and for an answer to begin."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.commands.report import percentiles
from benchmarks.homeassistant.connection import Socket
from benchmarks.homeassistant.demo import CHAT, QUESTIONS, SETTLED, UNDECIDED, Command, demo_house, put_back
from benchmarks.homeassistant.hub import Installation
from edge_llm.bundle import Bundle
from edge_llm.convert.progress import Progress
from tests.hubs.agent import pipeline

PART = "times"
CHANGE_BAR_MS, PIECE_BAR_MS = 800, 400
"""Bars of the medians, warm, with 2 cores and a model of 0.5 B parameters in 8 bits."""
_CHANGES: Mapping[str, Sequence[Command]] = {"settled by words": SETTLED, "left to the model": UNDECIDED}
_ANSWERS: Mapping[str, Sequence[str]] = {"questions": QUESTIONS, "chat": CHAT}
_LATE_S = 5.0
"""Seconds that a state may change after the answer."""


@dataclass(frozen=True)
class Result:
    """Seconds from a sentence to what it waits for, and to its end; None where that did not come."""

    group: str
    first_s: float | None
    end_s: float | None


def measure(bundle: Bundle, progress: Progress) -> list[Result]:
    """Say every sentence once; each group's first one twice, so that what counts is warm."""
    count = sum(len(group) for groups in (_CHANGES, _ANSWERS) for group in groups.values())
    advance = progress.stage(PART, count, "sentences")
    results: list[Result] = []
    with demo_house(bundle) as house, Socket(house.home_assistant) as socket:
        socket.send("subscribe_events", event_type="state_changed")
        for group, commands in _CHANGES.items():
            _change(house, socket, group, commands[0])
            for command in commands:
                results.append(_change(house, socket, group, command))
                advance(group)
        run = pipeline(house.home_assistant, house.agent, "")
        for group, sentences in _ANSWERS.items():
            _answer(socket, group, sentences[0], run)
            for sentence in sentences:
                results.append(_answer(socket, group, sentence, run))
                advance(group)
    return results


def _change(house: Installation, socket: Socket, group: str, command: Command) -> Result:
    """Say a command over ``conversation/process``, and wait for its entity's state."""
    put_back(house.home_assistant, command)
    for _ in socket.messages(0.5):  # of putting it back
        pass
    began = time.monotonic()
    number = socket.send("conversation/process", text=command.text, agent_id=house.agent, language="en")
    first = end = None
    for at, message in socket.messages():
        if message["id"] == number:
            end = at - began
        elif first is None and _entity_of(message) == command.entity:
            first = at - began
        if first is not None and end is not None:
            return Result(group, first, end)
        if end is not None:
            break
    for at, message in socket.messages(_LATE_S):
        if _entity_of(message) == command.entity:
            return Result(group, at - began, end)
    return Result(group, None, end)


def _entity_of(message: Mapping[str, Any]) -> str | None:
    """The entity whose state has changed, if a message is of that."""
    event = message.get("event") or {}
    entity_id = event.get("data", {}).get("entity_id") if event.get("event_type") == "state_changed" else None
    return str(entity_id) if entity_id else None


def _answer(socket: Socket, group: str, sentence: str, run: Mapping[str, Any]) -> Result:
    """Say a sentence to an Assist pipeline, and wait for the first piece of text, and for the end."""
    began = time.monotonic()
    number = socket.send("assist_pipeline/run", **{**run, "input": {"text": sentence}})
    first = None
    for at, message in socket.messages():
        event = message.get("event") or {}
        if message["id"] != number or message["type"] != "event":
            continue
        if event["type"] == "run-end":
            return Result(group, first, at - began)
        delta = event.get("data", {}).get("chat_log_delta", {}) if event["type"] == "intent-progress" else {}
        if first is None and delta.get("content") and delta.get("role", "assistant") == "assistant":
            first = at - began
    return Result(group, first, None)


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """Return times by group, in milliseconds."""
    found: dict[str, Any] = {}
    for group in (*_CHANGES, *_ANSWERS):
        own = [result for result in results if result.group == group]
        first = [1000 * result.first_s for result in own if result.first_s is not None]
        end = [1000 * result.end_s for result in own if result.end_s is not None]
        found[group] = {
            "n": len(own),
            "measured": len(first),
            "first": "state change" if group in _CHANGES else "piece of text",
            "first_ms": percentiles(first),
            "bar_p50_ms": CHANGE_BAR_MS if group in _CHANGES else PIECE_BAR_MS,
            "end_ms": percentiles(end),
        }
    return found


def lines(its: Mapping[str, Any]) -> list[str]:
    """Format the figures as a table."""
    head = f"{'':<20}{'n':>4}{'measured':>10}  {'first':<14}{'p50 ms':>8}{'p95 ms':>8}{'bar':>7}"
    found = [
        f"{PART}: from a sentence to the first state change or piece of text, and to the end of the answer"
    ]
    found.append(f"{head}{'end p50':>9}{'p95':>7}")
    for group, own in its.items():
        first, end = (own[name] or {"p50": "-", "p95": "-"} for name in ("first_ms", "end_ms"))
        line = f"{group:<20}{own['n']:>4}{own['measured']:>10}  {own['first']:<14}{first['p50']:>8}"
        found.append(f"{line}{first['p95']:>8}{own['bar_p50_ms']:>7}{end['p50']:>9}{end['p95']:>7}")
    return found
