"""Makes a bundle from a model source: the function behind ``edge-llm prepare``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edge_llm.bundle import (
    CHAT_TEMPLATE,
    MANIFEST,
    MODEL,
    MODEL_DATA,
    TOKENIZER,
    Bundle,
    Calibration,
    KvGeometry,
    Manifest,
    read_manifest,
    sha256_of,
)
from edge_llm.convert import quality
from edge_llm.convert.calibration.calibrate import SEED, TOKENS, Calibrated, calibration_text
from edge_llm.convert.calibration.checkpoint import Checkpoint, remove_checkpoints
from edge_llm.convert.calibration.text import Piece
from edge_llm.convert.graph import (
    COARSE_HEAD,
    Quantizer,
    Weight,
    leave_out_coarse_head,
    matrix_count,
    write_graph,
)
from edge_llm.convert.llama_graph import Read
from edge_llm.convert.mixed import NO_TARGET, Roundings, Target, choose_bits, group_of
from edge_llm.convert.prefill_graph import write_prefill_graph
from edge_llm.convert.progress import Progress
from edge_llm.convert.quantize import BLOCK, COARSE_BITS, Bits, QuantizedMatrix, quantize
from edge_llm.convert.sources.source import Source
from edge_llm.convert.trial import tried_bundle
from edge_llm.convert.writer import GraphWriter
from edge_llm.engine.decoder import Decoder, load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.errors import BundleError, RequestError, SourceError
from edge_llm.host.instructions import multiplies_two_bits, read_flags

Quantization = Literal["int8", "int4", "mixed", "fp32"]
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
_WIDE_BLOCK = 64
"""Block size of ``int8`` and ``int4``: wider ones are faster, and cost quality. In blocks of 128 ONNX Runtime
(1.32) adds up one row in another order than several, so that a draft or a batch changes what a reply is."""
_INT4: dict[str, Literal[4, 8]] = {"qkv": 8, "o": 8}
"""Bits of ``int4`` by group; 4 for the rest. Attention is a tenth of the weights and the most sensitive part:
its 8 bits regain the quality that wide blocks cost."""
_MISLED_STEPS = 1
"""Steps at which a coarse head may lead to another token than the whole head, of some 350. One that fits
hardly ever does; for a model whose activations have large outliers it does so often."""
_SENSITIVITY_EVERY = 4
"""One in this number of calibration conversations is used to measure the groups of ``mixed``."""


def prepare_bundle(
    source: Source,
    out: Path,
    quantization: Quantization,
    progress: Progress,
    target: Target = NO_TARGET,
    calibrate: Sequence[Piece] | None = None,
    measure: Callable[[Bundle], None] = lambda _bundle: None,
    *,
    prefill: bool = True,
) -> Bundle:
    """Quantize ``source`` into a bundle at ``out``; an older bundle there stays until the new one was tried.

    ``target`` is for ``mixed``. ``calibrate`` is the text to choose 4-bit weights by: if it is empty, the
    model writes the text; None means plain rounding. ``measure`` is given the new bundle before that takes
    the older one's place. ``prefill`` adds a prefill graph; fp32, which is for reference, has none.

    Raises:
        SourceError: the source is incomplete or damaged, the target is out of reach, or the text is unfit.
        BundleError: what was made cannot serve, or ``out`` cannot be written.
    """
    with tried_bundle(out, measure) as directory, TemporaryDirectory(dir=directory) as scratch:
        layout: dict[str, Any] = _INT4
        if quantization == "mixed":
            quantizer, layout = _mixed(source, directory, target, progress)
        else:
            quantizer = {"int4": int4, "int8": int8}.get(quantization, uniform(32))
        record = None
        if calibrate is not None:
            reference = write_bundle(source, Path(scratch), "int8", uniform(8), progress)
            key = (reference.manifest.sha256, layout, calibrate, TOKENS, SEED)
            checkpoint = Checkpoint(out, key)
            text, record = calibration_text(reference, calibrate, checkpoint, progress)
            quantizer = Calibrated(source, quantizer, reference, text, checkpoint, progress)
            progress = Progress(quiet=True)  # the calibration has a bar of its own
        prefill = prefill and quantization != "fp32"
        bundle = write_bundle(
            source, directory, quantization, quantizer, progress, record, prefill=prefill, coarse_head=True
        )
        leave_out_a_coarse_head_that_misleads(bundle, progress)
    remove_checkpoints(out)
    return read_manifest(out)


def uniform(bits: Bits) -> Quantizer:
    """Return the quantizer that gives every matrix the same bits, in blocks of BLOCK."""

    def quantizer(_name: str, read: Read, _graph: GraphWriter) -> Weight:
        return read() if bits == 32 else quantize(read(), bits)

    return quantizer


def int4(name: str, read: Read, _graph: GraphWriter) -> Weight:
    """The quantizer behind ``--quant int4``."""
    return _in_wide_blocks(read(), _INT4.get(group_of(name), 4))


def int8(_name: str, read: Read, _graph: GraphWriter) -> Weight:
    """The quantizer behind ``--quant int8``."""
    return _in_wide_blocks(read(), 8)


def _in_wide_blocks(weight: NDArray[np.float32], bits: Literal[4, 8]) -> QuantizedMatrix:
    return quantize(weight, bits, BLOCK if weight.shape[1] % _WIDE_BLOCK else _WIDE_BLOCK)


def _mixed(
    source: Source, directory: Path, target: Target, progress: Progress
) -> tuple[Quantizer, dict[str, int]]:
    """Measure every group's sensitivity against int8 in a scratch directory, and choose its bits."""
    roundings = Roundings()
    with TemporaryDirectory(dir=directory) as work:
        scratch = Path(work)
        (scratch / "int8").mkdir()
        at_8 = write_bundle(source, scratch / "int8", "int8", roundings.record, progress)
        tokenizer = ChatTokenizer(at_8)
        reference = decoder_for_quality(at_8)
        calibration = quality.conversations("calibration", _SENSITIVITY_EVERY)
        sample = quality.fitting(calibration, tokenizer, reference.cache.capacity)
        if not sample:
            raise SourceError(
                f"{source.origin}: too short a context to measure sensitivity; take int8 or int4"
            )
        expected = list(quality.log_probabilities(reference, tokenizer, sample))
        del reference  # or its weights would stay in memory beside each variant's
        advance = progress.stage("sensitivity", len(roundings.sizes()), "groups")

        def write(path: Path, quantizer: Quantizer) -> Bundle:
            return write_bundle(source, path, "mixed", quantizer, Progress(quiet=True))

        def cost_of(bundle: Bundle) -> float:
            measured = quality.compare(expected, decoder_for_quality(bundle), tokenizer, sample)
            advance(bundle.path.name)
            return measured[quality.ALL].kl

        chosen = choose_bits(roundings, target, write, cost_of, scratch)
        return roundings.recall(chosen), chosen


