"""Runs the prefill graph: a chunk of a prompt into the KV pool, by integer products."""

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge_llm.bundle import EMBEDDING, PREFILL, Bundle
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.session import open_session
from edge_llm.host.cpu import PinningPlan


class Prefill:
    """The two graphs that a chunk goes through: the look-up of its embeddings, and the layers."""

    def __init__(
        self, bundle: Bundle, cache: KVCache, threads: int | PinningPlan | None, *, packed: bool
    ) -> None:
        """See ``load_decoder``."""
        self._cache = cache
        self._embedding = open_session(bundle, EMBEDDING, 1)
        self._session = open_session(bundle, PREFILL, threads, packed=packed)

    def run(self, slot: int, ids: NDArray[np.int64]) -> None:
        """Write keys and values of ``ids`` ``[1, tokens]`` behind the slot's last token; its length stays."""
        binding = self._session.io_binding()
        end = self._cache.length(slot) + ids.shape[1]
        inputs = {
            "embedded": self._embedding.run(["embedded"], {"input_ids": ids})[0],
            "seqlens_k": np.array([end - 1], dtype=np.int32),
            "total_sequence_length": np.array(end, dtype=np.int32),
        }
        for name, array in inputs.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        bind_pool(binding, self._cache, range(slot, slot + 1))
        self._session.run_with_iobinding(binding)


def bind_pool(binding: ort.IOBinding, cache: KVCache, rows: range) -> None:
    """Bind ``rows`` of the pool as past and present: the same memory, nothing is copied."""
    for index, array in enumerate(cache.arrays):
        layer, part = index // 2, ("key", "value")[index % 2]
        row = ort.OrtValue.ortvalue_from_numpy(array[rows.start : rows.stop])
        binding.bind_ortvalue_input(f"past.{layer}.{part}", row)
        binding.bind_ortvalue_output(f"present.{layer}.{part}", row)
