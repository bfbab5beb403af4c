"""How fast a call of a tool is made, against llama.cpp on the same weights; what grammars cost besides."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Protocol

from benchmarks.calls.speed_requests import FREE_TOKENS, Requests
from edge_llm.bench.figures import spread
from edge_llm.bench.setting import setting_lines
from edge_llm.convert.progress import Progress
from edge_llm.errors import SourceError

Make = Callable[[int], Mapping[str, Any]]
"""Makes the request of a round."""


class Asked(Protocol):
    """A process of ``contender.py``."""

    @property
    def name(self) -> str:
        """Its name in the table."""

    @property
    def version(self) -> str:
        """That of its library."""

    def exchange(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a request."""


@dataclass(frozen=True)
class Ours:
    """A bundle in two processes, of which ``plain`` never compiles a grammar."""

    calling: Asked
    plain: Asked


Answers = dict[str, list[dict[str, Any]]]
"""By name, one a round."""


def play(
    asked: Sequence[Asked], rounds: int, make: Make, progress: Progress, what: str, asks: int = 1
) -> Answers:
    """Ask all of them the same in each round, each round beginning with another one.

    Each is asked ``asks`` times, of which the last counts: the prompt is then in its cache.

    Raises:
        SourceError: one failed.
    """
    answers: Answers = defaultdict(list)
    advance = progress.stage(what, rounds, "rounds")
    for number in range(rounds):
        request, turn = make(number), number % len(asked)
        for its in [*asked[turn:], *asked[:turn]]:
            answer = [its.exchange(request) for _ in range(asks)][-1]
            if "failed" in answer:
                raise SourceError(f"{its.name}: {answer['failed']}")
            answers[its.name].append(answer)
        advance(f"round {number + 1}")
    return answers


