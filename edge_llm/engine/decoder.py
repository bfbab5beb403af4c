"""The model's forward pass over the KV pool, whatever the graph's format."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_llm.bundle import PREFILL, Bundle
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.concat import ConcatDecoder
from edge_llm.engine.onnx.fused import FusedDecoder
from edge_llm.host.cpu import PinningPlan
from edge_llm.host.instructions import prefill_graph_refused, read_flags

_WARM_UP_TOKENS = 4
"""More than the first ones that the decode graph reads: the prefill graph has to run, too."""


class Decoder(Protocol):
    """Feeds tokens into slots of ``cache`` and returns logits."""

    cache: KVCache

    @property
    def prefills_apart(self) -> bool:
        """True where passes without logits have a graph of their own, which is faster for many tokens."""
        ...

    def forward(
        self,
        slots: Sequence[int],
        ids: NDArray[np.int64],
        logits: int,
        *,
        exact: bool = True,
        allowed: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """Append ``ids`` ``[len(slots), tokens]``, a row to each slot in ascending order.

        Several tokens go to one slot only. Returns float32 ``[len(slots), logits, vocab]`` of each
        row's last ``logits`` tokens, valid until the next call. Unless they have to be ``exact``, only the
        largest ones are, where that is faster. With ``allowed``, at most ``FEW_TOKENS`` of the vocabulary,
        only theirs count, and the others may be anything; for one slot and the logits of one token.
        """
        ...


def load_decoder(
    bundle: Bundle,
    cache: KVCache,
    threads: int | PinningPlan | None = None,
    *,
    prefill: bool = True,
    packed: bool = False,
) -> Decoder:
    """Load the decoder of the bundle's graph format; ``threads`` default to the physical cores.

    With ``prefill`` the bundle's prefill graph is used, unless ``prefill_refused`` says why not. With
    ``packed`` weights are mapped from packed files, which are made if they are missing and can be kept.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
    """
    if bundle.manifest.graph_format == "concat":
        return ConcatDecoder(bundle, cache, threads)
    prefill = prefill_refused(bundle, wanted=prefill) is None
    return FusedDecoder(bundle, cache, threads, prefill=prefill, packed=packed)


def prefill_refused(bundle: Bundle, *, wanted: bool) -> str | None:
    """Say why prompts do not go through a prefill graph on this machine; None if they do."""
    in_bundle = PREFILL in bundle.manifest.sha256
    return prefill_graph_refused(in_bundle=in_bundle, wanted=wanted, flags=read_flags())


def warm_up(decoder: Decoder) -> None:
    """Feed short prompts and a step, so that weights and work space are there; leaves the slots empty.

    The KV pool is left alone: its pages come as tokens do, and contexts that nobody fills cost no memory.
    """
    cache = decoder.cache
    prompt = min(_WARM_UP_TOKENS, cache.capacity - 1)
    some = np.arange(2)
    for tokens, logits, exact, allowed in (
        (prompt, 0, True, None),
        (prompt, 1, True, None),
        (1, 1, True, None),
        (1, 1, False, None),
        (1, 1, True, some),
    ):
        decoder.forward([0], np.zeros((1, tokens), np.int64), logits, exact=exact, allowed=allowed)
        cache.rewind(0, 0)
