"""Whether what models call keeps to what was offered: requests with somebody's tools and sentences."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from jsonschema import Draft202012Validator

from benchmarks.calls.speed import Asked
from edge_llm.convert.progress import Advance
from edge_llm.errors import EdgeLlmError

MAX_TOKENS = 200
CALLED, SPOKEN, CUT = "called", "spoken", "cut short"
NOT_OFFERED, INVALID, NO_CALL, NO_END = "not offered", "invalid", "no call", "no end"
VERDICTS = CALLED, SPOKEN, CUT, NOT_OFFERED, INVALID, NO_CALL, NO_END
"""What a reply is: the first two are as they should be, the third met its limit before a call was whole."""
_FIRST_TOKENS = 5
Request = Mapping[str, Any]


def read_requests(
    tools: Path, sentences: Sequence[Path], count: int, timeout_s: float
) -> list[dict[str, Any]]:
    """Make ``count`` requests, every second of which must be answered with a call; the same on every machine.

    Raises:
        EdgeLlmError: a file cannot be read, or has nothing of what it should have.
    """
    try:
        offered = json.loads(tools.read_text(encoding="utf-8"))
        system, functions = offered.get("prompt"), offered["tools"]
        texts = [
            json.loads(line)["text"] for path in sentences for line in path.read_text("utf-8").splitlines()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EdgeLlmError(
            f"--tools is an object with tools, --sentences lines with text: {error!r}"
        ) from error
    if not texts:
        raise EdgeLlmError("--sentences: there are none")
    random.Random(0).shuffle(texts)  # noqa: S311 - a choice of sentences, no secret
    common = {"tools": functions, "max_tokens": MAX_TOKENS, "timeout_s": timeout_s}
    before = [("system", system)] if system else []
    return [
        {
            **common,
            "messages": [*before, ("user", texts[number % len(texts)])],
            "tool_choice": ("auto", "required")[number % 2],
        }
        for number in range(count)
    ]


def judge(request: Request, answer: Mapping[str, Any]) -> str:
    """Return one of VERDICTS for a reply."""
    if "failed" in answer:
        return NO_END
    schemas = {
        tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in request["tools"]
    }
    calls = answer["calls"]
    if any(call["name"] not in schemas for call in calls):
        return NOT_OFFERED
    if not all(Draft202012Validator(schemas[call["name"]]).is_valid(call["arguments"]) for call in calls):
        return INVALID
    if calls:
        return CALLED
    if answer["finish_reason"] == "length" and not answer["spoke"]:
        return CUT
    return SPOKEN if request["tool_choice"] == "auto" else NO_CALL


def ask_all(
    start: Callable[[], AbstractContextManager[Asked]], requests: Sequence[Request], advance: Advance
) -> list[dict[str, Any]]:
    """Answer all requests; after one that does not end the process is started anew."""
    answers: list[dict[str, Any]] = []
    waiting = iter(requests)
    while len(answers) < len(requests):
        with start() as process:
            for answer in _until_one_fails(process, waiting):
                answers.append(answer)
                advance(process.name)
    return answers


def _until_one_fails(process: Asked, waiting: Iterator[Request]) -> Iterator[dict[str, Any]]:
    for request in waiting:
        answer = process.exchange(request)
        yield answer
        if "failed" in answer:
            return


@dataclass(frozen=True)
class Validity:
    """The replies of one bundle."""

    name: str
    requests: Sequence[Request]
    answers: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return counts, shares and times."""
        verdicts = list(map(judge, self.requests, self.answers))
        whole = [verdict for verdict in verdicts if verdict in (CALLED, NOT_OFFERED, INVALID)]
        ended = [answer for answer in self.answers if "failed" not in answer]
        tokens = sum(answer["tokens"] for answer in ended)
        return {
            "name": self.name,
            "asked": len(self.answers),
            "valid_percent": _percent(whole.count(CALLED), len(whole)),
            "auto": self._choice_json("auto", verdicts),
            "required": self._choice_json("required", verdicts),
            "failures": dict(Counter(answer["failed"] for answer in self.answers if "failed" in answer)),
            "first_tokens": Counter(answer["first"] for answer in ended).most_common(_FIRST_TOKENS),
            "forced_percent": _percent(sum(answer["forced"] for answer in ended), tokens),
            "total_ms": _percentiles([answer["total_ms"] for answer in ended]),
            "call_ms": _percentiles([answer["call_ms"] for answer in ended if answer["calls"]]),
        }

    def _choice_json(self, choice: str, verdicts: Sequence[str]) -> dict[str, Any]:
        chosen = [number for number, request in enumerate(self.requests) if request["tool_choice"] == choice]
        counted = Counter(verdicts[number] for number in chosen)
        ended = [number for number in chosen if verdicts[number] != NO_END]
        prefers = sum(self.answers[number]["prefers_call"] for number in ended)
        return {"prefers_call_percent": _percent(prefers, len(ended))} | {
            verdict: counted[verdict] for verdict in VERDICTS
        }

    def lines(self) -> list[str]:
        """Format everything as text."""
        its = self.to_json()
        lines = [
            f"{self.name}: {its['asked']} requests, {its['valid_percent']} % of replies with calls are valid"
        ]
        for choice in ("auto", "required"):
            counts = ", ".join(f"{its[choice][verdict]} {verdict}" for verdict in VERDICTS)
            lines.append(f"  {choice:<9}{counts}")
            lines.append(f"  {'':<9}the model alone begins a call in {its[choice]['prefers_call_percent']} %")
        lines += [f"  failed {count} times: {reason}" for reason, count in its["failures"].items()]
        firsts = ", ".join(f"{token!r} {count}" for token, count in its["first_tokens"])
        lines.append(f"  most frequent first tokens of the model alone: {firsts}")
        lines.append(f"  {its['forced_percent']} % of the tokens forced")
        for name, what in (("total_ms", "whole reply"), ("call_ms", "first call")):
            if its[name]:
                lines.append("  {}: p50 {p50:.0f} ms, p95 {p95:.0f} ms".format(what, **its[name]))
        return lines


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


def _percentiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    cuts = quantiles([*values, *values], n=20, method="inclusive")  # twice: one value has no quantiles
    return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1)}
