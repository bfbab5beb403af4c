"""The prompt of a request: what of its session it holds, and ids that the model knows."""

from typing import cast

import pytest

from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.prompt import build_prompt
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import GenerationRequest
from edge_llm.errors import RequestError
from tests.unit.engine.fakes import VOCAB, FakeTokenizer

TOKENIZER = cast(ChatTokenizer, FakeTokenizer())
QUESTION = Turn(role="user", content="q")


@pytest.mark.parametrize("ids", [(5, VOCAB), (2**31,), (-1, 7)], ids=str)
def test_ids_outside_the_vocabulary_are_not_fed_the_text_is(ids: tuple[int, ...]) -> None:
    """Whatever a store holds: a state file can be damaged, or of another model."""
    history = (QUESTION, GeneratedTurn(role="assistant", content="hello", token_ids=ids))
    spoken = (QUESTION, Turn(role="assistant", content="hello"))
    request = GenerationRequest((QUESTION,), 8)
    assert build_prompt(request, history, TOKENIZER, 500) == build_prompt(request, spoken, TOKENIZER, 500)
    known = GeneratedTurn(role="assistant", content="hello", token_ids=(5, VOCAB - 1))
    assert build_prompt(request, (QUESTION, known), TOKENIZER, 500).ids[-6:] == [2, 5, VOCAB - 1, 2, 113, 3]


def test_a_tokenizer_that_knows_more_than_the_model_feeds_nothing() -> None:
    with pytest.raises(RequestError, match="beyond the model's vocabulary of 128") as refused:
        build_prompt(GenerationRequest((Turn(role="user", content="é"),), 8), (), TOKENIZER, 500)
    assert refused.value.code == "internal"
