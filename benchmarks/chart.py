"""The chart of a comparison: every engine's speed over the prompt's length, as a PNG file."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Report
from benchmarks.result import DECODE, PREFILL, Result
from edge_llm.bench.chart import error_bar, write_panels


def write_chart(report: Report, path: Path) -> None:
    """Draw a line per engine that was measured; spreads are error bars."""
    results = [result for result in report.results if not result.missing]
    panels = [partial(_draw_lines, results=results, measure=name) for name in (PREFILL, DECODE)]
    write_panels(panels, report.setting, path)


def _draw_lines(axes: Any, results: Sequence[Result], measure: str) -> None:
    for result in results:
        points = {tokens: its for (name, tokens), its in sorted(result.values.items()) if name == measure}
        medians = [median(its) for its in points.values()]
        bars = [error_bar(its, middle) for its, middle in zip(points.values(), medians, strict=True)]
        spreads = list(zip(*bars, strict=True))
        axes.errorbar(list(points), medians, spreads, marker="o", capsize=4, label=result.name)
    axes.set_xlabel("prompt tokens")
    axes.set_ylabel(f"{measure} tokens/s")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="x-small")
