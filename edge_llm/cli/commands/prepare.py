"""`edge-llm prepare`: makes a bundle from a model."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edge_llm.bundle import Bundle
from edge_llm.cli.bundles import QUANTIZATIONS, extra, make_bundle, quality_json, quality_table, summary
from edge_llm.config import load_settings
from edge_llm.errors import EdgeLlmError, SourceError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``prepare``."""
    parser.add_argument(
        "source", metavar="SOURCE", nargs="?", help="default: engine.source of the configuration"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: engine.bundle of the configuration")
    parser.add_argument("--quant", choices=QUANTIZATIONS, default="int8", help="default: %(default)s")
    parser.add_argument(
        "--exporter",
        choices=("fused", "optimum"),
        default="fused",
        help="fused: Llama, Qwen2 and Qwen3; optimum: any architecture that Optimum exports, from a"
        " directory or hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--calibrate",
        metavar="FILE",
        nargs="?",
        const="",
        help="for int4 and mixed: choose the 4-bit weights by the text or chats (.jsonl) in FILE, or by text"
        " that the model writes itself if no FILE is given. Put this option after SOURCE",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--target-bytes", type=int, metavar="N", help="for mixed: maximum of bytes read per token"
    )
    target.add_argument(
        "--target-kl", type=float, metavar="X", help="for mixed: maximum KL divergence to int8, in nats"
    )
    parser.add_argument(
        "--no-prefill-graph",
        action="store_true",
        help="leave out the graph that reads prompts by 8-bit integers: smaller, slower at prompts",
    )
    parser.add_argument("--no-quality", action="store_true", help="do not measure the quality of the bundle")


def run(options: argparse.Namespace) -> int:
    """Make a bundle, and print its distance from the source."""
    engine = load_settings(options.config).engine
    source, out = options.source or engine.source, options.out or engine.bundle
    _check_options(options)
    if options.exporter == "optimum":
        bundle, measured = _export(source, out, options.quant), dict[str, Any]()
    else:
        bundle, measured = make_bundle(
            source,
            out,
            options.quant,
            quality=not options.no_quality,
            calibrate=options.calibrate,
            target_bytes=options.target_bytes,
            target_kl=options.target_kl,
            prefill=not options.no_prefill_graph,
        )
    size = sum(file.stat().st_size for file in bundle.path.iterdir() if file.is_file())
    if options.json:
        print(json.dumps(summary(bundle) | {"bytes": size} | quality_json(measured)))
        return 0
    print(f"{bundle.path}: {bundle.manifest.name}, {options.quant}, {size / 1e6:.0f} MB")
    if measured:
        header, *_, total = quality_table(measured)
        print(header, total, sep="\n")
    return 0


def _check_options(options: argparse.Namespace) -> None:
    if options.quant != "mixed" and (options.target_bytes or options.target_kl):
        raise EdgeLlmError("--target-bytes and --target-kl go with --quant mixed")
    if options.calibrate is not None and (
        options.quant not in ("int4", "mixed") or options.exporter != "fused"
    ):
        raise EdgeLlmError("--calibrate goes with --quant int4 or mixed, and with the fused exporter")


def _export(spec: str, out: Path, quantization: str) -> Bundle:
    with extra():
        from edge_llm.convert.optimum import prepare_optimum_bundle
        from edge_llm.convert.sources.hub import fetch
        from edge_llm.convert.sources.open_source import HUB_ID
    local = Path(spec).is_dir()
    if not local and not HUB_ID.fullmatch(spec):
        raise SourceError(f"{spec} is neither a directory nor a hub id, which is what Optimum exports")
    directory = Path(spec) if local else fetch(spec)
    print("exporting with Optimum; for 0.5 B parameters this takes a minute or two …", file=sys.stderr)
    return prepare_optimum_bundle(directory, out, quantization, None if local else directory.name)
