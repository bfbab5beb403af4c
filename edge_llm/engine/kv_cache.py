"""The KV pool: one preallocated array a layer and part, a row of each for a slot. Owns the slots' lengths."""

from collections.abc import Iterable
from contextlib import suppress
from math import prod
from mmap import MADV_NOHUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap

import numpy as np
from numpy.typing import NDArray

from edge_llm.bundle import KvGeometry


class KVCache:
    """Keys and values of ``slots`` conversations of up to ``capacity`` tokens.

    ``arrays[2 * layer]`` are the keys, ``arrays[2 * layer + 1]`` the values of a layer: float32
    ``[slots, kv_heads, capacity, head_dim]``, written in place by the decoder, which then calls ``advance``.
    """

    def __init__(self, geometry: KvGeometry, slots: int, capacity: int) -> None:
        """Map the pool; it takes memory where tokens are written, in pages of 4 KB."""
        shape = (slots, geometry.kv_heads, capacity, geometry.head_dim)
        self.slots = slots
        self.capacity = capacity
        self.arrays = [_lazy_zeros(shape) for _ in range(2 * geometry.layers)]
        self._lengths = [0] * slots
        self._free = list(reversed(range(slots)))

    @property
    def bytes(self) -> int:
        """Size of the pool, used or not."""
        return sum(array.nbytes for array in self.arrays)

    def length(self, slot: int) -> int:
        """Tokens that a slot holds."""
        return self._lengths[slot]

    def advance(self, slot: int, tokens: int) -> None:
        """Count ``tokens`` that were written behind the slot's last one."""
        self._lengths[slot] += tokens

    def rewind(self, slot: int, length: int) -> None:
        """Forget all but the slot's first ``length`` tokens."""
        assert length <= self._lengths[slot]
        self._lengths[slot] = length

    def load(self, slot: int, pieces: Iterable[NDArray[np.float32]]) -> int:
        """Fill a slot from its beginning; returns its tokens.

        Each piece is float32 ``[2 * layers, kv_heads, tokens, head_dim]``, the next tokens' keys and values.
        """
        length = 0
        for piece in pieces:
            end = length + piece.shape[2]
            for array, part in zip(self.arrays, piece, strict=True):
                array[slot, :, length:end] = part
            length = end
        self._lengths[slot] = length
        return length

    def copy(self, source: int, slot: int, start: int, end: int) -> None:
        """Copy tokens ``start`` to ``end`` of another slot behind the first ``start`` of this one."""
        assert self._lengths[slot] == start
        for array in self.arrays:
            array[slot, :, start:end] = array[source, :, start:end]
        self._lengths[slot] = end

    def read(self, slot: int, start: int, end: int) -> NDArray[np.float32]:
        """Copy keys and values of the slot's tokens ``start`` to ``end``, shaped as ``load``'s pieces."""
        return np.stack([array[slot, :, start:end] for array in self.arrays])

    def acquire(self) -> int:
        """Reserve an empty slot for the caller alone; not all may be taken."""
        slot = self._free.pop()
        self._lengths[slot] = 0
        return slot

    def release(self, slot: int) -> None:
        """Give a slot back."""
        self._free.append(slot)


def _lazy_zeros(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Zeros that take no memory until they are written.

    NumPy's own would be in pages of 2 MB: a first token would cost one for each layer, part and head.
    """
    memory = mmap(-1, 4 * prod(shape), flags=MAP_PRIVATE | MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel that has no huge pages
        memory.madvise(MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype=np.float32).reshape(shape)
