"""Makes prompts of an exact number of tokens; each differs from all others from its first words on."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from edge_llm.contract.turns import Turn
from edge_llm.engine.tokenizer import ChatTokenizer

_WORDS = (  # plain ones, of one token each in most vocabularies
    "the",
    "light",
    "house",
    "warm",
    "water",
    "room",
    "door",
    "window",
    "day",
    "night",
    "time",
    "year",
    "people",
    "way",
    "man",
    "woman",
    "child",
    "world",
    "life",
    "hand",
    "part",
    "place",
    "case",
    "week",
    "company",
    "system",
    "program",
    "question",
    "work",
    "number",
    "point",
    "home",
)
LONG_PROMPT_TOKENS = 2048
_SYSTEM_WORDS = 3
"""Length of the system prompt. It is always given, since some templates add a long one otherwise."""


def lengths_of_round(prompt_tokens: Iterable[int], number: int) -> list[int]:
    """Return the lengths that round ``number`` (from 0) measures: long ones in every second round only."""
    return [tokens for tokens in prompt_tokens if tokens <= LONG_PROMPT_TOKENS or number % 2 == 0]


@dataclass(frozen=True)
class Prompt:
    """A conversation and its token ids."""

    messages: tuple[Turn, ...]
    ids: tuple[int, ...]


class Prompts:
    """Makes prompts for one tokenizer; the same seed gives the same prompts."""

    def __init__(self, tokenizer: ChatTokenizer, seed: int = 0) -> None:
        """Choose filling words that are one token each."""
        self._tokenizer = tokenizer
        self._random = random.Random(seed)  # noqa: S311 - filling, no secret
        self._count = cache(self._count_tokens)
        self._words = [word for word in _WORDS if self._count(f"Say {word}") == self._count("Say") + 1]

    def of(self, tokens: int) -> Prompt:
        """Make a new prompt of ``tokens`` tokens, or of the chat template's minimum if that is more."""
        words = self._random.sample(self._words, _SYSTEM_WORDS)
        return self._build(Turn(role="system", content=" ".join(words)), tokens)

    def with_prefix(self, prefix_tokens: int, tokens: int) -> tuple[Prompt, Prompt]:
        """Make two prompts with one new system prompt (``prefix_tokens``) and ``tokens`` of their own."""
        # Words of one token each, so the size of the system prompt is known without the template.
        system = Turn(role="system", content=" ".join(self._random.choices(self._words, k=prefix_tokens)))
        bare = len(self._tokenizer.encode_chat((system, Turn(role="user", content=""))))
        return self._build(system, bare + tokens), self._build(system, bare + tokens)

    def _build(self, system: Turn, tokens: int) -> Prompt:
        opening = self._random.choice(self._words)
        missing = tokens - len(self._tokenizer.encode_chat((system, Turn(role="user", content=opening))))
        words = [opening, *self._random.choices(self._words, k=max(0, missing))]
        messages = (system, Turn(role="user", content=" ".join(words)))
        return Prompt(messages, tuple(self._tokenizer.encode_chat(messages)))

    def _count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode_chat((Turn(role="user", content=text),)))
