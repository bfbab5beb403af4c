"""Text out of a stream of token ids, as soon as it is final."""

import re

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class PendingIds(dict[int, bool]):
    """Looks up whether an id adds no final text: it is a byte of byte fallback, or decodes to nothing.

    A run of such bytes is text only if all of it is UTF-8, which the token after the run decides.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Each id is looked up once."""
        super().__init__()
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder().items()
        self.special = frozenset(index for index, token in added if token.special)
        """Tokens that are no text at all."""

    def __missing__(self, token_id: int) -> bool:
        """Look the id up in the vocabulary."""
        token = self._tokenizer.id_to_token(token_id)
        self[token_id] = pending = not token or bool(_BYTE.fullmatch(token))  # ids above it have no token
        return pending


class Detokenizer:
    """Turns a growing list of token ids into text; the pieces join to the decoded whole. Never raises."""

    def __init__(self, tokenizer: Tokenizer, pending: PendingIds) -> None:
        """Start with no tokens; ``pending`` is shared by all detokenizers of a tokenizer."""
        self._tokenizer = tokenizer
        self._pending = pending
        self._stream: DecodeStream | None = DecodeStream(skip_special_tokens=False)
        self._ids: list[int] = []
        self._held: list[int] = []
        self._given = 0

    def push(self, token_id: int) -> str:
        """Return the text that ``token_id`` completes; empty while a character is unfinished."""
        if token_id in self._pending.special:
            return ""
        self._ids.append(token_id)
        if self._pending[token_id]:
            self._held.append(token_id)
            return ""
        if self._stream is None:
            return ""
        step: int | list[int] = token_id
        if self._held:
            step = [*self._held, token_id]
            self._held = []
        try:
            text = self._stream.step(self._tokenizer, step) or ""
        except Exception:  # noqa: BLE001 - a decoder that takes text back; the rest is given at the end
            self._stream = None
            return ""
        self._given += len(text)
        return text

    def finish(self) -> str:
        """Return the text that is left at the end: an unfinished character becomes U+FFFD."""
        whole: str = self._tokenizer.decode(self._ids, skip_special_tokens=False)
        return whole[self._given :]
