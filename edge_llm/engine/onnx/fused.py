"""Runs fused graphs: past and present are one memory, nothing is copied a step."""

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge_llm.bundle import ALLOWED, MODEL, SHORTLISTED, Bundle
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.prefill import Prefill, bind_pool
from edge_llm.engine.onnx.session import open_session
from edge_llm.engine.types import FEW_TOKENS
from edge_llm.host.cpu import PinningPlan
from edge_llm.host.instructions import multiplies_two_bits, read_flags

_WHOLE = "logits_positions"
_OUTPUTS = {_WHOLE: "logits", SHORTLISTED: f"{SHORTLISTED}_logits", ALLOWED: f"{ALLOWED}_logits"}
"""Ways to logits: inputs that say of what, and the outputs that they lead to. All but one are left empty."""
_NOTHING = np.empty(0, dtype=np.int64)
_EXACT_IN_FORMAT_2 = "exact"
"""Input of the bundles of one day, with which they read their whole head."""
_SINK_TOKENS = 3
"""First tokens of a context that the decode graph reads, although there is a prefill graph. All later ones
attend to them, and their activations have outliers (attention sinks, Xiao et al. 2023; massive activations,
Sun et al. 2024) that 8 bits a token round badly: the KL of what follows falls by more than a third. In ChatML
they are the template's own, `<|im_start|>system` and a line's end, and so nearly always cached."""


class FusedDecoder:
    """A ``Decoder`` over the graphs that ``convert`` writes; the KV pool is bound in place."""

    def __init__(
        self,
        bundle: Bundle,
        cache: KVCache,
        threads: int | PinningPlan | None = None,
        *,
        prefill: bool = False,
        packed: bool = False,
    ) -> None:
        """See ``load_decoder``."""
        self.cache = cache
        self._session = open_session(bundle, MODEL, threads, packed=packed)
        self._prefill = Prefill(bundle, cache, threads, packed=packed) if prefill else None
        self._vocab_size = bundle.manifest.vocab_size
        self._total = np.zeros((), dtype=np.int32)
        self._inputs = {entry.name for entry in self._session.get_inputs()}
        self._shortlists = SHORTLISTED in self._inputs and multiplies_two_bits(read_flags())
        self._allowed = np.zeros(FEW_TOKENS, dtype=np.int64)
        self._allowed_logits = np.zeros((1, 1, self._vocab_size), dtype=np.float32)
        self._steps: dict[tuple[range, str], _Pass] = {}

    @property
    def prefills_apart(self) -> bool:
        """See ``Decoder.prefills_apart``."""
        return self._prefill is not None

    def forward(
        self,
        slots: Sequence[int],
        ids: NDArray[np.int64],
        logits: int,
        *,
        exact: bool = True,
        allowed: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """See ``Decoder.forward``."""
        if allowed is not None and ALLOWED in self._inputs:
            return self._decode_among(slots, ids, allowed)
        if self._prefill is None or logits > 0:
            return self._decode(slots, ids, logits, _WHOLE if exact or not self._shortlists else SHORTLISTED)
        (slot,) = slots
        sinks = max(0, _SINK_TOKENS - self.cache.length(slot))  # the same tokens, cached or cold
        result = self._decode(slots, ids[:, :sinks], 0) if sinks else np.empty((1, 0, 0), dtype=np.float32)
        if ids.shape[1] > sinks:
            self._prefill.run(slot, ids[:, sinks:])
            self.cache.advance(slot, ids.shape[1] - sinks)
        return result

    def _decode_among(
        self, slots: Sequence[int], ids: NDArray[np.int64], allowed: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """One pass through the decode graph that reads few rows of its head.

        Always equally many, for which ONNX Runtime plans its memory once: the first one fills up.
        """
        self._allowed[:] = allowed[0]
        self._allowed[: allowed.size] = allowed
        few = self._decode(slots, ids, 1, ALLOWED)
        self._allowed_logits[..., self._allowed] = few
        return self._allowed_logits

    def _decode(
        self, slots: Sequence[int], ids: NDArray[np.int64], logits: int, way: str = _WHOLE
    ) -> NDArray[np.float32]:
        """One pass through the decode graph.

        The graph takes neighbouring rows of the pool. A slot between two that are fed is fed a token, too: it
        is written past that slot's end, where the next of its own tokens overwrites it.
        """
        rows = range(slots[0], slots[-1] + 1)
        if len(rows) != len(slots):
            spread = np.zeros((len(rows), ids.shape[1]), dtype=np.int64)
            chosen = [slot - rows.start for slot in slots]
            spread[chosen] = ids
            result: NDArray[np.float32] = self._run(rows, spread, logits, way)[chosen]
        else:
            result = self._run(rows, ids, logits, way)
        for slot in slots:
            self.cache.advance(slot, ids.shape[1])
        return result

    def _run(self, rows: range, ids: NDArray[np.int64], logits: int, way: str) -> NDArray[np.float32]:
        """One pass over neighbouring rows; their lengths stay."""
        count = ids.shape[1]
        if count == logits == 1:
            # A decode step: everything is bound once, and only written to after that.
            step = self._steps.get((rows, way))
            if step is None:
                step = self._steps[rows, way] = self._bind(rows, ids.copy(), 1, way)
            step.ids[...] = ids
        else:
            step = self._bind(rows, ids, logits, way)
        for row, slot in enumerate(rows):
            step.seqlens[row] = self.cache.length(slot) + count - 1
        self._total[()] = step.seqlens.max() + 1
        self._session.run_with_iobinding(step.binding)
        return step.logits

    def _bind(self, rows: range, ids: NDArray[np.int64], logits: int, way: str) -> "_Pass":
        """Bind every input and output to memory of ours."""
        count = ids.shape[1]
        few = way == ALLOWED
        step = _Pass(self._session.io_binding(), ids, logits, FEW_TOKENS if few else self._vocab_size)
        step.bind_input("input_ids", ids)
        step.bind_input("seqlens_k", step.seqlens)
        step.bind_input("total_sequence_length", self._total)
        wanted = self._allowed if few else np.arange(count - logits, count)
        for name in self._inputs.intersection(_OUTPUTS):
            step.bind_input(name, wanted if name == way else _NOTHING)
        if _EXACT_IN_FORMAT_2 in self._inputs:
            step.bind_input(_EXACT_IN_FORMAT_2, np.ones((), dtype=np.bool_))
        step.binding.bind_ortvalue_output(_OUTPUTS[way], ort.OrtValue.ortvalue_from_numpy(step.logits))
        bind_pool(step.binding, self.cache, rows)
        return step


class _Pass:
    """A binding and the arrays that stand behind it."""

    def __init__(self, binding: ort.IOBinding, ids: NDArray[np.int64], logits: int, scored: int) -> None:
        self.binding = binding
        self.ids = ids
        self.seqlens = np.zeros(ids.shape[0], dtype=np.int32)
        self.logits = np.empty((ids.shape[0], logits, scored), dtype=np.float32)

    def bind_input(self, name: str, array: NDArray[np.generic]) -> None:
        self.binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
