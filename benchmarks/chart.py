"""The chart of a comparison: decode speed of every engine, as a PNG file."""

from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.paired_runs import DECODE
from benchmarks.report import Report
from edge_llm.bench.chart import error_bar, write_panels


def write_chart(report: Report, path: Path) -> None:
    """Draw a bar per engine that was measured; spreads are error bars."""
    speeds = {result.name: result.values[DECODE] for result in report.results if result.values}
    write_panels([partial(_draw_bars, speeds=speeds)], report.setting, path)


def _draw_bars(axes: Any, speeds: dict[str, tuple[float, ...]]) -> None:
    medians = [median(values) for values in speeds.values()]
    bars = [error_bar(values, middle) for values, middle in zip(speeds.values(), medians, strict=True)]
    axes.barh(list(speeds), medians, xerr=list(zip(*bars, strict=True)), capsize=4)
    axes.set_xlabel(DECODE)
    axes.invert_yaxis()
