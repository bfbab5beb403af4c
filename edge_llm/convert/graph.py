"""The fused decoder graph of the Llama family (Llama, Qwen2, Qwen3), written straight from numpy arrays.

One graph serves prefill, decode and verification. Inputs:

``input_ids`` int64 ``[batch, tokens]``; ``seqlens_k`` int32 ``[batch]``: past + new tokens - 1;
``total_sequence_length`` int32 scalar: past + new tokens of the longest row; ``logits_positions`` int64
``[n]``: which of the new tokens need logits; ``past.{layer}.key`` and ``.value`` float32 ``[batch,
kv_heads, capacity, head_dim]``, to be bound to the memory of ``present.{layer}.key`` and ``.value``.
Output ``logits`` float32 ``[batch, n, vocab]``.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_llm.bundle import MODEL, MODEL_DATA
from edge_llm.convert.quantize import QuantizedMatrix
from edge_llm.convert.sources.source import Architecture, Source
from edge_llm.convert.writer import GraphWriter, StoredMatrix

Weight = NDArray[np.float32] | QuantizedMatrix
Read = Callable[[], NDArray[np.float32]]
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


def write_graph(source: Source, directory: Path, quantizer: Quantizer) -> None:
    """Write ``model.onnx`` and ``model.onnx.data`` of ``source`` into ``directory``.

    Weights are read, quantized and written one at a time; the largest one bounds the memory needed.
    Their names: ``embedding``; ``qkv.0``, ``o.0``, ``gate.0``, ``up.0``, ``down.0``, …; ``head`` if untied.

    Raises:
        SourceError: a weight is missing or has another shape.
    """
    with (directory / MODEL_DATA).open("wb") as data:
        model = _Decoder(source, GraphWriter(data), quantizer).build()
    onnx.save(model, directory / MODEL)


class _Decoder:
    def __init__(self, source: Source, writer: GraphWriter, quantizer: Quantizer) -> None:
        self._source = source
        self._a = source.architecture
        self._w = writer
        self._quantize = quantizer

    def build(self) -> onnx.ModelProto:
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
        return self._w.model(a.family, *self._interface())

    def _attention(self, layer: int, normed: str) -> str:
        a, prefix = self._a, f"model.layers.{layer}.self_attn"
        widths = {"q": a.heads * a.head_dim, "k": a.kv_heads * a.head_dim, "v": a.kv_heads * a.head_dim}

        def read_qkv() -> NDArray[np.float32]:
            parts = [self._source.tensor(f"{prefix}.{n}_proj.weight", w, a.hidden) for n, w in widths.items()]
            return np.concatenate(parts)

        qkv = self._w.matmul(normed, self._store(f"qkv.{layer}", read_qkv), f"qkv.{layer}")
        if a.qkv_bias:
            biases = [self._source.tensor(f"{prefix}.{n}_proj.bias", w) for n, w in widths.items()]
            bias = self._w.constant(f"qkv_bias.{layer}", np.concatenate(biases))
            qkv = self._w.node("Add", [qkv, bias], f"qkv_biased.{layer}")
        heads = self._normed_heads(layer, qkv, list(widths.values())) if a.qk_norm else [qkv, "", ""]
        past = [f"past.{layer}.key", f"past.{layer}.value"]
        present = [f"present.{layer}.key", f"present.{layer}.value"]
        attended = self._w.node(
            "GroupQueryAttention",
            [*heads, *past, "seqlens_k", "total_sequence_length", "rope_cos", "rope_sin"],
            f"attended.{layer}",
            *present,
            contrib=True,
            num_heads=a.heads,
            kv_num_heads=a.kv_heads,
            do_rotary=1,
        )
        out = self._matrix(f"o.{layer}", f"{prefix}.o_proj.weight", a.hidden, a.heads * a.head_dim)
        return self._w.matmul(attended, out, f"projected.{layer}")

    def _normed_heads(self, layer: int, qkv: str, widths: list[int]) -> list[str]:
        """Apply Qwen3's RMS norm to each head of q and k, before RoPE."""
        query, key, value = (f"{part}.{layer}" for part in "qkv")
        self._w.node(
            "Split", [qkv, self._w.constant("qkv_widths", np.array(widths))], query, key, value, axis=-1
        )
        by_head = self._w.constant("by_head", np.array([0, 0, -1, self._a.head_dim]))
        flat = self._w.constant("flat", np.array([0, 0, -1]))
        normed = []
        for name, part in ((query, "q_norm"), (key, "k_norm")):
            heads = self._w.node("Reshape", [name, by_head], f"{name}.heads")
            scale = f"model.layers.{layer}.self_attn.{part}"
            heads = self._rms_norm(heads, scale, f"{name}.normed", self._a.head_dim)
            normed.append(self._w.node("Reshape", [heads, flat], f"{name}.flat"))
        return [*normed, value]

    def _mlp(self, layer: int, normed: str) -> str:
        a, prefix = self._a, f"model.layers.{layer}.mlp"
        gate = self._matrix(f"gate.{layer}", f"{prefix}.gate_proj.weight", a.intermediate, a.hidden)
        gated = self._w.matmul(normed, gate, f"gated.{layer}")
        up = self._matrix(f"up.{layer}", f"{prefix}.up_proj.weight", a.intermediate, a.hidden)
        raised = self._w.matmul(normed, up, f"raised.{layer}")
        # x * sigmoid(1.0 * x), which is SiLU, in one operator.
        silu = self._w.node("QuickGelu", [gated], f"silu.{layer}", contrib=True, alpha=1.0)
        product = self._w.node("Mul", [silu, raised], f"product.{layer}")
        down = self._matrix(f"down.{layer}", f"{prefix}.down_proj.weight", a.hidden, a.intermediate)
        return self._w.matmul(product, down, f"fed.{layer}")

    def _rms_norm(self, x: str, scale: str, output: str, width: int | None = None) -> str:
        return self._w.node(
            "SimplifiedLayerNormalization",
            [x, self._scale(scale, width)],
            output,
            axis=-1,
            epsilon=self._a.rms_eps,
            stash_type=1,
        )

    def _add_norm(self, hidden: str, update: str, scale: str, output: str) -> tuple[str, str]:
        """Add the residual and normalize in one operator; returns (normed, sum)."""
        total = f"{output}.sum"
        self._w.node(
            "SkipSimplifiedLayerNormalization",
            [hidden, update, self._scale(scale)],
            output,
            "",
            "",
            total,
            contrib=True,
            epsilon=self._a.rms_eps,
        )
        return output, total

    def _scale(self, name: str, width: int | None = None) -> str:
        return self._w.constant(name, self._source.tensor(f"{name}.weight", width or self._a.hidden))

    def _rope_caches(self) -> None:
        """Store cos and sin per position, ``[context, head_dim / 2]`` (RoFormer, Su et al. 2021, eq. 34)."""
        a = self._a
        frequencies = a.rope_theta ** -(np.arange(0, a.head_dim, 2, dtype=np.float64) / a.head_dim)
        angles = np.outer(np.arange(a.context_tokens), frequencies)
        self._w.constant("rope_cos", np.cos(angles).astype(np.float32))
        self._w.constant("rope_sin", np.sin(angles).astype(np.float32))

    def _matrix(self, name: str, tensor: str, rows: int, columns: int) -> StoredMatrix:
        return self._store(name, lambda: self._source.tensor(tensor, rows, columns))

    def _store(self, name: str, read: Read) -> StoredMatrix:
        return self._w.matrix(name, self._quantize(name, read, self._w))

    def _interface(self) -> tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]:
        a, value = self._a, helper.make_tensor_value_info
        kv = ["batch", a.kv_heads, "capacity", a.head_dim]
        caches = [(f"{layer}.{part}") for layer in range(a.layers) for part in ("key", "value")]
        inputs = [
            value("input_ids", TensorProto.INT64, ["batch", "tokens"]),
            value("seqlens_k", TensorProto.INT32, ["batch"]),
            value("total_sequence_length", TensorProto.INT32, []),
            value("logits_positions", TensorProto.INT64, ["n"]),
            *(value(f"past.{cache}", TensorProto.FLOAT, kv) for cache in caches),
        ]
        outputs = [
            value("logits", TensorProto.FLOAT, ["batch", "n", a.vocab_size]),
            *(value(f"present.{cache}", TensorProto.FLOAT, kv) for cache in caches),
        ]
        return inputs, outputs
