"""`edge-llm verify`: checks a bundle's files, tries it, and measures its quality."""

import argparse
import json
from pathlib import Path
from typing import Any

from edge_llm.bundle import MANIFEST, Bundle, open_bundle
from edge_llm.cli.bundles import cache_directory, extra, quality_json, quality_table, summary
from edge_llm.config import load_settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``verify``."""
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, nargs="?", help="default: engine.bundle")
    parser.add_argument(
        "--against",
        metavar="SOURCE",
        help="also measure the quality, against this model in float32 or against another bundle",
    )


def run(options: argparse.Namespace) -> int:
    """Check a bundle's files, try it, and measure its quality if a reference is named."""
    from edge_llm.convert.trial import try_bundle  # ONNX Runtime, which few commands need

    bundle = open_bundle(options.bundle or load_settings(options.config).engine.bundle)
    try_bundle(bundle)
    measured, agreement = _verify_against(bundle, options.against) if options.against else ({}, None)
    if options.json:
        described = summary(bundle) | quality_json(measured)
        if agreement:
            described["coarse_head"] = dict(zip(("steps", "same"), agreement, strict=True))
        print(json.dumps(described))
        return 0
    files = len(bundle.manifest.sha256)
    name, quantization = bundle.manifest.name, bundle.manifest.quantization
    print(f"{bundle.path}: {name}, {quantization}, {files} checksums fit, it answers")
    if measured:
        print(*quality_table(measured), sep="\n")
    if agreement:
        steps, same = agreement
        print(f"coarse head: the same token as by the whole head at {same:,} of {steps:,} steps")
    return 0


def _verify_against(bundle: Bundle, against: str) -> tuple[dict[str, Any], tuple[int, int] | None]:
    with extra():
        from edge_llm.convert import verify
        from edge_llm.convert.progress import Progress
        from edge_llm.convert.sources.open_source import open_source
    with Progress() as progress:
        if (Path(against) / MANIFEST).exists():
            measured = verify.verify_against_bundle(bundle, open_bundle(Path(against)), progress)
        else:
            source = open_source(against, cache_directory())
            measured = verify.verify_against_source(bundle, source, progress)
        return measured, verify.coarse_head_agreement(bundle, progress)
