"""``assist-mini`` of home-assistant-datasets, in a real Home Assistant with an equal house."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.commands.assist import Task, read_tasks
from benchmarks.commands.report import percent, percentiles, wilson
from benchmarks.commands.simulate import States, differing, expected_states
from benchmarks.homeassistant.connection import Socket
from benchmarks.homeassistant.hub import FIXTURE_HOUSE, Installation, installed
from edge_llm.bundle import Bundle
from edge_llm.convert.progress import Progress
from edge_llm.errors import EdgeLlmError
from tests.homeassistant_process import HomeAssistant, speech

PART = "assist-mini"
BAR_PERCENT = 95.0
_CONFIGURATION = f"assist_pipeline:\nconfig:\n{FIXTURE_HOUSE}:\nhomeassistant: {{name: Home}}\n"
_WARM_UP = "hello"


@dataclass(frozen=True)
class Result:
    """A sentence and what has become of the states; ``wrong`` has the attributes that differ, by entity."""

    task: Task
    seconds: float | None
    answer: str
    wrong: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        """Whether it was answered, and all states are as they should be."""
        return self.seconds is not None and not self.wrong


def measure(data: Path, bundle: Bundle, progress: Progress) -> list[Result]:
    """Say every sentence, home by home.

    Raises:
        EdgeLlmError: DATA has none.
    """
    tasks = read_tasks(data / PART)
    if not tasks:
        raise EdgeLlmError(f"{data} has no {PART}: see its README")
    advance = progress.stage(PART, len(tasks), "sentences")
    results: list[Result] = []
    with installed(bundle, _CONFIGURATION) as house, Socket(house.home_assistant) as socket:
        there = ""
        for task in tasks:
            home, _, _ = task.id.partition("/")
            if home != there:
                _build(house, task)
                _say(socket, house.agent, _WARM_UP)
            there = home
            results.append(_ask(house, socket, task))
            advance("right" if results[-1].is_right else "wrong")
    return results


def _build(house: Installation, task: Task) -> None:
    described = task.home.house
    house.home_assistant.post(
        f"/api/services/{FIXTURE_HOUSE}/build",
        floors=[floor.model_dump(mode="json") for floor in described.floors],
        areas=[area.model_dump(mode="json") for area in described.areas],
        devices=[{"id": d.id, "name": d.name, "kind": d.kind, "area": d.area} for d in described.devices],
        states=task.before,
    )
    house.wait_for_house(lambda ids: ids == task.before.keys())


def _ask(house: Installation, socket: Socket, task: Task) -> Result:
    house.home_assistant.post(f"/api/services/{FIXTURE_HOUSE}/set", states=task.before)
    before = _states(house.home_assistant, task.before)
    seconds, answer = _say(socket, house.agent, task.text)
    after = _states(house.home_assistant, task.before)
    return Result(
        task, seconds, answer, differing(expected_states(before, task.changes), after, task.ignored)
    )


def _say(socket: Socket, agent: str, text: str) -> tuple[float | None, str]:
    """Say a sentence; returns the seconds until its answer, None if there is none, and what is spoken."""
    began = time.monotonic()
    number = socket.send("conversation/process", text=text, agent_id=agent, language="en")
    for at, message in socket.messages():
        if message["id"] == number:
            return (at - began, speech(message["result"])) if message["success"] else (None, "")
    return None, ""


def _states(home_assistant: HomeAssistant, ids: Iterable[str]) -> States:
    states = {state["entity_id"]: state for state in home_assistant.get("/api/states")}
    return {
        its: {key: value for key, value in states[its]["attributes"].items() if value is not None}
        | {"state": states[its]["state"]}
        for its in ids
    }


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """Return shares, times and the misses, without a sentence."""
    right = sum(result.is_right for result in results)
    times = [1000 * result.seconds for result in results if result.seconds is not None]
    return {
        "n": len(results),
        "right": right,
        "right_percent": percent(right, len(results)),
        "interval": wilson(right, len(results)),
        "bar_percent": BAR_PERCENT,
        "answer_ms": percentiles(times),
        "unanswered": len(results) - len(times),
        "misses": [{"id": r.task.id, "wrong": dict(r.wrong)} for r in results if not r.is_right],
    }


def lines(its: Mapping[str, Any]) -> list[str]:
    """Format the figures as text."""
    interval = "[{} - {}]".format(*its["interval"])
    times = its["answer_ms"] or {"p50": "-", "p95": "-"}
    right = (
        f"{its['right']} of {its['n']} right, {its['right_percent']} % {interval} (bar: {BAR_PERCENT:g} %)"
    )
    found = [f"{PART}: {right}", f"  sentence to answer p50 {times['p50']} ms, p95 {times['p95']} ms"]
    for miss in its["misses"]:
        wrong = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in miss["wrong"].items())
        found.append(f"  missed: {miss['id']}  {wrong or 'no answer'}")
    return found


def write_misses(path: Path, results: Iterable[Result]) -> None:
    """Write the misses with their sentences to a file, as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for result in results:
            if not result.is_right:
                known: dict[str, Any] = {
                    "id": result.task.id,
                    "text": result.task.text,
                    "answer": result.answer,
                }
                known |= {"expected": dict(result.task.changes), "wrong": dict(result.wrong)}
                print(json.dumps(known, ensure_ascii=False), file=file)
