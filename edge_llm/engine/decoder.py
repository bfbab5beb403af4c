"""The model's forward pass: an ONNX Runtime session bound to the KV pool."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge_llm.engine.concat_decoder import ConcatDecoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.session import open_session
from edge_llm.models.bundle import Bundle


class Decoder(Protocol):
    """Feeds tokens into a slot of ``cache`` and returns logits."""

    cache: KVCache

    def forward(self, slot: int, ids: Sequence[int], logits: int) -> NDArray[np.float32]:
        """Append ``ids`` to the slot; float32 ``[logits, vocab]`` of its last ``logits`` tokens.

        The result is valid until the next call.
        """
        ...


def load_decoder(bundle: Bundle, cache: KVCache, threads: int) -> Decoder:
    """The decoder of the bundle's flavour, on ``threads`` intra-op threads, the caller's among them.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
    """
    if bundle.manifest.flavour == "concat":
        return ConcatDecoder(bundle, cache, threads)
    return FusedDecoder(bundle, cache, threads)


class FusedDecoder:
    """Runs the graph of ``models.graph``: past and present are one memory, nothing is copied a step."""

    def __init__(self, bundle: Bundle, cache: KVCache, threads: int) -> None:
        """See ``load_decoder``."""
        self._session = open_session(bundle, threads)
        self.cache = cache
        slots = len(cache.lengths)
        self._ids = np.zeros((1, 1), dtype=np.int64)
        self._seqlens = np.zeros(1, dtype=np.int32)
        self._total = np.zeros((), dtype=np.int32)
        self._logits = np.zeros((1, 1, bundle.manifest.vocab_size), dtype=np.float32)
        self._steps = [
            self._bind(slot, self._ids, np.zeros(1, np.int64), self._logits) for slot in range(slots)
        ]

    def forward(self, slot: int, ids: Sequence[int], logits: int) -> NDArray[np.float32]:
        """See ``Decoder.forward``."""
        count = len(ids)
        length = self.cache.lengths[slot] + count
        self._seqlens[0] = length - 1
        self._total[()] = length
        if count == logits == 1:
            self._ids[0, 0] = ids[0]
            out, binding = self._logits, self._steps[slot]
        else:
            out = np.empty((1, logits, self._logits.shape[2]), dtype=np.float32)
            positions = np.arange(count - logits, count, dtype=np.int64)
            binding = self._bind(slot, np.array([ids], dtype=np.int64), positions, out)
        self._session.run_with_iobinding(binding)
        self.cache.lengths[slot] = length
        rows: NDArray[np.float32] = out[0]
        return rows

    def _bind(
        self, slot: int, ids: NDArray[np.int64], positions: NDArray[np.int64], logits: NDArray[np.float32]
    ) -> ort.IOBinding:
        """Bind every input and output to memory of ours; what changes a step is written into that memory."""
        binding = self._session.io_binding()
        fixed = {
            "input_ids": ids,
            "seqlens_k": self._seqlens,
            "total_sequence_length": self._total,
            "logits_positions": positions,
        }
        for name, array in fixed.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        binding.bind_ortvalue_output("logits", ort.OrtValue.ortvalue_from_numpy(logits))
        for index, array in enumerate(self.cache.arrays):
            layer, part = index // 2, ("key", "value")[index % 2]
            row = ort.OrtValue.ortvalue_from_numpy(array[slot : slot + 1])
            binding.bind_ortvalue_input(f"past.{layer}.{part}", row)
            binding.bind_ortvalue_output(f"present.{layer}.{part}", row)
        return binding
