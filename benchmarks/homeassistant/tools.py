"""An agent with Home Assistant's own tools (``llm_hass_api``): whether its loop ends, and what it does."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError

from benchmarks.commands.report import percent, percentiles, wilson
from benchmarks.homeassistant.connection import Socket
from benchmarks.homeassistant.demo import SETTLED, Command, demo_house, put_back
from benchmarks.homeassistant.hub import Installation, wait
from edge_llm.bundle import Bundle
from edge_llm.convert.progress import Progress
from edge_llm.errors import EdgeLlmError
from tests.homeassistant_process import HomeAssistant, speech
from tests.hubs.agent import entry, pipeline

PART = "tools"
_FLOWS = "/api/config/config_entries/subentries/flow"
_REFUSED = ("Invalid", "InvalidSlotInfo", "MultipleInvalid", "ToolValidationError")
"""What Home Assistant calls the errors of arguments that do not keep to a tool's schema."""
_UNKNOWN_TOOL = "not found"


@dataclass(frozen=True)
class Result:
    """A sentence: its seconds, the rounds and calls that it took, and what became of them."""

    command: Command
    seconds: float | None
    """None where it did not end."""
    rounds: int = 0
    calls: int = 0
    errors: Sequence[str] = field(default=())
    """Of calls that did not succeed: what Home Assistant said."""
    invalid: int = 0
    failure: str = ""
    """What was said instead of an answer, if it ended in an error."""
    is_done: bool = False
    others: Sequence[str] = field(default=())
    """Other entities that have changed."""

    @property
    def is_right(self) -> bool:
        """Whether what was wanted is done, and nothing else."""
        return self.is_done and not self.others


def measure(bundle: Bundle, progress: Progress) -> list[Result]:
    """Say every sentence to an agent with the tools of Assist.

    Raises:
        EdgeLlmError: there is no such agent.
    """
    advance = progress.stage(PART, len(SETTLED), "sentences")
    results = []
    with demo_house(bundle) as house, Socket(house.home_assistant) as socket:
        run = pipeline(house.home_assistant, _add_agent(house), "")
        _hear(socket, "hello", run)  # its prompt is computed, which takes a while
        for command in SETTLED:
            put_back(house.home_assistant, command)
            results.append(_ask(house.home_assistant, socket, command, run))
            advance("right" if results[-1].is_right else "wrong")
    return results


def _add_agent(house: Installation) -> str:
    """Add an agent that has the tools, as its user does; returns its id."""
    home_assistant = house.home_assistant
    flow = home_assistant.post(_FLOWS, handler=[entry(home_assistant), "conversation"])
    fields = {"name": "Tools", "llm_hass_api": ["assist"]}
    made = home_assistant.post(f"{_FLOWS}/{flow['flow_id']}", **fields)
    if made["type"] != "create_entry":
        raise EdgeLlmError(f"Home Assistant has added no agent: {made.get('errors') or made['type']}")

    def other() -> str | None:
        ids = (state["entity_id"] for state in home_assistant.get("/api/states"))
        agents = [each for each in ids if each.startswith("conversation.") and "home_assistant" not in each]
        return next((each for each in agents if each != house.agent), None)

    agent = str(wait(other))
    wait(lambda: home_assistant.state(agent) != "unavailable")
    return agent


def _ask(home_assistant: HomeAssistant, socket: Socket, command: Command, run: Mapping[str, Any]) -> Result:
    before = _states(home_assistant)
    seconds, deltas, failure = _hear(socket, command.text, run)
    after = _states(home_assistant)
    others = [
        its
        for its, state in after.items()
        if its != command.entity and its in before and state["state"] != before[its]["state"]
    ]
    results = [delta for delta in deltas if delta.get("role") == "tool_result"]
    errors = [_error(delta["result"]) for delta in results if delta["result"].get("error")]
    _undo(home_assistant, before, others)
    return Result(
        command,
        seconds,
        rounds=sum(delta.get("role") == "assistant" for delta in deltas),
        calls=sum(len(delta.get("tool_calls") or ()) for delta in deltas),
        errors=errors,
        invalid=sum(error in _REFUSED for error in errors),
        failure=failure,
        is_done=command.is_done(after[command.entity]),
        others=others,
    )


