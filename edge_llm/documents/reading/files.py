"""Reads a file of the folder: which kinds there are, how large they may be, in which process each is read."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BufferedReader
from pathlib import Path, PurePosixPath

from edge_llm.documents.reading.blocks import UnreadableError
from edge_llm.documents.reading.passages import Section, clean, cut_into_passages
from edge_llm.documents.reading.texts import TEXT_READERS, read_document

ENDINGS = frozenset({*TEXT_READERS, ".pdf"})
"""Endings of the files that are read, in small letters."""
MAX_TEXT_BYTES = 32 * 2**20
"""Largest file of text that is read."""
MAX_PDF_BYTES = 256 * 2**20
"""Largest PDF that is read; its pictures count, but are not looked at."""
_READ_HERE_BYTES = {".htm": 64 * 2**10, ".html": 64 * 2**10, ".pdf": 0}
"""A larger file is read in a process of its own: it may take long (damaged HTML) or much memory."""
_READ_TEXT_HERE_BYTES = 512 * 2**10


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
def read_file(opened: BufferedReader, path: str) -> Iterator[tuple[str, Iterable[Section]]]:
    """Read an open file, whose path below the folder is ``path``: its title and its passages.

    Raises:
        OSError: it cannot be read now.
        UnreadableError: it holds no text that can be read, or is too large. Also while passages are taken.
    """
    ending = PurePosixPath(path).suffix.lower()
    size = os.fstat(opened.fileno()).st_size
    most = MAX_PDF_BYTES if ending == ".pdf" else MAX_TEXT_BYTES
    if size > most:
        raise UnreadableError(f"it is larger than {most // 2**20} MiB")
    if ending == ".pdf" and find_spec("pypdf") is None:
        raise OSError("a PDF needs the package pypdf: pip install 'edge-llm[documents]'")
    if size > _READ_HERE_BYTES.get(ending, _READ_TEXT_HERE_BYTES):
        with _read_apart(opened, path) as found:
            yield found
    else:
        document = read_document(opened.read(), path)
        yield clean(document.title), cut_into_passages(document)


@contextmanager
def _read_apart(opened: BufferedReader, path: str) -> Iterator[tuple[str, Iterable[Section]]]:
    os.lseek(opened.fileno(), 0, os.SEEK_SET)
    command = [sys.executable, "-m", "edge_llm.documents.reading.child", path]
    with subprocess.Popen(
        command, stdin=opened, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="ascii"
    ) as child:
        assert child.stdout
        lines = (json.loads(line) for line in child.stdout if line.endswith("\n"))
        try:
            first = next(lines, None)
            if not isinstance(first, str):
                raise UnreadableError(_problem_of(first))
            yield first, _sections(lines)
        finally:
            child.kill()


def _sections(lines: Iterator[object]) -> Iterator[Section]:
    for line in lines:
        if not isinstance(line, list):
            if problem := _problem_of(line):
                raise UnreadableError(problem)
            return
        yield Section(*line)
    raise UnreadableError(_problem_of(None))


def _problem_of(line: object) -> str:
    if isinstance(line, dict):
        return str(line.get("problem"))
    return "reading it took too much time or memory"
