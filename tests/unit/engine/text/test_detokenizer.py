"""Streamed pieces are the decoded whole, for byte-level tokenizers and for those with byte fallback."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders

from edge_llm.engine.text.detokenizer import Detokenizer, PendingIds
from tests.small_tokenizers import byte_fallback, byte_level


def repeating() -> Tokenizer:
    """A decoder that takes text back: of two same tokens one is said."""
    tokenizer = byte_level("<|end|>")
    tokenizer.decoder = decoders.CTC("Ā", "|", cleanup=False)
    return tokenizer


TOKENIZERS = {
    "byte-level": byte_level("<|im_start|>", "<|im_end|>"),
    "llama2": byte_fallback("<|im_end|>"),
    "mistral": byte_fallback("[INST]", spaces="first"),
    "gemma": byte_fallback("<end_of_turn>", spaces="none"),
    "phi3": byte_fallback("<|end|>", rstrip=True),
}


def streamed(tokenizer: Tokenizer, ids: list[int]) -> str:
    stream = Detokenizer(tokenizer, PendingIds(tokenizer))
    return "".join(map(stream.push, ids)) + stream.finish()


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=400)
@given(data=st.data())
def test_the_pieces_of_any_ids_are_the_decoded_whole(name: str, data: st.DataObject) -> None:
    """Special tokens, bytes that make characters, bytes that make none, letters, ids that are no token."""
    tokenizer = TOKENIZERS[name]
    size = tokenizer.get_vocab_size()
    character = st.characters(exclude_categories=["Cs"]).map(
        lambda c: tokenizer.encode(c, add_special_tokens=False).ids
    )
    one = st.integers(0, size + 3).map(lambda index: [index])
    last = st.integers(max(0, size - 105), size - 1).map(lambda index: [index])  # no bytes among them
    groups = data.draw(st.lists(one | character | last, max_size=30))
    ids = [index for group in groups for index in group]
    assert streamed(tokenizer, ids) == tokenizer.decode(ids, skip_special_tokens=True)


def test_a_run_of_bytes_that_is_no_text_neither_raises_nor_changes_what_was_said() -> None:
    tokenizer = TOKENIZERS["llama2"]
    byte = [tokenizer.token_to_id(f"<0x{value:02X}>") for value in range(256)]
    letter = tokenizer.token_to_id("a")
    fox = [byte[value] for value in "🦊".encode()]
    stream = Detokenizer(tokenizer, PendingIds(tokenizer))
    assert [stream.push(token) for token in (*fox, letter)] == ["", "", "", "", "🦊a"]
    assert [stream.push(token) for token in (*fox, byte[0xE4], letter)] == [
        "",
        "",
        "",
        "",
        "",
        "\ufffd" * 5 + "a",
    ]
    assert stream.push(fox[0]) == ""
    assert stream.finish() == "\ufffd"


def test_a_decoder_that_takes_text_back_does_not_raise() -> None:
    tokenizer = repeating()
    letters = [tokenizer.token_to_id(letter) for letter in "aabba"]
    whole = streamed(tokenizer, [*letters, *letters])
    assert "a" in whole
