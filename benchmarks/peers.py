"""The command that compares edge_llm with other engines on the same weights: `python -m benchmarks.peers`."""

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.chart import write_chart
from benchmarks.contenders import llama_benches, our_contenders, peers
from benchmarks.paired_runs import Plan, Startable, run_paired
from benchmarks.peer_models import PeerModels
from benchmarks.report import Report
from edge_llm.bench.prompts import Prompts
from edge_llm.bench.setting import read_setting
from edge_llm.bundle import Bundle, open_bundle
from edge_llm.cli.bundles import cache_directory, cached_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.errors import EdgeLlmError
from edge_llm.host.cpu import physical_cores

DEMO_BUNDLES = ("int8", "int4")
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
        description="Compare edge_llm with OpenVINO GenAI, llama.cpp, Optimum, PyTorch and onnxruntime-genai:"
        " tokens per second of prefill, and of decoding behind it, over the prompt's length. Same weights,"
        " threads and prompts, each engine in a process of its own, alternating for every prompt."
        " Engines that are not installed are listed as missing, with the reason.",
        epilog="scripts/bench-peers installs all engines into .venv-peers and then runs this command with its"
        " arguments. Try it: scripts/bench-peers --quick. With your own model: edge-llm prepare model.gguf"
        " --out DIR, then scripts/bench-peers --bundle DIR --source model.gguf.",
    )
    _add_contenders(parser)
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of each engine (default: one per physical core)"
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="rounds that are counted (default: 5, with --quick 1)"
    )
    parser.add_argument(
        "--tokens",
        type=int,
        metavar="N",
        nargs="+",
        help="lengths of the prompts (default: 256 1024 4096 8000, with --quick 256 1024)",
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


def _add_contenders(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is compared."""
    parser.add_argument(
        "--bundle",
        metavar="DIR",
        type=Path,
        action="append",
        help="bundle of edge_llm; may be repeated: ratios refer to the first (default: the demo's, in int8"
        " and int4). Each is measured with engine.mlock, too, and without its prefill graph",
    )
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        default="demo",
        help="the model that the bundles were made from, and the other engines' models are made from:"
        " demo, a .gguf file, a directory or a hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        metavar="WORD",
        action="append",
        help="leave out the engines that have no such WORD in their names; may be repeated",
    )
    parser.add_argument(
        "--ik-llama-bench", metavar="PATH", type=Path, help="also measure this llama-bench of ik_llama.cpp"
    )
    parser.add_argument(
        "--ik-gguf",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="GGUF file for it; may be repeated (default: llama.cpp's own Q8_0 and Q4_0 of the source)",
    )


def _run(options: argparse.Namespace) -> int:
    if options.chart and not importlib.util.find_spec("matplotlib"):
        raise EdgeLlmError("matplotlib is missing: pip install 'edge-llm[bench]'")
    bundles = open_bundles(options.bundle)
    check_source(bundles, options.source)
    report = _compare(bundles, options)
    print(json.dumps(report.to_json()) if options.json else "\n".join(report.lines()))
    if options.chart:
        write_chart(report, options.chart)
    return 0


def open_bundles(paths: Sequence[Path] | None) -> list[Bundle]:
    """Open the bundles of ``--bundle``; without any the demo's.

    Raises:
        BundleError: one cannot be opened.
    """
    return [open_bundle(p) for p in paths] if paths else [cached_bundle("demo", q) for q in DEMO_BUNDLES]


def check_source(bundles: Sequence[Bundle], source: str) -> None:
    """Raise EdgeLlmError if a bundle was made from another source."""
    origin = open_source(source, cache_directory()).origin
    for bundle in bundles:
        if origin != bundle.manifest.source:
            raise EdgeLlmError(
                f"{bundle.path} was made from {bundle.manifest.source}, not {origin}: name it with --source"
            )


def peer_pythons(named: Sequence[str] | None) -> Sequence[str]:
    """Return the interpreters of ``--peer-python``; without any that of scripts/bench-peers, or this one."""
    return named or ([str(PEER_PYTHON)] if PEER_PYTHON.exists() else [sys.executable])


def _compare(bundles: Sequence[Bundle], options: argparse.Namespace) -> Report:
    plan = Plan.quick() if options.quick else Plan(5)
    lengths = tuple(options.tokens or plan.prompt_tokens)
    plan = replace(plan, rounds=options.rounds or plan.rounds, prompt_tokens=lengths)
    plan = plan.fitting(min(bundle.manifest.context_tokens for bundle in bundles))
    threads = options.threads or physical_cores()
    if not plan.prompt_tokens:
        raise EdgeLlmError("no prompt and reply fit this model's context: name shorter ones with --tokens")
    setting = read_setting(bundles[0], threads, plan.rounds)
    prompts = Prompts(ChatTokenizer(bundles[0]))
    with Progress() as progress:
        results = run_paired(_startables(bundles, options, threads), prompts.of, threads, plan, progress)
    return Report(setting, results)


def _startables(bundles: Sequence[Bundle], options: argparse.Namespace, threads: int) -> list[Startable]:
    """List what is compared: ours, of which the first bundle is never left out, then the others."""
    models = PeerModels(options.source, cache_directory(), threads, peer_pythons(options.peer_python))
    first, *others = [*our_contenders(bundles), *peers(models)]
    found: list[Startable] = [first, *others]
    if options.ik_llama_bench:
        files = {path.stem: path for path in options.ik_gguf}
        found += llama_benches(options.ik_llama_bench, files, models)
    words = [word.lower() for word in options.only or [""]]
    return [its for its in found if its is first or any(word in its.name.lower() for word in words)]


if __name__ == "__main__":
    sys.exit(main())
