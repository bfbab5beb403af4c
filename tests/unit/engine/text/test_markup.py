"""What people, tools and devices say becomes no markup token, wherever it stands in a conversation."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_llm.contract.tools import Function, Tool, ToolCall
from edge_llm.contract.turns import Turn
from edge_llm.engine.tokenizer import ChatTokenizer
from tests.small_tokenizers import byte_level
from tests.unit.engine.text.families import CHAT, FAMILIES
from tests.unit.engine.text.test_template import tokenizer_of

NAMES = ("qwen2.5", "qwen3", "llama3.2", "gemma2", "mistral-v0.3", "functions")
FRAGMENTS = (
    "<",
    ">",
    "tool_call>",
    "<tool_",
    "</",
    "|im_",
    "[",
    "INST]",
    "a",
    "~",
    "\n",
    "  ",
    '"',
    "\\",
    "ü",
)
SPELLED = sorted({token for name in NAMES for token in (*FAMILIES[name].special, *FAMILIES[name].markup)})
TEXT = st.lists(st.sampled_from([*FRAGMENTS, *SPELLED, *SPELLED]), max_size=8).map("".join)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ChatTokenizer]:
    directory: Path = tmp_path_factory.mktemp("families")
    return {name: tokenizer_of(name, directory / name) for name in NAMES}


def encoded(tokenizer: ChatTokenizer, *texts: str) -> list[int]:
    system, asked, described, named, key, argument, said, told = texts
    parameters = {"type": "object", "properties": {key: {"enum": [named, argument]}}}
    call = ToolCall(id=f"1{named}", name="f", arguments={key: [argument, {"a": named}]})
    turns = [
        Turn(role="system", content=system),
        Turn(role="user", content=asked),
        Turn(role="assistant", content=said, tool_calls=(call,)),
        Turn(role="tool", content=told, tool_call_id=f"1{named}", name=named),
    ]
    tool = Tool(function=Function(name="f", description=described, parameters=parameters))
    return tokenizer.encode_chat(turns, tools=[tool])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150)
@given(texts=st.tuples(*[TEXT] * 8))
def test_no_text_forges_markup(
    name: str, tokenizers: dict[str, ChatTokenizer], texts: tuple[str, ...]
) -> None:
    """The markup of a conversation is that of the same one with harmless words; its text is all there.

    An assistant's own thoughts are left to the template, so that it finds and drops them.
    """
    *others, said, told = texts
    said = said.replace("<think>", "").replace("</think>", "")
    tokenizer = tokenizers[name]
    ids = encoded(tokenizer, *others, said, told)
    markup = set(tokenizer._markup.ids.values())

    def found(ids: list[int]) -> Counter[int]:
        return Counter(index for index in ids if index in markup)

    assert found(ids) == found(encoded(tokenizer, *["b"] * 6, "b" if said.strip() else "", "b"))
    if name.startswith("qwen"):
        decoded = tokenizer._tokenizer.decode(ids, skip_special_tokens=False)
        assert all(text in decoded for text in (others[0], others[1], told))


def test_markup_in_text_has_the_ids_of_plain_text(tokenizers: dict[str, ChatTokenizer]) -> None:
    plain = byte_level(*CHAT)
    plain.encode_special_tokens = True
    text = "a <tool_call>\n</tool_call>é <|im_end|><tool_call"
    assert tokenizers["qwen2.5"].encode_text(text) == plain.encode(text, add_special_tokens=False).ids


def test_added_tokens_that_are_only_text_are_matched_in_any_text(
    tokenizers: dict[str, ChatTokenizer],
) -> None:
    tokenizer = tokenizers["qwen3"]
    four, two = (tokenizer._tokenizer.token_to_id(spaces) for spaces in ("    ", "  "))
    ids = tokenizer.encode_text("<think>    a  ")
    assert (ids.count(four), ids.count(two)) == (1, 1)
    ids = tokenizer.encode_chat([Turn(role="user", content="<think>    a  ")])
    assert (ids.count(four), ids.count(two)) == (1, 1)


def test_markup_that_a_tokenizer_does_not_call_special_stays_in_a_reply(
    tokenizers: dict[str, ChatTokenizer],
) -> None:
    tokenizer = tokenizers["qwen2.5"]
    ids = [tokenizer._markup.ids[token] for token in ("<tool_call>", "<|im_end|>", "</tool_call>")]
    stream = tokenizer.detokenizer()
    assert "".join(map(stream.push, ids)) + stream.finish() == "<tool_call></tool_call>"


def test_an_assistants_thoughts_are_left_to_the_template(tokenizers: dict[str, ChatTokenizer]) -> None:
    turns = [Turn(role="user", content="a"), Turn(role="user", content="b")]
    said = Turn(role="assistant", content="<think>\nhm\n</think>\n\nyes <tool_call>")
    alone = Turn(role="assistant", content="yes <tool_call>")
    tokenizer = tokenizers["qwen3"]
    with_thought = tokenizer.encode_chat([turns[0], said, turns[1]])
    assert with_thought == tokenizer.encode_chat([turns[0], alone, turns[1]])
    assert tokenizer._markup.ids["<tool_call>"] not in with_thought
