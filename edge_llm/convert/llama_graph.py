"""The parts that graphs of the Llama family (Llama, Qwen2, Qwen3) share: norms, RoPE, attention, KV pool."""

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_llm.convert.sources.source import Source
from edge_llm.convert.writer import GraphWriter

Read = Callable[[], NDArray[np.float32]]


class LlamaGraph:
    """The parts of a graph that are the same however its matrices are multiplied."""

    def __init__(self, source: Source, writer: GraphWriter) -> None:
        """Write nodes and constants of ``source`` by ``writer``."""
        self._source = source
        self._a = source.architecture
        self._w = writer

    def _attend(self, layer: int, qkv: str, heads: int) -> str:
        """Add the bias, apply RoPE, append to the KV pool, and attend; ``qkv`` has ``heads`` heads of q."""
        a = self._a
        if a.qkv_bias:
            bias = self._w.constant(f"qkv_bias.{layer}.{heads}", self._qkv_bias(layer, heads))
            qkv = self._w.node("Add", [qkv, bias], f"qkv_biased.{layer}")
        inputs = self._normed_heads(layer, qkv, heads) if a.qk_norm else [qkv, "", ""]
        past = [f"past.{layer}.key", f"past.{layer}.value"]
        present = [f"present.{layer}.key", f"present.{layer}.value"]
        return self._w.node(
            "GroupQueryAttention",
            [*inputs, *past, "seqlens_k", "total_sequence_length", "rope_cos", "rope_sin"],
            f"attended.{layer}",
            *present,
            contrib=True,
            num_heads=heads,
            kv_num_heads=a.kv_heads,
            do_rotary=1,
        )

    def _qkv(self, layer: int, heads: int) -> NDArray[np.float32]:
        """Read the weights of q, k and v, stacked; ``heads`` as in ``_attend``."""
        parts = self._qkv_parts(heads)
        name = f"model.layers.{layer}.self_attn"
        return np.concatenate(
            [self._source.tensor(f"{name}.{n}_proj.weight", w, self._a.hidden) for n, w in parts]
        )

    def _qkv_bias(self, layer: int, heads: int) -> NDArray[np.float32]:
        name = f"model.layers.{layer}.self_attn"
        return np.concatenate(
            [self._source.tensor(f"{name}.{n}_proj.bias", w) for n, w in self._qkv_parts(heads)]
        )

    def _qkv_parts(self, heads: int) -> list[tuple[str, int]]:
        """Names and widths of the projections; with fewer heads than the model has, k stands for q."""
        a = self._a
        kv = a.kv_heads * a.head_dim
        query = ("q", a.heads * a.head_dim) if heads == a.heads else ("k", kv)
        return [query, ("k", kv), ("v", kv)]

    def _normed_heads(self, layer: int, qkv: str, heads: int) -> list[str]:
        """Apply Qwen3's RMS norm to each head of q and k, before RoPE."""
        parts = self._qkv_parts(heads)
        query, key, value = (f"{part}.{layer}" for part in "qkv")
        widths = self._w.constant(f"qkv_widths.{heads}", np.array([width for _, width in parts]))
        self._w.node("Split", [qkv, widths], query, key, value, axis=-1)
        by_head = self._w.constant("by_head", np.array([0, 0, -1, self._a.head_dim]))
        flat = self._w.constant("flat", np.array([0, 0, -1]))
        normed = []
        for name, (part, _) in zip((query, key), parts, strict=False):
            split = self._w.node("Reshape", [name, by_head], f"{name}.heads")
            scale = f"model.layers.{layer}.self_attn.{part}_norm"
            split = self._rms_norm(split, scale, f"{name}.normed", self._a.head_dim)
            normed.append(self._w.node("Reshape", [split, flat], f"{name}.flat"))
        return [*normed, value]

    def _silu(self, layer: int, gated: str) -> str:
        # x * sigmoid(1.0 * x), which is SiLU, in one operator.
        return self._w.node("QuickGelu", [gated], f"silu.{layer}", contrib=True, alpha=1.0)

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

    def _caches(self, part: str) -> Sequence[onnx.ValueInfoProto]:
        """Describe the KV pool: ``past`` or ``present``."""
        a = self._a
        shape = ["batch", a.kv_heads, "capacity", a.head_dim]
        names = [f"{part}.{layer}.{half}" for layer in range(a.layers) for half in ("key", "value")]
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]

    def _lengths(self) -> Sequence[onnx.ValueInfoProto]:
        """Describe the inputs that say how much of the pool is filled."""
        value = helper.make_tensor_value_info
        return [
            value("seqlens_k", TensorProto.INT32, ["batch"]),
            value("total_sequence_length", TensorProto.INT32, []),
        ]
