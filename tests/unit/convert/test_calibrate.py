"""`--calibrate`: from the model's own text or a file's to a bundle of the same shape and better integers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edge_llm.bundle import MANIFEST, MODEL, MODEL_DATA, Bundle, open_bundle
from edge_llm.cli.main import main
from edge_llm.convert.calibration import calibrate
from edge_llm.convert.calibration.activations import Activations
from edge_llm.convert.calibration.checkpoint import Checkpoint
from edge_llm.convert.calibration.gptq import gptq
from edge_llm.convert.calibration.text import encode, openers, own_text, read_pieces
from edge_llm.convert.graph import INPUTS
from edge_llm.convert.prepare import Quantization, decoder_for_quality, prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.quality import ALL, compare, conversations, log_probabilities
from edge_llm.convert.quantize import QuantizedMatrix, quantize
from edge_llm.convert.sources.open_source import open_source
from edge_llm.convert.sources.source import Source
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.tokenizer import ChatTokenizer
from tests.tiny_model import write_model

QUIET = Progress(quiet=True)
GetBundle = Callable[[Quantization], Bundle]


@pytest.fixture
def few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "TOKENS", 600)


def tiny(path: Path, family: str = "llama", *, tied: bool = False) -> Source:
    write_model(path, family, tie_word_embeddings=tied, max_position_embeddings=1024, intermediate=128)
    return open_source(str(path), path)


def prepared(source: Source, out: Path, quantization: Quantization = "int4") -> Bundle:
    return prepare_bundle(source, out, quantization, QUIET, calibrate=[])


def test_none_of_the_openers_is_among_the_prompts_that_quality_is_measured_with() -> None:
    asked = {message.content for opener in openers() for message in opener}
    measured = conversations("quality") + conversations("calibration")
    assert asked & {message.content for each in measured for message in each.messages} == set()
    assert all(opener[-1].role == "user" for opener in openers())
    assert len({opener[-1].content for opener in openers()}) == len(openers())


@pytest.mark.parametrize(("family", "tied"), [("llama", True), ("qwen2", False), ("qwen3", False)])
def test_activations_are_those_of_the_whole_graph(family: str, tied: Any, tmp_path: Path) -> None:
    """Asked for piece by piece, in order or not: the same as from one run with all of them as outputs."""
    bundle = prepare_bundle(tiny(tmp_path / "model", family, tied=tied), tmp_path / "b", "int8", QUIET)
    model = onnx.load(bundle.path / MODEL, load_external_data=False)
    a = open_source(str(tmp_path / "model"), tmp_path).architecture
    names = [template.format(layer=layer) for layer in (0, 1) for template in INPUTS.values()]
    names = [name for name in dict.fromkeys(names) if name != "chosen"] + ["chosen", "normed.0"]
    ids = [5, 80, 7, 200, 9, 11]
    activations = Activations(a, [ids, [*ids[:4], 60, 61, 62]])
    pieces = {name: activations.at(name, model, bundle.path) for name in names}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names[:-1])
    onnx.save(model, bundle.path / "all.onnx")
    session = ort.InferenceSession(bundle.path / "all.onnx", providers=["CPUExecutionProvider"])
    past = np.zeros((1, a.kv_heads, 0, a.head_dim), dtype=np.float32)
    feeds: dict[str, Any] = {
        f"past.{layer}.{part}": past for layer in range(a.layers) for part in ("key", "value")
    }
    for sequence, rows, new in (
        (ids, slice(0, 6), slice(0, 6)),
        ([*ids[:4], 60, 61, 62], slice(6, 9), slice(4, 7)),
    ):
        length = len(sequence)
        feeds |= {
            "input_ids": np.array([sequence]),
            "seqlens_k": np.array([length - 1], dtype=np.int32),
            "total_sequence_length": np.array(length, dtype=np.int32),
            "logits_positions": np.arange(length),
            "allowed": np.empty(0, np.int64),
            "shortlisted": np.empty(0, np.int64),
        }
        for name, whole in zip(names, session.run(names, feeds), strict=True):
            np.testing.assert_allclose(pieces[name][rows], whole[0, new], atol=1e-5)


def shape(bundle: Bundle) -> tuple[int, list[bytes], list[tuple[str, list[int], int]]]:
    """All of a bundle but the content of its weights: size, nodes, and what is stored in which type."""
    graph = onnx.load(bundle.path / MODEL, load_external_data=False).graph
    stored = [(each.name, list(each.dims), each.data_type) for each in graph.initializer]
    return (
        (bundle.path / MODEL_DATA).stat().st_size,
        [node.SerializeToString() for node in graph.node],
        stored,
    )


@pytest.mark.usefixtures("few_tokens")
@pytest.mark.parametrize(("family", "tied"), [("llama", True), ("qwen2", False)])
def test_two_runs_give_the_same_bytes_in_the_same_graph_as_plain_int4(
    family: str, tied: Any, tmp_path: Path
) -> None:
    source = tiny(tmp_path / "model", family, tied=tied)
    plain = prepare_bundle(source, tmp_path / "plain", "int4", QUIET)
    one, two = prepared(source, tmp_path / "one"), prepared(source, tmp_path / "two")
    assert one.hash == two.hash
    assert shape(one) == shape(plain)
    assert one.manifest.sha256[MODEL_DATA] != plain.manifest.sha256[MODEL_DATA]
    record = one.manifest.calibration
    assert record is not None
    assert (record.method, record.text, record.seed) == ("gptq", "self", 0)
    assert 600 <= record.tokens < 600 + 512
    assert "calibration" not in json.loads((plain.path / MANIFEST).read_text())
    assert {path.name for path in tmp_path.iterdir()} == {"model", "plain", "one", "two"}


@pytest.mark.usefixtures("few_tokens")
def test_a_run_that_was_cut_goes_on_and_ends_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny(tmp_path / "model")
    whole, out = prepared(source, tmp_path / "whole"), tmp_path / "out"
    rounded: list[Any] = []

    def cut(*arguments: Any) -> Any:
        rounded.append(arguments)
        if len(rounded) == 4:
            raise KeyboardInterrupt
        return gptq(*arguments)

    monkeypatch.setattr(calibrate, "gptq", cut)
    with pytest.raises(KeyboardInterrupt):
        prepared(source, out)
    assert not out.exists()
    left = next(tmp_path.glob(".out.calibration-*"))
    assert {path.name for path in left.iterdir()} == {"text.json", "gate.0.npz", "up.0.npz", "down.0.npz"}
    assert prepared(source, out).hash == whole.hash
    assert len(rounded) == 4 + 4  # gate, up and down of the second layer, and the head
    assert not left.exists()


def test_a_checkpoint_of_another_source_is_not_taken(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "out", ("a", 1)).keep_text([[1, 2]])
    assert Checkpoint(tmp_path / "out", ("a", 1)).text() == [[1, 2]]
    assert Checkpoint(tmp_path / "out", ("b", 1)).text() == []


def test_a_checkpoint_that_a_power_cut_has_torn_is_made_again(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "out", "key")
    matrix = quantize(np.ones((32, 32), np.float32), 4)
    assert isinstance(matrix, QuantizedMatrix)
    checkpoint.keep_text([[1, 2]])
    checkpoint.keep_matrix("a", matrix)
    assert checkpoint.matrix("a") is not None
    for file in checkpoint._path.iterdir():
        whole = file.read_bytes()
        for torn in (whole[: len(whole) // 2], b"", bytes(len(whole))):
            file.write_bytes(torn)
            assert not (checkpoint.text() if file.suffix == ".json" else checkpoint.matrix("a"))


def test_a_model_writes_the_same_text_again_whoever_it_is_asked_for(tmp_path: Path) -> None:
    bundle = prepare_bundle(tiny(tmp_path / "model"), tmp_path / "b", "int8", QUIET)

    def replies(begin: int) -> Iterator[list[int]]:
        decoder = load_decoder(bundle, KVCache(bundle.manifest.kv, 1, 1024))
        return own_text(decoder, ChatTokenizer(bundle), bundle.manifest.eos_token_ids, 0, begin)

    stream = replies(0)
    first = [next(stream) for _ in range(3)]
    assert next(replies(2)) == first[2]
    assert first[0] != first[1]


def test_a_file_of_text_or_chats_is_cut_to_the_context(tmp_path: Path) -> None:
    tokenizer = ChatTokenizer(prepare_bundle(tiny(tmp_path / "model"), tmp_path / "b", "int8", QUIET))
    text, chats = tmp_path / "text.txt", tmp_path / "chats.jsonl"
    text.write_text("The light is on. " * 40)
    assert [len(ids) for ids in encode(read_pieces(text), tokenizer, 250, 100)] == [100, 100, 50]
    turns = [{"role": "user", "content": "Is it on?"}, {"role": "assistant", "content": "Yes."}]
    chats.write_text(json.dumps({"messages": turns}) + "\n\n" + json.dumps({"messages": turns[:1]}) + "\n")
    ids = encode(read_pieces(chats), tokenizer, 1000, 100)
    assert [len(each) for each in ids] == [len("user: Is it on?") + 1 + len("assistant: Yes.") + 1, 16]


@pytest.mark.usefixtures("few_tokens")
def test_a_calibrated_bundle_from_a_file_says_so(tmp_path: Path) -> None:
    write_model(tmp_path / "model", max_position_embeddings=1024)
    (tmp_path / "text.txt").write_text("Is the bath warm? " * 100)
    out = tmp_path / "out"
    arguments = ["prepare", str(tmp_path / "model"), "--out", str(out), "--quant", "int4", "--no-quality"]
    assert main([*arguments, "--calibrate", str(tmp_path / "text.txt")]) == 0
    record = open_bundle(out).manifest.calibration
    assert record is not None
    assert record.model_dump() == {"method": "gptq", "text": "file", "seed": None, "tokens": 600}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--calibrate"], "--quant int4 or mixed"),
        (["--quant", "fp32", "--calibrate"], "--quant int4 or mixed"),
        (["--quant", "int4", "--exporter", "optimum", "--calibrate"], "fused exporter"),
        (["--quant", "int4", "--calibrate", "empty.txt"], "is empty"),
        (["--quant", "int4", "--calibrate", "none.txt"], "cannot read none.txt"),
        (["--quant", "int4", "--calibrate", "latin.txt"], "as UTF-8"),
        (["--quant", "int4", "--calibrate", "bad.jsonl"], "bad.jsonl, line 2"),
        (["--quant", "int4", "--calibrate", "null.jsonl"], "null.jsonl, line 1"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_in_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text(" \n")
    Path("latin.txt").write_bytes(b"K\xfcche")
    Path("bad.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n{"text": "no"}\n')
    Path("null.jsonl").write_text('{"messages": [{"role": "user", "content": null}]}\n')
    assert main(["prepare", "demo", "--out", "bundle", *arguments]) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not Path("bundle").exists()


def test_a_context_too_short_for_the_openers_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "model", max_position_embeddings=64)
    arguments = ["prepare", str(tmp_path / "model"), "--out", str(tmp_path / "bundle"), "--quant", "int4"]
    assert main([*arguments, "--calibrate"]) == 1
    assert "give --calibrate a file" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.long
def test_calibration_halves_the_distance_of_the_demo_model(
    bundle: GetBundle, demo_source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "TOKENS", 1000)
    calibrated = prepared(demo_source, tmp_path / "calibrated")
    tokenizer, sample = ChatTokenizer(bundle("fp32")), conversations("quality", 8)
    expected = list(log_probabilities(decoder_for_quality(bundle("fp32")), tokenizer, sample))
    kl = {
        name: compare(expected, decoder_for_quality(each), tokenizer, sample)[ALL].kl
        for name, each in (("plain", bundle("int4")), ("calibrated", calibrated))
    }
    assert kl["calibrated"] < 0.6 * kl["plain"]
