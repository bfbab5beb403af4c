"""Optimum's exporter and its bundles: the reference of the fused graph, and models that it does not know."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from edge_llm.bundle import Bundle
from edge_llm.cli.main import main
from edge_llm.contract.turns import Turn
from edge_llm.convert.optimum import prepare_optimum_bundle
from edge_llm.convert.prepare import Quantization, prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.source import Source
from edge_llm.engine.decoder import Decoder, load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.concat import SINK_TOKENS, ConcatDecoder
from edge_llm.engine.scheduler import Scheduler
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import Completion, Event, GenerationRequest, SamplingParams
from tests import tiny
from tests.common import eventually

PROMPT = [1, *range(40, 69)]
NEW_TOKENS = range(100, 116)
MESSAGES = (Turn(role="user", content="How warm is the bath?"),)


def decoder_of(bundle: Bundle, slots: int = 1) -> Decoder:
    return load_decoder(bundle, KVCache(bundle.manifest.kv, slots, 256), threads=2)


def feed(decoder: Decoder, slot: int, ids: list[int], logits: int) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = decoder.forward(range(slot, slot + 1), np.array([ids]), logits)[0]
    return rows.copy()


def logits_of(decoder: Decoder, chunk: int) -> NDArray[np.float32]:
    """``[prompt + new tokens, vocab]`` logits; the prompt in chunks, then one token a step."""
    decoder.cache.rewind(0, 0)
    pieces = [PROMPT[start : start + chunk] for start in range(0, len(PROMPT), chunk)]
    pieces += [[token] for token in NEW_TOKENS]
    return np.concatenate([feed(decoder, 0, ids, len(ids)) for ids in pieces])


def assert_same_logits(fused: Bundle, exported: Bundle) -> None:
    ours, reference = decoder_of(fused), decoder_of(exported)
    expected = logits_of(reference, chunk=len(PROMPT))
    assert expected.std() > 0.5
    for chunk in (len(PROMPT), 7):
        np.testing.assert_allclose(logits_of(ours, chunk), expected, rtol=0, atol=1e-3)
        np.testing.assert_allclose(logits_of(reference, chunk), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["qwen2", "qwen2-tied", "llama", "qwen3"])
def test_the_fused_graph_gives_the_logits_of_optimums_export(name: str, tmp_path: Path) -> None:
    """Over a prefill, a chunked prefill and 16 decode steps."""
    model = tiny.make(name, tmp_path / "model")
    fused = prepare_bundle(tiny.source_of(name, model), tmp_path / "fused", "fp32", Progress(quiet=True))
    exported = prepare_optimum_bundle(tmp_path / "model", tmp_path / "exported", "fp32")
    assert exported.manifest.kv == fused.manifest.kv
    assert exported.manifest.eos_token_ids == (2,)
    assert_same_logits(fused, exported)


def test_the_demo_models_fused_graph_gives_the_logits_of_optimums_export(
    demo_source: Source, bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    a = demo_source.architecture
    config = {
        "model_type": a.family,
        "num_hidden_layers": a.layers,
        "hidden_size": a.hidden,
        "intermediate_size": a.intermediate,
        "num_attention_heads": a.heads,
        "num_key_value_heads": a.kv_heads,
        "vocab_size": a.vocab_size,
        "max_position_embeddings": a.context_tokens,
        "rope_theta": a.rope_theta,
        "rms_norm_eps": a.rms_eps,
        "tie_word_embeddings": a.tied,
        "eos_token_id": list(demo_source.eos_token_ids),
    }
    model = tmp_path / "model"
    model.mkdir()
    weights = {name: np.ascontiguousarray(read()) for name, read in demo_source.tensors.items()}
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    (model / "config.json").write_text(json.dumps(config))
    (model / "tokenizer.json").write_text(demo_source.tokenizer_json)
    (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": demo_source.chat_template}))
    exported = prepare_optimum_bundle(model, tmp_path / "exported", "fp32")
    assert exported.manifest.eos_token_ids == demo_source.eos_token_ids
    assert_same_logits(bundle("fp32"), exported)


class CountingSession:
    """An ONNX Runtime session that notes how many tokens each run is fed."""

    def __init__(self, session: Any) -> None:
        self.fed: list[int] = []
        self._session = session

    def run_with_ort_values(self, outputs: list[str], feeds: dict[str, Any]) -> Any:
        self.fed.append(feeds["input_ids"].shape()[1])
        return self._session.run_with_ort_values(outputs, feeds)


def reply_of(decoder: Decoder, tokenizer: ChatTokenizer, max_tokens: int) -> Completion:
    events: list[Event] = []
    scheduler = Scheduler(decoder, tokenizer, eos_token_ids=(), queue_limit=1)
    engine = Thread(target=scheduler.run)
    engine.start()
    # Greedy, but by top-k: what is greedy by temperature is drafted, several tokens a step.
    request = GenerationRequest(MESSAGES, max_tokens, SamplingParams(1.0, 1, 1.0, None))
    scheduler.submit(Sequence(request, events.append))
    completion = eventually(lambda: next((e for e in events if isinstance(e, Completion)), None))
    scheduler.stop()
    engine.join()
    assert isinstance(completion, Completion)
    return completion


def greedy_text(model: Any, tokenizer: ChatTokenizer, count: int) -> str:
    """What transformers says, without a cache."""
    ids = prompt = tokenizer.encode_chat(MESSAGES)
    for _ in range(count):
        with torch.no_grad():
            ids = [*ids, int(model(torch.tensor([ids])).logits[0, -1].argmax())]
    text: str = tokenizer._tokenizer.decode(ids[len(prompt) :])
    return text


# gemma's graph takes no position_ids.
@pytest.mark.parametrize(
    ("name", "quantization"), [("gpt_neox", "fp32"), ("gpt_neox", "int8"), ("gemma", "fp32")]
)
def test_a_model_that_the_fused_graph_does_not_know_is_served(
    name: str, quantization: str, tmp_path: Path
) -> None:
    """The prompt goes in once and then one token a step: the graph's cache is used."""
    model = tiny.make(name, tmp_path / "model")
    bundle = prepare_optimum_bundle(tmp_path / "model", tmp_path / "bundle", quantization)
    decoder, tokenizer = decoder_of(bundle), ChatTokenizer(bundle)
    assert isinstance(decoder, ConcatDecoder)
    decoder._session = counting = CountingSession(decoder._session)
    reply = reply_of(decoder, tokenizer, max_tokens=12)
    prompt = reply.usage.prompt_tokens
    assert reply.finish_reason == "length"
    if quantization == "fp32":
        assert counting.fed == [prompt] + 11 * [1]
        assert reply.text == greedy_text(model, tokenizer, 12)
    else:
        assert counting.fed == SINK_TOKENS * [1] + [prompt - SINK_TOKENS] + 11 * [1]
        assert reply.text


