"""Chat templates give what transformers gives, are told what they refuse, and stay within bounds."""
# ruff: noqa: RUF001 - letters of DeepSeek's tokens

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from jinja2 import TemplateError

from edge_llm.contract.tools import Tool
from edge_llm.contract.turns import Turn
from edge_llm.engine.text import sandbox
from edge_llm.engine.text.template import ChatTemplate
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.errors import RequestError
from tests.small_tokenizers import chat_tokenizer
from tests.unit.engine.text.families import FAMILIES, REFERENCE, TEMPLATES, TODAY, WITH_TOOLS, Family, cases

EXPECTED: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
USER = {"role": "user", "content": "light on"}
SYSTEM = {"role": "system", "content": "You are a butler."}


def source(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8").removesuffix("\n")


def tokenizer_of(name: str, directory: Path) -> ChatTokenizer:
    family: Family = FAMILIES[name]
    return chat_tokenizer(directory, family.tokenizer(), source(name), **family.names)


@pytest.mark.parametrize("name", FAMILIES)
def test_text_and_ids_are_those_of_transformers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "datetime", mock.Mock(spec=datetime, now=lambda: TODAY))
    template = ChatTemplate(source(name), FAMILIES[name].names)
    tokenizer = tokenizer_of(name, tmp_path)
    compared = 0
    for key, messages, given in cases(FAMILIES[name]):
        if EXPECTED[f"{name}/{key}"] is None:
            continue
        text, ids = EXPECTED[f"{name}/{key}"]
        opened, thinking = given["add_generation_prompt"], given["enable_thinking"]
        tools = given["tools"] or ()
        assert template.render(messages, open_reply=opened, thinking=thinking, tools=tools) == text
        turns = [Turn.model_validate_json(json.dumps(message)) for message in messages]
        offered = [Tool.model_validate(tool) for tool in tools]
        assert tokenizer.encode_chat(turns, open_reply=opened, thinking=thinking, tools=offered) == ids
        compared += 1
    assert compared >= 8


def test_two_calls_are_refused_by_a_template_that_allows_one(tmp_path: Path) -> None:
    assert EXPECTED["llama3.2/two calls/plain/open"] is None
    turns = [Turn.model_validate_json(json.dumps(message)) for message in WITH_TOOLS["two calls"]]
    with pytest.raises(RequestError, match="single tool-calls"):
        tokenizer_of("llama3.2", tmp_path).encode_chat(turns)


@pytest.mark.parametrize("name", ["gemma2", "mistral-v0.1"])
def test_a_template_that_refuses_a_system_turn_gets_its_text_before_the_users(name: str) -> None:
    assert EXPECTED[f"{name}/system/plain/open"] is None
    template = ChatTemplate(source(name), FAMILIES[name].names)
    merged = {"role": "user", "content": "You are a butler.\n\nlight on"}
    later = [{"role": "assistant", "content": "done"}, {"role": "user", "content": "off"}]
    assert template.render([SYSTEM, USER, *later]) == template.render([merged, *later])
    assert "butler" in template.render([SYSTEM], open_reply=False)


def test_a_template_that_drops_a_system_turn_in_silence_gets_its_text_before_the_users() -> None:
    silent = "{% for m in messages if m.role != 'system' %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    assert ChatTemplate(silent, {}).render([SYSTEM, USER]) == "user: You are a butler.\n\nlight on\n"


def test_names_that_a_model_does_not_have_are_not_defined() -> None:
    """As with transformers: a template asks whether they are."""
    template = ChatTemplate(
        "{{ bos_token is defined }} {{ pad_token }} {{ tools is none }}", {"pad_token": "P"}
    )
    assert template.render([USER]) == "False P True"


@pytest.mark.parametrize(
    "hostile",
    [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{% for a in range(9999) %}{% for b in range(90) %}{{ 'x' * 99 }}{% endfor %}{% endfor %}",
        "{% for a in range(999999999) %}x{% endfor %}",
        "{{ 'x' * 99999999999 }}",
        "{{ [0] * 9999999 }}",
        "{{ 99999999999 * [0] }}",
        "{{ 2 ** 99999999999 }}",
        "{{ lipsum(n=1000000) }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{{ messages[7].content.upper() }}",
        "{{ messages | sum }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__base__.__subclasses__()[0] }}",
        "{{ raise_exception.__globals__['json'] }}",
    ],
)
def test_what_a_template_may_do_is_bounded(hostile: str) -> None:
    with pytest.raises(TemplateError):
        ChatTemplate(hostile, {}).render([USER])


def test_the_ends_of_turns_are_what_the_templates_write() -> None:
    ends = {name: ChatTemplate(source(name), FAMILIES[name].names).end_of_turn() for name in FAMILIES}
    assert ends["qwen2.5"] == "<|im_end|>\n"
    assert ends["llama2"] == " </s>"
    assert ends["gemma2"] == "<end_of_turn>\n"
    assert ends["phi3"] == "<|end|>\n<|endoftext|>"
    assert ends["deepseek-r1"] == "<｜end▁of▁sentence｜>"


def test_thoughts_are_switched_off_unless_they_are_asked_for(tmp_path: Path) -> None:
    def thoughts(name: str) -> tuple[bool | None, bool | None]:
        template = ChatTemplate(source(name), FAMILIES[name].names)
        return template.thoughts(thinking=False), template.thoughts(thinking=True)

    assert thoughts("qwen2.5") == (None, None)
    assert thoughts("qwen3") == (False, False)
    assert thoughts("deepseek-r1") == (True, True)
    assert tokenizer_of("qwen2.5", tmp_path).thought_filter(thinking=True) is None


def test_what_a_user_writes_opens_no_thought(tmp_path: Path) -> None:
    """Else a message with the tag in it would have a reply that is a thought as a whole."""
    tokenizer = tokenizer_of("qwen3", tmp_path)
    tokenizer.encode_chat([Turn(role="user", content="What is <think> good for?")])
    thoughts = tokenizer.thought_filter(thinking=False)
    assert thoughts
    assert thoughts.push("Nothing.") == "Nothing."
