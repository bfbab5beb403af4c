"""The prefill graph: a chunk of a prompt through 8-bit integer products, into the KV pool.

MatMulNBits is made for few rows. For a whole chunk the arithmetic decides, and processors have instructions
for 8-bit integers (AVX512-VNNI, AVX-VNNI, AMX). Weights are int8 with a scale for each output channel. The
input of a product is rounded token by token to uint8 around 128, by a scale that its largest value sets
(LLM.int8(), Dettmers et al. 2022, without its outlier columns). The integer product itself is exact.

Inputs: ``embedded`` float32 ``[1, tokens, hidden]``, from the graph EMBEDDING; the others as in the decode
graph, without ``logits_positions``. Outputs: ``present``, the KV pool. There are no logits: a prompt's last
tokens go through the decode graph. What follows the last layer's keys and values is left out, too.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_llm.bundle import EMBEDDING, PREFILL, PREFILL_DATA
from edge_llm.convert.graph import Written
from edge_llm.convert.llama_graph import LlamaGraph
from edge_llm.convert.progress import Advance, Progress
from edge_llm.convert.sources.source import Source
from edge_llm.convert.writer import GraphWriter, StoredMatrix

_SMALLEST = np.float32(1e-20)
"""Least absolute maximum of a token, so that one of zeros has a scale, too."""


@dataclass(frozen=True)
class _Quantized:
    """A tensor ``[1, tokens, width]`` as uint8, and its scales float32 ``[1, tokens, 1]``."""

    values: str
    scales: str


def quantize_channels(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round ``weight`` ``[out, in]`` to int8 ``[in, out]``, with float32 scales ``[out]``."""
    scales = np.maximum(weight.max(axis=1), -weight.min(axis=1)) / np.float32(127)
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    scaled = weight * inverse[:, None]
    return np.ascontiguousarray(np.rint(scaled, out=scaled).astype(np.int8).T), scales


def write_prefill_graph(source: Source, directory: Path, written: Written, progress: Progress) -> None:
    """Write the prefill graph beside the decode graph that was ``written`` into ``directory``.

    Raises:
        SourceError: a weight is missing or has another shape.
    """
    layers = source.architecture.layers
    advance = progress.stage("write prefill", 5 * layers - 4, "tensors")
    with (directory / PREFILL_DATA).open("wb") as data:
        embedding = _embedding_graph(GraphWriter(data, written.initializers), written.embedding)
        prefill = _PrefillGraph(source, GraphWriter(data, written.initializers), advance).build()
    onnx.save(embedding, directory / EMBEDDING)
    onnx.save(prefill, directory / PREFILL)


def _embedding_graph(writer: GraphWriter, embedding: StoredMatrix) -> onnx.ModelProto:
    """Look rows of the embedding up, in the decode graph's bytes: ``input_ids`` to ``embedded``."""
    value = helper.make_tensor_value_info
    writer.gather_rows(embedding, "input_ids", "embedded")
    return writer.model(
        "embedding",
        [value("input_ids", TensorProto.INT64, ["batch", "tokens"])],
        [value("embedded", TensorProto.FLOAT, ["batch", "tokens", embedding.columns])],
    )


