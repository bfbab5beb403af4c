"""Ids made of any text: legal, and never the same for two texts."""

import re
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from edge_llm.config import ID_PATTERN
from edge_llm.contract.names import id_of

LEGAL = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)


@given(LEGAL)
def test_an_id_is_its_own(text: str) -> None:
    assert id_of(text) == text or "-." in text


@given(st.text(min_size=1))
def test_any_text_has_a_legal_id(text: str) -> None:
    assert re.fullmatch(ID_PATTERN, id_of(text))


def test_no_two_texts_have_the_same() -> None:
    """All texts of up to five of the characters that the encoding itself is made of, and some more."""
    texts = ["".join(each) for length in range(1, 6) for each in product("-.20Ch ü", repeat=length)]
    assert len({id_of(text) for text in texts}) == len(texts)


@given(st.text(min_size=1), st.text(min_size=1))
def test_nor_have_any_two_others(one: str, other: str) -> None:
    assert (id_of(one) == id_of(other)) == (one == other)
    long = "ä" * 40
    assert (id_of(long + one) == id_of(long + other)) == (one == other)
