"""`edge-llm bench`: measures a bundle and the service that serves it."""

import argparse
import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_llm.bundle import Bundle, open_bundle
from edge_llm.cli.bundles import cached_bundle, extra
from edge_llm.config import EngineSettings
from edge_llm.errors import EdgeLlmError
from edge_llm.host.cpu import physical_cores

if TYPE_CHECKING:
    from edge_llm.bench.figures import Figure
    from edge_llm.bench.measures import Plan
    from edge_llm.bench.profiling import Profile
    from edge_llm.bench.report import Report


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``bench``."""
    parser.add_argument("--bundle", metavar="DIR", type=Path, help="default: the demo's, in int8")
    parser.add_argument("--threads", type=int, metavar="N", help="default: one per physical core")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 5, with --quick 1")
    parser.add_argument(
        "--quick", action="store_true", help="one short round: shows that everything runs, not how fast"
    )
    parser.add_argument(
        "--profile", action="store_true", help="only measure the cost of a decode step outside ONNX Runtime"
    )
    parser.add_argument("--chart", metavar="FILE", type=Path, help="also draw a PNG (extra `bench`)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")


def run(options: argparse.Namespace) -> int:
    """Measure, print, and draw."""
    if options.chart and not importlib.util.find_spec("matplotlib"):
        raise EdgeLlmError("matplotlib is missing: pip install 'edge-llm[bench]'")
    if options.chart and options.profile:
        raise EdgeLlmError("a profile has no chart: leave out --chart or --profile")
    bundle = open_bundle(options.bundle) if options.bundle else cached_bundle("demo", "int8")
    report = _report(bundle, options)
    print(json.dumps(report.to_json()) if options.json else "\n".join(report.lines()))
    if options.chart:
        from edge_llm.bench.chart import write_chart

        write_chart(report, options.chart)
    return 0


def _report(bundle: Bundle, options: argparse.Namespace) -> "Report":
    with extra():
        from edge_llm.bench.measures import Plan
        from edge_llm.bench.report import Report
        from edge_llm.bench.setting import read_setting
    plan = Plan.quick() if options.quick else Plan()
    plan = replace(plan, rounds=options.rounds or plan.rounds)
    threads = options.threads or physical_cores()
    setting = read_setting(bundle, threads, plan.rounds)
    if options.profile:
        return Report(setting, profile=_profile(bundle, plan, threads))
    return Report(setting, _figures(bundle, plan, threads))


def _figures(bundle: Bundle, plan: "Plan", threads: int) -> "list[Figure]":
    from edge_llm.bench import measures, service_measures
    from edge_llm.bench.figures import Rounds
    from edge_llm.bench.local_engine import LocalEngine
    from edge_llm.convert.progress import Progress

    rounds = Rounds()
    one = EngineSettings(context_tokens=plan.context_tokens(bundle.manifest.context_tokens), slots=1)
    several = one.model_copy(update={"slots": max(plan.streams)})
    with Progress() as progress:
        with LocalEngine(bundle, threads, one) as engine:
            advance = progress.stage("replies", measures.steps(plan, engine), "steps")
            measures.measure_replies(engine, plan, rounds, advance)
            advance = progress.stage("drafts", len(measures.questions(plan, engine)), "questions")
            measures.measure_drafts(engine, plan, rounds, advance)
        with LocalEngine(bundle, threads, several) as engine:
            advance = progress.stage("streams", plan.rounds * len(plan.streams), "steps")
            measures.measure_streams(engine, plan, rounds, advance)
        with LocalEngine(bundle, threads, one) as engine:
            advance = progress.stage("service", service_measures.steps(plan), "steps")
            service_measures.measure_service(engine, plan, rounds, advance)
    return rounds.figures()


def _profile(bundle: Bundle, plan: "Plan", threads: int) -> "Profile":
    from edge_llm.bench.local_engine import LocalEngine
    from edge_llm.bench.profiling import profile

    settings = EngineSettings(context_tokens=plan.context_tokens(bundle.manifest.context_tokens), slots=1)
    with LocalEngine(bundle, threads, settings) as engine:
        return profile(engine, plan.rounds, plan.decode_tokens)
