"""Decodes a file of text and has it read by its kind."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from edge_llm.documents.reading.blocks import Document, UnreadableError
from edge_llm.documents.reading.html_page import read_html
from edge_llm.documents.reading.markdown import read_markdown
from edge_llm.documents.reading.plain import read_text

TEXT_READERS: dict[str, Callable[[str, str], Document]] = {
    ".htm": read_html,
    ".html": read_html,
    ".markdown": read_markdown,
    ".md": read_markdown,
    ".txt": read_text,
}
"""Readers by the ending of a file's name, in small letters."""

_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w.:-]{2,40})", re.IGNORECASE)
_CHARSET_BYTES = 4096


def read_document(data: bytes, path: str) -> Document:
    """Read a file of text, whose path below the folder is ``path``.

    Raises:
        UnreadableError: it is binary.
    """
    ending = PurePosixPath(path).suffix.lower()
    charset = _CHARSET.search(data, 0, _CHARSET_BYTES) if ending.startswith(".htm") else None
    text = decode(data, charset.group(1).decode("ascii") if charset else "cp1252")
    if text.count("\0", 0, 4096) > 1:
        raise UnreadableError("it is binary, not text")
    return TEXT_READERS[ending](text.replace("\0", ""), path)


def decode(data: bytes, otherwise: str = "cp1252") -> str:
    r"""Decode a text: by its byte order mark, as UTF-8, else as ``otherwise``; line ends become ``\n``."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            try:
                text = data.decode(otherwise, "replace")
            except LookupError:  # no such encoding
                text = data.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")
