"""Reads a directory in Hugging Face's layout as a model source: config.json, safetensors, tokenizer.json.

Anything that the fused graph cannot express is refused, never ignored. Pickled weights are never opened.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - teaches numpy the name bfloat16, by which safetensors asks for it
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError
from safetensors import SafetensorError, safe_open

from edge_llm.convert.sources.hf_chat_files import CONFIG, MALFORMED, read_chat_files, read_json
from edge_llm.convert.sources.source import Architecture, Source
from edge_llm.errors import SourceError

FAMILIES = ("llama", "qwen2", "qwen3")
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

_DTYPES = ("BF16", "F16", "F32")
_ROPE_KEYS = {"type", "rope_type", "rope_theta", "partial_rotary_factor"}
_TOP_WEIGHTS = {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"}
_LAYER_MATRICES = (
    *(f"self_attn.{part}_proj" for part in "qkvo"),
    *(f"mlp.{part}_proj" for part in ("gate", "up", "down")),
    "input_layernorm",
    "post_attention_layernorm",
)
_LAYER_EXTRAS = {
    "llama": (),
    "qwen2": tuple(f"self_attn.{part}_proj.bias" for part in "qkv"),
    "qwen3": tuple(f"self_attn.{part}_norm.weight" for part in "qk"),
}


class _Config(BaseModel):
    """The dimensions in config.json; defaults are those of transformers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_type: str
    num_hidden_layers: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt | None = None
    head_dim: PositiveInt | None = None
    vocab_size: PositiveInt
    max_position_embeddings: PositiveInt
    rms_norm_eps: PositiveFloat = 1e-6
    rope_theta: PositiveFloat = 10000.0
    tie_word_embeddings: bool = False


def open_directory(path: Path, *, origin: str, revision: str | None = None) -> Source:
    """Open a model directory; its weights are read one at a time, when asked for.

    Raises:
        SourceError: a file is missing or damaged, or the model is of a kind not known here.
    """
    chat = read_chat_files(path, origin)
    try:
        architecture = _architecture(chat.config, origin)
        return Source(
            name=origin.rpartition("/")[2],
            origin=origin,
            revision=revision,
            license=chat.license,
            architecture=architecture,
            tensors=_tensors(path, architecture, origin),
            tokenizer_json=chat.tokenizer_json,
            chat_template=chat.chat_template,
            eos_token_ids=chat.eos_token_ids,
            bos_token=chat.bos_token,
            eos_token=chat.eos_token,
            sampling=chat.sampling,
            eos_sources=chat.eos_sources,
            special_tokens=chat.special_tokens,
        )
    except MALFORMED as error:
        raise SourceError(f"{origin}: its JSON files are malformed ({error!r}): fetch it again") from error


def _architecture(config: Mapping[str, Any], origin: str) -> Architecture:
    if reason := next(_unsupported(config), None):
        raise _refusal(origin, reason)
    rope = config.get("rope_parameters") or {}
    theta = {"rope_theta": rope["rope_theta"]} if "rope_theta" in rope else {}
    try:
        c = _Config.model_validate({**config, **theta})
    except ValidationError as error:
        first = error.errors()[0]
        raise SourceError(f"{origin}: {CONFIG} cannot be used ({first['loc'][0]}: {first['msg']})") from error
    return Architecture(
        family=c.model_type,
        layers=c.num_hidden_layers,
        hidden=c.hidden_size,
        intermediate=c.intermediate_size,
        heads=c.num_attention_heads,
        kv_heads=c.num_key_value_heads or c.num_attention_heads,
        head_dim=c.head_dim or c.hidden_size // c.num_attention_heads,
        vocab_size=c.vocab_size,
        context_tokens=c.max_position_embeddings,
        rope_theta=c.rope_theta,
        rms_eps=c.rms_norm_eps,
        tied=c.tie_word_embeddings,
        qkv_bias=c.model_type == "qwen2",
        qk_norm=c.model_type == "qwen3",
    )


