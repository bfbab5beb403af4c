"""Makes passages a part of a question or its answer: a system text that holds them, or a quotation.

The model's special tokens cannot be forged by a passage: the node takes what it is sent for plain text.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from edge_llm.contract.node import Source
from edge_llm.contract.turns import Turn
from edge_llm.documents.passage import Found, Passage
from edge_llm.documents.tokens import LETTERS_PER_TOKEN, estimate_tokens
from edge_llm.documents.words import Words

_MARK = re.compile(r"^[-*•] ")
"""What an item of a list begins with."""


class Prompt:
    """Makes system texts in one language."""

    def __init__(self, words: Words, context_tokens: int, *, quotes: bool) -> None:
        """Quote passages of at most ``context_tokens``, as far as that can be told without a tokenizer.

        Whether it ``quotes``: lines of the papers are the answer then, and no model's words.
        """
        self.quotes = quotes
        self._words = words
        self._context_tokens = context_tokens

    @property
    def absent(self) -> str:
        """What is said where nothing fits."""
        return self._words.absent

    def characters(self, question: str) -> int:
        """Maximum number of characters of passages in the question's script."""
        unspaced = 2 * estimate_tokens(question) > len(question)
        return self._context_tokens * (1 if unspaced else LETTERS_PER_TOKEN)

    def fitting(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """Leave out what is over the budget; the first one is cut instead."""
        fitting: list[Passage] = []
        left = self._context_tokens
        for passage in passages:
            tokens = estimate_tokens(passage.text)
            if tokens <= left:
                fitting.append(passage)
                left -= tokens
            elif not fitting:
                kept = len(passage.text) * left // tokens
                return (replace(passage, text=passage.text[:kept]),)
        return tuple(fitting)

    def system(self, passages: Sequence[Passage], own: str | None) -> str:
        """Make the system text; ``own`` is the asker's.

        What is always the same stands first: the next question finds it in the node's prefix cache. Each line
        of a passage is quoted by itself, so that no passage can end its quotation.
        """
        blocks = [self._words.task.format(absent=self._words.absent)]
        before = ""
        for passage in passages:
            place = self._place(passage)
            blocks.append(f"{place}\n{_quoted(passage.text)}" if place != before else _quoted(passage.text))
            before = place
        return "\n\n".join([*blocks, own] if own else blocks)

    def quotation(self, found: Found) -> str:
        """Say lines of one document as an answer, word for word, behind its title."""
        text = _quotation(found.passages)
        return text if found.is_certain else f"{self._words.nearest}\n{text}"

    def _place(self, passage: Passage) -> str:
        page = self._words.page.format(page=passage.page) if passage.page else ""
        parts = passage.title or passage.document, page, passage.heading
        return f"[{_line(', '.join(filter(None, parts)))}]"


def _quotation(lines: Sequence[Passage]) -> str:
    title = _line(lines[0].title or lines[0].document)
    said = [_MARK.sub("", _line(each.text)).replace(" | ", "; ") for each in lines]
    return (
        f"{title}: {said[0]}" if len(said) == 1 else "\n".join([f"{title}:", *(f"- {each}" for each in said)])
    )


def question_of(text: str | None, messages: Sequence[Turn]) -> str:
    """The last thing that a user says in a request; empty where there is none."""
    said = [turn.content for turn in messages if turn.role == "user"]
    return text if text is not None else said[-1] if said else ""


def sources_of(passages: Sequence[Passage], best: Sequence[Passage]) -> list[dict[str, object]]:
    """The passages as an answer names them: each place once, those of ``best`` first."""
    ranks = {_place_of(each): rank for rank, each in reversed([*enumerate(best)])}
    places = sorted(dict.fromkeys(map(_place_of, passages)), key=lambda each: ranks.get(each, len(best)))
    return [
        Source(document=document, title=title, heading=heading, page=page).model_dump(exclude_none=True)
        for document, title, heading, page in places
    ]


def _place_of(passage: Passage) -> tuple[str, str, str, int | None]:
    return passage.document, passage.title, passage.heading, passage.page


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines() if line.strip())


def _line(text: str) -> str:
    """A text in one line, whatever it has in it."""
    return " ".join(text.split())
