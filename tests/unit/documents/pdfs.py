"""Makes small PDFs."""

import io

import pypdf

from edge_llm.documents.reading.blocks import Document
from edge_llm.documents.reading.pdf import read_pdf

Lines = list[tuple[float, str]]
"""Sizes of letters in points, and texts."""


def make_pdf(*pages: Lines, title: str = "") -> bytes:
    """Lay out each page's lines, from the top to the bottom."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in enumerate(pages):
        content = "".join(
            f"BT /F1 {size} Tf 50 {780 - 16 * row} Td ({_escaped(text)}) Tj ET\n"
            for row, (size, text) in enumerate(lines)
        )
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
            f" /Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(content.encode('cp1252'))} >>\nstream\n{content}endstream")
    if title:
        objects.append(f"<< /Title ({_escaped(title)}) >>")
    return _assembled(objects, info=len(objects) if title else None)


def text_page(*lines: str) -> Lines:
    return [(10, line) for line in lines]


def with_outline(data: bytes, *marks: tuple[str, int]) -> bytes:
    """Add an outline of titles and pages, which count from 0."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    for title, page in marks:
        writer.add_outline_item(title=title, page_number=page)
    return _written(writer)


def encrypted(data: bytes, password: str) -> bytes:
    """Encrypt so that ``password`` is needed to read."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(password, "owner", algorithm="RC4-128")
    return _written(writer)


def read(data: bytes, path: str = "manual.pdf") -> Document:
    return read_pdf(io.BufferedReader(io.BytesIO(data)), path)


def _written(writer: pypdf.PdfWriter) -> bytes:
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _assembled(objects: list[str], info: int | None) -> bytes:
    data = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode("cp1252")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    of_info = f" /Info {info} 0 R" if info else ""
    end = (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {size} /Root 1 0 R{of_info} >>\nstartxref\n{len(data)}\n%%EOF\n"
    )
    return data + end.encode()
