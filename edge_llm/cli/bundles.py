"""Bundles for the commands: made with progress bars, kept in the cache, described for people and as JSON.

Nothing here imports the converter before it is used: a node that is handed a finished bundle lacks its extra.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_llm.bundle import FORMAT_VERSION, Bundle, open_bundle
from edge_llm.errors import BundleError, EdgeLlmError

QUANTIZATIONS = ("int8", "int4", "mixed", "fp32")


def cache_directory() -> Path:
    """Return the directory of downloads and of the demo's bundles."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge_llm"


def cached_bundle(spec: str, quantization: str) -> Bundle:
    """Open a bundle of the source ``spec`` in the cache; it is prepared if it is missing, old or damaged."""
    name = re.sub(r"[^\w.-]+", "--", spec)  # whole: models differ in owner, path or a decimal alone
    path = cache_directory() / "bundles" / f"{name}-{quantization}"
    try:
        bundle = open_bundle(path)
        if bundle.manifest.format_version == FORMAT_VERSION:
            return bundle
    except BundleError:
        pass
    return make_bundle(spec, path, quantization)[0]


def make_bundle(
    spec: str,
    out: Path,
    quantization: Any,
    *,
    quality: bool = False,
    calibrate: str | None = None,
    target_bytes: int | None = None,
    target_kl: float | None = None,
    prefill: bool = True,
) -> tuple[Bundle, dict[str, Any]]:
    """Prepare a bundle with progress on standard error; returns it and, if ``quality``, that of a sample.

    An older bundle stays in its place until the new one was tried and measured.

    ``calibrate`` is a file of text or chats, "" for text that the model writes, None for plain rounding.
    ``prefill`` adds a prefill graph.
    """
    with extra():
        from edge_llm.convert import verify
        from edge_llm.convert.calibration.text import read_pieces
        from edge_llm.convert.mixed import Target
        from edge_llm.convert.prepare import prepare_bundle
        from edge_llm.convert.progress import Progress
        from edge_llm.convert.sources.open_source import open_source
    pieces = None if calibrate is None else read_pieces(Path(calibrate)) if calibrate else []
    with Progress() as progress:
        source = open_source(spec, cache_directory())
        target = Target(target_bytes, target_kl)
        measured: dict[str, Any] = {}

        def measure(bundle: Bundle) -> None:
            if quality:
                measured.update(verify.verify_against_source(bundle, source, progress, verify.SAMPLE_EVERY))

        bundle = prepare_bundle(source, out, quantization, progress, target, pieces, measure, prefill=prefill)
        return bundle, measured


@contextmanager
def extra() -> Iterator[None]:
    """Translate a failed import in the block into an error that says how to install the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EdgeLlmError(f"{error.name} is missing: pip install 'edge-llm[prepare]'") from error


def summary(bundle: Bundle) -> dict[str, Any]:
    """Describe a bundle for JSON output."""
    manifest = bundle.manifest
    return {
        "bundle": str(bundle.path),
        "hash": bundle.hash,
        "quantization": manifest.quantization,
        "bits": manifest.bits,
    }


def quality_json(measured: dict[str, Any]) -> dict[str, Any]:
    """Describe quality by language for JSON output; empty if nothing was measured."""
    if not measured:
        return {}
    total = measured.popitem()[1]
    return asdict(total) | {"languages": {language: asdict(value) for language, value in measured.items()}}


def quality_table(measured: dict[str, Any]) -> list[str]:
    """Format quality by language as lines: a header, then one line per language, all together last."""
    from edge_llm.convert.quality import table

    return table(measured)
