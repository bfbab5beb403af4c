"""The chart of a run, as a PNG file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from edge_llm.bench.figures import Figure
from edge_llm.bench.peers import DECODE, Result
from edge_llm.bench.report import Report

Draw = Callable[[Any], None]


def write_chart(report: Report, path: Path) -> None:
    """Draw what was measured along an axis, and the peers; spreads are error bars."""
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415 - needs the extra `bench`

    panels = _line_panels(report) + _peer_panels(report)
    canvas = Canvas(figsize=(6 * max(1, len(panels)), 4.5), layout="constrained")
    canvas.suptitle("{model}, {quantization}, {threads} threads".format(**report.setting))
    for index, draw in enumerate(panels):
        draw(canvas.add_subplot(1, len(panels), index + 1))
    canvas.savefig(path, dpi=120, format="png")


def _line_panels(report: Report) -> list[Draw]:
    groups = [
        (("cold TTFT", "TTFT with a new prefix", "warm TTFT, the same prefix"), "prompt tokens"),
        (("decode at context",), "context tokens"),
        (("concurrent streams, together",), "streams"),
    ]
    panels: list[Draw] = []
    for names, axis in groups:
        figures = [[figure for figure in report.figures if figure.name == name] for name in names]
        if any(figures):
            panels.append(partial(_draw_lines, series=figures, axis=axis))
    return panels


def _draw_lines(axes: Any, series: list[list[Figure]], axis: str) -> None:
    for figures in filter(None, series):
        places = [figure.at for figure in figures]
        bars = [_error(figure.values, figure.median) for figure in figures]
        medians = [figure.median for figure in figures]
        axes.errorbar(
            places, medians, list(zip(*bars, strict=True)), marker="o", capsize=4, label=figures[0].name
        )
        axes.set_ylabel(figures[0].unit)
    highest = max(max(figure.values) for figures in series for figure in figures)
    axes.set_ylim(0, 1.15 * highest)
    axes.set_xticks(sorted({figure.at or 0 for figures in series for figure in figures}))
    axes.tick_params(axis="x", rotation=45)
    axes.set_xlabel(axis)
    axes.legend()


def _peer_panels(report: Report) -> list[Draw]:
    present = [peer for peer in report.peers if peer.values]
    return [partial(_draw_bars, peers=present)] if present else []


def _draw_bars(axes: Any, peers: list[Result]) -> None:
    found = [(peer.values or {})[DECODE] for peer in peers]
    medians = [median(values) for values in found]
    bars = [_error(values, middle) for values, middle in zip(found, medians, strict=True)]
    axes.barh([peer.name for peer in peers], medians, xerr=list(zip(*bars, strict=True)), capsize=4)
    axes.set_xlabel(DECODE)
    axes.invert_yaxis()


def _error(values: tuple[float, ...], middle: float) -> tuple[float, float]:
    return middle - min(values), max(values) - middle
