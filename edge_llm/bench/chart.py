"""The chart of a run of `edge-llm bench`, as a PNG file."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edge_llm.bench.figures import Figure
from edge_llm.bench.report import Report

Draw = Callable[[Any], None]


def write_chart(report: Report, path: Path) -> None:
    """Draw the figures that have an axis as lines; spreads are error bars."""
    write_panels(_line_panels(report), report.setting, path)


def write_panels(panels: Sequence[Draw], setting: dict[str, Any], path: Path) -> None:
    """Draw panels side by side under the title of a setting, and write them as a PNG file."""
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415 - needs the extra `bench`

    canvas = Canvas(figsize=(6 * max(1, len(panels)), 4.5), layout="constrained")
    canvas.suptitle("{model}, {quantization}, {threads} threads".format(**setting))
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
        bars = [error_bar(figure.values, figure.median) for figure in figures]
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


def error_bar(values: tuple[float, ...], middle: float) -> tuple[float, float]:
    """Distances from ``middle`` down to the minimum and up to the maximum."""
    return middle - min(values), max(values) - middle
