"""Reads the bytes of a payload: as text, and for the id of a request that cannot be read as a whole."""

import codecs
import json
import re
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_llm.errors import RequestError

VERSION = 1
"""Version of the contract."""
_SHOWN_CHARACTERS = 64
"""Maximum characters of a field's name in an error."""
_UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
_LONGEST_ID = 256
"""Maximum characters of an id that is given back; a legal one has 64."""
_TOKEN = re.compile(
    rb"""
    "(?: [^"\\]++ | \\. )*+ (?: " | \\?\Z )   # a string; one that is cut goes to the end
    | '(?: [^'\\]++ | \\. )*+ (?: ' | \\?\Z ) # as Python prints it
    | [A-Za-z_]\w*+                           # a word
    | [{}\[\]]
    """,
    re.VERBOSE | re.DOTALL,
)
_VALUE = re.compile(
    rb"""
    \s* : \s*
    (?: (?P<json> "(?: [^"\\]++ | \\. )*+" ) | '(?P<plain> [^'\\]*+ )' | (?P<number> -?\d++ (?:\.\d++)? ) )
    \s* (?: [,}] | \Z )
    """,
    re.VERBOSE | re.DOTALL,
)


class Strict(BaseModel):
    """What clients send: no field that is unknown, no value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def decode(payload: bytes) -> str:
    """The text of a payload, without a byte order mark, and without the NUL that ends a string in C.

    Raises:
        RequestError: bad_request; it is no UTF-8.
    """
    content = payload.removeprefix(codecs.BOM_UTF8).rstrip(b"\0")
    if (content.startswith(_UTF_16) and content[2:]) or b"\0" in content:
        raise RequestError("bad_request", "not UTF-8: it has NUL bytes or the mark of UTF-16; send UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError("bad_request", f"not UTF-8 at byte {error.start}") from error


def explain(error: ValidationError, *, may_be_text: bool = True) -> str:
    """Say what is wrong with a payload, in a line that quotes none of it.

    ``may_be_text``: it could have been plain text instead of JSON.
    """
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # Which of several types was tried, literal['auto','none'] for example, is of no use to anybody.
    named = [str(part) for part in first["loc"] if not str(part).startswith("literal[")]
    where = ".".join(" ".join(part[:_SHOWN_CHARACTERS].split()) for part in named)
    words = first["msg"].removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        place = re.search(r"line \d+ column \d+", words)
        at = f", at {place[0]}" if place else ""
        if "recursion" in words:
            return f"the JSON is nested too deep{at}"
        if not may_be_text:
            return f"this is no JSON{at}"
        return (
            f"what begins with {{ is read as JSON, and this is none{at};"
            ' a text that begins with { is asked as {"text": "{..."}'
        )
    return f"{where}: {words}" if where else words


def is_blank(text: str) -> bool:
    """Return whether a text holds only white space, NUL and byte order marks."""
    return not text.strip("\ufeff\0").strip()


def refuse_deeper(value: Any, levels: int) -> None:
    """Refuse JSON that is nested deeper; looks no deeper itself.

    Raises:
        ValueError: it is.
    """
    if _is_deeper(value, levels):
        raise ValueError(f"nested deeper than {levels}")


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def find_id(payload: bytes, key: str = "id", most_tokens: int = 20_000) -> str | None:
    """The value of ``key`` in a payload that should be a JSON object, whatever else is wrong with it.

    Found in one pass over what comes before it: in an object that is too large, cut, in another encoding, or
    quoted as Python or JavaScript do. None if there is none, if it is neither a string nor a number, or if
    there are ``most_tokens`` strings, words and brackets before it.
    """
    content = payload.removeprefix(codecs.BOM_UTF8)
    if content.startswith(_UTF_16) or b"\0" in content:
        content = content.lstrip(b"\xfe\xff").replace(b"\0", b"")
    if not content.lstrip().startswith(b"{"):
        return None
    depth = 0
    for number, token in enumerate(_TOKEN.finditer(content)):
        if number >= most_tokens:
            return None
        word = token[0]
        depth += (word in b"{[") - (word in b"}]")
        is_key = depth == 1 and word.strip(b"\"'") == key.encode()
        if is_key and (value := _VALUE.match(content, token.end())):
            return _id_of(value)
    return None


def _id_of(value: re.Match[bytes]) -> str | None:
    found: str | None = None
    if value["json"] is None:
        found = (value["number"] or value["plain"]).decode("utf-8", "replace")
    else:
        with suppress(ValueError):  # an escape that is none, or no UTF-8
            found = str(json.loads(value["json"])).encode("utf-8", "replace").decode()
    return found if found and len(found) <= _LONGEST_ID else None
