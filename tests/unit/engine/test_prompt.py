"""The prompt of a request: what of its session it holds, and ids that the model knows."""

from typing import cast

import pytest

from edge_llm.contract.turns import GeneratedTurn, Role, Turn
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
    assert build_prompt(request, (QUESTION, known), TOKENIZER, 500).ids[-6:] == [3, 5, VOCAB - 1, 2, 113, 3]


def test_a_tokenizer_that_knows_more_than_the_model_feeds_nothing() -> None:
    with pytest.raises(RequestError, match="beyond the model's vocabulary of 128") as refused:
        build_prompt(GenerationRequest((Turn(role="user", content="é"),), 8), (), TOKENIZER, 500)
    assert refused.value.code == "internal"


def turns(exchanges: int, length: int = 20) -> list[Turn]:
    """Questions and answers of ``length`` characters each, all different."""
    contents = [f"{number:0{length}}" for number in range(exchanges)]
    return [Turn(role=role, content=content) for content in contents for role in ("user", "assistant")]


def test_what_fits_is_left_alone() -> None:
    prompt = build_prompt(GenerationRequest((QUESTION,), 100), turns(4), TOKENIZER, 400)
    assert (len(prompt.ids), prompt.dropped_messages) == (4 * 42 + 3, 0)


def test_the_oldest_exchanges_go_in_a_block_that_leaves_half_of_the_room() -> None:
    rules = Turn(role="system", content="r" * 19)
    request = GenerationRequest((rules, QUESTION), 100)
    prompt = build_prompt(request, turns(7), TOKENIZER, 400)  # 317 tokens, the room is 300
    assert prompt.dropped_messages == 2 * 4
    kept = TOKENIZER.encode_chat([rules, *turns(7)[8:], QUESTION])
    assert prompt.ids == kept
    assert len(kept) <= 23 + (300 - 23) / 2 < len(kept) + 42


def test_the_last_exchange_stays_while_it_fits() -> None:
    request = GenerationRequest((QUESTION,), 100)
    assert build_prompt(request, turns(2, 120), TOKENIZER, 400).dropped_messages == 2
    assert build_prompt(request, turns(2, 160), TOKENIZER, 400).dropped_messages == 4


def test_a_question_goes_with_its_answer_and_one_without_goes_alone() -> None:
    request = GenerationRequest((QUESTION,), 100)
    history = [QUESTION, QUESTION, *turns(7)]
    kept = history[build_prompt(request, history, TOKENIZER, 400).dropped_messages :]
    assert kept[0].role == "user"
    assert kept == turns(7)[8:]


def test_what_does_not_fit_alone_is_refused() -> None:
    request = GenerationRequest((Turn(role="user", content="x" * 400),), 8)
    with pytest.raises(RequestError, match="the prompt has 402 tokens, the context holds 400"):
        build_prompt(request, turns(3), TOKENIZER, 400)


def test_a_tools_result_goes_with_its_call() -> None:
    roles: tuple[Role, ...] = ("user", "assistant", "tool", "assistant")
    history = [Turn(role=role, content=f"{number:030}") for number in range(4) for role in roles]
    prompt = build_prompt(GenerationRequest((QUESTION,), 100), history, TOKENIZER, 400)
    assert prompt.dropped_messages == 3 * 4