def test_a_rewound_slot_goes_on_as_if_nothing_had_been_fed(tmp_path: Path) -> None:
    tiny.make("gpt_neox", tmp_path / "model")
    bundle = prepare_optimum_bundle(tmp_path / "model", tmp_path / "bundle", "fp32")
    decoder = decoder_of(bundle, slots=2)
    whole = feed(decoder, 0, PROMPT, 1)
    feed(decoder, 0, [5, 6, 7], 1)
    feed(decoder, 1, PROMPT[::-1], 0)
    decoder.cache.rewind(0, 10)
    assert feed(decoder, 0, PROMPT[10:-3], 0).shape == (0, tiny.VOCAB)
    np.testing.assert_allclose(feed(decoder, 0, PROMPT[-3:], 1), whole, atol=1e-4)
    decoder.cache.rewind(1, 0)
    np.testing.assert_allclose(feed(decoder, 1, PROMPT, 1), whole, atol=1e-4)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("good") / "model"
    tiny.make("llama", directory)
    return directory


def configure(path: Path, **changes: Any) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


def drop_weight(path: Path) -> None:
    weights = load_file(path / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})


def truncate(path: Path) -> None:
    file = path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "is neither a directory nor a hub id": shutil.rmtree,
    "cannot read config.json": lambda path: (path / "config.json").write_text("{"),
    "has no tokenizer.json": lambda path: (path / "tokenizer.json").unlink(),
    "has no chat template": lambda path: (path / "chat_template.jinja").unlink(),
    "brings code of its own (auto_map), which is never run": lambda path: configure(
        path, model_type="mystery", auto_map={"AutoModelForCausalLM": "x.M"}
    ),
    "does not know 'mystery'": lambda path: configure(path, model_type="mystery"),
    "Optimum cannot export 'bert'": lambda path: configure(path, model_type="bert"),
    "Optimum cannot export 'mamba'": lambda path: configure(path, model_type="mamba"),
    "lacks weights (*.safetensors)": lambda path: (path / "model.safetensors").unlink(),
    "has pickled weights only, which can run code": lambda path: (path / "model.safetensors").rename(
        path / "pytorch_model.bin"
    ),
    "lacks weights: model.layers.1.mlp.down_proj.weight": drop_weight,
    "cannot be exported: ": truncate,
}


def refusal(capsys: pytest.CaptureFixture[str], source: Path, out: Path, *options: str) -> str:
    """The one line of a prepare that fails and leaves nothing behind."""
    assert main(["prepare", str(source), "--exporter", "optimum", "--out", str(out), *options]) == 1
    assert not list(out.parent.iterdir())
    *before, line = capsys.readouterr().err.splitlines()
    assert not before or before[0].startswith("exporting with Optimum")
    return line


@pytest.mark.parametrize("words", DAMAGES)
def test_what_cannot_be_exported_is_refused_in_one_line(
    words: str, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = tmp_path / "model", tmp_path / "out" / "bundle"
    out.parent.mkdir()
    shutil.copytree(good, model)
    DAMAGES[words](model)
    assert words in refusal(capsys, model, out)


def test_a_missing_extra_and_a_foreign_quantization_are_refused(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    assert "Optimum exports int8 or fp32, not int4" in refusal(capsys, good, out, "--quant", "int4")
    monkeypatch.setitem(sys.modules, "transformers", None)
    words = "transformers is missing: pip install torch==2.13.0, then pip install 'edge-llm[optimum]'"
    assert words in refusal(capsys, good, out)


@pytest.mark.parametrize("name", ["qwen2", "llama", "qwen3"])
def test_a_batch_of_rows_gives_each_row_what_optimums_export_gives_it_alone(
    name: str, tmp_path: Path
) -> None:
    """Three rows of different lengths, prefilled one by one in chunks, then decoded as one batch."""
    model = tiny.make(name, tmp_path / "model")
    fused = prepare_bundle(tiny.source_of(name, model), tmp_path / "fused", "fp32", Progress(quiet=True))
    exported = prepare_optimum_bundle(tmp_path / "model", tmp_path / "exported", "fp32")
    ours, reference = decoder_of(fused, slots=3), decoder_of(exported, slots=3)
    for slot, length in enumerate((30, 9, 17)):
        for start in range(0, length, 8):
            feed(ours, slot, PROMPT[start : min(start + 8, length)], 0)
        feed(reference, slot, PROMPT[:length], 0)
    for step in NEW_TOKENS:
        ids = np.array([[step], [step + 20], [step + 40]])
        expected = reference.forward(range(3), ids, 1)
        np.testing.assert_allclose(ours.forward(range(3), ids, 1), expected, rtol=0, atol=1e-3)