class _PrefillGraph(LlamaGraph):
    def __init__(self, source: Source, writer: GraphWriter, advance: Advance) -> None:
        super().__init__(source, writer)
        self._advance = advance
        self._constants = {
            "last_axis": np.array([-1]),
            "smallest": np.array(_SMALLEST),
            "step": np.array(1 / 127, dtype=np.float32),
            "zero_point": np.array(128, dtype=np.uint8),
            "unit": np.array(1, dtype=np.float32),
        }

    def build(self) -> onnx.ModelProto:
        """Write all nodes; returns the model."""
        a = self._a
        for name, value in self._constants.items():
            self._w.constant(name, value)
        self._w.node("Shape", ["embedded"], "tokens", start=1, end=2)
        self._w.node("Expand", ["zero_point", "tokens"], "zero_points")
        self._rope_caches()
        hidden = "embedded"
        normed = self._rms_norm(hidden, "model.layers.0.input_layernorm", "normed.0")
        for layer in range(a.layers - 1):
            attended = self._keys_and_values(layer, normed, a.heads)
            projected = self._project(
                self._quantize(attended),
                f"o.{layer}",
                self._weight(layer, "self_attn.o", a.heads * a.head_dim),
            )
            scale = f"model.layers.{layer}.post_attention_layernorm"
            normed, hidden = self._add_norm(hidden, projected, scale, f"mlp_in.{layer}")
            fed = self._mlp(layer, self._quantize(normed))
            scale = f"model.layers.{layer + 1}.input_layernorm"
            normed, hidden = self._add_norm(hidden, fed, scale, f"normed.{layer + 1}")
        self._keys_and_values(a.layers - 1, normed, a.kv_heads)  # nobody reads what it attends to
        shape = ["batch", "tokens", a.hidden]
        embedded = helper.make_tensor_value_info("embedded", TensorProto.FLOAT, shape)
        inputs = [embedded, *self._lengths(), *self._caches("past")]
        return self._w.model(a.family, inputs, self._caches("present"))

    def _keys_and_values(self, layer: int, normed: str, heads: int) -> str:
        qkv = self._project(self._quantize(normed), f"qkv.{layer}", self._qkv(layer, heads))
        return self._attend(layer, qkv, heads)

    def _mlp(self, layer: int, x: _Quantized) -> str:
        width = self._a.intermediate
        gated = self._project(x, f"gate.{layer}", self._weight(layer, "mlp.gate", rows=width))
        # The token's scale of `up` is left out here, and made good behind `down`: a pass less over the widest
        # tensor. The scale of a token changes nothing in how its values are rounded.
        raised = self._multiply(x, f"up.{layer}", self._weight(layer, "mlp.up", rows=width))
        product = self._w.node("Mul", [self._silu(layer, gated), raised], f"product.{layer}")
        narrow = self._quantize(product)
        scales = self._w.node("Mul", [narrow.scales, x.scales], f"{product}.scales_of_both")
        down = self._weight(layer, "mlp.down", width)
        return self._project(_Quantized(narrow.values, scales), f"down.{layer}", down)

    def _weight(
        self, layer: int, name: str, columns: int | None = None, rows: int | None = None
    ) -> NDArray[np.float32]:
        hidden = self._a.hidden
        return self._source.tensor(
            f"model.layers.{layer}.{name}_proj.weight", rows or hidden, columns or hidden
        )

    def _quantize(self, x: str) -> _Quantized:
        """Round ``x`` token by token."""
        node = self._w.node
        high = node("ReduceMax", [x, "last_axis"], f"{x}.high", keepdims=1)
        low = node("ReduceMin", [x, "last_axis"], f"{x}.low", keepdims=1)
        largest = node("Max", [high, node("Neg", [low], f"{x}.depth"), "smallest"], f"{x}.largest")
        scales = node("Mul", [largest, "step"], f"{x}.scales")
        by_token = node("Reshape", [scales, "last_axis"], f"{x}.scales_by_token")
        return _Quantized(node("QuantizeLinear", [x, by_token, "zero_points"], f"{x}.uint8", axis=1), scales)

    def _project(self, x: _Quantized, name: str, weight: NDArray[np.float32]) -> str:
        return self._w.node("Mul", [self._multiply(x, name, weight), x.scales], f"{name}.projected")

    def _multiply(self, x: _Quantized, name: str, weight: NDArray[np.float32]) -> str:
        """Compute ``x @ weight.T`` without the scales of ``x``."""
        values, scales = quantize_channels(weight)
        inputs = [
            x.values,
            self._w.constant(f"{name}.int8", values),
            "unit",
            self._w.constant(f"{name}.channel_scales", scales),
            "zero_point",
        ]
        self._advance(name, values.nbytes)
        return self._w.node("MatMulIntegerToFloat", inputs, f"{name}.product", contrib=True)
