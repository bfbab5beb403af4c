"""The prefill graph fills the KV pool as the decode graph does, but for the rounding."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edge_llm.bundle import EMBEDDING, PREFILL, PREFILL_DATA, Bundle
from edge_llm.convert.prefill_graph import quantize_channels
from edge_llm.convert.prepare import Quantization, prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.kv_cache import KVCache
from tests.tiny_model import VOCAB, write_model

TOKENS = 40
IDS = np.random.default_rng(0).integers(2, VOCAB, (1, TOKENS))


def prepared(model: Path, quantization: Quantization = "int8", *, prefill: bool = True) -> Bundle:
    out = model.with_name(f"{quantization}-{prefill}")
    return prepare_bundle(
        open_source(str(model), model), out, quantization, Progress(quiet=True), prefill=prefill
    )


def pool(bundle: Bundle, chunks: tuple[int, ...] = (TOKENS,), *, prefill: bool = True) -> NDArray[np.float32]:
    """Keys and values of ``IDS``, fed in ``chunks`` into the second of two slots."""
    decoder = load_decoder(bundle, KVCache(bundle.manifest.kv, 2, 64), threads=1, prefill=prefill)
    start = 0
    for chunk in chunks:
        decoder.forward([1], IDS[:, start : start + chunk], 0)
        start += chunk
    assert decoder.cache.length(1) == TOKENS
    assert not decoder.cache.arrays[0][0].any()  # another's slot
    return decoder.cache.read(1, 0, TOKENS)


def distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("head", ["tied", "untied"])
def test_it_writes_what_the_decode_graph_writes(family: str, head: str, tmp_path: Path) -> None:
    bundle = prepared(write_model(tmp_path / "model", family, tie_word_embeddings=head == "tied"))
    assert distance(pool(bundle), pool(bundle, prefill=False)) < 0.03
    # The first tokens go through the decode graph: bit for bit.
    assert (pool(bundle)[:, :, :3] == pool(bundle, prefill=False)[:, :, :3]).all()


def test_a_cached_beginning_changes_no_key(tmp_path: Path) -> None:
    """Which graph a token goes through depends on its place alone, not on where a cached prefix ended."""
    bundle = prepared(write_model(tmp_path / "model", "qwen2"))
    for cached in (1, 2, 3, 5):
        np.testing.assert_allclose(pool(bundle, (cached, TOKENS - cached)), pool(bundle), atol=1e-5)


def test_chunks_give_what_the_whole_gives(tmp_path: Path) -> None:
    bundle = prepared(write_model(tmp_path / "model", "qwen2"))
    assert distance(pool(bundle, (3, 7, 30)), pool(bundle)) < 0.02


@pytest.mark.parametrize("quantization", ["int4", "int8"])
def test_its_weights_are_of_8_bits_whatever_the_bundle_has(
    quantization: Quantization, tmp_path: Path
) -> None:
    bundle = prepared(write_model(tmp_path / "model"), quantization)
    weights = onnx.load(bundle.path / PREFILL).graph.initializer
    assert {w.data_type for w in weights if w.name.endswith(".int8")} == {onnx.TensorProto.INT8}


@pytest.mark.parametrize("options", [("int8", False), ("fp32", True)])
def test_a_bundle_may_have_none(options: tuple[Quantization, bool], tmp_path: Path) -> None:
    quantization, prefill = options
    bundle = prepared(write_model(tmp_path / "model"), quantization, prefill=prefill)
    assert not {PREFILL, PREFILL_DATA, EMBEDDING} & bundle.manifest.sha256.keys()
    assert not load_decoder(bundle, KVCache(bundle.manifest.kv, 1, 64), threads=1).prefills_apart
    assert pool(bundle).any()


def test_a_channel_is_rounded_by_its_own_scale() -> None:
    rng = np.random.default_rng(1)
    weight = (rng.normal(size=(5, 7)) * 10.0 ** np.arange(-2, 3)[:, None]).astype(np.float32)
    weight[2] = 0
    values, scales = quantize_channels(weight)
    assert values.shape == (7, 5)
    assert values.dtype == np.int8
    assert abs(values).max(axis=0).tolist() == [127, 127, 0, 127, 127]
    assert (abs(values.T * scales[:, None] - weight) <= scales[:, None] / 2 * 1.001).all()


def test_a_token_of_zeros_does_no_harm(tmp_path: Path) -> None:
    """A pruned embedding row gives zeros, which have no scale of their own."""
    model = write_model(tmp_path / "model", "llama")
    source = open_source(str(model), model)
    read = source.tensors["model.embed_tokens.weight"]
    tensors = {**source.tensors, "model.embed_tokens.weight": lambda: _zero_row(read(), 7)}
    source = replace(source, tensors=tensors)
    out = prepare_bundle(source, tmp_path / "out", "int8", Progress(quiet=True))
    decoder = load_decoder(out, KVCache(out.manifest.kv, 1, 64), threads=1)
    decoder.forward([0], np.full((1, 12), 7), 0)
    assert np.isfinite(decoder.cache.read(0, 0, 12)).all()


def _zero_row(weight: NDArray[np.float32], row: int) -> NDArray[np.float32]:
    weight = weight.copy()
    weight[row] = 0
    return weight
