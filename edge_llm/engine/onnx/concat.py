"""The forward pass of graphs that Optimum exports: past in, present out, the cache copied every step."""

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge_llm.bundle import MODEL, Bundle
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.session import open_session
from edge_llm.host.cpu import PinningPlan

SINK_TOKENS = 4
"""Dynamic INT8 has one activation scale a tensor. The first tokens of a text (attention sinks) have values so
large that whatever shares a step with them loses its bits; fed one a step they spoil only themselves."""


class ConcatDecoder:
    """A ``Decoder`` that holds each slot's keys and values as the graph gave them, in OrtValues.

    Of ``cache`` it uses the lengths alone; the arrays are never touched, so they take no memory.
    """

    prefills_apart = False

    def __init__(
        self,
        bundle: Bundle,
        cache: KVCache,
        threads: int | PinningPlan | None = None,
        sink_tokens: int = SINK_TOKENS,
    ) -> None:
        """See ``load_decoder``; ``sink_tokens`` of an INT8 graph's prompt are fed one a step (0: none)."""
        self._session = open_session(bundle, MODEL, threads)
        self.cache = cache
        self._alone = sink_tokens if bundle.manifest.quantization == "int8" else 0
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        self._past_names = [name for name in self._inputs if name.startswith("past_key_values.")]
        presents = [name.replace("past_key_values", "present") for name in self._past_names]
        self._outputs = ["logits", *presents]
        kv = bundle.manifest.kv
        nothing = np.zeros((1, kv.kv_heads, 0, kv.head_dim), dtype=np.float32)
        empty = [ort.OrtValue.ortvalue_from_numpy(nothing) for _ in presents]
        self._past: list[list[ort.OrtValue]] = [empty for _ in range(cache.slots)]

    def forward(
        self,
        slots: Sequence[int],
        ids: NDArray[np.int64],
        logits: int,
        *,
        exact: bool = True,  # noqa: ARG002 - they always are
        allowed: NDArray[np.int64] | None = None,  # noqa: ARG002 - the others are there, too
    ) -> NDArray[np.float32]:
        """See ``Decoder.forward``; row by row, for each has a past of its own length."""
        return np.stack(
            [self._feed(slot, row, logits) for slot, row in zip(slots, ids.tolist(), strict=True)]
        )

    def _feed(self, slot: int, ids: Sequence[int], logits: int) -> NDArray[np.float32]:
        alone = max(0, min(self._alone - self.cache.length(slot), len(ids) - max(logits, 1)))
        for token in ids[:alone]:
            self._run(slot, [token])
        out = self._run(slot, ids[alone:])
        # All rows are computed, for such is the graph; OrtValue.numpy() copies them, so not without need.
        return out.numpy()[0, -logits:] if logits else np.empty((0, out.shape()[2]), dtype=np.float32)

    def _run(self, slot: int, ids: Sequence[int]) -> ort.OrtValue:
        """Append ``ids`` to the slot; logits ``[1, ids, vocab]``."""
        past = self.cache.length(slot)
        length = past + len(ids)
        own = {
            "input_ids": np.array([ids], dtype=np.int64),
            "attention_mask": np.ones((1, length), dtype=np.int64),
            "position_ids": np.arange(past, length, dtype=np.int64)[None],
        }
        feeds = {name: ort.OrtValue.ortvalue_from_numpy(own[name]) for name in own if name in self._inputs}
        self._rewind(slot, past)
        feeds |= zip(self._past_names, self._past[slot], strict=True)
        out, *self._past[slot] = self._session.run_with_ort_values(self._outputs, feeds)
        self.cache.advance(slot, len(ids))
        return out

    def _rewind(self, slot: int, length: int) -> None:
        """Cut the slot's keys and values to ``length`` tokens; they are more where it was rewound."""
        held = self._past[slot]
        if held[0].shape()[2] > length:
            cut = [np.ascontiguousarray(value.numpy()[:, :, :length]) for value in held]
            self._past[slot] = [ort.OrtValue.ortvalue_from_numpy(value) for value in cut]
