"""The command that measures a bundle, its service, and other engines beside it."""

import argparse
import importlib.util
import json
import os
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from edge_llm.bundle import Bundle, open_bundle
from edge_llm.cli import prepare
from edge_llm.errors import EdgeLlmError
from edge_llm.host.cpu import physical_cores

if TYPE_CHECKING:
    from edge_llm.bench.figures import Figure
    from edge_llm.bench.measures import Plan
    from edge_llm.bench.peers import Result
    from edge_llm.bench.profiling import Profile
    from edge_llm.bench.report import Report

PEER_PYTHON = Path(".venv-peers/bin/python")
"""Where scripts/bench-peers puts the peers."""


def add_bench(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``bench``."""
    parser.add_argument("--bundle", metavar="DIR", type=Path, help="default: the demo's")
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        default="demo",
        help="what the bundle was made from, for the peers' models: demo (default), a .gguf file, …",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="default: one a physical core")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 5; of --quick 1")
    parser.add_argument(
        "--quick", action="store_true", help="seconds instead of minutes, and figures to match"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument(
        "--profile", action="store_true", help="only: what a decode step costs outside the model"
    )
    only.add_argument(
        "--peers", action="store_true", help="only: other engines on the same weights, by turns"
    )
    parser.add_argument(
        "--peer-python",
        metavar="PYTHON",
        action="append",
        help=f"an interpreter that has peers installed; may be repeated (default: {PEER_PYTHON})",
    )
    parser.add_argument("--chart", metavar="FILE", type=Path, help="also draw a PNG (extra `bench`)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")


def bench(options: argparse.Namespace) -> int:
    """Measure, print, and draw."""
    if options.chart and not importlib.util.find_spec("matplotlib"):
        raise EdgeLlmError("matplotlib is missing: pip install 'edge-llm[bench]'")
    if options.chart and options.profile:
        raise EdgeLlmError("a profile has no chart: leave out --chart or --profile")
    bundle = open_bundle(options.bundle) if options.bundle else prepare.cached_bundle("demo", "int8")
    report = _report(bundle, options)
    print(json.dumps(report.to_json()) if options.json else "\n".join(report.lines()))
    if options.chart:
        from edge_llm.bench.chart import write_chart

        write_chart(report, options.chart)
    return 0


def _report(bundle: Bundle, options: argparse.Namespace) -> "Report":
    with prepare.extra():
        from edge_llm.bench.measures import Plan
        from edge_llm.bench.report import Report
    plan = Plan.quick() if options.quick else Plan()
    plan = replace(plan, rounds=options.rounds or plan.rounds)
    threads = options.threads or physical_cores()
    setting = {
        "model": bundle.manifest.name,
        "quantization": bundle.manifest.quantization,
        "bundle_hash": bundle.hash,
        "threads": threads,
        "rounds": plan.rounds,
        "onnxruntime": version("onnxruntime"),
        "cpu": _cpu_model(),
        "load_average": round(os.getloadavg()[0], 2),
    }
    if options.peers:
        return Report(setting, peers=_peers(bundle, plan, threads, options))
    if options.profile:
        return Report(setting, profile=_profile(bundle, plan, threads))
    return Report(setting, _figures(bundle, plan, threads))


def _figures(bundle: Bundle, plan: "Plan", threads: int) -> "list[Figure]":
    from edge_llm.bench import measures, service_measures
    from edge_llm.bench.figures import Rounds
    from edge_llm.bench.local_engine import LocalEngine
    from edge_llm.convert.progress import Progress

    rounds, context = Rounds(), plan.context_tokens(bundle.manifest.context_tokens)
    with Progress() as progress:
        with LocalEngine(bundle, threads, context) as engine:
            advance = progress.stage("replies", measures.steps(plan, engine), "turns")
            measures.measure_replies(engine, plan, rounds, advance)
            advance = progress.stage("drafts", len(measures.questions(plan, engine)), "questions")
            measures.measure_drafts(engine, plan, rounds, advance)
        with LocalEngine(bundle, threads, context, slots=max(plan.streams)) as engine:
            advance = progress.stage("streams", plan.rounds * len(plan.streams), "turns")
            measures.measure_streams(engine, plan, rounds, advance)
        with LocalEngine(bundle, threads, context) as engine:
            advance = progress.stage("service", service_measures.steps(plan), "turns")
            service_measures.measure_service(engine, plan, rounds, advance)
    return rounds.figures()


def _profile(bundle: Bundle, plan: "Plan", threads: int) -> "Profile":
    from edge_llm.bench.local_engine import LocalEngine
    from edge_llm.bench.profiling import profile

    with LocalEngine(bundle, threads, plan.context_tokens(bundle.manifest.context_tokens)) as engine:
        return profile(engine, plan.rounds, plan.decode_tokens)


def _peers(bundle: Bundle, plan: "Plan", threads: int, options: argparse.Namespace) -> "list[Result]":
    with prepare.extra():
        from edge_llm.bench.peer_models import PeerModels
        from edge_llm.bench.peers import run_peers
        from edge_llm.bench.prompts import Prompts
        from edge_llm.convert.sources.open_source import open_source
        from edge_llm.engine.tokenizer import ChatTokenizer
    origin = open_source(options.source, prepare.cache_directory()).origin
    if origin != bundle.manifest.source:
        raise EdgeLlmError(
            f"the bundle was made from {bundle.manifest.source}, not {origin}: name its source with --source"
        )
    default = [str(PEER_PYTHON)] if PEER_PYTHON.exists() else [sys.executable]
    models = PeerModels(options.source, prepare.cache_directory(), threads)
    prompts = Prompts(ChatTokenizer(bundle))
    return run_peers(bundle.path.resolve(), models, options.peer_python or default, prompts, threads, plan)


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown CPU")
