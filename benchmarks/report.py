"""The report of a comparison: a table for people, one object for machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.paired_runs import Result
from edge_llm.bench.setting import setting_lines


@dataclass(frozen=True)
class Report:
    """One comparison; the first of ``results`` is ours."""

    setting: dict[str, Any]
    results: Sequence[Result]

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``--json``."""
        return self.setting | {"peers": [result.to_json(self.results[0]) for result in self.results]}

    def lines(self) -> list[str]:
        """Format everything as text: medians with the minimum and the maximum."""
        ours = self.results[0]
        lines = [*setting_lines(self.setting), ""]
        lines.append("peers: median [min - max], then ours divided by theirs, in each round")
        for result in self.results:
            lines += _result_lines(result, ours)
        return lines


def _result_lines(result: Result, ours: Result) -> list[str]:
    if result.missing:
        return [f"{result.name}: missing ({result.missing})"]
    lines = [f"{result.name} ({result.version}, peak {result.peak_rss_mb:.0f} MB)"]
    for measure, its in result.to_json(ours)["measures"].items():
        ratio = its["ours_to_this"]
        line = f"  {measure:<14}{its['median']:>9.1f} [{its['min']:.1f} - {its['max']:.1f}]"
        if result is not ours:
            line += f"   ours x {ratio['median']:.2f} [{ratio['min']:.2f} - {ratio['max']:.2f}]"
        lines.append(line)
    return lines
