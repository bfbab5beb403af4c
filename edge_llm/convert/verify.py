"""Measures the quality of a bundle against the source it came from, or against another bundle."""

from pathlib import Path
from tempfile import TemporaryDirectory

from edge_llm.bundle import Bundle
from edge_llm.convert.graph import COARSE_HEAD
from edge_llm.convert.prepare import decoder_for_quality, uniform, write_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.quality import (
    Quality,
    compare,
    conversations,
    fitting,
    log_probabilities,
    shortlist_agreement,
)
from edge_llm.convert.sources.source import Source
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.errors import BundleError

SAMPLE_EVERY = 6
"""``prepare`` measures one in this number of conversations; ``verify`` measures all."""


def verify_against_source(
    bundle: Bundle, source: Source, progress: Progress, every: int = 1
) -> dict[str, Quality]:
    """Measure quality by language against ``source`` in float32, which is written beside the bundle for this.

    Raises:
        SourceError: the source cannot be read.
        BundleError: the two do not share a vocabulary.
    """
    with TemporaryDirectory(prefix=".reference-", dir=bundle.path.parent) as work:
        reference = write_bundle(source, Path(work), "fp32", uniform(32), progress)
        return verify_against_bundle(bundle, reference, progress, every)


def verify_against_bundle(
    bundle: Bundle, reference: Bundle, progress: Progress, every: int = 1
) -> dict[str, Quality]:
    """Measure quality by language against another bundle with the same vocabulary.

    Conversations that do not fit into the model's context are left out; if none fits, the result is empty.

    Raises:
        BundleError: the two do not share a vocabulary.
    """
    if bundle.manifest.vocab_size != reference.manifest.vocab_size:
        raise BundleError(
            f"{bundle.path} and {reference.manifest.source} have different vocabularies:"
            " give --against the source that the bundle was made from"
        )
    tokenizer, model = ChatTokenizer(reference), decoder_for_quality(bundle)
    sample = fitting(conversations("quality", every), tokenizer, model.cache.capacity)
    if not sample:
        return {}
    expected = log_probabilities(decoder_for_quality(reference), tokenizer, sample)
    advance = progress.stage("quality", len(sample), "prompts")
    return compare(expected, model, tokenizer, sample, advance)


def coarse_head_agreement(bundle: Bundle, progress: Progress) -> tuple[int, int] | None:
    """Count steps, and those at which the coarse head leads to the same token; None where there is none."""
    if COARSE_HEAD not in bundle.manifest.bits:
        return None
    tokenizer, model = ChatTokenizer(bundle), decoder_for_quality(bundle)
    sample = fitting(conversations("quality"), tokenizer, model.cache.capacity)
    advance = progress.stage("coarse head", len(sample), "prompts")
    all_steps = all_same = 0
    for conversation, (steps, same) in zip(
        sample, shortlist_agreement(model, tokenizer, sample), strict=True
    ):
        all_steps, all_same = all_steps + steps, all_same + same
        advance(conversation.language)
    return all_steps, all_same