def _refusal(origin: str, reason: str) -> SourceError:
    return SourceError(f"{origin}: the fused graph knows no {reason}; try `--exporter optimum`")


def _unsupported(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the features in ``config`` that the fused graph does not support."""
    if config.get("model_type") not in FAMILIES:
        yield f"model_type {config.get('model_type')!r} (only {', '.join(FAMILIES)})"
    for key in ("rope_scaling", "rope_parameters"):
        rope = config.get(key) or {}
        if not isinstance(rope, dict) or set(rope) - _ROPE_KEYS or _rope_type(rope) != "default":
            yield f"RoPE scaling ({key})"
    for settings in (config, config.get("rope_parameters") or {}, config.get("rope_scaling") or {}):
        if settings.get("partial_rotary_factor", 1) != 1:
            yield "RoPE over a part of the head (partial_rotary_factor)"
    if config.get("use_sliding_window") or set(config.get("layer_types") or ()) - {"full_attention"}:
        yield "sliding-window attention"
    if config.get("hidden_act", "silu") != "silu":
        yield f"hidden_act {config['hidden_act']!r} (only 'silu')"
    for key in ("attention_bias", "mlp_bias", "quantization_config"):
        if config.get(key):
            yield key


def _rope_type(rope: Mapping[str, Any]) -> Any:
    return rope.get("rope_type", rope.get("type", "default"))


def _tensors(
    path: Path, architecture: Architecture, origin: str
) -> dict[str, Callable[[], NDArray[np.float32]]]:
    known = _known_tensors(architecture)
    tensors: dict[str, Callable[[], NDArray[np.float32]]] = {}
    for file in _weight_files(path, origin):
        with _opened(file, origin) as weights:
            for name in weights.keys():  # noqa: SIM118 - it is no mapping
                if name.endswith(".rotary_emb.inv_freq"):
                    continue  # old checkpoints store what rope_theta says
                if name not in known:
                    raise _refusal(origin, f"weight {name}")
                dtype = weights.get_slice(name).get_dtype()
                if dtype not in _DTYPES:
                    raise _refusal(origin, f"weights of type {dtype} ({name})")
                tensors[name] = partial(_read, file, name, origin)
    return tensors


def _known_tensors(architecture: Architecture) -> set[str]:
    parts = [f"{name}.weight" for name in _LAYER_MATRICES] + [*_LAYER_EXTRAS[architecture.family]]
    layers = {f"model.layers.{layer}.{part}" for layer in range(architecture.layers) for part in parts}
    return layers | _TOP_WEIGHTS


def _weight_files(path: Path, origin: str) -> list[Path]:
    if (path / WEIGHTS).exists():
        return [path / WEIGHTS]
    index = read_json(path / INDEX, origin)
    if index is None:
        raise SourceError(
            f"{origin} has no {WEIGHTS}: save it as safetensors (pickled .bin weights are never loaded)"
        )
    shards = index.get("weight_map")
    names = sorted(set(shards.values())) if isinstance(shards, dict) else []
    for name in names:
        if name != Path(name).name:
            raise SourceError(f"{origin}: {INDEX} names a file outside the directory: {name!r}")
        if not (path / name).exists():
            raise SourceError(f"{origin} lacks {name}: the model is incomplete, fetch it again")
    return [path / name for name in names]


@contextmanager
def _opened(file: Path, origin: str) -> Iterator[Any]:
    """Open a safetensors file; closed after each use, so that the memory of read pages is given back."""
    try:
        with safe_open(file, framework="np") as weights:
            yield weights
    except (SafetensorError, OSError) as error:
        raise SourceError(
            f"{origin}: {file.name} is damaged or truncated ({error}): fetch it again"
        ) from error


def _read(file: Path, name: str, origin: str) -> NDArray[np.float32]:
    with _opened(file, origin) as weights:
        value: NDArray[np.float32] = weights.get_tensor(name).astype(np.float32, copy=False)
    return value