@dataclass(frozen=True)
class Speed:
    """What was measured: the answers of each contender, and of each bundle in both its processes."""

    setting: dict[str, Any]
    ours: Sequence[Ours]
    theirs: Sequence[Asked]
    missing: Mapping[str, str]
    calls: Answers
    notes: Answers
    free: tuple[Answers, Answers]
    """Before any grammar was compiled, and after the calls."""

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``--json``."""
        return self.setting | {
            "calls": [self._call_json(its) for its in [*(its.calling for its in self.ours), *self.theirs]],
            "missing": dict(self.missing),
            "free_decoding": [self._free_json(its) for its in self.ours],
            "mask_and_matcher": [self._grammar_json(its.calling.name) for its in self.ours],
        }

    def _call_json(self, its: Asked) -> dict[str, Any]:
        answers = self.calls[its.name]
        tokens = sum(answer["tokens"] for answer in answers)
        known = {
            "name": its.name,
            "version": its.version,
            "ms": spread([answer["call_ms"] for answer in answers]),
            "tokens": median(answer["tokens"] for answer in answers),
            "calls": median(len(answer["calls"]) for answer in answers),
        }
        if its not in self.theirs:
            forced = sum(answer["forced"] for answer in answers)
            whole = spread([answer["total_ms"] for answer in answers])
            return known | {"forced_percent": round(100 * forced / tokens, 1), "whole_reply_ms": whole}
        ratios, same = {}, {}
        for mine in (ours.calling.name for ours in self.ours):
            pairs = list(zip(self.calls[mine], answers, strict=True))
            ratios[mine] = spread([own["call_ms"] / other["call_ms"] for own, other in pairs])
            same[mine] = round(100 * fmean(own["calls"][0] == other["calls"][0] for own, other in pairs), 1)
        return known | {"ours_to_this": ratios, "same_call_percent": same}

    def _free_json(self, its: Ours) -> dict[str, Any]:
        """Compare both processes, before and after: two of one bundle differ a little from the start."""
        names = its.calling.name, its.plain.name
        ratios = []
        for answers in self.free:
            with_grammar, without = ([a["tokens_per_second"] for a in answers[name]] for name in names)
            ratios.append(spread([a / b for a, b in zip(with_grammar, without, strict=True)]))
        change = 100 * (ratios[1]["median"] / ratios[0]["median"] - 1)
        return {
            "name": its.calling.name,
            "tokens_per_second": spread([a["tokens_per_second"] for a in self.free[1][its.calling.name]]),
            "ratio_before": ratios[0],
            "ratio_after": ratios[1],
            "change_percent": round(change, 2),
        }

    def _grammar_json(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {"name": name}
        for what, answers in (("calls", self.calls), ("json", self.notes)):
            steps = [(ms, token) for answer in answers[name] for ms, token in answer["steps"]]
            worst, token = max(steps)
            total, tokens = sum(ms for ms, _ in steps), sum(answer["tokens"] for answer in answers[name])
            found[what] = {
                "chosen_tokens": len(steps),
                "mean_ms": round(total / len(steps), 4),
                "mean_ms_with_forced_tokens": round(total / tokens, 4),
                "worst_ms": round(worst, 3),
                "worst_token": token,
            }
        return found

    def lines(self) -> list[str]:
        """Format everything as text."""
        its = self.to_json()
        lines = [
            *setting_lines(self.setting),
            "",
            "ms from a request to its first whole call, the prompt cached:",
        ]
        lines.append("median [min - max] of the rounds; x: ours divided by this one, within a round")
        for call in its["calls"]:
            lines += ["", *_call_lines(call)]
        lines += [f"{name}: missing ({reason})" for name, reason in self.missing.items()]
        what = f"decoding {FREE_TOKENS} tokens freely, divided by the speed of a process without a grammar:"
        lines += ["", what]
        for free in its["free_decoding"]:
            ratios = (
                f"{_cell(free['ratio_before'], 3)} before it has one, {_cell(free['ratio_after'], 3)} after"
            )
            lines.append(f"{free['name']}: {ratios}: {free['change_percent']:+.2f} %")
        lines += ["", "mask and matcher, ms for each token that is chosen:"]
        for grammar in its["mask_and_matcher"]:
            lines += [
                f"{grammar['name']}, {what}: {_grammar_cell(grammar[what])}" for what in ("calls", "json")
            ]
        return lines


def _call_lines(call: Mapping[str, Any]) -> list[str]:
    lines = [f"{call['name']} ({call['version']})", f"  {_cell(call['ms'], 1)}, {call['tokens']:g} tokens"]
    if "forced_percent" in call:
        whole = f" in {call['calls']:g} calls, {_cell(call['whole_reply_ms'], 1)} ms for all of them"
        lines[1] += f"{whole}, {call['forced_percent']:.0f} % of the tokens forced"
    for name, ratio in call.get("ours_to_this", {}).items():
        lines.append(f"  x {_cell(ratio, 2)}  {name}, {call['same_call_percent'][name]:.0f} % the same call")
    return lines


def _grammar_cell(times: Mapping[str, Any]) -> str:
    cell = "mean {mean_ms:.3f} ({mean_ms_with_forced_tokens:.3f} with the forced ones), worst {worst_ms:.2f}"
    return (cell + " at {worst_token!r}, {chosen_tokens} tokens").format(**times)


def _cell(values: Mapping[str, Any], digits: int) -> str:
    middle, low, high = (f"{values[key]:.{digits}f}" for key in ("median", "min", "max"))
    return f"{middle} [{low} - {high}]"


def measure(
    setting: dict[str, Any],
    contenders: tuple[Sequence[Ours], Sequence[Asked], Mapping[str, str]],
    requests: Requests,
    progress: Progress,
) -> Speed:
    """Run the rounds that ``setting`` names; ``contenders`` are ours, theirs, and the missing with reasons.

    Raises:
        SourceError: one failed.
    """
    ours, theirs, missing = contenders
    rounds = setting["rounds"]
    both = [its for pair in ours for its in (pair.calling, pair.plain)]
    calling = [pair.calling for pair in ours]
    play(both, 1, requests.free, progress, "warm up")
    before = play(both, rounds, requests.free, progress, "decode freely")
    calls = play([*calling, *theirs], rounds, requests.call, progress, "calls", asks=2)
    notes = play(calling, rounds, requests.note, progress, "JSON")
    after = play(both, rounds, requests.free, progress, "decode freely again")
    return Speed(setting, ours, theirs, missing, calls, notes, (before, after))
