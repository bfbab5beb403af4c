"""The command that measures the agent in Home Assistant: `python -m benchmarks.homeassistant DATA BUNDLE`."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import WebSocketException

from benchmarks.homeassistant import mini, times, tools
from benchmarks.homeassistant.hub import check_installed
from benchmarks.homeassistant.report import PARTS, Report
from edge_llm.bench.setting import read_setting
from edge_llm.bundle import Bundle, open_bundle
from edge_llm.convert.progress import Progress
from edge_llm.errors import EdgeLlmError
from edge_llm.host.cpu import physical_cores

_FAILURES = (EdgeLlmError, OSError, AssertionError, KeyError, WebSocketException, pytest.fail.Exception)
"""What may go wrong with a broker, a node or a Home Assistant: the other parts are measured all the same."""


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns the exit code: 0, 1 (failed) or 2 (usage)."""
    options = _parser().parse_args(arguments)
    try:
        check_installed()
        report = _measure(options, open_bundle(options.bundle))
    except EdgeLlmError as error:
        print(f"benchmarks.homeassistant: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    print(json.dumps(report.to_json()) if options.json else "\n".join(report.lines()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.homeassistant",
        description="Measure the agent in a real Home Assistant, with a real broker and node: right"
        " states of assist-mini, times in the demo house, and Home Assistant's own tools. As root, after"
        " scripts/test-hubs has installed Home Assistant. Takes 10 to 20 minutes.",
    )
    parser.add_argument(
        "data", metavar="DATA", type=Path, help="directory with assist-mini, of benchmarks.commands"
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="bundle of edge_llm")
    parser.add_argument(
        "--only",
        metavar="PART",
        choices=PARTS,
        action="append",
        help=f"of {', '.join(PARTS)}; may be repeated (default: all)",
    )
    parser.add_argument(
        "--misses", metavar="FILE", type=Path, help="write the misses of assist-mini to this file"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    return parser


def _measure(options: argparse.Namespace, bundle: Bundle) -> Report:
    setting = read_setting(bundle, physical_cores(), 1)
    figures: dict[str, Mapping[str, Any]] = {}
    missing: dict[str, str] = {}
    with Progress() as progress:
        for part in options.only or PARTS:
            try:
                figures[part] = _part(part, options, bundle, progress)
            except _FAILURES as error:
                missing[part] = f"{type(error).__name__}: {error}".splitlines()[0]
    return Report(setting, figures, missing)


def _part(part: str, options: argparse.Namespace, bundle: Bundle, progress: Progress) -> Mapping[str, Any]:
    if part == mini.PART:
        results = mini.measure(options.data, bundle, progress)
        if options.misses:
            mini.write_misses(options.misses, results)
        return mini.figures(results)
    if part == times.PART:
        return times.figures(times.measure(bundle, progress))
    return tools.figures(tools.measure(bundle, progress))


if __name__ == "__main__":
    sys.exit(main())
