"""The command that measures calls of tools: `python -m benchmarks.calls speed` and `validity`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

from benchmarks.calls.speed import Asked, Ours, measure
from benchmarks.calls.speed_requests import Requests
from benchmarks.calls.validity import Validity, ask_all, read_requests
from benchmarks.contenders import Running, running
from benchmarks.peer_models import PeerModels
from benchmarks.peers import PEER_PYTHON, check_source, open_bundles, peer_pythons
from edge_llm.bench.setting import read_setting, setting_lines
from edge_llm.bundle import Bundle
from edge_llm.cli.bundles import cache_directory
from edge_llm.config import EngineSettings
from edge_llm.convert.progress import Progress
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.errors import EdgeLlmError, SourceError
from edge_llm.host.cpu import physical_cores


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns the exit code: 0, 1 (failed) or 2 (usage)."""
    options = _parser().parse_args(arguments)
    work: Callable[[list[Bundle], argparse.Namespace], int] = options.work
    try:
        return work(open_bundles(options.bundle), options)
    except EdgeLlmError as error:
        print(f"benchmarks.calls: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description="Measure calls of tools.")
    commands = parser.add_subparsers(required=True, metavar="speed|validity")
    speed = commands.add_parser(
        "speed",
        help="time from a request to its whole call, against llama.cpp; what grammars cost otherwise",
    )
    _add_common(speed, _speed)
    speed.add_argument(
        "--source",
        metavar="SOURCE",
        default="demo",
        help="the model that the bundles were made from: demo or a .gguf file (default: %(default)s)",
    )
    speed.add_argument(
        "--peer-python",
        metavar="PYTHON",
        action="append",
        help=f"interpreter with llama-cpp-python; may be repeated (default: {PEER_PYTHON})",
    )
    speed.add_argument("--rounds", type=int, metavar="N", default=10, help="rounds (default: %(default)s)")
    validity = commands.add_parser(
        "validity", help="ask many requests with tools from a file, and check every call against its schema"
    )
    _add_common(validity, _validity)
    validity.add_argument(
        "--tools",
        metavar="FILE",
        type=Path,
        required=True,
        help='JSON object with "tools" in OpenAI\'s form, and "prompt", the system text',
    )
    validity.add_argument(
        "--sentences", metavar="FILE", type=Path, nargs="+", required=True, help='JSON lines with "text"'
    )
    validity.add_argument(
        "--count", type=int, metavar="N", default=500, help="requests to each bundle (default: %(default)s)"
    )
    validity.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        default=120,
        help="a reply that takes longer has no end (default: %(default)s)",
    )
    return parser


def _context_tokens(bundles: Sequence[Bundle]) -> int:
    """The context that a service would have with every one of the bundles."""
    return min(EngineSettings().context_of(b.manifest.name, b.manifest.context_tokens) for b in bundles)


def _add_common(
    parser: argparse.ArgumentParser, work: Callable[[list[Bundle], argparse.Namespace], int]
) -> None:
    parser.set_defaults(work=work)
    parser.add_argument(
        "--bundle",
        metavar="DIR",
        type=Path,
        action="append",
        help="bundle of edge_llm; may be repeated (default: the demo's, in int8 and int4)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of each engine (default: one per physical core)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")


def _speed(bundles: list[Bundle], options: argparse.Namespace) -> int:
    check_source(bundles, options.source)
    threads = options.threads or physical_cores()
    models = PeerModels(options.source, cache_directory(), threads, peer_pythons(options.peer_python))
    setting = read_setting(bundles[0], threads, options.rounds)
    requests = Requests(ChatTokenizer(bundles[0]))
    missing: dict[str, str] = {}
    with Progress() as progress, ExitStack() as stack:
        ours = [
            Ours(*(stack.enter_context(_ours(bundle, threads, what)) for what in ("", ", no grammar")))
            for bundle in bundles
        ]
        theirs: list[Asked] = []
        for gguf in ("Q8_0", "Q4_0"):
            for kind, what in (("llama_cpp", ""), ("llama_cpp_checked", ", as its server asks the grammar")):
                name = f"llama.cpp {gguf}{what}"
                try:
                    python = models.python_with("llama_cpp")
                    context = _context_tokens(bundles)
                    process = _contender(name, python, kind, models.gguf(gguf), threads, context)
                    theirs.append(stack.enter_context(process))
                except SourceError as error:
                    missing[name] = str(error)
        report = measure(setting, (ours, theirs, missing), requests, progress)
    print(json.dumps(report.to_json()) if options.json else "\n".join(report.lines()))
    return 0


def _validity(bundles: list[Bundle], options: argparse.Namespace) -> int:
    threads = options.threads or physical_cores()
    setting = read_setting(bundles[0], threads, 1)
    requests = read_requests(options.tools, options.sentences, options.count, options.timeout)
    reports = []
    with Progress() as progress:
        for bundle in bundles:
            name = _name(bundle)
            advance = progress.stage(name, len(requests), "requests")
            answers = ask_all(partial(_ours, bundle, threads), requests, advance)
            reports.append(Validity(name, requests, answers))
    if options.json:
        print(json.dumps(setting | {"bundles": [report.to_json() for report in reports]}))
    else:
        print("\n".join([*setting_lines(setting), *(line for report in reports for line in report.lines())]))
    return 0


def _name(bundle: Bundle) -> str:
    return f"edge_llm {bundle.path.resolve().name}"


def _ours(bundle: Bundle, threads: int, what: str = "") -> AbstractContextManager[Running]:
    context = _context_tokens([bundle])
    return _contender(f"{_name(bundle)}{what}", sys.executable, "edge_llm", bundle.path, threads, context)


def _contender(
    name: str, python: str, kind: str, model: Path, threads: int, context_tokens: int
) -> AbstractContextManager[Running]:
    command: Sequence[str] = [python, "-m", "benchmarks.calls.contender", kind, str(model)]
    return running(name, [*command, str(threads), str(context_tokens)])


if __name__ == "__main__":
    sys.exit(main())
