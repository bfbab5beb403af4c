"""Twelve model families: their templates made small, the tokens that those name, the kind of tokenizer."""
# ruff: noqa: RUF001 - letters of DeepSeek's tokens

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tests.small_tokenizers import byte_fallback, byte_level

TEMPLATES = Path(__file__).with_name("templates")
REFERENCE = Path(__file__).with_name("reference.json")
TODAY = ("%d %b %Y", "%d %B %Y", "%B %d, %Y")
"""Forms of the date in the templates; in the reference the form stands for it."""
CHAT = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


@dataclass(frozen=True)
class Family:
    """What a template gets; ``fallback``: options of ``byte_fallback``, None for ``byte_level``."""

    special: tuple[str, ...]
    names: Mapping[str, Any] = field(default_factory=dict)
    fallback: Mapping[str, Any] | None = None

    def tokenizer(self) -> Tokenizer:
        if self.fallback is None:
            return byte_level(*self.special)
        return byte_fallback(*self.special, **self.fallback)


SENTENCES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
FAMILIES = {
    "qwen2.5": Family(CHAT, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}),
    "qwen3": Family(CHAT, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}),
    "llama2": Family((), SENTENCES, {"spaces": "legacy"}),
    "llama3.2": Family(
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    ),
    "mistral-v0.1": Family((), SENTENCES, {"spaces": "legacy"}),
    "mistral-v0.3": Family(("[INST]", "[/INST]"), SENTENCES, {"spaces": "first"}),
    "gemma2": Family(
        ("<bos>", "<start_of_turn>", "<end_of_turn>"), {"bos_token": "<bos>"}, {"spaces": "none"}
    ),
    "phi3": Family(
        ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|endoftext|>"),
        {**SENTENCES, "eos_token": "<|endoftext|>"},
        {"spaces": "legacy", "rstrip": True},
    ),
    "smollm3": Family(CHAT, {"eos_token": "<|im_end|>"}),
    "deepseek-r1": Family(
        ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
        {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
    ),
    "granite3": Family(
        ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"), {"eos_token": "<|end_of_text|>"}
    ),
    "functions": Family(
        (*CHAT, "<|a|>", "<|b|>"),
        {
            "unk_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
            "additional_special_tokens": ["<|a|>", "<|b|>"],
        },
    ),
}

USER = {"role": "user", "content": "  a ab? 3 < 4 & 'é'\n"}
CONVERSATIONS: dict[str, Sequence[dict[str, str]]] = {
    "user": [USER],
    "system": [{"role": "system", "content": "ab c."}, USER],
    "turns": [USER, {"role": "assistant", "content": "b 🦊"}, {"role": "user", "content": "skip me"}],
    "system and turns": [
        {"role": "system", "content": "ab\n"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "b?"},
    ],
}


def cases() -> Iterator[tuple[str, Sequence[dict[str, str]], dict[str, bool]]]:
    """Each conversation by its name, with the arguments of transformers' apply_chat_template."""
    for name, messages in CONVERSATIONS.items():
        for thinking in (False, True):
            for opened in (False, True):
                key = f"{name}/{'thinking' if thinking else 'plain'}/{'open' if opened else 'closed'}"
                yield key, messages, {"add_generation_prompt": opened, "enable_thinking": thinking}