def decoder_for_quality(bundle: Bundle) -> Decoder:
    """Load a decoder with one slot, long enough for the shipped conversations."""
    capacity = min(quality.CONTEXT_TOKENS, bundle.manifest.context_tokens)
    return load_decoder(bundle, KVCache(bundle.manifest.kv, 1, capacity))


def write_bundle(
    source: Source,
    directory: Path,
    quantization: str,
    quantizer: Quantizer,
    progress: Progress,
    calibration: Calibration | None = None,
    *,
    prefill: bool = False,
    coarse_head: bool = False,
) -> Bundle:
    """Fill an empty directory with a bundle's files; a prefill graph and a coarse head if asked for."""
    a = source.architecture
    advance = progress.stage(f"write {quantization}", matrix_count(a), "tensors")
    bits: dict[str, int] = {}

    def observed(name: str, read: Read, graph: GraphWriter) -> Weight:
        weight = quantizer(name, read, graph)
        bits[group_of(name)] = weight.bits if isinstance(weight, QuantizedMatrix) else 32
        advance(name, weight.nbytes)
        return weight

    written = write_graph(source, directory, observed, coarse_head=coarse_head)
    if f"{COARSE_HEAD}.values" in written.initializers:
        bits[COARSE_HEAD] = COARSE_BITS
    if prefill:
        write_prefill_graph(source, directory, written, progress)
    (directory / TOKENIZER).write_text(source.tokenizer_json, encoding="utf-8")
    (directory / CHAT_TEMPLATE).write_text(source.chat_template, encoding="utf-8")
    return _written(directory, _describe(source, directory, quantization, bits, calibration))


def _written(directory: Path, manifest: Manifest) -> Bundle:
    """Write a bundle's manifest."""
    unset = {name for name in ("calibration", "sampling") if getattr(manifest, name) is None}
    raw = manifest.model_dump_json(indent=2, exclude=unset) + "\n"
    (directory / MANIFEST).write_text(raw, encoding="utf-8")
    return Bundle(directory, manifest, hash="")


def leave_out_a_coarse_head_that_misleads(bundle: Bundle, progress: Progress) -> None:
    """Measure whether it leads to the whole head's tokens; where that cannot be measured it is left out."""
    if COARSE_HEAD not in bundle.manifest.bits:
        return
    try:
        tokenizer, model = ChatTokenizer(bundle), decoder_for_quality(bundle)
        conversations = quality.conversations("calibration", 2)
        sample = quality.fitting(conversations, tokenizer, model.cache.capacity)
    except (BundleError, RequestError):
        return  # the trial says what is wrong
    advance = progress.stage("coarse head", len(sample), "conversations")
    misled = 0
    for conversation, (steps, same) in zip(
        sample, quality.shortlist_agreement(model, tokenizer, sample), strict=False
    ):
        misled += steps - same
        if misled > _MISLED_STEPS:
            break
        advance(conversation.language)
    measured = sample and multiplies_two_bits(read_flags())  # else both have read the whole head
    if measured and misled <= _MISLED_STEPS:
        return
    leave_out_coarse_head(bundle.path)
    bits = {group: each for group, each in bundle.manifest.bits.items() if group != COARSE_HEAD}
    changed = {name: sha256_of(bundle.path / name) for name in (MODEL, MODEL_DATA)}
    sums = bundle.manifest.sha256 | changed
    _written(bundle.path, bundle.manifest.model_copy(update={"bits": bits, "sha256": sums}))


def _describe(
    source: Source,
    directory: Path,
    quantization: str,
    bits: dict[str, int],
    calibration: Calibration | None,
) -> Manifest:
    """Make the manifest of the files in ``directory``."""
    a = source.architecture
    return Manifest(
        name=source.name,
        source=source.origin,
        revision=source.revision,
        license=source.license,
        architecture=a.family,
        quantization=quantization,
        bits=bits,
        calibration=calibration,
        graph_format="fused",
        context_tokens=a.context_tokens,
        vocab_size=a.vocab_size,
        eos_token_ids=source.eos_token_ids,
        bos_token=source.bos_token,
        eos_token=source.eos_token,
        sampling=source.sampling,
        eos_sources=dict(source.eos_sources),
        special_tokens=None if source.special_tokens is None else dict(source.special_tokens),
        kv=KvGeometry(layers=a.layers, kv_heads=a.kv_heads, head_dim=a.head_dim),
        sha256={file.name: sha256_of(file) for file in sorted(directory.iterdir()) if file.is_file()},
    )
