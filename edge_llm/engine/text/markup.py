"""Tells the tokens that give a conversation its form from the text that people and devices put in it."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer

_LOOKS_LIKE_MARKUP = re.compile(r"<\S+>|\[/?[A-Z][A-Z0-9_]*\]")
"""Added tokens that are markup even where their tokenizer does not call them special: Qwen's <tool_call>."""


class Markup:
    """The markup tokens of a tokenizer, which from then on takes them for plain text in what it encodes.

    What it goes on to match in any text is added tokens that are only text, such as runs of spaces.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Find the tokens and change the tokenizer."""
        added = tokenizer.get_added_tokens_decoder().items()
        unmarked = [
            token for _, token in added if not token.special and _LOOKS_LIKE_MARKUP.fullmatch(token.content)
        ]
        for token in unmarked:
            token.special = True
        tokenizer.add_special_tokens(unmarked)  # under the ids that they have
        tokenizer.encode_special_tokens = True  # their text, wherever it spells one
        self.ids = {token.content: index for index, token in added if token.special}
        self._strips_left = {token.content for _, token in added if token.lstrip}
        self._strips_right = {token.content for _, token in added if token.rstrip}
        longest_first = sorted(self.ids, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._begins = re.compile(f"(?={self.pattern.pattern})(.)", re.DOTALL)
        # Nobody outside can guess it, and JSON leaves it as it is.
        self._mark = f"~{secrets.token_hex(8)}"

    def break_up(self, value: Any) -> Any:
        """Return a text, or JSON with its keys, in which a mark breaks what spells markup."""
        if isinstance(value, str):
            return self._begins.sub(rf"\1{self._mark}~", value)
        if isinstance(value, Mapping):
            return {self.break_up(key): self.break_up(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.break_up(part) for part in value]
        return value

    def restore(self, text: str) -> str:
        """Return the text without those marks."""
        return text.replace(f"{self._mark}~", "")

    def keep_place(self, number: int) -> str:
        """Return a text that stands for the ids of a turn."""
        return f"{self._mark}={number}~"

    def split_places(self, text: str) -> list[str]:
        """Return the text cut where such texts stand: every second piece is a number."""
        return re.split(rf"{self._mark}=(\d+)~", text)

    def strip(self, text: str, before: str, after: str) -> str:
        """Return the text between two tokens, without the white space that belongs to those."""
        if before in self._strips_right:
            text = text.lstrip()
        return text.rstrip() if after in self._strips_left else text
