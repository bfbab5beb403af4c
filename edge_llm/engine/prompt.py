"""Builds the prompt of a request: what of its conversation fits the context beside a reply."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import GenerationRequest
from edge_llm.errors import RequestError


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids of a prompt, and the number of the session's oldest turns that did not fit."""

    ids: list[int]
    dropped_messages: int


def build_prompt(
    request: GenerationRequest, history: Sequence[Turn], tokenizer: ChatTokenizer, capacity: int
) -> Prompt:
    """Encode the request's turns behind ``history``; of that the oldest go where ``capacity`` is too small.

    Raises:
        RequestError: the request alone does not fit (context_overflow), the chat template refuses it
            (bad_request), or the tokenizer does not belong to the model (internal).
    """
    system = [turn for turn in request.turns[:1] if turn.role == "system"]
    new = request.turns[len(system) :]
    kept = [_encodable(turn, tokenizer.vocab_size) for turn in history]
    room = capacity - min(request.max_tokens, capacity // 4)
    while True:
        ids = tokenizer.encode_chat([*system, *kept, *new], open_reply=not request.prefill_only)
        if len(ids) < (room if kept else capacity):
            _check_vocabulary(ids, tokenizer.vocab_size)
            return Prompt(ids, len(history) - len(kept))
        if not kept:
            text = f"the prompt has {len(ids)} tokens, the context holds {capacity}"
            raise RequestError("context_overflow", text)
        # A question goes with its answer.
        del kept[: 2 if len(kept) > 1 and kept[1].role == "assistant" else 1]


def _encodable(turn: Turn, vocab_size: int) -> Turn:
    """The turn, by its text alone if its ids are not the model's."""
    if isinstance(turn, GeneratedTurn) and not _within(turn.token_ids, vocab_size):
        return Turn(role=turn.role, content=turn.content)
    return turn


def _check_vocabulary(ids: Sequence[int], vocab_size: int) -> None:
    if not _within(ids, vocab_size):
        text = f"the tokenizer gives ids beyond the model's vocabulary of {vocab_size}"
        raise RequestError("internal", f"{text}: prepare the bundle again")


def _within(ids: Sequence[int], vocab_size: int) -> bool:
    return not ids or (min(ids) >= 0 and max(ids) < vocab_size)
