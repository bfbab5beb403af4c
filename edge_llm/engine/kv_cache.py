"""The KV pool: one preallocated array a layer and part; a slot is a row of each, and owns its length."""

import numpy as np
from numpy.typing import NDArray

from edge_llm.bundle import KvGeometry


class KVCache:
    """Keys and values of ``slots`` conversations of up to ``capacity`` tokens.

    ``arrays[2 * layer]`` are the keys, ``arrays[2 * layer + 1]`` the values of a layer: float32
    ``[slots, kv_heads, capacity, head_dim]``, written in place by the decoder. ``lengths[slot]`` is the
    number of tokens held; shortening it is all that rewinding takes.
    """

    def __init__(self, geometry: KvGeometry, slots: int, capacity: int) -> None:
        """Allocate the pool; the operating system provides a page when it is first written."""
        shape = (slots, geometry.kv_heads, capacity, geometry.head_dim)
        self.capacity = capacity
        self.arrays: list[NDArray[np.float32]] = [
            np.zeros(shape, dtype=np.float32) for _ in range(2 * geometry.layers)
        ]
        self.lengths = [0] * slots
        self._free = list(reversed(range(slots)))

    @property
    def bytes(self) -> int:
        """Of the whole pool, whether used or not."""
        return sum(array.nbytes for array in self.arrays)

    def acquire(self) -> int | None:
        """An empty slot for the caller alone, or None when all are taken."""
        if not self._free:
            return None
        slot = self._free.pop()
        self.lengths[slot] = 0
        return slot

    def release(self, slot: int) -> None:
        """Give a slot back."""
        self._free.append(slot)
