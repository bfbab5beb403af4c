"""A scheduler over a small byte-level tokenizer and a model that says what a test wants, or anything."""

from collections.abc import Callable
from collections.abc import Sequence as Slots
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from edge_llm.bundle import KvGeometry
from edge_llm.contract.tools import Function, Tool
from edge_llm.contract.turns import Turn
from edge_llm.engine.constraint.constraint import Constraint
from edge_llm.engine.constraint.grammars import Grammars
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.scheduler import Scheduler
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import GenerationRequest
from edge_llm.errors import RequestError
from tests.small_tokenizers import byte_level, chat_tokenizer
from tests.unit.engine.fakes import Events, finish

SPECIAL = "<|end|>", "<tool_call>", "</tool_call>"
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}<|end|>{% endfor %}"
PIECES = ["on", "off", "na", "me", "name", "true", "arg", "um", "ent", '":', ', "', "{}", '{"', '"}', "th"]
Scores = Callable[[list[int]], NDArray[np.float32]]


def merged_tokenizer() -> Tokenizer:
    """Bytes, and pieces of two bytes and more, as real ones have."""
    letters = byte_level(*SPECIAL)
    vocab = letters.get_vocab()
    merges = []
    for piece in PIECES:
        left, right = piece[: len(piece) // 2], piece[len(piece) // 2 :]
        if left in vocab and right in vocab:
            merges.append((left, right))
            vocab[piece] = len(vocab)
    letters.model = models.BPE(vocab, merges)
    return letters


def tool(name: str, parameters: dict[str, Any] | None = None) -> Tool:
    return Tool(function=Function(name=name, parameters=parameters))


class Decoder:
    """Says each next token by ``scores`` of all ids before it; records how many tokens each pass has.

    Where a few tokens are allowed the others have the best logits, which nobody may look at.
    """

    def __init__(self, slots: int, vocab_size: int, scores: Scores) -> None:
        self.prefills_apart = False
        self.cache = KVCache(KvGeometry(layers=1, kv_heads=1, head_dim=1), slots, 8192)
        self.passes: list[tuple[tuple[int, ...], int]] = []
        self.exact: list[bool] = []
        self.allowed: list[list[int] | None] = []
        self._vocab_size, self._scores = vocab_size, scores
        self._fed: dict[int, list[int]] = {slot: [] for slot in range(slots)}

    def forward(
        self,
        slots: Slots[int],
        ids: NDArray[np.int64],
        logits: int,
        *,
        exact: bool = True,
        allowed: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        self.passes.append((tuple(slots), ids.shape[1]))
        self.exact.append(exact)
        self.allowed.append(None if allowed is None else allowed.tolist())
        result = np.zeros((len(slots), logits, self._vocab_size), dtype=np.float32)
        for row, slot in enumerate(slots):
            held = self._fed[slot][: self.cache.length(slot)] + ids[row].tolist()
            self._fed[slot] = held
            self.cache.advance(slot, ids.shape[1])
            for position in range(logits):
                result[row, position] = self._scores(held[: len(held) - logits + position + 1])
        if allowed is not None:
            result[..., np.setdiff1d(np.arange(self._vocab_size), allowed)] = np.inf
        return result


class Replies:
    """Makes replies of one model."""

    def __init__(
        self, directory: Path, scores: Scores, slots: int = 1, tokenizer: Tokenizer | None = None
    ) -> None:
        """Reply with ``tokenizer``, one of SPECIAL and more, by default of merged bytes."""
        self.tokenizer: ChatTokenizer = chat_tokenizer(directory, tokenizer or merged_tokenizer(), TEMPLATE)
        self.decoder = Decoder(slots, self.tokenizer.vocab_size, scores)
        end = self.tokenizer.markup[SPECIAL[0]]
        self.grammars = Grammars(self.tokenizer, (end,))
        self.scheduler = Scheduler(self.decoder, self.tokenizer, (end,), 8)

    def submit(self, **fields: Any) -> Events:
        """Queue a request; its grammar is there at once."""
        events = Events()
        request = GenerationRequest((Turn(role="user", content="?"),), **{"max_tokens": 400, **fields})
        sequence = Sequence(request, events)
        self.scheduler.submit(sequence)
        if request.constrained:
            made = self.make(request)
            if isinstance(made, RequestError):
                self.scheduler.cancel(sequence, made)
            else:
                self.scheduler.constrain(sequence, made)
        return events

    def make(self, request: GenerationRequest) -> Constraint | RequestError:
        found: list[Constraint | RequestError] = []
        self.grammars.make(request, found.append)
        self.grammars._thread.submit(lambda: None).result()
        return found[0]

    def finish(self) -> None:
        finish(self.scheduler)


def wanting(text: str) -> Scores:
    """Scores of a model that wants to say ``text``; made to say something else it wants to end."""
    tokenizer = merged_tokenizer()
    vocab = tokenizer.get_vocab()

    def scores(ids: list[int]) -> NDArray[np.float32]:
        result = np.zeros(len(vocab), dtype=np.float32)
        said = tokenizer.decode(ids, skip_special_tokens=False).rpartition("<|end|>")[2]
        wish = text[len(said) :] if text.startswith(said) else ""
        fitting = (t for t in vocab if wish.startswith(t.replace("Ġ", " ").replace("Ċ", "\n")))
        token = max(fitting, key=len, default="<|end|>")
        result[vocab[token]] = 1
        return result

    return scores
