"""The model's forward pass: an ONNX Runtime session bound to the KV pool."""

from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge_llm.bundle import Bundle
from edge_llm.engine.concat_decoder import ConcatDecoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx_session import open_session
from edge_llm.host.cpu import PinningPlan


class Decoder(Protocol):
    """Feeds tokens into slots of ``cache`` and returns logits."""

    cache: KVCache

    def forward(self, slots: range, ids: NDArray[np.int64], logits: int) -> NDArray[np.float32]:
        """Append ``ids`` ``[len(slots), tokens]`` to neighbouring slots; several tokens only to one slot.

        Returns float32 ``[len(slots), logits, vocab]`` of each row's last ``logits`` tokens, valid until
        the next call.
        """
        ...


def load_decoder(bundle: Bundle, cache: KVCache, threads: int | PinningPlan | None = None) -> Decoder:
    """The decoder of the bundle's graph_format; ``threads`` default to the physical cores.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
    """
    if bundle.manifest.graph_format == "concat":
        return ConcatDecoder(bundle, cache, threads)
    return FusedDecoder(bundle, cache, threads)


class FusedDecoder:
    """Runs the graph of ``models.graph``: past and present are one memory, nothing is copied a step."""

    def __init__(self, bundle: Bundle, cache: KVCache, threads: int | PinningPlan | None = None) -> None:
        """See ``load_decoder``."""
        self.cache = cache
        self._session = open_session(bundle, threads)
        self._vocab_size = bundle.manifest.vocab_size
        self._total = np.zeros((), dtype=np.int32)
        self._steps: dict[range, _Pass] = {}

    def forward(self, slots: range, ids: NDArray[np.int64], logits: int) -> NDArray[np.float32]:
        """See ``Decoder.forward``."""
        count = ids.shape[1]
        if count == logits == 1:
            # A decode step: everything is bound once, and only written to after that.
            step = self._steps.get(slots)
            if step is None:
                step = self._steps[slots] = self._bind(slots, ids.copy(), 1)
            step.ids[...] = ids
        else:
            step = self._bind(slots, ids, logits)
        lengths = self.cache.lengths
        for row, slot in enumerate(slots):
            lengths[slot] += count
            step.seqlens[row] = lengths[slot] - 1
        self._total[()] = step.seqlens.max() + 1
        self._session.run_with_iobinding(step.binding)
        return step.logits

    def _bind(self, slots: range, ids: NDArray[np.int64], logits: int) -> "_Pass":
        """Bind every input and output to memory of ours."""
        count = ids.shape[1]
        step = _Pass(self._session.io_binding(), ids, logits, self._vocab_size)
        step.bind_input("input_ids", ids)
        step.bind_input("seqlens_k", step.seqlens)
        step.bind_input("total_sequence_length", self._total)
        step.bind_input("logits_positions", np.arange(count - logits, count))
        step.binding.bind_ortvalue_output("logits", ort.OrtValue.ortvalue_from_numpy(step.logits))
        for index, array in enumerate(self.cache.arrays):
            layer, part = index // 2, ("key", "value")[index % 2]
            row = ort.OrtValue.ortvalue_from_numpy(array[slots.start : slots.stop])
            step.binding.bind_ortvalue_input(f"past.{layer}.{part}", row)
            step.binding.bind_ortvalue_output(f"present.{layer}.{part}", row)
        return step


class _Pass:
    """A binding and the arrays that stand behind it."""

    def __init__(self, binding: ort.IOBinding, ids: NDArray[np.int64], logits: int, vocab_size: int) -> None:
        self.binding = binding
        self.ids = ids
        self.seqlens = np.zeros(ids.shape[0], dtype=np.int32)
        self.logits = np.empty((ids.shape[0], logits, vocab_size), dtype=np.float32)

    def bind_input(self, name: str, array: NDArray[np.generic]) -> None:
        self.binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
