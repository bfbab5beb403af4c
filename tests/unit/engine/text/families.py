"""Twelve model families: their templates made small, the tokens that those name, the kind of tokenizer.

What the templates of Qwen2.5, Qwen3 and Llama 3.2 write of tools is what the models' own ones write.
"""
# ruff: noqa: RUF001 - letters of DeepSeek's tokens

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from tests.small_tokenizers import byte_fallback, byte_level

TEMPLATES = Path(__file__).with_name("templates")
REFERENCE = Path(__file__).with_name("reference.json")
TODAY = datetime(2024, 7, 26)  # noqa: DTZ001 - a local date, as templates ask for it
"""The day on which the reference was made, as far as templates were told."""
CHAT = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


@dataclass(frozen=True)
class Family:
    """What a template gets; ``fallback``: options of ``byte_fallback``, None for ``byte_level``."""

    special: tuple[str, ...]
    names: Mapping[str, Any] = field(default_factory=dict)
    fallback: Mapping[str, Any] | None = None
    markup: tuple[str, ...] = ()
    """Added tokens that the tokenizer does not call special."""
    knows_tools: bool = False

    def tokenizer(self) -> Tokenizer:
        if self.fallback is None:
            tokenizer = byte_level(*self.special)
        else:
            tokenizer = byte_fallback(*self.special, **self.fallback)
        tokenizer.add_tokens([AddedToken(token, normalized=False) for token in self.markup])
        return tokenizer


SENTENCES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
FAMILIES = {
    "qwen2.5": Family(
        CHAT,
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        markup=("<tool_call>", "</tool_call>"),
        knows_tools=True,
    ),
    "qwen3": Family(
        CHAT,
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        markup=(
            *("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"),
            *("  ", "    "),
        ),
        knows_tools=True,
    ),
    "llama2": Family((), SENTENCES, {"spaces": "legacy"}),
    "llama3.2": Family(
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        knows_tools=True,
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
CONVERSATIONS: dict[str, Sequence[dict[str, Any]]] = {
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

LIGHT = {
    "type": "function",
    "function": {
        "name": "light.set",
        "description": "Switches a light: 'on' or \"off\", 3 < 4.",
        "parameters": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "enum": ["Küche", "é 🦊", 'the "big" one\n']},
                "brightness": {"type": "number", "minimum": 0.5, "default": None},
            },
            "required": ["name"],
        },
    },
}
TIME = {"type": "function", "function": {"name": "time"}}


def call(name: str, /, **arguments: Any) -> dict[str, Any]:
    return {"id": f"id-{name}", "type": "function", "function": {"name": name, "arguments": arguments}}


def result(name: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "content": content, "tool_call_id": f"id-{name}", "name": name}


ON = call("light.set", name='the "big" one\n', brightness=1.0, list=[True, None, {"ü": "  "}])
WITH_TOOLS: dict[str, Sequence[dict[str, Any]]] = {
    "offered": [USER],
    "offered with system": [{"role": "system", "content": "ab c."}, USER],
    "a result": [
        {"role": "system", "content": "ab"},
        USER,
        {"role": "assistant", "content": "b c", "tool_calls": [ON]},
        result("light.set", '{"ok": true}\n'),
    ],
    "two calls": [
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call("time"), ON]},
        result("time", "12:00"),
        result("light.set", "ü"),
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "b?"},
    ],
    "two steps": [
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call("time")]},
        result("time", "12:00"),
        {"role": "assistant", "content": "a", "tool_calls": [ON]},
        result("light.set", ""),
    ],
}


def cases(family: Family) -> Iterator[tuple[str, Sequence[dict[str, Any]], dict[str, Any]]]:
    """Each conversation by its name, with the arguments of transformers' apply_chat_template."""
    for name, messages in CONVERSATIONS.items():
        for thinking in (False, True):
            for opened in (False, True):
                key = f"{name}/{'thinking' if thinking else 'plain'}/{'open' if opened else 'closed'}"
                yield key, messages, _given(thinking=thinking, opened=opened)
    if family.knows_tools:
        for name, messages in WITH_TOOLS.items():
            yield f"{name}/plain/open", messages, _given(tools=[LIGHT, TIME])
        yield "two steps/thinking/closed", messages, _given(thinking=True, opened=False, tools=[TIME])
        yield "two steps/no tools", messages, _given()


def _given(*, thinking: bool = False, opened: bool = True, tools: Any = None) -> dict[str, Any]:
    return {"add_generation_prompt": opened, "enable_thinking": thinking, "tools": tools}
