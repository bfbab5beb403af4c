"""The command that measures commands given to a house: `python -m benchmarks.commands DATA [BUNDLE]`."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.commands.contender import Contender
from benchmarks.commands.data import LANGUAGES
from benchmarks.commands.leak import check
from benchmarks.commands.measure import PARTS, Result, ask_all, read_cases, write_misses
from benchmarks.commands.report import Report
from benchmarks.peer_models import PeerModels
from benchmarks.peers import PEER_PYTHON, peer_pythons
from edge_llm.bench.setting import read_setting
from edge_llm.bundle import Bundle, open_bundle
from edge_llm.cli.bundles import cache_directory, cached_bundle
from edge_llm.convert.progress import Progress
from edge_llm.errors import EdgeLlmError, SourceError
from edge_llm.host.cpu import physical_cores

CONTENDERS = ("ours", "tools", "grammar", "llama")


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns the exit code: 0, 1 (failed) or 2 (usage)."""
    options = _parser().parse_args(arguments)
    try:
        if options.leak:
            return check(options.data, write=options.write)
        return _measure(options)
    except EdgeLlmError as error:
        print(f"benchmarks.commands: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.commands",
        description="Measure how many commands lead to the right act: the Home Assistant intents tests and"
        " assist-mini of DATA, and compound and unclear sentences for a house of our own.",
    )
    parser.add_argument("data", metavar="DATA", type=Path, help="directory with the data: see its README")
    parser.add_argument(
        "bundle", metavar="BUNDLE", type=Path, nargs="?", help="bundle of edge_llm (default: the demo's int8)"
    )
    parser.add_argument(
        "--gguf", metavar="FILE", type=Path, help="the same model as a GGUF file, for `llama`"
    )
    parser.add_argument(
        "--contender",
        metavar="NAMES",
        type=_list_of(CONTENDERS),
        default=("ours",),
        help=f"who is asked, of {','.join(CONTENDERS)} (default: ours): the node's way of acting; Home"
        " Assistant's tools in free text; the same under their grammar; llama.cpp with its own tool calling",
    )
    parser.add_argument(
        "--misses", metavar="FILE", type=Path, help="write the misses to this file, as JSON lines"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of each engine (default: one per physical core)"
    )
    parser.add_argument(
        "--peer-python",
        metavar="PYTHON",
        action="append",
        help=f"interpreter with llama-cpp-python; may be repeated (default: {PEER_PYTHON})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument(
        "--leak", action="store_true", help="check that no sentence of DATA stands in the package"
    )
    parser.add_argument(
        "--write", action="store_true", help="with --leak: write the hashes that the tests know"
    )
    _add_what(parser)
    return parser


def _add_what(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which sentences are asked."""
    parser.add_argument("--half", choices=("dev", "test"), help="which half (default: the one that is there)")
    parser.add_argument(
        "--lang", metavar="LANGUAGES", type=_list_of(LANGUAGES), default=LANGUAGES, help="for example en,de"
    )
    parser.add_argument(
        "--part", metavar="PARTS", type=_list_of(PARTS), default=PARTS, help=f"of {','.join(PARTS)}"
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        type=int,
        help="at most N sentences of each part and language, always the same",
    )
    parser.add_argument(
        "--crowd", metavar="N", type=int, default=0, help="add N devices to the houses of the intents tests"
    )


def _list_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def words(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if unknown := [word for word in found if word not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]}: choose from {','.join(known)}")
        return found

    return words


def _measure(options: argparse.Namespace) -> int:
    asked = read_cases(options.data, options.half, options.lang, options.part, options.limit, options.crowd)
    bundle = open_bundle(options.bundle) if options.bundle else cached_bundle("demo", "int8")
    threads = options.threads or physical_cores()
    setting = read_setting(bundle, threads, 1)
    if options.misses:
        options.misses.write_text("", encoding="utf-8")
    results: dict[str, Sequence[Result]] = {}
    missing: dict[str, str] = {}
    with Progress() as progress:
        for name in options.contender:
            try:
                contender = _STARTS[name](bundle, threads, options)
            except SourceError as error:
                missing[name] = str(error)
                continue
            try:
                advance = progress.stage(name, len(asked.cases), "sentences")
                results[name] = ask_all(contender, asked.cases, advance)
            finally:
                contender.close()
            if options.misses:
                write_misses(options.misses, name, results[name])
    report = Report(setting, results, asked.left_out, missing)
    print(json.dumps(report.to_json()) if options.json else "\n".join(report.lines()))
    return 0


def _ours(bundle: Bundle, threads: int, _options: argparse.Namespace) -> Contender:
    contender: Contender = import_module("benchmarks.commands.ours").Ours(bundle, threads)
    return contender


def _tools(bundle: Bundle, threads: int, options: argparse.Namespace, *, grammar: bool = False) -> Contender:
    from benchmarks.commands.peers.tools import Tools, read_api  # noqa: PLC0415 - needs the extra bench

    return Tools(bundle, threads, read_api(options.data), grammar=grammar)


def _grammar(bundle: Bundle, threads: int, options: argparse.Namespace) -> Contender:
    return _tools(bundle, threads, options, grammar=True)


def _llama(_bundle: Bundle, threads: int, options: argparse.Namespace) -> Contender:
    from benchmarks.commands.peers.llama import Llama  # noqa: PLC0415 - needs the extra bench
    from benchmarks.commands.peers.tools import read_api  # noqa: PLC0415 - needs the extra bench

    if not options.gguf:
        raise SourceError("name the model with --gguf")
    pythons = peer_pythons(options.peer_python)
    python = PeerModels(str(options.gguf), cache_directory(), threads, pythons).python_with("llama_cpp")
    return Llama(options.gguf, python, threads, read_api(options.data))


_STARTS: Mapping[str, Callable[[Bundle, int, argparse.Namespace], Contender]] = {
    "ours": _ours,
    "tools": _tools,
    "grammar": _grammar,
    "llama": _llama,
}


if __name__ == "__main__":
    sys.exit(main())
