"""The bytes of each token of a vocabulary, as grammars are made of bytes."""

import re
from collections.abc import Callable, Collection

from tokenizers import Tokenizer

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Vocabulary:
    """What llguidance asks of a tokenizer; the names are its own."""

    bos_token_id = None

    def __init__(
        self,
        tokenizer: Tokenizer,
        encode: Callable[[str], list[int]],
        size: int,
        eos_token_id: int,
        markup: Collection[int],
    ) -> None:
        """Read all tokens below ``size``; those of ``markup`` are no text, and nor is what has no token."""
        self.eos_token_id = eos_token_id
        self.special_token_ids = sorted(markup)
        self.tokens = _token_bytes(tokenizer, size)
        self._encode = encode
        # Some of SentencePiece's kind put a space before every text, but none behind a line's end.
        spaced = self.tokens[encode("a")[0]].startswith(b" ")
        self._before = "\n" if spaced else ""
        self._skipped = len(encode(self._before))

    def __call__(self, text: str) -> list[int]:
        """Token ids of plain text in the middle of a reply."""
        return self._encode(self._before + text)[self._skipped :]


def _token_bytes(tokenizer: Tokenizer, size: int) -> list[bytes]:
    added = tokenizer.get_added_tokens_decoder()
    read = _byte_level if b"ByteLevel" in tokenizer.decoder.__getstate__() else _byte_fallback
    tokens = [b""] * size
    for token, index in tokenizer.get_vocab().items():
        if index < size:
            tokens[index] = token.encode() if index in added else read(token)
    return tokens


def _byte_level(token: str) -> bytes:
    """Bytes of a token of GPT-2's kind, where a character stands for each byte (Radford et al. 2019)."""
    return bytes(map(_BYTES.__getitem__, token)) if _BYTES.keys() >= set(token) else token.encode()


def _byte_fallback(token: str) -> bytes:
    """Bytes of a token of SentencePiece's kind."""
    byte = _BYTE.fullmatch(token)
    return bytes.fromhex(byte[1]) if byte else token.replace("▁", " ").encode()


def _byte_characters() -> dict[str, int]:
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_characters()
