"""From a source to an installed bundle: the one function behind ``edge-llm prepare``."""

from pathlib import Path
from typing import Literal, get_args

from edge_llm.models.bundle import (
    CHAT_TEMPLATE,
    MANIFEST,
    TOKENIZER,
    Bundle,
    KvGeometry,
    Manifest,
    new_bundle,
    open_bundle,
    sha256_of,
)
from edge_llm.models.graph import Progress, write_graph
from edge_llm.models.quantize import Bits
from edge_llm.models.source import Source

Quantization = Literal["int8", "int4", "fp32"]
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
_BITS: dict[Quantization, Bits] = {"int8": 8, "int4": 4, "fp32": 32}


def prepare_bundle(source: Source, out: Path, quantization: Quantization, progress: Progress) -> Bundle:
    """Quantize ``source`` into a bundle at ``out``; an older bundle there stays until the new one is whole.

    Raises:
        SourceError: the source is incomplete or damaged.
        BundleError: ``out`` cannot be written.
    """
    with new_bundle(out) as directory:
        write_graph(source, directory, _BITS[quantization], progress)
        (directory / TOKENIZER).write_text(source.tokenizer_json, encoding="utf-8")
        (directory / CHAT_TEMPLATE).write_text(source.chat_template, encoding="utf-8")
        a = source.architecture
        manifest = Manifest(
            name=source.name,
            source=source.origin,
            revision=source.revision,
            license=source.license,
            architecture=a.family,
            quantization=quantization,
            flavour="fused",
            context_tokens=a.context_tokens,
            vocab_size=a.vocab_size,
            eos_token_ids=source.eos_token_ids,
            bos_token=source.bos_token,
            eos_token=source.eos_token,
            kv=KvGeometry(layers=a.layers, kv_heads=a.kv_heads, head_dim=a.head_dim),
            sha256={file.name: sha256_of(file) for file in sorted(directory.iterdir())},
        )
        (directory / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return open_bundle(out)
