"""The report of a comparison: a table for people, one object for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.result import DECODE, PREFILL, Result
from edge_llm.bench.setting import setting_lines


@dataclass(frozen=True)
class Report:
    """One comparison; the first of ``results`` is the one that ratios refer to."""

    setting: dict[str, Any]
    results: Sequence[Result]

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``--json``."""
        return self.setting | {"peers": [result.to_json(self.results[0]) for result in self.results]}

    def lines(self) -> list[str]:
        """Format everything as text: for each contender a line per length of prompt."""
        ours = self.results[0]
        lines = [*setting_lines(self.setting), ""]
        lines.append("tokens/s of prefill, and of decoding behind it: median [min - max] of the rounds, then")
        lines.append(f"x: {ours.name} divided by this one, within a round: median [min - max]")
        for result in self.results:
            lines += ["", *_result_lines(result, ours)]
        return lines


def _result_lines(result: Result, ours: Result) -> list[str]:
    if result.missing:
        return [f"{result.name}: missing ({result.missing})"]
    its = result.to_json(ours)
    peak = f", peak {result.peak_rss_mb:.0f} MB" if result.peak_rss_mb else ""
    lines = [f"{result.name} ({result.version}{peak})"]
    for tokens, prefill in its[PREFILL].items():
        cells = (_cell(measure, is_ours=result is ours) for measure in (prefill, its[DECODE][tokens]))
        lines.append(f"{tokens:>6}  prefill {'  decode '.join(cells)}".rstrip())
    return lines


def _cell(measure: Mapping[str, Any], *, is_ours: bool) -> str:
    rate = "{median:>7.1f} [{min:.1f} - {max:.1f}]".format(**measure)
    ratio = "" if is_ours else "x {median:.2f} [{min:.2f} - {max:.2f}]".format(**measure["ours_to_this"])
    return f"{rate:<28}{ratio:<24}"
