"""The command that compares edge_llm with other engines on the same weights: `python -m benchmarks.peers`."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

from benchmarks.chart import write_chart
from benchmarks.paired_runs import Plan, run_peers
from benchmarks.peer_models import PeerModels
from benchmarks.report import Report
from edge_llm.bench.prompts import Prompts
from edge_llm.bench.setting import read_setting
from edge_llm.bundle import Bundle, open_bundle
from edge_llm.cli.bundles import cache_directory, cached_bundle
from edge_llm.convert.sources.open_source import open_source
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.errors import EdgeLlmError
from edge_llm.host.cpu import physical_cores

PEER_PYTHON = Path(".venv-peers/bin/python")
"""The interpreter into which scripts/bench-peers installs the peers."""


def main(arguments: list[str] | None = None) -> int:
    """Compare, print and draw; returns the exit code: 0, 1 (failed) or 2 (usage)."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except EdgeLlmError as error:
        print(f"benchmarks.peers: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Compare edge_llm with llama.cpp, Optimum, PyTorch, onnxruntime-genai and OpenVINO GenAI:"
        " same weights, threads and prompts, each engine in a process of its own, alternating in every round."
        " Engines that are not installed are listed as missing, with the reason.",
        epilog="scripts/bench-peers installs all engines into .venv-peers and then runs this command with its"
        " arguments. Try it: scripts/bench-peers --quick. With your own model: edge-llm prepare model.gguf"
        " --out DIR, then scripts/bench-peers --bundle DIR --source model.gguf.",
    )
    parser.add_argument(
        "--bundle", metavar="DIR", type=Path, help="bundle of edge_llm (default: the demo's, in int8)"
    )
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        default="demo",
        help="the model that the bundle was made from; the models of the other engines are made from it too:"
        " demo, a .gguf file, a directory or a hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of each engine (default: one per physical core)"
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="rounds that are counted (default: 5, with --quick 1)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round: shows that everything runs, not how fast"
    )
    parser.add_argument(
        "--peer-python",
        metavar="PYTHON",
        action="append",
        help=f"interpreter with other engines installed; may be repeated (default: {PEER_PYTHON})",
    )
    parser.add_argument("--chart", metavar="FILE", type=Path, help="also draw a PNG (needs matplotlib)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.chart and not importlib.util.find_spec("matplotlib"):
        raise EdgeLlmError("matplotlib is missing: pip install 'edge-llm[bench]'")
    bundle = open_bundle(options.bundle) if options.bundle else cached_bundle("demo", "int8")
    origin = open_source(options.source, cache_directory()).origin
    if origin != bundle.manifest.source:
        raise EdgeLlmError(
            f"the bundle was made from {bundle.manifest.source}, not {origin}: name its source with --source"
        )
    report = _compare(bundle, options)
    print(json.dumps(report.to_json()) if options.json else "\n".join(report.lines()))
    if options.chart:
        write_chart(report, options.chart)
    return 0


def _compare(bundle: Bundle, options: argparse.Namespace) -> Report:
    rounds, decode_tokens = (1, 8) if options.quick else (5, 64)
    plan = Plan(options.rounds or rounds, decode_tokens)
    threads = options.threads or physical_cores()
    setting = read_setting(bundle, threads, plan.rounds)
    default = [str(PEER_PYTHON)] if PEER_PYTHON.exists() else [sys.executable]
    models = PeerModels(options.source, cache_directory(), threads)
    prompts = Prompts(ChatTokenizer(bundle))
    pythons = options.peer_python or default
    return Report(setting, run_peers(bundle.path.resolve(), models, pythons, prompts, threads, plan))


if __name__ == "__main__":
    sys.exit(main())
