"""Takes every cost of a first request before there is one."""

import numpy as np

from edge_llm.engine.decoder import Decoder

_PROMPT_TOKENS = 16


def warm_up(decoder: Decoder) -> None:
    """Feed a short prompt and a step, so that weights and work space are there; leaves the slots empty.

    The KV pool is left alone: its pages come as tokens do, and contexts that nobody fills cost no memory.
    """
    cache = decoder.cache
    slot = range(1)
    for tokens in (min(_PROMPT_TOKENS, cache.capacity - 1), 1):
        decoder.forward(slot, np.zeros((1, tokens), dtype=np.int64), 1)
    cache.lengths[0] = 0
