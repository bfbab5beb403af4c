"""The decode graph of the Llama family (Llama, Qwen2, Qwen3), written straight from numpy arrays.

It serves prefill, decode and verification. Inputs:

``input_ids`` int64 ``[batch, tokens]``; ``seqlens_k`` int32 ``[batch]``: past + new tokens - 1;
``total_sequence_length`` int32 scalar: past + new tokens of the longest row; ``past.{layer}.key`` and
``.value`` float32 ``[batch, kv_heads, capacity, head_dim]``, to be bound to the memory of
``present.{layer}.key`` and ``.value``. Three more choose which logits are computed; what is left empty costs
next to nothing:

``logits_positions`` int64 ``[n]``: the new tokens that have ``logits``, float32 ``[batch, n, vocab]``.

``shortlisted`` int64 ``[s]``, with a coarse head: those of which only the largest logits have to be exact. A
head of 2 bits a weight makes a shortlist, and the head's own rows decide among its tokens. The others of
``shortlisted_logits``, float32 ``[batch, s, vocab]``, are the coarse ones.

``allowed`` int64 ``[a]``, with a quantized head: tokens of the vocabulary. Only their rows of the head are
read for ``allowed_logits``, float32 ``[batch, 1, a]``, of the last new token.

Where a prefill graph is written, too (see ``prefill_graph``), it only decodes.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_llm.bundle import ALLOWED, MODEL, MODEL_DATA, SHORTLISTED
from edge_llm.convert.llama_graph import LlamaGraph, Read
from edge_llm.convert.quantize import QuantizedMatrix, alike, coarse, concatenated
from edge_llm.convert.sources.source import Architecture, Source
from edge_llm.convert.writer import GraphWriter, StoredMatrix, offset_of

Weight = NDArray[np.float32] | QuantizedMatrix
_Values = tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]
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
COARSE_HEAD = "coarse_head"
_SHORTLIST = 256
"""Tokens whose rows of the head are read; `edge-llm verify --against` prints how often that is enough."""
_COARSE_BLOCKS = (128, 64, 32, 16)


def matrix_count(architecture: Architecture) -> int:
    """Count the matrices that ``write_graph`` hands to its quantizer."""
    return 5 * architecture.layers + (1 if architecture.tied else 2)


@dataclass(frozen=True)
class Written:
    """A decode graph on disk: its initializers by name, and the embedding's place among them."""

    initializers: Mapping[str, onnx.TensorProto]
    embedding: StoredMatrix


def write_graph(
    source: Source, directory: Path, quantizer: Quantizer, *, coarse_head: bool = False
) -> Written:
    """Write ``model.onnx`` and ``model.onnx.data`` of ``source`` into ``directory``.

    Weights are read, quantized and written one at a time; the largest one bounds the memory needed.
    ``coarse_head`` adds one, if the head is quantized.

    Their names: ``embedding``; ``qkv.0``, ``o.0``, ``gate.0``, ``up.0``, ``down.0``, …; ``head`` if untied.

    Raises:
        SourceError: a weight is missing or has another shape.
    """
    with (directory / MODEL_DATA).open("wb") as data:
        writer = GraphWriter(data)
        model, embedding = _Decoder(source, writer, quantizer, coarse_head=coarse_head).build()
    onnx.save(model, directory / MODEL)
    return Written(writer.initializers, embedding)


def leave_out_coarse_head(directory: Path) -> None:
    """Take the coarse head out of the decode graph that ``write_graph`` has left in ``directory``."""
    model = onnx.load(directory / MODEL, load_external_data=False)
    graph = model.graph
    offsets = [offset_of(each) for each in graph.initializer if each.name.startswith(COARSE_HEAD)]
    _keep(graph.node, lambda node: not node.output[0].startswith(SHORTLISTED))
    read = {name for node in graph.node for name in node.input}
    _keep(graph.initializer, lambda each: each.name in read)
    _keep(graph.input, lambda each: each.name != SHORTLISTED)
    _keep(graph.output, lambda each: not each.name.startswith(SHORTLISTED))
    onnx.save(model, directory / MODEL)
    os.truncate(directory / MODEL_DATA, min(offset for offset in offsets if offset is not None))


def _keep(entries: Any, wanted: Callable[[Any], bool]) -> None:
    """Remove those that are not wanted from a repeated field of a message."""
    kept = [entry for entry in entries if wanted(entry)]
    del entries[:]
    entries.extend(kept)