def _hear(
    socket: Socket, text: str, run: Mapping[str, Any]
) -> tuple[float | None, list[Mapping[str, Any]], str]:
    """Say a sentence to a pipeline; returns its seconds, the deltas, and what was said if it failed."""
    began = time.monotonic()
    number = socket.send("assist_pipeline/run", **{**run, "input": {"text": text}})
    deltas: list[Mapping[str, Any]] = []
    failure = ""
    for at, message in socket.messages():
        event = message.get("event") or {}
        if message["id"] != number or message["type"] != "event":
            continue
        if event["type"] == "intent-progress" and "chat_log_delta" in event["data"]:
            deltas.append(event["data"]["chat_log_delta"])
        if event["type"] == "error":
            failure = str(event["data"]["code"])
        if event["type"] == "intent-end":
            response = event["data"]["intent_output"]["response"]
            failure = speech({"response": response}) if response["response_type"] == "error" else ""
        if event["type"] == "run-end":
            return at - began, deltas, failure
    return None, deltas, "no end"


def _error(result: Mapping[str, Any]) -> str:
    """What Home Assistant calls an error; a tool that there is not counts as one of its form."""
    data = result.get("data") or {}
    if _UNKNOWN_TOOL in str(data.get("error_text", "")) and str(data["error_text"]).startswith("Tool "):
        return _REFUSED[0]
    return str(data.get("error", "unknown"))


def _states(home_assistant: HomeAssistant) -> dict[str, Any]:
    """The states that commands change: not those of sensors and agents, which change by themselves."""
    kept = ("climate", "cover", "fan", "humidifier", "light", "lock", "media_player", "switch", "vacuum")
    states = home_assistant.get("/api/states")
    return {each["entity_id"]: each for each in states if each["entity_id"].partition(".")[0] in kept}


def _undo(home_assistant: HomeAssistant, before: Mapping[str, Any], changed: Sequence[str]) -> None:
    """Put entities back; one that Home Assistant cannot put back stays, and the next sentence begins so."""
    for its in changed:
        known = {name: value for name, value in before[its]["attributes"].items() if value is not None}
        with suppress(HTTPError):
            path = "/api/services/scene/apply"
            home_assistant.post(path, entities={its: {**known, "state": before[its]["state"]}})


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """Return shares, rounds and times, and the errors by their names."""
    right = sum(result.is_right for result in results)
    calls, invalid = (sum(getattr(each, name) for each in results) for name in ("calls", "invalid"))
    ended = [result for result in results if result.seconds is not None]
    errors = [error for result in results for error in result.errors]
    failures = [result.failure for result in results]
    return {
        "n": len(results),
        "ended": len(ended),
        "answered": sum(not failure for failure in failures),
        "failures": {said: failures.count(said) for said in sorted({*failures} - {""})},
        "calls": calls,
        "valid_percent": percent(calls - invalid, calls),
        "failed_calls": {name: errors.count(name) for name in sorted(set(errors))},
        "right": right,
        "right_percent": percent(right, len(results)),
        "interval": wilson(right, len(results)),
        "done": sum(result.is_done for result in results),
        "rounds": percentiles([result.rounds for result in results]),
        "answer_ms": percentiles([1000 * result.seconds for result in ended if result.seconds]),
    }


def lines(its: Mapping[str, Any]) -> list[str]:
    """Format the figures as text."""
    rounds, times = (its[name] or {"p50": "-", "p95": "-"} for name in ("rounds", "answer_ms"))
    failed = ", ".join(f"{count} {name}" for name, count in its["failed_calls"].items()) or "none"
    interval = "[{} - {}]".format(*its["interval"])
    ends = f"{its['ended']} of {its['n']} sentences came to an end, {its['answered']} with an answer"
    right = f"{its['right']} right, {its['right_percent']} % {interval}"
    seconds = f"p50 {_seconds(times['p50'])}, p95 {_seconds(times['p95'])}"
    return [
        f"{PART}: {ends}",
        *(f"  {count} times instead: {said}" for said, count in its["failures"].items()),
        f"  {its['calls']} calls, {its['valid_percent']} % valid; failed: {failed}",
        f"  {right}; {its['done']} did what was wanted, some of them more",
        f"  rounds p50 {rounds['p50']}, p95 {rounds['p95']}; seconds {seconds}",
    ]


def _seconds(milliseconds: float | str) -> str:
    return f"{milliseconds / 1000:.1f}" if isinstance(milliseconds, int | float) else milliseconds
