"""Reads a GGUF file as a model source: weights dequantized by `gguf`, tokenizer rebuilt from metadata."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, TokenType
from gguf.quants import dequantize
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from edge_llm.bundle import Sampling
from edge_llm.convert.sources.end_tokens import end_tokens, is_token, named
from edge_llm.convert.sources.source import Architecture, Source, recommended_sampling
from edge_llm.errors import SourceError

FAMILIES = ("llama", "qwen2", "qwen3")
MAGIC = b"GGUF"

# llama.cpp's tensor names -> those of transformers; {} is the layer's number.
_TENSORS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_LAYER_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# Split patterns of the byte-level BPE pre-tokenizers, as the models' own tokenizer.json files have them.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
    r"\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SAMPLING = {
    "temperature": "general.sampling.temp",
    "top_p": "general.sampling.top_p",
    "top_k": "general.sampling.top_k",
    "min_p": "general.sampling.min_p",
    "repetition_penalty": "general.sampling.penalty_repeat",
}
_ENDS = ("eos", "eot", "eom")
_ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "sep": "seperator", "pad": "padding", "mask": "mask"}
"""Special tokens as chat templates name them, and as GGUF does (its spelling)."""
_MISSHAPEN = (ArithmeticError, AttributeError, IndexError, TypeError, ValueError)
"""Errors that metadata of an unexpected type or length raises."""


def open_gguf(path: Path, *, origin: str) -> Source:
    """Open a GGUF file; its tensors are read and dequantized one at a time, when asked for.

    Raises:
        SourceError: no such file, not GGUF, truncated, or an architecture or tokenizer not known here.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    if magic != MAGIC:
        raise SourceError(f"{path} is not a GGUF file (it begins with {magic!r})")
    try:
        reader = GGUFReader(path)
        meta: dict[str, Any] = {name: field.contents() for name, field in reader.fields.items()}
    except (KeyError, *_MISSHAPEN) as error:
        if GGMLQuantizationType.__name__ in str(error):
            raise SourceError(
                f"{path} is quantized in a way not known here ({error}): use a Q8_0 file"
            ) from error
        raise SourceError(
            f"{path} is damaged or truncated, or of another GGUF version ({error}): fetch it again"
        ) from error
    try:
        return _source(path, reader, meta, origin)
    except KeyError as error:
        raise SourceError(
            f"{path} lacks the metadata {error}: it is not a chat model this can serve"
        ) from error
    except _MISSHAPEN as error:
        raise SourceError(
            f"{path} has metadata of a form not known here ({error}): convert the model again"
        ) from error


def _source(path: Path, reader: GGUFReader, meta: Mapping[str, Any], origin: str) -> Source:
    if (parts := meta.get("split.count", 1)) > 1:
        raise SourceError(
            f"{path} is one of the {parts} parts of a split model: join them with llama.cpp's"
            " `llama-gguf-split --merge FIRST_PART WHOLE`, and prepare the whole"
        )
    architecture = _architecture(meta, {tensor.name for tensor in reader.tensors}, origin)
    tokenizer, template = _tokenizer(meta, origin), meta["tokenizer.chat_template"]
    names = _special_tokens(meta, tokenizer)
    declared = {"metadata": [meta.get(f"tokenizer.ggml.{role}_token_id") for role in _ENDS]}
    ends = end_tokens(declared, tokenizer, template, names)
    if not ends:
        raise SourceError(f"{path} names no eos_token_id: its replies would never end")
    license_name = meta.get("general.license")
    return Source(
        name=str(meta.get("general.name", path.stem)),
        origin=origin,
        revision=None,
        license=None if license_name is None else str(license_name),
        architecture=architecture,
        tensors=_tensors(reader, architecture),
        tokenizer_json=tokenizer.to_str(),
        chat_template=template,
        eos_token_ids=tuple(ends),
        bos_token=names.get("bos_token"),
        eos_token=names.get("eos_token"),
        sampling=_sampling(meta),
        eos_sources=named(ends, tokenizer),
        special_tokens=names,
    )


