"""The report of a measurement of commands: shares with their intervals, times, and misses by kind."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import quantiles
from typing import Any

from benchmarks.commands.judge import MISSES, RIGHT, WRONG
from benchmarks.commands.measure import PARTS, UNCLEAR, Result
from edge_llm.bench.setting import setting_lines

ALL = "all"
_Z = 1.959964
"""The normal distribution's quantile for 95 %."""


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, in percent (Wilson 1927, without continuity correction)."""
    if not n:
        return 0.0, 100.0
    share, square = right / n, _Z * _Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _Z * sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return round(100 * (middle - half), 1), round(100 * (middle + half), 1)


@dataclass(frozen=True)
class Report:
    """The results of all contenders; ``missing`` names those that could not be asked, with the reason."""

    setting: dict[str, Any]
    results: Mapping[str, Sequence[Result]]
    left_out: Counter[tuple[str, str]]
    missing: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``--json``."""
        left_out: dict[str, dict[str, int]] = {}
        for (language, reason), count in sorted(self.left_out.items()):
            left_out.setdefault(language, {})[reason] = count
        return self.setting | {
            "contenders": [{"name": name, **_parts(results)} for name, results in self.results.items()],
            "left_out": left_out,
            "missing": dict(self.missing),
        }

    def lines(self) -> list[str]:
        """Format everything as text: for each contender a line per part and language."""
        its = self.to_json()
        lines = [*setting_lines(self.setting), ""]
        lines += [
            f"left out, {language}: " + ", ".join(f"{count} ({reason})" for reason, count in reasons.items())
            for language, reasons in its["left_out"].items()
        ]
        for contender in its["contenders"]:
            lines += ["", contender["name"], _HEAD]
            for part in PARTS:
                lines += _part_lines(part, contender.get(part, {}))
        return lines + [f"{name}: missing ({reason})" for name, reason in its["missing"].items()]


_HEAD = (
    f"  {'':<12}{'':<5}{'n':>5}{'right %':>9}{'[95 %]':>15}{'wrong %':>9}{'asked %':>9}{'refused %':>11}"
    f"{'valid %':>9}{'exist %':>9}{'forced %':>10}{'p50 ms':>8}{'p95 ms':>8}{'seen':>6}"
)


def _part_lines(part: str, languages: Mapping[str, Any]) -> list[str]:
    lines = []
    for language, its in languages.items():
        interval = "[{} - {}]".format(*its["interval"])
        line = f"  {part:<12}{language:<5}{its['n']:>5}{its['right_percent']:>9}{interval:>15}"
        for name, width in (("wrong_acts", 9), ("asked", 9), ("refused", 11), ("valid", 9), ("exist", 9)):
            line += f"{_cell(its[f'{name}_percent']):>{width}}"
        times = its["total_ms"] or {"p50": None, "p95": None}
        line += f"{_cell(its['forced_percent']):>10}{_cell(times['p50']):>8}{_cell(times['p95']):>8}"
        lines.append(line + f"{its['seen']:>6}")
    if its := languages.get(ALL):
        if its["misses"]:
            misses = ", ".join(f"{count} {kind}" for kind, count in its["misses"].items())
            lines.append(f"  {part:<12}misses: {misses}")
        lines += [
            f"  {part:<12}{group}: {right_and_n[0]} of {right_and_n[1]} right"
            for group, right_and_n in its.get("expected", {}).items()
        ]
        lines += [f"  {part:<12}failed {count} times: {why}" for why, count in its["failures"].items()]
    return lines


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _parts(results: Sequence[Result]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in PARTS:
        own = [result for result in results if result.case.part == part]
        languages = list(dict.fromkeys(result.case.language for result in own))
        by_language = {
            language: _figures([result for result in own if result.case.language == language])
            for language in languages
        }
        if own:
            found[part] = by_language | {ALL: _figures(own)}
    return found


def _figures(results: Sequence[Result]) -> dict[str, Any]:
    verdicts = Counter(result.judgement.verdict for result in results)
    kinds = Counter(result.judgement.miss for result in results)
    answers = [result.answer for result in results if result.answer]
    acting = [result for result in results if result.answer and result.answer.calls]
    n = len(results)
    figures = {
        "n": n,
        "right": verdicts[RIGHT],
        "right_percent": percent(verdicts[RIGHT], n),
        "interval": wilson(verdicts[RIGHT], n),
        "wrong_acts_percent": percent(verdicts[WRONG], n),
        "asked_percent": percent(_outcomes(results, "unclear", "confirm"), n),
        "refused_percent": percent(_outcomes(results, "impossible"), n),
        "valid_percent": percent(sum(answer.valid for answer in answers), n),
        "exist_percent": percent(sum(result.devices_exist for result in acting), len(acting)),
        "forced_percent": percent(
            sum(answer.forced_tokens for answer in answers),
            sum(answer.completion_tokens for answer in answers),
        ),
        "total_ms": percentiles([answer.total_ms for answer in answers]),
        "prompt_tokens": _mean([answer.prompt_tokens for answer in answers]),
        "cached_tokens": _mean([answer.cached_tokens for answer in answers]),
        "seen": sum(result.seen for result in results),
        "misses": {kind: kinds[kind] for kind in MISSES if kinds[kind]},
        "failures": dict(Counter(result.failed for result in results if result.failed)),
    }
    return figures | (_expected(results) if results[0].case.part == UNCLEAR else {})


def _expected(results: Sequence[Result]) -> dict[str, Any]:
    """Return right ones and all, by what is expected of unclear sentences."""
    groups: dict[str, list[int]] = {}
    for result in results:
        group = groups.setdefault(result.case.group, [0, 0])
        group[0] += result.judgement.verdict == RIGHT
        group[1] += 1
    return {"expected": groups}


def _outcomes(results: Sequence[Result], *outcomes: str) -> int:
    """Count the answers that ended in one of these instead of acts, right or not."""
    return sum(
        result.answer is not None and not result.answer.calls and result.answer.outcome in outcomes
        for result in results
    )


def percent(part: int, whole: int) -> float | None:
    """Return a share in percent; None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def _mean(values: Sequence[int]) -> float | None:
    return round(sum(values) / len(values), 1) if values else None


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Return the median and the 95th percentile; None of no values."""
    if not values:
        return None
    cuts = quantiles([*values, *values], n=20, method="inclusive")  # twice: one value has no quantiles
    return {"p50": round(cuts[9]), "p95": round(cuts[18])}
