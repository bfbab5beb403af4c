"""Reads the small files of a directory in Hugging Face's layout: configuration, tokenizer and chat template.

Knows nothing of weights and architectures.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edge_llm.bundle import Sampling
from edge_llm.convert.sources.end_tokens import end_tokens, named
from edge_llm.convert.sources.source import recommended_sampling
from edge_llm.errors import SourceError

CONFIG = "config.json"
GENERATION = "generation_config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
SPECIAL_TOKENS = "special_tokens_map.json"
README = "README.md"
FILES = (CONFIG, GENERATION, TOKENIZER, TOKENIZER_CONFIG, SPECIAL_TOKENS, TEMPLATE, README)

MALFORMED = (AttributeError, KeyError, TypeError, ValueError)
"""The errors that JSON of an unexpected shape raises."""
_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
_MORE = "additional_special_tokens"


@dataclass(frozen=True)
class ChatFiles:
    """Configuration, license, tokenizer and chat template of a model directory."""

    config: dict[str, Any]
    license: str | None
    tokenizer_json: str
    chat_template: str
    eos_token_ids: tuple[int, ...]
    bos_token: str | None
    eos_token: str | None
    sampling: Sampling | None
    eos_sources: dict[str, tuple[str, ...]]
    special_tokens: dict[str, str | tuple[str, ...]]


def read_chat_files(path: Path, origin: str) -> ChatFiles:
    """Read everything but the weights, for any architecture.

    Raises:
        SourceError: a file is missing or damaged.
    """
    config = read_json(path / CONFIG, origin)
    if config is None:
        raise SourceError(f"{origin} has no {CONFIG}: it is not a model directory of Hugging Face's layout")
    generation = read_json(path / GENERATION, origin) or {}
    settings = read_json(path / TOKENIZER_CONFIG, origin) or {}
    if "added_tokens_decoder" not in settings:  # older transformers had the names in a file of their own
        settings = (read_json(path / SPECIAL_TOKENS, origin) or {}) | settings
    tokenizer = _tokenizer(path, origin)
    try:
        names, template = _special_tokens(settings), _chat_template(path, settings, origin)
        bos_token, eos_token = _token(settings.get("bos_token")), _token(settings.get("eos_token"))
        declared = {
            "config": _ids(config.get("eos_token_id")),
            "generation_config": _ids(generation.get("eos_token_id")),
            "tokenizer_config": [tokenizer.token_to_id(eos_token)] if eos_token else [],
        }
        ends = end_tokens(declared, tokenizer, template, names)
        if not ends:
            raise SourceError(f"{origin} names no eos_token_id: its replies would never end")
        return ChatFiles(
            config=config,
            license=_license(path / README),
            tokenizer_json=tokenizer.to_str(),
            chat_template=template,
            eos_token_ids=tuple(ends),
            bos_token=bos_token,
            eos_token=eos_token,
            sampling=_sampling(generation),
            eos_sources=named(ends, tokenizer),
            special_tokens=names,
        )
    except MALFORMED as error:
        raise SourceError(f"{origin}: its JSON files are malformed ({error!r}): fetch it again") from error


def read_json(path: Path, origin: str) -> dict[str, Any] | None:
    """Read the object in a JSON file; None if there is no such file."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SourceError(f"{origin}: cannot read {path.name} ({error}): fetch it again") from error
    if not isinstance(value, dict):
        raise SourceError(f"{origin}: {path.name} holds no JSON object: fetch it again")
    return value


def _tokenizer(path: Path, origin: str) -> Tokenizer:
    file = path / TOKENIZER
    if not file.exists():
        raise SourceError(f"{origin} has no {TOKENIZER}: save it with transformers' fast tokenizer")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception
        raise SourceError(f"{origin}: cannot read {TOKENIZER} ({error}): fetch it again") from error
    tokenizer.no_truncation()  # training settings that some files carry; a prompt is never cut in silence
    tokenizer.no_padding()
    return tokenizer


def _chat_template(path: Path, settings: Mapping[str, Any], origin: str) -> str:
    if (path / TEMPLATE).exists():
        return (path / TEMPLATE).read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = {entry["name"]: entry["template"] for entry in template}.get("default")
    if not isinstance(template, str):
        raise SourceError(f"{origin} has no chat template: use the model's chat (Instruct) variant")
    return template


def _ids(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _sampling(generation: Mapping[str, Any]) -> Sampling | None:
    """Read what generation_config.json recommends; with ``do_sample: false`` that is the penalty alone."""
    found = dict(generation)
    if generation.get("do_sample") is False:
        found = {"repetition_penalty": generation.get("repetition_penalty")}
    elif generation.get("do_sample") and generation.get("temperature") is None:
        found["temperature"] = 1.0  # transformers' default
    return recommended_sampling(found)


def _special_tokens(settings: Mapping[str, Any]) -> dict[str, str | tuple[str, ...]]:
    """Return the names that transformers gives a chat template: those of the tokens that there are."""
    roles = [f"{role}_token" for role in _ROLES]
    named_here = {role: _token(settings.get(role)) for role in roles}
    extra = settings.get("extra_special_tokens")
    if isinstance(extra, dict):
        named_here |= {name: _token(token) for name, token in extra.items()}
    tokens: dict[str, str | tuple[str, ...]] = {name: token for name, token in named_here.items() if token}
    if more := tuple(filter(None, map(_token, settings.get(_MORE) or ()))):
        tokens[_MORE] = more
    return tokens


def _token(value: Any) -> str | None:
    """Text of a token, which is written as such or as an object."""
    token: str | None = value["content"] if isinstance(value, dict) else value
    return token


def _license(readme: Path) -> str | None:
    """Read ``license:`` from a model card's front matter: YAML between two lines of dashes at its start."""
    try:
        head = re.match(r"---\n(.*?)\n---", readme.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    except OSError:
        return None
    found = head and re.search(r"^license:[ \t]*['\"]?([^\s'\"]+)", head[1], re.MULTILINE)
    return found[1] if found else None
