"""Heads that are not read whole: a coarse one makes a shortlist, and few tokens have logits apart."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edge_llm.bundle import MODEL, MODEL_DATA, Bundle, open_bundle
from edge_llm.convert.graph import Quantizer
from edge_llm.convert.prepare import (
    int4,
    int8,
    leave_out_a_coarse_head_that_misleads,
    prepare_bundle,
    uniform,
    write_bundle,
)
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.convert.sources.source import Source
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx import fused
from tests.tiny_model import VOCAB, write_model

IDS = np.random.default_rng(0).integers(2, VOCAB, (1, 12))
SHORTLIST = 40
FLOAT = onnx.TensorProto.FLOAT
QUIET = Progress(quiet=True)


@pytest.fixture(autouse=True)
def _short_shortlist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_llm.convert.graph._SHORTLIST", SHORTLIST)


def written(path: Path, family: str, quantizer: Quantizer = int8, *, head: str = "tied") -> Bundle:
    model = write_model(path / "model", family, tie_word_embeddings=head == "tied")
    source = open_source(str(model), path)
    (path / "bundle").mkdir()
    return write_bundle(source, path / "bundle", "int8", quantizer, QUIET, coarse_head=True)


def logits(bundle: Bundle, *, exact: bool) -> NDArray[np.float32]:
    """Of the last five tokens: ``[5, vocab]``."""
    decoder = load_decoder(bundle, KVCache(bundle.manifest.kv, 1, 64), threads=1)
    result: NDArray[np.float32] = decoder.forward([0], IDS, 5, exact=exact)[0]
    return result.copy()


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("quantizer", [int8, int4])
@pytest.mark.parametrize("head", ["tied", "untied"])
def test_logits_of_the_shortlist_are_the_heads_own(
    family: str, quantizer: Quantizer, head: str, tmp_path: Path
) -> None:
    bundle = written(tmp_path, family, quantizer, head=head)
    assert bundle.manifest.bits["coarse_head"] == 2
    whole, short = logits(bundle, exact=True), logits(bundle, exact=False)
    alike = np.isclose(whole, short, atol=1e-4 * np.abs(whole).max())
    assert (alike.sum(axis=1) >= SHORTLIST).all()
    assert not alike.all()
    chosen = short.argmax(axis=1)
    assert alike[np.arange(5), chosen].all()


@pytest.mark.parametrize("quantizer", [int8, int4])
@pytest.mark.parametrize("head", ["tied", "untied"])
def test_logits_of_allowed_tokens_are_the_heads_own(quantizer: Quantizer, head: str, tmp_path: Path) -> None:
    """Behind several tokens and behind one, again and again."""
    bundle = written(tmp_path, "qwen2", quantizer, head=head)
    decoder = load_decoder(bundle, KVCache(bundle.manifest.kv, 2, 64), threads=1)
    for allowed in ([7], [3, VOCAB - 1, 50], [60, 7]):
        for ids in (IDS, IDS[:, :1]):
            length = decoder.cache.length(1)
            whole = decoder.forward([1], ids, 1)[0, 0, allowed].copy()
            decoder.cache.rewind(1, length)
            few = decoder.forward([1], ids, 1, allowed=np.array(allowed))[0, 0, allowed]
            np.testing.assert_allclose(few, whole, atol=1e-5)


@pytest.mark.parametrize("head", ["tied", "untied"])
def test_one_that_is_left_out_again_leaves_no_trace(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a bundle reads its whole head."""
    monkeypatch.setattr("edge_llm.convert.prepare._MISLED_STEPS", -1)
    bundle = written(tmp_path, "llama", head=head)
    exact = logits(bundle, exact=True)
    leave_out_a_coarse_head_that_misleads(bundle, QUIET)
    source = open_source(str(tmp_path / "model"), tmp_path)
    (tmp_path / "plain").mkdir()
    write_bundle(source, tmp_path / "plain", "int8", int8, QUIET)
    left, plain = open_bundle(bundle.path), open_bundle(tmp_path / "plain")
    assert left.manifest == plain.manifest.model_copy(update={"sha256": left.manifest.sha256})
    weights = (plain.path / MODEL_DATA).read_bytes()
    assert (left.path / MODEL_DATA).read_bytes().rstrip(b"\0") == weights.rstrip(b"\0")
    for each in (left, plain):
        for is_exact in (True, False):
            np.testing.assert_array_equal(logits(each, exact=is_exact), exact)


def test_a_bundle_of_format_2_reads_its_whole_head(tmp_path: Path) -> None:
    """There an input chose between the heads."""
    bundle = written(tmp_path, "llama", uniform(32))
    expected = logits(bundle, exact=True)
    model = onnx.load(bundle.path / MODEL, load_external_data=False)
    graph, value = model.graph, onnx.helper.make_tensor_value_info
    (head,) = (node for node in graph.node if node.output[0] == "logits")
    head.output[0] = "whole"
    ways = {
        f"{name}_branch": onnx.helper.make_graph(
            [onnx.helper.make_node(operator, ["whole"], [name])], name, [], [value(name, FLOAT, None)]
        )
        for name, operator in (("then", "Identity"), ("else", "Neg"))
    }
    graph.node.append(onnx.helper.make_node("If", ["exact"], ["logits"], **ways))
    graph.input.append(value("exact", onnx.TensorProto.BOOL, []))
    onnx.save(model, bundle.path / MODEL)
    for is_exact in (True, False):
        np.testing.assert_array_equal(logits(bundle, exact=is_exact), expected)


def test_one_that_misleads_is_left_out_of_a_bundle(demo_source: Source, tmp_path: Path) -> None:
    """The demo's model has large outliers: 2 bits often lose its likeliest token."""
    bundle = prepare_bundle(demo_source, tmp_path / "bundle", "int8", QUIET)
    assert "coarse_head" not in bundle.manifest.bits


def test_one_that_this_processor_cannot_measure_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else both would read the whole head, agree, and mislead where the bundle is served."""
    bundle = written(tmp_path, "llama")
    for where in ("edge_llm.convert.prepare", "edge_llm.engine.onnx.fused"):
        monkeypatch.setattr(f"{where}.read_flags", frozenset)
    leave_out_a_coarse_head_that_misleads(bundle, QUIET)
    assert "coarse_head" not in open_bundle(bundle.path).manifest.bits


def test_float32_has_neither(tmp_path: Path) -> None:
    """All its logits are there whichever are asked for."""
    bundle = written(tmp_path, "llama", uniform(32))
    assert "coarse_head" not in bundle.manifest.bits
    decoder = load_decoder(bundle, KVCache(bundle.manifest.kv, 1, 64), threads=1)
    whole = decoder.forward([0], IDS, 1).copy()
    decoder.cache.rewind(0, 0)
    np.testing.assert_array_equal(decoder.forward([0], IDS, 1, allowed=np.array([5])), whole)


def test_a_processor_without_kernels_for_2_bits_reads_the_whole_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = written(tmp_path, "llama")
    expected = logits(bundle, exact=True)
    assert (logits(bundle, exact=False) != expected).any()
    monkeypatch.setattr(fused, "read_flags", frozenset)
    np.testing.assert_array_equal(logits(bundle, exact=False), expected)
