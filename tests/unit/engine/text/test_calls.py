"""Calls are written as the model's template writes them, or as Qwen2.5's where it knows none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edge_llm.contract.tools import ToolCall
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.text.calls import HERMES, CallForm
from edge_llm.engine.text.template import ChatTemplate
from tests.unit.engine.text.families import FAMILIES, LIGHT, TIME, WITH_TOOLS
from tests.unit.engine.text.test_template import source, tokenizer_of

CHATML = """{%- for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
LLAMA = CallForm("", "name", "parameters", "", None)


def calling(calls: str, *, offered: str = "{{ tools | tojson }}", result: str = "{{ m.content }}") -> str:
    """A template that knows tools in its own way; ``f`` is a call's function in ``calls``."""
    return f"""{{%- if tools %}}{offered}{{% endif %}}
{{%- for m in messages %}}[{{{{ m.role }}}}]
{{%- if m.tool_calls %}}{calls}
{{%- elif m.role == 'tool' %}}{result}
{{%- else %}}{{{{ m.content }}}}
{{%- endif %}}[end]{{%- endfor %}}{{%- if add_generation_prompt %}}[assistant]{{%- endif %}}"""


def each(call: str, between: str = "") -> str:
    loop = "{%- for c in m.tool_calls %}{%- set f = c.function %}"
    return f"{loop}{call}{{%- if not loop.last %}}{{{{ {between!r} }}}}{{%- endif %}}{{%- endfor %}}"


JSON = """{{ '{"name": "' ~ f.name ~ '", "arguments": ' ~ f.arguments | tojson ~ '}' }}"""
REFUSED = "{%- if m.tool_calls | length > 1 %}{{ raise_exception('one') }}{% endif %}"


@pytest.mark.parametrize("name", FAMILIES)
def test_the_form_of_each_familys_calls_is_found(name: str) -> None:
    template = ChatTemplate(source(name), FAMILIES[name].names)
    assert template.call_form == (LLAMA if name == "llama3.2" else HERMES)


@pytest.mark.parametrize(
    ("calls", "form"),
    [
        (each(f"<c>{JSON}</c>"), CallForm("<c>", "name", "arguments", "</c>", "")),
        (each("<c>{{ f | tojson }}", "; "), CallForm("<c>", "name", "arguments", "", "; ")),
        (each(JSON, "\n"), CallForm("", "name", "arguments", "", "\n")),
        (REFUSED + each(f"<c>{JSON}</c>"), CallForm("<c>", "name", "arguments", "</c>", None)),
        (f"<c>[{each(JSON, ', ')}]</c>", CallForm("<c>[", "name", "arguments", "]</c>", None)),
        ("{%- set f = m.tool_calls[0].function %}" + JSON, CallForm("", "name", "arguments", "", None)),
    ],
    ids=["marked", "opened", "bare", "refusing two", "list", "dropping the second"],
)
def test_a_form_is_what_stands_around_the_json(calls: str, form: CallForm) -> None:
    assert ChatTemplate(calling(calls), {}).call_form == form


@pytest.mark.parametrize(
    "source",
    [
        calling(each("<c><{{ f.name }}>{{ f.arguments | tojson }}</{{ f.name }}></c>")),
        calling(each("{{ f.name }}({{ f.arguments.items() | list }})")),
        calling(each("{{ {'id': c.id, 'name': f.name, 'arguments': f.arguments} | tojson }}")),
        calling(each("{{ {'arguments': f.arguments, 'name': f.name} | tojson }}")),
        calling(each("{{ f | tojson(separators=(',', ':')) }}")),
        calling(each(JSON), offered="{{ tools[0].function.name }}"),
        calling(each(JSON), result=""),
        calling("{{ raise_exception('no calls') }}"),
        CHATML,
    ],
)
def test_what_is_no_json_of_name_and_arguments_is_written_by_the_node(source: str) -> None:
    template = ChatTemplate(source, {})
    assert template.call_form == HERMES
    text = template.render(WITH_TOOLS["two calls"], tools=[LIGHT, TIME])
    assert "<tools>" in text
    assert text.count("<tool_call>\n{") == text.count("}\n</tool_call>") == 3
    assert "<tool_response>\n12:00\n</tool_response>\n<tool_response>\nü\n</tool_response>" in text


@pytest.mark.parametrize("name", WITH_TOOLS)
@pytest.mark.parametrize("tools", [[], [TIME], [LIGHT, TIME]], ids=len)
def test_the_nodes_words_are_those_of_qwen2_5(name: str, tools: Sequence[dict[str, Any]]) -> None:
    messages = WITH_TOOLS[name]
    if messages[0]["role"] != "system":
        messages = [{"role": "system", "content": "ab"}, *messages]
    theirs = ChatTemplate(source("qwen2.5"), FAMILIES["qwen2.5"].names)
    assert ChatTemplate(CHATML, {}).render(messages, tools=tools) == theirs.render(messages, tools=tools)


def test_tools_stand_before_the_users_text_where_there_is_no_system_turn() -> None:
    template = ChatTemplate(source("gemma2"), FAMILIES["gemma2"].names)
    text = template.render(WITH_TOOLS["offered"], tools=[TIME])
    assert text.startswith("<bos><start_of_turn>user\n# Tools\n")
    assert '<tools>\n{"type": "function", "function": {"name": "time"}}\n</tools>' in text
    assert "</tool_call>\n\n  a ab?" in text


@pytest.mark.parametrize("name", ["qwen2.5", "phi3"])
def test_a_generated_turn_keeps_the_ids_of_its_calls(name: str, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(name, tmp_path)
    call = ToolCall(id="1", name="time", arguments={})
    said = GeneratedTurn(role="assistant", tool_calls=(call,), token_ids=(7, 6, 5, 7))
    turns = [Turn(role="user", content="a"), said, Turn(role="tool", content="12:00", tool_call_id="1")]
    ids = tokenizer.encode_chat(turns)
    assert ",".join(map(str, ids)).count(",7,6,5,7,") == 1
    assert "time" not in tokenizer._tokenizer.decode(ids)


def test_a_call_is_written_with_its_letters() -> None:
    written = HERMES.write("light", {"name": 'Kü"che'})
    assert written == '<tool_call>\n{"name": "light", "arguments": {"name": "Kü\\"che"}}\n</tool_call>'
