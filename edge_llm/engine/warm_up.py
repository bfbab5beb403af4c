"""Takes every cost of a first request before there is one."""

import numpy as np

from edge_llm.engine.decoder import Decoder
from edge_llm.engine.scheduler import PREFILL_CHUNK


def warm_up(decoder: Decoder) -> None:
    """Feed a chunk of a prompt and a step, so that weights and work space are there; leaves the slots empty.

    The KV pool is left alone: its pages come as tokens do, and contexts that nobody fills cost no memory.
    """
    cache = decoder.cache
    slot = range(1)
    for tokens in (min(PREFILL_CHUNK, cache.capacity - 1), 1):
        decoder.forward(slot, np.zeros((1, tokens), dtype=np.int64), 1)
    cache.lengths[0] = 0
