"""Reads a file of the folder: which kinds there are, which encodings, and how large they may be."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path, PurePosixPath

from edge_llm.documents.reading.blocks import Document, UnreadableError
from edge_llm.documents.reading.markdown import read_markdown
from edge_llm.documents.reading.passages import Section, cut_into_passages
from edge_llm.documents.reading.plain import read_text

MAX_TEXT_BYTES = 32 * 2**20
"""Largest file of text that is read."""

_TEXT_READERS: dict[str, Callable[[str, str], Document]] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
}
ENDINGS = frozenset(_TEXT_READERS)
"""Endings of the files that are read, in small letters."""


@contextmanager
def open_regular(file: Path) -> Iterator[BufferedReader]:
    """Open a file, but neither a link that was put in its place nor a pipe that would be waited for.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(file, flags), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError("it is no regular file")
        yield opened


@contextmanager
def read_file(opened: BufferedReader, path: str) -> Iterator[tuple[str, list[Section]]]:
    """Read an open file, whose path below the folder is ``path``: its title and its passages.

    Raises:
        UnreadableError: it holds no text that can be read, or is too large.
    """
    if os.fstat(opened.fileno()).st_size > MAX_TEXT_BYTES:
        raise UnreadableError(f"it is larger than {MAX_TEXT_BYTES // 2**20} MiB")
    document = _TEXT_READERS[PurePosixPath(path).suffix.lower()](decode(opened.read(MAX_TEXT_BYTES)), path)
    yield document.title, cut_into_passages(document)


def decode(data: bytes) -> str:
    r"""Decode a text: by its byte order mark, as UTF-8, else as Windows-1252; line ends become ``\n``.

    Raises:
        UnreadableError: it is binary.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    if text.count("\0", 0, 4096) > 1:
        raise UnreadableError("it is binary, not text")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
