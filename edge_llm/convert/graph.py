"""The decode graph of the Llama family (Llama, Qwen2, Qwen3), written straight from numpy arrays.

It serves prefill, decode and verification. Inputs:

``input_ids`` int64 ``[batch, tokens]``; ``seqlens_k`` int32 ``[batch]``: past + new tokens - 1;
``total_sequence_length`` int32 scalar: past + new tokens of the longest row; ``logits_positions`` int64
``[n]``: which of the new tokens need logits; ``past.{layer}.key`` and ``.value`` float32 ``[batch,
kv_heads, capacity, head_dim]``, to be bound to the memory of ``present.{layer}.key`` and ``.value``.
Output ``logits`` float32 ``[batch, n, vocab]``.

Where a prefill graph is written, too (see ``prefill_graph``), it only decodes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_llm.bundle import MODEL, MODEL_DATA
from edge_llm.convert.llama_graph import LlamaGraph, Read
from edge_llm.convert.quantize import QuantizedMatrix, alike, concatenated
from edge_llm.convert.sources.source import Architecture, Source
from edge_llm.convert.writer import GraphWriter, StoredMatrix

Weight = NDArray[np.float32] | QuantizedMatrix
Quantizer = Callable[[str, Read, GraphWriter], Weight]
"""Decides how a matrix is stored, from its name (``gate.7``), a function that reads it as ``[out, in]``, and
the graph as written up to this matrix."""
INPUTS = {
    "embedding": "chosen",
    "head": "chosen",
    "qkv": "normed.{layer}",
    "o": "attended.{layer}",
    "gate": "mlp_in.{layer}",
    "up": "mlp_in.{layer}",
    "down": "product.{layer}",
}
"""Names of the tensors that the matrices of each group are multiplied with; the embedding as the head."""


def matrix_count(architecture: Architecture) -> int:
    """Count the matrices that ``write_graph`` hands to its quantizer."""
    return 5 * architecture.layers + (1 if architecture.tied else 2)


@dataclass(frozen=True)
class Written:
    """A decode graph on disk: its initializers by name, and the embedding's place among them."""

    initializers: Mapping[str, onnx.TensorProto]
    embedding: StoredMatrix


def write_graph(source: Source, directory: Path, quantizer: Quantizer) -> Written:
    """Write ``model.onnx`` and ``model.onnx.data`` of ``source`` into ``directory``.

    Weights are read, quantized and written one at a time; the largest one bounds the memory needed.
    Their names: ``embedding``; ``qkv.0``, ``o.0``, ``gate.0``, ``up.0``, ``down.0``, …; ``head`` if untied.

    Raises:
        SourceError: a weight is missing or has another shape.
    """
    with (directory / MODEL_DATA).open("wb") as data:
        writer = GraphWriter(data)
        model, embedding = _Decoder(source, writer, quantizer).build()
    onnx.save(model, directory / MODEL)
    return Written(writer.initializers, embedding)


class _Decoder(LlamaGraph):
    def __init__(self, source: Source, writer: GraphWriter, quantizer: Quantizer) -> None:
        super().__init__(source, writer)
        self._quantize = quantizer

    def build(self) -> tuple[onnx.ModelProto, StoredMatrix]:
        """Write all nodes; returns the model and the embedding's place in the data file."""
        a = self._a
        self._rope_caches()
        embedding = self._matrix("embedding", "model.embed_tokens.weight", a.vocab_size, a.hidden)
        hidden = self._w.gather_rows(embedding, "input_ids", "embedded")
        normed = self._rms_norm(hidden, "model.layers.0.input_layernorm", "normed.0")
        for layer in range(a.layers):
            attended = self._attention(layer, normed)
            normed, hidden = self._add_norm(
                hidden, attended, f"model.layers.{layer}.post_attention_layernorm", f"mlp_in.{layer}"
            )
            fed = self._mlp(layer, normed)
            last = layer == a.layers - 1
            following = "model.norm" if last else f"model.layers.{layer + 1}.input_layernorm"
            normed, hidden = self._add_norm(hidden, fed, following, f"normed.{layer + 1}")
        chosen = self._w.node("Gather", [normed, "logits_positions"], "chosen", axis=1)
        head = embedding if a.tied else self._matrix("head", "lm_head.weight", a.vocab_size, a.hidden)
        self._w.matmul(chosen, head, "logits")
        ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
        positions = helper.make_tensor_value_info("logits_positions", TensorProto.INT64, ["n"])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "n", a.vocab_size])
        inputs = [ids, *self._lengths(), positions, *self._caches("past")]
        outputs = [logits, *self._caches("present")]
        return self._w.model(a.family, inputs, outputs), embedding

    def _attention(self, layer: int, normed: str) -> str:
        a, prefix = self._a, f"model.layers.{layer}.self_attn"
        stored = self._store(f"qkv.{layer}", lambda: self._qkv(layer, a.heads))
        attended = self._attend(layer, self._w.matmul(normed, stored, f"qkv.{layer}"), a.heads)
        out = self._matrix(f"o.{layer}", f"{prefix}.o_proj.weight", a.hidden, a.heads * a.head_dim)
        return self._w.matmul(attended, out, f"projected.{layer}")

    def _mlp(self, layer: int, normed: str) -> str:
        a, prefix = self._a, f"model.layers.{layer}.mlp"
        gate, up = (
            self._quantize(f"{name}.{layer}", self._reader(f"{prefix}.{name}_proj", a.intermediate), self._w)
            for name in ("gate", "up")
        )
        outputs = f"gated.{layer}", f"raised.{layer}"
        if isinstance(gate, QuantizedMatrix) and isinstance(up, QuantizedMatrix) and alike(gate, up):
            # One product instead of two: in a step of one token, each hands work to the threads and back.
            both = self._w.matrix(f"gate_up.{layer}", concatenated([gate, up]))
            widths = self._w.constant("gate_up_widths", np.array([a.intermediate] * 2))
            self._w.node("Split", [self._w.matmul(normed, both, f"both.{layer}"), widths], *outputs, axis=-1)
        else:
            for name, weight, output in zip(("gate", "up"), (gate, up), outputs, strict=True):
                self._w.matmul(normed, self._w.matrix(f"{name}.{layer}", weight), output)
        product = self._w.node("Mul", [self._silu(layer, outputs[0]), outputs[1]], f"product.{layer}")
        down = self._matrix(f"down.{layer}", f"{prefix}.down_proj.weight", a.hidden, a.intermediate)
        return self._w.matmul(product, down, f"fed.{layer}")

    def _reader(self, name: str, rows: int) -> Read:
        return lambda: self._source.tensor(f"{name}.weight", rows, self._a.hidden)

    def _matrix(self, name: str, tensor: str, rows: int, columns: int) -> StoredMatrix:
        return self._store(name, lambda: self._source.tensor(tensor, rows, columns))

    def _store(self, name: str, read: Read) -> StoredMatrix:
        return self._w.matrix(name, self._quantize(name, read, self._w))
