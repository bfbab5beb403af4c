"""Directories of safetensors: every layout gives a model that runs, and what would run wrong is refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from edge_llm.bundle import open_bundle
from edge_llm.cli.main import main
from edge_llm.contract.turns import Turn
from edge_llm.convert.prepare import Quantization, prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.convert.sources.source import Source
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.fused import FusedDecoder
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.errors import SourceError
from tests.small_tokenizers import byte_level
from tests.tiny_model import TEMPLATE, VOCAB, tokenizer, write_json, write_model


def opened(path: Path) -> Source:
    return open_source(str(path), path)


def logits(path: Path, quantization: Quantization = "fp32") -> NDArray[np.float32]:
    """Logits ``[7, vocab]`` of a prompt, by the bundle that is prepared from the directory."""
    out = path.with_name(f"{path.name}-{quantization}")
    bundle = prepare_bundle(opened(path), out, quantization, Progress(quiet=True))
    decoder = FusedDecoder(bundle, KVCache(bundle.manifest.kv, slots=1, capacity=16), threads=1)
    rows: NDArray[np.float32] = decoder.forward(range(1), np.array([[5, 80, 7, 200, 31, 12, 99]]), logits=7)[
        0
    ]
    return rows


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("config", [{"tie_word_embeddings": True}, {}])
@pytest.mark.parametrize(("dtype", "shards"), [("bf16", 2), ("f16", 1), ("f32", 3)])
def test_each_layout_gives_a_model_that_runs(
    family: str, config: dict[str, Any], dtype: str, shards: int, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "m", family, dtype=dtype, shards=shards, **config)
    values = logits(model, "int8")
    assert values.shape == (7, VOCAB)
    assert np.isfinite(values).all()
    assert values.std() > 0.1


def test_half_precision_and_shards_change_nothing_but_the_rounding(tmp_path: Path) -> None:
    exact = logits(write_model(tmp_path / "f32", "qwen2"))
    assert (logits(write_model(tmp_path / "shards", "qwen2", shards=3)) == exact).all()
    for dtype, digits in (("bf16", 8), ("f16", 11)):
        rounded = logits(write_model(tmp_path / dtype, "qwen2", dtype=dtype))
        assert 0 < np.abs(rounded - exact).max() < 8 * 2.0**-digits * np.abs(exact).max()


def test_rope_theta_is_found_where_transformers_5_writes_it(tmp_path: Path) -> None:
    old = logits(write_model(tmp_path / "old", rope_theta=5e5))
    nested = {"rope_type": "default", "rope_theta": 5e5}
    new = logits(write_model(tmp_path / "new", rope_theta=None, rope_parameters=nested))
    assert (new == old).all()
    assert np.abs(logits(write_model(tmp_path / "other")) - old).max() > 1e-3


def test_a_head_dim_that_is_not_stated_is_computed(tmp_path: Path) -> None:
    stated = write_model(tmp_path / "stated")
    assert opened(write_model(tmp_path / "m", head_dim=None)).architecture == opened(stated).architecture


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "gemma3_text"}, "model_type 'gemma3_text'"),
        ({"model_type": None}, "model_type None"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "RoPE scaling"),
        ({"rope_scaling": {"type": "linear"}}, "RoPE scaling"),
        ({"rope_scaling": "yarn"}, "RoPE scaling"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "RoPE scaling"),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "RoPE scaling"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ({"use_sliding_window": True}, "sliding-window"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "sliding-window"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"attention_bias": True}, "attention_bias"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config"),
        ({"num_hidden_layers": 1}, "weight model.layers.1."),
    ],
)
def test_what_would_run_wrong_is_refused_and_pointed_to_optimum(
    config: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        opened(write_model(tmp_path / "m", **config))
    assert "--exporter optimum" in str(caught.value)


def test_weights_that_the_graph_would_not_use_are_refused(tmp_path: Path) -> None:
    """A bias that config.json does not tell of, and integers where floats should be."""
    model = write_model(tmp_path / "m") / "model.safetensors"
    weights = load_file(model)
    bias, integers = np.ones(96, np.float32), np.ones((96, 64), np.int8)
    for name, extra in (("mlp.up_proj.bias", bias), ("mlp.up_proj.weight", integers)):
        changed: dict[str, NDArray[Any]] = {**weights, f"model.layers.0.{name}": extra}
        save_file(changed, model)
        with pytest.raises(SourceError, match=re.escape(name)):
            opened(model.parent)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def without_ends(model: Path) -> None:
    """Nothing says what ends a reply, and -1 and 2^32-1 are no tokens."""
    edit(model / "config.json", eos_token_id=[-1, 2**32 - 1, 99999])
    edit(model / "tokenizer_config.json", chat_template="{{ messages[0].content }}")
    byte_level("<|start|>", "<|stop|>").save(str(model / "tokenizer.json"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda m: (m / "config.json").unlink(), "has no config.json"),
        (lambda m: (m / "config.json").write_text("{"), "cannot read config.json"),
        (lambda m: (m / "config.json").write_text("[]"), "holds no JSON object"),
        (lambda m: edit(m / "config.json", hidden_size="wide"), "hidden_size"),
        (lambda m: edit(m / "config.json", layer_types=3), "malformed"),
        (without_ends, "names no eos_token_id"),
        (lambda m: truncate(m / "model.safetensors"), "damaged or truncated"),
        (lambda m: (m / "model.safetensors").write_bytes(b"GGUF"), "damaged or truncated"),
        (lambda m: (m / "model.safetensors").rename(m / "pytorch_model.bin"), "never loaded"),
        (lambda m: (m / "tokenizer.json").unlink(), "has no tokenizer.json"),
        (lambda m: (m / "tokenizer.json").write_text("{}"), "cannot read tokenizer.json"),
        (lambda m: edit(m / "tokenizer_config.json", chat_template=None), "has no chat template"),
    ],
)
def test_damage_is_one_line_and_leaves_nothing_behind(
    damage: Callable[[Path], Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path / "m")
    edit(model / "tokenizer_config.json", eos_token=None)
    damage(model)
    assert main(["prepare", str(model), "--out", str(tmp_path / "bundle")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("edge-llm: ")
    assert words in line
    assert list(tmp_path.iterdir()) == [model]


def edit(file: Path, **values: Any) -> None:
    write_json(file, {**json.loads(file.read_text()), **values})


def test_a_missing_shard_and_one_outside_the_directory_are_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m", shards=2)
    (model / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(SourceError, match=r"lacks model-00002-of-00002\.safetensors"):
        opened(model)
    edit(model / "model.safetensors.index.json", weight_map={"lm_head.weight": "../x.safetensors"})
    with pytest.raises(SourceError, match="outside the directory"):
        opened(model)


def test_names_template_and_ends_come_from_the_files_beside_the_weights(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m")
    source = opened(model)
    assert (source.name, source.license, source.revision) == ("m", "mit", None)
    assert (source.bos_token, source.eos_token, source.eos_token_ids) == (None, "<|end|>", (1,))
    assert source.chat_template == TEMPLATE

    write_json(model / "generation_config.json", {"eos_token_id": [7, 9]})
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]
    edit(model / "tokenizer_config.json", chat_template=named, bos_token="<|start|>")  # noqa: S106 - no secret
    source = opened(model)
    assert (source.eos_token_ids, source.chat_template, source.bos_token) == ((1, 7, 9), "plain", "<|start|>")

    (model / "chat_template.jinja").write_text("from the file")
    (model / "generation_config.json").unlink()
    (model / "README.md").write_text("no front matter\nlicense: nobody")
    edit(model / "config.json", eos_token_id=None)
    source = opened(model)
    assert (source.chat_template, source.license, source.eos_token_ids) == ("from the file", None, (1,))


def test_the_end_of_a_fine_tune_is_found_wherever_it_is_named(tmp_path: Path) -> None:
    """config.json has the base model's end, tokenizer_config.json and the template have its own."""
    model = write_model(tmp_path / "m", eos_token_id=3)
    byte_level("<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|pad|>").save(str(model / "tokenizer.json"))
    turns = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>\n{% endfor %}"
    edit(model / "tokenizer_config.json", eos_token="<|im_end|>", chat_template=turns)  # noqa: S106 - no secret
    write_json(model / "generation_config.json", {"eos_token_id": [3, 2**32 - 1]})
    source = opened(model)
    assert source.eos_token_ids == (1, 2, 3)
    bundle = prepare_bundle(source, tmp_path / "bundle", "int8", Progress(quiet=True))
    assert open_bundle(bundle.path).manifest.eos_sources == {
        "<|im_end|>": ("tokenizer_config", "vocabulary", "template"),
        "<|eot_id|>": ("vocabulary",),
        "<|pad|>": ("config", "generation_config"),
    }