class _Decoder(LlamaGraph):
    def __init__(
        self, source: Source, writer: GraphWriter, quantizer: Quantizer, *, coarse_head: bool
    ) -> None:
        super().__init__(source, writer)
        self._quantize = quantizer
        self._coarse_head = coarse_head

    def build(self) -> tuple[onnx.ModelProto, StoredMatrix]:
        """Write all nodes; returns the model and the embedding's place in the data file."""
        a = self._a
        self._rope_caches()
        embedding, coarse_head = self._by_vocabulary("embedding", "model.embed_tokens.weight", is_head=a.tied)
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
        self._w.node("Gather", [normed, "logits_positions"], "chosen", axis=1)
        head = embedding
        if not a.tied:
            head, coarse_head = self._by_vocabulary("head", "lm_head.weight", is_head=True)
        chosen, logits = self._logits(normed, head, coarse_head)
        ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
        inputs = [ids, *self._lengths(), *chosen, *self._caches("past")]
        return self._w.model(a.family, inputs, [*logits, *self._caches("present")]), embedding

    def _by_vocabulary(
        self, name: str, tensor: str, *, is_head: bool
    ) -> tuple[StoredMatrix, QuantizedMatrix | None]:
        """Store the embedding or the head; returns it, and of the head a coarse one if that is wanted."""
        a = self._a
        weight = self._quantize(name, lambda: self._source.tensor(tensor, a.vocab_size, a.hidden), self._w)
        stored = self._w.matrix(name, weight)
        if not (is_head and self._coarse_head and isinstance(weight, QuantizedMatrix)):
            return stored, None
        return stored, coarse(weight, next(b for b in _COARSE_BLOCKS if stored.columns % b == 0))

    def _logits(self, normed: str, head: StoredMatrix, coarse_head: QuantizedMatrix | None) -> _Values:
        """Compute logits in each way that there is; returns the inputs that choose, and the outputs."""
        chosen, logits = [_chosen("logits_positions", "n")], [_logits("logits", "n", self._a.vocab_size)]
        self._w.matmul("chosen", head, "logits")
        if head.bits != 32:
            self._allowed(normed, head)
            chosen.append(_chosen(ALLOWED, "a"))
            logits.append(_logits(f"{ALLOWED}_logits", 1, "a"))
        if coarse_head:
            # Last, so that it can be left out again.
            self._shortlisted(normed, head, self._w.matrix(COARSE_HEAD, coarse_head))
            chosen.append(_chosen(SHORTLISTED, "s"))
            logits.append(_logits(f"{SHORTLISTED}_logits", "s", self._a.vocab_size))
        return chosen, logits

    def _allowed(self, normed: str, head: StoredMatrix) -> None:
        """Compute the last token's logits of a few tokens."""
        node = self._w.node
        last = node("Gather", [normed, self._w.constant("last", np.array([-1]))], f"{ALLOWED}.by", axis=1)
        rows = self._w.gather_rows(head, ALLOWED, f"{ALLOWED}.rows")
        inputs = [self._rounded(last, head.block), rows]
        node("FusedMatMul", inputs, f"{ALLOWED}_logits", contrib=True, transB=1)

    def _shortlisted(self, normed: str, head: StoredMatrix, coarse_head: StoredMatrix) -> None:
        """Compute coarse logits, and in their place the exact ones of the shortlist."""
        node, columns = self._w.node, self._w.constant("columns", np.array([3]))
        chosen = node("Gather", [normed, SHORTLISTED], f"{SHORTLISTED}.chosen", axis=1)
        logits = self._w.matmul(chosen, coarse_head, f"{SHORTLISTED}.coarse")
        count = self._w.constant("shortlist_size", np.array([min(_SHORTLIST, head.rows)]))
        shortlist = f"{SHORTLISTED}.tokens"
        node("TopK", [logits, count], f"{SHORTLISTED}.largest", shortlist, axis=-1, sorted=0)
        rows = self._w.gather_rows(head, shortlist, f"{SHORTLISTED}.rows")
        column = node("Unsqueeze", [self._rounded(chosen, head.block), columns], f"{SHORTLISTED}.column")
        product = node("MatMul", [rows, column], f"{SHORTLISTED}.product")
        exact = node("Squeeze", [product, columns], f"{SHORTLISTED}.exact")
        node("ScatterElements", [logits, shortlist, exact], f"{SHORTLISTED}_logits", axis=-1)

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

    def _rounded(self, x: str, block: int) -> str:
        """Round activations to 8 bits as the head's kernel does, so that both prefer the same token."""
        node, constant = self._w.node, self._w.constant
        hidden = self._a.hidden
        shape = constant("head_blocks", np.array([0, 0, hidden // block, block]))
        blocks = node("Reshape", [x, shape], f"{x}.blocks")
        sizes = [node("Abs", [blocks], f"{x}.sizes"), constant("last", np.array([-1]))]
        largest = node("ReduceMax", sizes, f"{x}.largest", keepdims=1)
        scales = node("Mul", [largest, constant("int8_step", np.array(1 / 127, np.float32))], f"{x}.steps")
        scales = node("Max", [scales, constant("smallest", np.array(1e-30, np.float32))], f"{x}.scales")
        codes = node("Round", [node("Div", [blocks, scales], f"{x}.scaled")], f"{x}.codes")
        rounded = node("Mul", [codes, scales], f"{x}.rounded")
        return node("Reshape", [rounded, constant("head_whole", np.array([0, 0, hidden]))], f"{x}.whole")


def _chosen(name: str, count: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.INT64, [count])


def _logits(name: str, positions: str | int, tokens: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", positions, tokens])
