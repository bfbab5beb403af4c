"""Writes a small random model in Hugging Face's layout: real files, read by the real readers."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

HEADS, KV_HEADS, HEAD_DIM, VOCAB = 4, 2, 16, 320
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}<|end|>{% endfor %}"
DTYPES = {"bf16": ml_dtypes.bfloat16, "f16": np.float16, "f32": np.float32}


def write_model(
    path: Path,
    family: str = "llama",
    *,
    dtype: str = "f32",
    shards: int = 1,
    hidden: int = 64,
    intermediate: int = 96,
    **config: Any,
) -> Path:
    """A model of two layers at ``path``; ``config`` goes into config.json, None removes a key."""
    path.mkdir(parents=True, exist_ok=True)
    tied = config.get("tie_word_embeddings", False)
    weights = _weights(family, hidden, intermediate, tied=tied)
    _save(path, {name: value.astype(DTYPES[dtype]) for name, value in weights.items()}, shards)
    settings: dict[str, Any] = {
        "model_type": family,
        "num_hidden_layers": 2,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "vocab_size": VOCAB,
        "max_position_embeddings": 128,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "eos_token_id": 1,
        **config,
    }
    write_json(path / "config.json", {key: value for key, value in settings.items() if value is not None})
    write_json(
        path / "tokenizer_config.json",
        {"bos_token": None, "eos_token": {"content": "<|end|>"}, "chat_template": TEMPLATE},
    )
    tokenizer().save(str(path / "tokenizer.json"))
    (path / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# Tiny\n")
    return path


def tokenizer() -> Tokenizer:
    alphabet = ["<|start|>", "<|end|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(alphabet[:2])
    return tokenizer


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def _weights(family: str, hidden: int, intermediate: int, *, tied: bool) -> dict[str, NDArray[np.float32]]:
    query, key = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens": (VOCAB, hidden), "model.norm": (hidden,)}
    if not tied:
        shapes["lm_head"] = (VOCAB, hidden)
    for layer in ("model.layers.0.", "model.layers.1."):
        shapes |= {
            f"{layer}input_layernorm": (hidden,),
            f"{layer}post_attention_layernorm": (hidden,),
            f"{layer}self_attn.q_proj": (query, hidden),
            f"{layer}self_attn.k_proj": (key, hidden),
            f"{layer}self_attn.v_proj": (key, hidden),
            f"{layer}self_attn.o_proj": (hidden, query),
            f"{layer}mlp.gate_proj": (intermediate, hidden),
            f"{layer}mlp.up_proj": (intermediate, hidden),
            f"{layer}mlp.down_proj": (hidden, intermediate),
        }
        if family == "qwen3":
            shapes |= {f"{layer}self_attn.{part}_norm": (HEAD_DIM,) for part in "qk"}
    random = np.random.default_rng(0)
    weights = {f"{name}.weight": _random(random, shape) for name, shape in shapes.items()}
    if family == "qwen2":
        for layer in ("model.layers.0.", "model.layers.1."):
            for part, width in {"q": query, "k": key, "v": key}.items():
                weights[f"{layer}self_attn.{part}_proj.bias"] = _random(random, (width,))
    return weights


def _random(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    scale = shape[-1] ** -0.5 if len(shape) == 2 else 0.3
    return random.normal(0 if len(shape) == 2 else 1, scale, shape).astype(np.float32)


def _save(path: Path, weights: dict[str, NDArray[Any]], shards: int) -> None:
    if shards == 1:
        save_file(weights, path / "model.safetensors")
        return
    weight_map: dict[str, str] = {}
    for number in range(shards):
        names = sorted(weights)[number::shards]
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        save_file({name: weights[name] for name in names}, path / file)
        weight_map |= dict.fromkeys(names, file)
    write_json(path / "model.safetensors.index.json", {"weight_map": weight_map})