def test_a_beginning_is_no_end_for_its_name_alone(tmp_path: Path) -> None:
    """Of GPT-2's kind: <|endoftext|> begins texts, and ends them only if a file says so."""
    model = write_model(tmp_path / "m", eos_token_id=1)
    byte_level("<|endoftext|>", "<|stop|>").save(str(model / "tokenizer.json"))
    settings = {"bos_token": "<|endoftext|>", "eos_token": None, "chat_template": "{{ bos_token }}"}
    edit(model / "tokenizer_config.json", **settings)
    assert opened(model).eos_token_ids == (1,)


def test_every_special_tokens_name_reaches_the_template(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m")
    names = "{{ pad_token ~ unk_token ~ image_token ~ additional_special_tokens[1] }}"
    template = names + "{% for m in messages %}{{ m.content }}{% endfor %}"
    edit(
        model / "tokenizer_config.json",
        pad_token={"content": "P"},
        chat_template=template,
        additional_special_tokens=["x", {"content": "y"}],
        extra_special_tokens={"image_token": "I"},
    )
    write_json(model / "special_tokens_map.json", {"unk_token": "U", "pad_token": "older"})
    bundle = prepare_bundle(opened(model), tmp_path / "bundle", "int8", Progress(quiet=True))
    tokenizer = ChatTokenizer(open_bundle(bundle.path))
    ids = tokenizer.encode_chat([Turn(role="user", content="!")])
    assert tokenizer._tokenizer.decode(ids) == "PUIy!"


def test_a_tokenizer_that_was_saved_with_truncation_does_not_cut_prompts(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m")
    cutting = tokenizer()
    cutting.enable_truncation(4)
    cutting.save(str(model / "tokenizer.json"))
    assert json.loads(opened(model).tokenizer_json)["truncation"] is None
