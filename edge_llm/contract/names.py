"""Converts any text to a legal id, so that a room named "living room" or "Küche" has a conversation."""

import hashlib
import re

from edge_llm.config import ID_PATTERN

_MAX_LENGTH = 64
_HASH_LENGTH = 24
_ESCAPED = re.compile(r"[^A-Za-z0-9_.-]|-(?=\.)")


def id_of(text: str) -> str:
    """The id of a text: two texts never have the same.

    An id is its own. In another text each byte of a character that no id has becomes ``-.`` and two
    hexadecimal digits; so does a ``-`` before a ``.``. What is longer than 64 characters then is cut, and
    ends in ``-.h`` and the first 24 digits of the SHA-256 of the text.
    """
    encoded = _ESCAPED.sub(_escape, text)
    if len(encoded) > _MAX_LENGTH:
        digest = hashlib.sha256(_bytes(text)).hexdigest()[:_HASH_LENGTH]
        encoded = f"{encoded[: _MAX_LENGTH - _HASH_LENGTH - 3]}-.h{digest}"
    assert re.fullmatch(ID_PATTERN, encoded) or not text
    return encoded


def _escape(match: re.Match[str]) -> str:
    return "".join(f"-.{byte:02X}" for byte in _bytes(match[0]))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
