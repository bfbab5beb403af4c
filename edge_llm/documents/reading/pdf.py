"""Reads PDFs with pypdf: the lines of each page with the size of their letters, and the outline.

The one file that imports pypdf. It runs in a process of its own, see ``child``.
"""

import math
from collections.abc import Iterator
from io import BufferedReader
from time import process_time
from typing import Any

import pypdf
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

from edge_llm.documents.reading.blocks import Document, Heading, UnreadableError
from edge_llm.documents.reading.pdf_text import Line, Mark, blocks_of
from edge_llm.documents.reading.plain import title_of

_MAX_PAGES = 5000
_PAGES_CPU_S = 120
"""Seconds of the processor for pages, after which no more of them are read."""
_MAX_CHARACTERS = 20_000_000
_MAX_MARKS = 5000
_MAX_DEPTH = 8
_OWN_TITLE_CHARACTERS = 100


def read_pdf(opened: BufferedReader, path: str) -> Document:
    """Read a PDF; pages that cannot be read are left out.

    Raises:
        UnreadableError: it is damaged or encrypted, or has no text.
    """
    try:
        reader = pypdf.PdfReader(opened, strict=False)
        if reader.is_encrypted:
            reader.decrypt("")  # many may be read, but not changed, without a password
        pages = list(_pages(reader))
    except DependencyError as error:
        raise UnreadableError("it is encrypted with AES: install the package cryptography") from error
    except FileNotDecryptedError as error:
        raise UnreadableError("it is encrypted with a password") from error
    except Exception as error:
        # A damaged file ends in any error, from a KeyError to a RecursionError.
        raise UnreadableError(f"it is damaged ({type(error).__name__})") from error
    if not any(line.text for page in pages for line in page):
        raise UnreadableError("it has no text: it may be a scan")
    title = _title(reader)
    blocks = blocks_of(pages, _outline(reader))
    if not blocks:
        raise UnreadableError("it has no text but a table of contents")
    first = blocks[0]
    if not title and isinstance(first, Heading) and first.level == 1:
        title = first.text
    return Document(title or title_of(path), tuple(blocks))


def _pages(reader: pypdf.PdfReader) -> Iterator[list[Line]]:
    characters, began = 0, process_time()
    for number in range(min(len(reader.pages), _MAX_PAGES)):
        if process_time() > began + _PAGES_CPU_S:
            return
        try:
            lines = _lines(reader.pages[number])
        except (DependencyError, FileNotDecryptedError):
            raise
        except Exception:  # noqa: BLE001 - see read_pdf; the other pages may be well
            lines = []
        characters += sum(len(line.text) for line in lines)
        if characters > _MAX_CHARACTERS:
            return
        yield lines


def _lines(page: Any) -> list[Line]:
    found: list[tuple[str, float]] = []

    def visit(text: str, matrix: list[float], text_matrix: list[float], _font: Any, size: float) -> None:
        height = math.hypot(text_matrix[2], text_matrix[3]) * math.hypot(matrix[2], matrix[3])
        found.append((text, abs(size) * (height or 1.0)))

    page.extract_text(visitor_text=visit)
    lines: list[Line] = []
    text, sizes = "", [0.0]
    for part, size in found:
        for number, piece in enumerate(part.split("\n")):
            if number:
                lines.append(Line(" ".join(text.split()), max(sizes)))
                text, sizes = "", [0.0]
            text += piece
            if piece.strip():
                sizes.append(round(size, 1))
    lines.append(Line(" ".join(text.split()), max(sizes)))
    return [line for line in lines if line.text]


def _title(reader: pypdf.PdfReader) -> str:
    """The title that the file names; many programs write a file's name there."""
    try:
        title = str((reader.metadata and reader.metadata.title) or "")
    except Exception:  # noqa: BLE001 - see read_pdf; it goes without
        return ""
    title = " ".join(title.split())
    is_file = title.lower().startswith(("microsoft word", "untitled")) or "." in title[-6:-1]
    return "" if is_file or len(title) > _OWN_TITLE_CHARACTERS else title


def _outline(reader: pypdf.PdfReader) -> list[Mark]:
    marks: list[Mark] = []

    def walk(entries: list[Any], level: int) -> None:
        for entry in entries:
            if len(marks) >= _MAX_MARKS or level > _MAX_DEPTH:
                return
            if isinstance(entry, list):
                walk(entry, level + 1)
                continue
            page = reader.get_destination_page_number(entry)
            title = " ".join(str(entry.title or "").split())
            if page is not None and page >= 0 and title:
                marks.append(Mark(level, title, page))

    try:
        walk(reader.outline, 1)
    except (PyPdfError, Exception):  # noqa: BLE001 - see read_pdf; it goes without
        return []
    return marks
