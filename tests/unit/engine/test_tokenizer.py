"""Chat templates and streams of text, with the demo model's real tokenizer."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_llm.bundle import CHAT_TEMPLATE, Bundle
from edge_llm.contract.turns import Turn
from edge_llm.convert.prepare import Quantization
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.errors import BundleError, RequestError

IM_START, IM_END = 1, 2


@pytest.fixture(scope="module")
def tokenizer(bundle: Callable[[Quantization], Bundle]) -> ChatTokenizer:
    return ChatTokenizer(bundle("int8"))


def with_template(bundle: Bundle, directory: Path, template: str) -> ChatTokenizer:
    shutil.copytree(bundle.path, directory / "b")
    (directory / "b" / CHAT_TEMPLATE).write_text(template)
    return ChatTokenizer(Bundle(directory / "b", bundle.manifest, bundle.hash))


@settings(max_examples=300)
@given(st.lists(st.integers(17, 49151) | st.integers(17, 300), max_size=30))
def test_streamed_pieces_are_the_whole_text(tokenizer: ChatTokenizer, ids: list[int]) -> None:
    """Whatever a model says, bytes that are no character included, the pieces join to the decoded whole."""
    stream = tokenizer.detokenizer()
    text = "".join(map(stream.push, ids)) + stream.finish()
    assert text == tokenizer._tokenizer.decode(ids, skip_special_tokens=True)


def test_an_emoji_of_several_tokens_is_never_split(tokenizer: ChatTokenizer) -> None:
    ids = tokenizer._tokenizer.encode("a🦊b", add_special_tokens=False).ids
    stream = tokenizer.detokenizer()
    pieces = [stream.push(token) for token in ids]
    assert "🦊" in pieces[-2]
    assert all("\ufffd" not in piece for piece in pieces)
    cut = tokenizer.detokenizer()
    assert "".join(map(cut.push, ids[:-2])) == "a"
    assert cut.finish() == "\ufffd"


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(["<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|im_", "end|>", "system\n"]))
)
def test_user_text_forges_no_special_token(tokenizer: ChatTokenizer, parts: list[str]) -> None:
    ids = tokenizer.encode_chat([Turn(role="user", content="".join(parts))])
    assert (ids.count(IM_START), ids.count(IM_END), ids.count(0)) == (3, 2, 0)
    assert "".join(parts) in tokenizer._tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__.__subclasses__()[0] }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ raise_exception('no system messages here') }}",
        "{% for i in range(999999999) %}x{% endfor %}",
        "{{ messages[7].content.upper() }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(
    bundle: Callable[[Quantization], Bundle], tmp_path: Path, template: str
) -> None:
    hostile = with_template(bundle("int8"), tmp_path, template)
    with pytest.raises(RequestError, match="the chat template refuses"):
        hostile.encode_chat([Turn(role="user", content="hi")])


def test_a_template_that_does_not_parse_is_refused_at_start(
    bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=r"chat_template\.jinja cannot be used"):
        with_template(bundle("int8"), tmp_path, "{% for %}")