def _architecture(meta: Mapping[str, Any], names: set[str], origin: str) -> Architecture:
    family = meta["general.architecture"]
    if family not in FAMILIES:
        raise SourceError(f"{origin}: architecture {family!r} is not one of {', '.join(FAMILIES)}")
    scaling = meta.get(f"{family}.rope.scaling.type", "none")
    if scaling != "none" or "rope_freqs.weight" in names:
        raise SourceError(f"{origin}: RoPE scaling is not implemented ({scaling}); use a model without it")
    hidden = meta[f"{family}.embedding_length"]
    heads = meta[f"{family}.attention.head_count"]
    head_dim = meta.get(f"{family}.attention.key_length", hidden // heads)
    if meta.get(f"{family}.rope.dimension_count", head_dim) != head_dim:
        raise SourceError(f"{origin}: RoPE over a part of the head is not implemented")
    return Architecture(
        family=family,
        layers=meta[f"{family}.block_count"],
        hidden=hidden,
        intermediate=meta[f"{family}.feed_forward_length"],
        heads=heads,
        kv_heads=meta.get(f"{family}.attention.head_count_kv", heads),
        head_dim=head_dim,
        vocab_size=len(meta["tokenizer.ggml.tokens"]),
        context_tokens=meta[f"{family}.context_length"],
        rope_theta=meta.get(f"{family}.rope.freq_base", 10000.0),
        rms_eps=meta[f"{family}.attention.layer_norm_rms_epsilon"],
        tied="output.weight" not in names,
        qkv_bias="blk.0.attn_q.bias" in names,
        qk_norm="blk.0.attn_q_norm.weight" in names,
    )


def _tensors(reader: GGUFReader, architecture: Architecture) -> dict[str, Callable[[], NDArray[np.float32]]]:
    tensors: dict[str, Callable[[], NDArray[np.float32]]] = {}
    for tensor in reader.tensors:
        stem, _, kind = tensor.name.rpartition(".")
        name = _TENSORS.get(stem)
        if stem.startswith("blk."):
            _, layer, part = stem.split(".", 2)
            name = f"model.layers.{layer}.{_LAYER_TENSORS[part]}" if part in _LAYER_TENSORS else None
        if name is None:
            continue
        heads = {"q_proj": architecture.heads, "k_proj": architecture.kv_heads}.get(name.rpartition(".")[2])
        permuted = heads if architecture.family == "llama" else None
        tensors[f"{name}.{kind}"] = partial(_read, tensor, permuted)
    return tensors


def _read(tensor: Any, permuted_heads: int | None) -> NDArray[np.float32]:
    """Dequantize one tensor; for Llama, undo the row order of llama.cpp's interleaved RoPE."""
    value: NDArray[np.float32] = dequantize(tensor.data, tensor.tensor_type)
    if permuted_heads is None:
        return value
    rows = value.shape[0] // permuted_heads // 2
    return value.reshape(permuted_heads, rows, 2, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)


def _tokenizer(meta: Mapping[str, Any], origin: str) -> Tokenizer:
    model, pre_tokenizer = meta["tokenizer.ggml.model"], meta.get("tokenizer.ggml.pre", "default")
    byte_level = pre_tokenizers.ByteLevel
    whole = byte_level(add_prefix_space=False, use_regex=False)
    recipes: dict[str, list[Any]] = {
        "smollm": [pre_tokenizers.Digits(individual_digits=True), byte_level(add_prefix_space=False)],
        "qwen2": [pre_tokenizers.Split(Regex(_WORDS % ""), "isolated"), whole],
        "llama-bpe": [pre_tokenizers.Split(Regex(_WORDS % "{1,3}"), "isolated"), whole],
        "gpt-2": [byte_level(add_prefix_space=False)],
    }
    if model != "gpt2" or pre_tokenizer not in recipes:
        raise SourceError(
            f"{origin}: tokenizer {model}/{pre_tokenizer} is not known here; use the safetensors model"
        )
    tokens, kinds = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    vocab = _vocabulary(tokens, kinds, origin)
    merges = _merges(meta["tokenizer.ggml.merges"], vocab, origin)
    tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=pre_tokenizer == "llama-bpe"))
    if pre_tokenizer == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(recipes[pre_tokenizer])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_added(tokens, kinds, TokenType.CONTROL, special=True))
    tokenizer.add_tokens(_added(tokens, kinds, TokenType.USER_DEFINED, special=False))
    return tokenizer


def _vocabulary(tokens: list[str], kinds: list[int], origin: str) -> dict[str, int]:
    """Ids by token.

    Raises:
        SourceError: a token has several ids or none, or not each has its kind.
    """
    vocab: dict[str, int] = {}
    for index, token in enumerate(tokens):
        first = vocab.setdefault(token, index)
        if first != index:
            raise SourceError(
                f"{origin}: its vocabulary has the token {token!r} twice, as {first} and {index}: it was not"
                " converted properly; use another file of this model"
            )
    if len(kinds) != len(tokens):
        raise SourceError(
            f"{origin}: its vocabulary has {len(tokens)} tokens and the kinds of {len(kinds)}: it was not"
            " converted properly; use another file of this model"
        )
    return vocab


def _merges(lines: list[str], vocab: Mapping[str, int], origin: str) -> list[tuple[str, str]]:
    """Pairs of tokens that are joined, in order.

    Raises:
        SourceError: one is no pair, or it or what it makes is not in the vocabulary.
    """
    merges = []
    for line in lines:
        left, _, right = line.partition(" ")
        if not (left in vocab and right in vocab and left + right in vocab):
            raise SourceError(
                f"{origin}: its merge {line!r} is not of tokens in its vocabulary: it was not converted"
                " properly; use another file of this model"
            )
        merges.append((left, right))
    return merges


def _added(tokens: list[str], kinds: list[int], kind: int, *, special: bool) -> list[AddedToken]:
    chosen = (token for token, its in zip(tokens, kinds, strict=True) if its == kind)
    return [AddedToken(token, special=special, normalized=False) for token in chosen]


def _sampling(meta: Mapping[str, Any]) -> Sampling | None:
    return recommended_sampling({name: meta.get(key) for name, key in _SAMPLING.items()})


def _special_tokens(meta: Mapping[str, Any], tokenizer: Tokenizer) -> dict[str, str]:
    """Text of each special token that has an id; one outside the vocabulary (2^32-1) stands for none."""
    ids = {name: meta.get(f"tokenizer.ggml.{role}_token_id") for name, role in _ROLES.items()}
    return {
        f"{name}_token": tokenizer.id_to_token(index)
        for name, index in ids.items()
        if is_token(index, tokenizer)
    }
