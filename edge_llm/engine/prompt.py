"""Builds the prompt of a request: what of its conversation fits the context beside a reply."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge_llm.contract.turns import Turn
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
        RequestError: the request alone does not fit (context_overflow), or the chat template refuses it.
    """
    system = [turn for turn in request.turns[:1] if turn.role == "system"]
    new, kept = request.turns[len(system) :], list(history)
    room = capacity - min(request.max_tokens, capacity // 4)
    while True:
        ids = tokenizer.encode_chat([*system, *kept, *new], open_reply=not request.prefill_only)
        if len(ids) < (room if kept else capacity):
            return Prompt(ids, len(history) - len(kept))
        if not kept:
            text = f"the prompt has {len(ids)} tokens, the context holds {capacity}"
            raise RequestError("context_overflow", text)
        # A question goes with its answer.
        del kept[: 2 if len(kept) > 1 and kept[1].role == "assistant" else 1]
