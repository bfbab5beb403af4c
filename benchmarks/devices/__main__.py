"""The command that measures a node that moves devices: `python -m benchmarks.devices BUNDLE`."""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.devices.house import ROOMS, THINGS, make_house
from benchmarks.devices.measure import Idle, running
from benchmarks.devices.report import Report
from benchmarks.devices.sentences import make_sentences
from edge_llm.bench.setting import read_setting
from edge_llm.bundle import open_bundle
from edge_llm.cli.bundles import cached_bundle
from edge_llm.convert.progress import Progress
from edge_llm.errors import EdgeLlmError
from edge_llm.host.cpu import physical_cores


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns the exit code: 0, 1 (failed) or 2 (usage)."""
    options = _parser().parse_args(arguments)
    try:
        return _measure(options)
    except EdgeLlmError as error:
        print(f"benchmarks.devices: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.devices",
        description="Say sentences to a node that moves a simulated house on a broker: how soon the first"
        " command is at the device, how soon all is done, and what of it is right; then what the node takes"
        " while idle.",
    )
    parser.add_argument(
        "bundle", metavar="BUNDLE", type=Path, nargs="?", help="bundle of edge_llm (default: the demo's int8)"
    )
    parser.add_argument("--devices", type=_devices, metavar="N", default=60, help="default: %(default)s")
    parser.add_argument("--sentences", type=int, metavar="N", default=60, help="default: %(default)s")
    parser.add_argument(
        "--idle", type=float, metavar="SECONDS", default=30.0, help="of each rest (default: %(default)g)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    return parser


def _devices(text: str) -> int:
    most, number = len(ROOMS) * len(THINGS), int(text)
    if not len(THINGS) <= number <= most:
        raise argparse.ArgumentTypeError(f"give {len(THINGS)} to {most}")
    return number


def _measure(options: argparse.Namespace) -> int:
    bundle = open_bundle(options.bundle) if options.bundle else cached_bundle("demo", "int8")
    setting = read_setting(bundle, physical_cores(), 1)
    house = make_house(options.devices)
    with running(bundle.path, house) as rig, Progress() as progress:
        sentences = make_sentences(house, options.sentences)
        advance = progress.stage("sentences", len(sentences), "sentences")
        said = []
        for sentence in sentences:
            said.append(rig.say(sentence))
            advance(sentence.part)
        idle: Idle = rig.idle(options.idle, progress.stage("idle", 2, "rests"))
        report = Report(setting, len(house), said, idle, rig.peak_rss_mb)
    print(json.dumps(report.to_json()) if options.json else "\n".join(report.lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
