"""Builds the prompt of a request, as much of a conversation as fits beside a reply, and cuts it in chunks."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import GenerationRequest
from edge_llm.errors import RequestError

PREFILL_CHUNK = 256
SHARED_PREFILL_CHUNK = 64
"""Tokens of a prompt fed between two decode steps; fewer while others are waiting for those."""

LAST_FED = 2
"""Minimum number of tokens in a prompt's last pass. One would do for logits, but ONNX Runtime's attention
adds up in another order for one token than for several, and int8 activations make that noise visible: a
cached prompt would not always get the tokens that it gets cold."""

LAST_PASS = 8
"""Maximum number of a prompt's last tokens that go through the decode graph together where there is a prefill
graph: for so few, one pass is faster than two. With more, a prompt whose beginning is cached would often not
get the keys, and so not always the tokens, that it gets cold."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids of a prompt, and the number of the session's oldest turns that did not fit."""

    ids: list[int]
    dropped_messages: int


def build_prompt(
    request: GenerationRequest, history: Sequence[Turn], tokenizer: ChatTokenizer, capacity: int
) -> Prompt:
    """Encode the request's turns behind ``history``; of that the oldest go where ``capacity`` is too small.

    They go in a block: what is left has half of the room. So the turns after this one begin with the same
    tokens, which the prefix cache knows, until the room is used up again.

    Raises:
        RequestError: the request alone does not fit (context_overflow), the chat template refuses it
            (bad_request), or the tokenizer does not belong to the model (internal).
    """
    system = [turn for turn in request.turns[:1] if turn.role == "system"]
    new = request.turns[len(system) :]
    known = [_encodable(turn, tokenizer.vocab_size) for turn in history]

    def encode(start: int) -> list[int]:
        turns = [*system, *known[start:], *new]
        return tokenizer.encode_chat(
            turns,
            open_reply=not request.prefill_only,
            thinking=request.thinks,
            tools=request.tools,
        )

    room = capacity - min(request.max_tokens, capacity // 4)
    dropped, ids = 0, encode(0)
    if known and len(ids) >= room:
        dropped = _choose_cut(known, room, lambda start: len(encode(start)))
        ids = encode(dropped)
    if len(ids) >= capacity:
        text = f"the prompt has {len(ids)} tokens, the context holds {capacity}"
        raise RequestError("context_overflow", text)
    _check_vocabulary(ids, tokenizer.vocab_size)
    return Prompt(ids, dropped)


def _choose_cut(history: Sequence[Turn], room: int, length: Callable[[int], int]) -> int:
    """Number of turns to drop; ``length(n)`` gives the tokens of the prompt without the first ``n``."""
    # At a user's turn: an answer stays with its question, a tool's result with its call.
    starts = [n for n, turn in enumerate(history) if n == 0 or turn.role == "user"]
    alone = length(len(history))
    half = alone + (room - alone) // 2
    cut = bisect_left(starts, True, key=lambda start: length(start) <= half)  # noqa: FBT003 - the value sought
    if cut < len(starts):
        return starts[cut]
    # Not even the last exchange fits into half of the room: better that alone than no memory at all.
    return starts[-1] if length(starts[-1]) < room else len(history)


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


def chunk_end(start: int, prompt_tokens: int, *, alone: bool, apart: bool) -> int:
    """Return the end of the next chunk of a prompt whose first ``start`` tokens are fed.

    ``alone``: nobody waits for a step meanwhile. ``apart``: all but the last tokens have a prefill graph.
    """
    end = min(start + (PREFILL_CHUNK if alone else SHARED_PREFILL_CHUNK), prompt_tokens)
    if end < prompt_tokens or (apart and prompt_tokens - start > LAST_PASS):
        return min(end, prompt_tokens - LAST_FED)
    return end
