"""Takes every cost of a first request before there is one."""

import numpy as np

from edge_llm.engine.decoder import Decoder, FusedDecoder
from edge_llm.engine.scheduler import PREFILL_CHUNK


def warm_up(decoder: Decoder) -> None:
    """Touch the KV pool, the weights and ONNX Runtime's work space; leaves every slot empty.

    Memory that was never written is not there yet: a request would wait for the kernel, page by page.
    """
    cache = decoder.cache
    if isinstance(decoder, FusedDecoder):  # the other flavour leaves the pool alone
        for array in cache.arrays:
            array.fill(0)
    slot = range(1)
    for tokens in (min(PREFILL_CHUNK, cache.capacity - 1), 1):
        decoder.forward(slot, np.zeros((1, tokens), dtype=np.int64), 1)
    cache.lengths[0] = 0
